//! What clients and workers ask before anything else: what the server can do, which namespaces
//! there are. And what a worker is told that wants to run workflows itself.

use crate::{
    door::{Door, NAMESPACE},
    proto::{
        Duration,
        enums::NamespaceState,
        namespace::{
            NamespaceConfig, NamespaceInfo,
            namespace_info::{Capabilities, Limits},
        },
        replication::{ClusterReplicationConfig, NamespaceReplicationConfig},
        service::{self, get_system_info_response},
        version::{ReleaseInfo, VersionInfo},
    },
};
use std::collections::HashMap;
use tonic::Status;

/// The id of the one namespace: the same in every store, so that clients may keep it.
const NAMESPACE_ID: &str = "73616e64-676c-4173-8000-64656661756c";

const CLUSTER: &str = "sandglass";

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn system(
    _door: &Door,
    _request: service::GetSystemInfoRequest,
) -> Result<service::GetSystemInfoResponse, Status> {
    Ok(service::GetSystemInfoResponse {
        server_version: VERSION.into(),
        capabilities: Some(get_system_info_response::Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            encoded_failure_attributes: true,
            upsert_memo: true,
            sdk_metadata: true,
            count_group_by_execution_status: true,
            // Schedules, versions by build id, eager starts and Nexus are not served.
            ..Default::default()
        }),
    })
}

pub(crate) async fn cluster(
    _door: &Door,
    _request: service::GetClusterInfoRequest,
) -> Result<service::GetClusterInfoResponse, Status> {
    Ok(service::GetClusterInfoResponse {
        supported_clients: HashMap::new(),
        server_version: VERSION.into(),
        cluster_id: NAMESPACE_ID.into(),
        version_info: Some(VersionInfo {
            current: Some(ReleaseInfo {
                version: VERSION.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        cluster_name: CLUSTER.into(),
        history_shard_count: 1,
        persistence_store: "sqlite".into(),
        visibility_store: "sqlite".into(),
        ..Default::default()
    })
}

/// The namespace. What is left out here Go clients would stumble over.
fn described() -> service::DescribeNamespaceResponse {
    service::DescribeNamespaceResponse {
        namespace_info: Some(NamespaceInfo {
            name: NAMESPACE.into(),
            state: NamespaceState::Registered.into(),
            id: NAMESPACE_ID.into(),
            capabilities: Some(Capabilities {
                sync_update: true,
                async_update: true,
                workflow_pause: true,
                worker_heartbeats: true,
                worker_commands: true,
                worker_poll_complete_on_shutdown: true,
                ..Default::default()
            }),
            // Without numbers: a worker that knows a limit fails what is larger so that it is
            // retried, the host so that it is not.
            limits: Some(Limits::default()),
            ..Default::default()
        }),
        config: Some(NamespaceConfig {
            workflow_execution_retention_ttl: Some(Duration::default()),
            ..Default::default()
        }),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: CLUSTER.into(),
            clusters: vec![ClusterReplicationConfig {
                cluster_name: CLUSTER.into(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) async fn namespace(
    door: &Door,
    request: service::DescribeNamespaceRequest,
) -> Result<service::DescribeNamespaceResponse, Status> {
    if request.id != NAMESPACE_ID || !request.namespace.is_empty() {
        door.check_namespace(&request.namespace)?;
    }
    Ok(described())
}

pub(crate) async fn namespaces(
    _door: &Door,
    _request: service::ListNamespacesRequest,
) -> Result<service::ListNamespacesResponse, Status> {
    Ok(service::ListNamespacesResponse {
        namespaces: vec![described()],
        ..Default::default()
    })
}

pub(crate) async fn poll_workflow_task(
    door: &Door,
    request: service::PollWorkflowTaskQueueRequest,
) -> Result<service::PollWorkflowTaskQueueResponse, Status> {
    let queue = request.task_queue.unwrap_or_default().name;
    // Each worker asks again and again.
    if door.workers.is_first_to_ask(&queue) {
        tracing::warn!(
            task_queue = queue,
            worker = request.identity,
            "a worker asks for workflow tasks; workflows here are wasm components"
        );
    }
    // Go's workers stop at once at this code; those on the common core 60 s after any.
    Err(Status::invalid_argument(format!(
        "workflows here are WebAssembly components that the server runs itself: register no \
         workflows with the worker of task queue {queue:?}, and give the component to the server \
         (`sandglass server --component FILE --task-queue {queue}`)"
    )))
}
