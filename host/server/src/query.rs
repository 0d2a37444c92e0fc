//! `QueryWorkflow`.

use crate::{
    bounds,
    describe::status_of,
    door::Door,
    payload,
    proto::{
        enums::QueryRejectCondition,
        query::QueryRejected,
        service::{QueryWorkflowRequest, QueryWorkflowResponse},
    },
    status,
};
use sandglass::{MessageError, QueryOptions, QueryReject};
use tonic::Status;

pub(crate) async fn query(
    door: &Door,
    request: QueryWorkflowRequest,
) -> Result<QueryWorkflowResponse, Status> {
    let reject = match request.query_reject_condition() {
        QueryRejectCondition::NotOpen => QueryReject::NotOpen,
        QueryRejectCondition::NotCompletedCleanly => QueryReject::NotCompletedCleanly,
        QueryRejectCondition::Unspecified | QueryRejectCondition::None => QueryReject::None,
    };
    let run = door.run(request.execution, "")?;
    let Some(query) = request.query.filter(|query| !query.query_type.is_empty()) else {
        return Err(status::invalid("QueryType is not set on request."));
    };
    bounds::names(&[("QueryType", &query.query_type)])?;
    let options = QueryOptions {
        name: query.query_type,
        arguments: payload::list(query.query_args),
        header: payload::header(query.header),
        reject,
        timeout: None,
    };
    match run.query(options).await {
        Ok(answer) => Ok(QueryWorkflowResponse {
            query_result: payload::to_one(answer),
            ..Default::default()
        }),
        Err(MessageError::Rejected(status)) => Ok(QueryWorkflowResponse {
            query_rejected: Some(QueryRejected {
                status: status_of(&status).into(),
            }),
            ..Default::default()
        }),
        Err(error) => Err(status::of_message(error, &door.namespace)),
    }
}
