//! Temporal's messages, under short names, and the services that are generated from them. Nothing
//! outside of this crate names them.

pub(crate) use prost_wkt_types::{Any, Duration, Timestamp};
pub(crate) use temporalio_protos::google::rpc;
pub(crate) use temporalio_protos::grpc::health::v1 as health;
pub(crate) use temporalio_protos::temporal::api::{
    common::v1 as common, enums::v1 as enums, errordetails::v1 as details, failure::v1 as failure,
    history::v1 as history, namespace::v1 as namespace, nexus::v1 as nexus,
    nexusservices::workerservice::v1 as worker_service, operatorservice::v1 as operator,
    query::v1 as query, replication::v1 as replication, taskqueue::v1 as taskqueue,
    update::v1 as update, version::v1 as version, worker::v1 as worker, workflow::v1 as workflow,
    workflowservice::v1 as service,
};

/// What the build has generated.
#[expect(
    unreachable_pub,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub(crate) mod generated {
    /// `WorkflowService`.
    pub(crate) mod workflow {
        tonic::include_proto!("temporal.api.workflowservice.v1");
    }
    /// `Commands`, with its messages and its client.
    pub(crate) mod commands {
        tonic::include_proto!("sandglass.v1");
    }
    /// `OperatorService`.
    pub(crate) mod operator {
        tonic::include_proto!("temporal.api.operatorservice.v1");
    }
    /// `Health`.
    pub(crate) mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}
