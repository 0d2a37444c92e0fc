//! Temporal's calls over HTTP: the same functions that answer gRPC, with their messages as JSON.

use crate::{
    access::Access,
    front::Front,
    http::{
        answer::{Answer, Form, Refusal},
        json::{from_json, of_service, to_json},
        request::Asked,
    },
    proto::{
        generated::{
            operator::operator_service_server::OperatorService,
            workflow::workflow_service_server::WorkflowService,
        },
        operator, service,
    },
};
use prost::Message as _;
use tonic::{Request, Status};

pub(crate) async fn answer(
    front: &Front,
    access: Access,
    call: &'static str,
    asked: Asked,
    form: &Form,
) -> Result<Answer, Refusal> {
    let name = of_service(&format!("{call}Request"));
    let shorthand = asked.shorthand();
    let message = asked.message(&name).await?;
    let request = from_json(&name, message, shorthand)?;
    let response = dispatch(front, access, call, &request).await?;
    let name = of_service(&format!("{call}Response"));
    Ok(Answer::json(to_json(&name, &response, form.shorthand)?))
}

macro_rules! calls {
    ($($name:literal $call:ident $request:ident)+) => {
        /// Makes a call with an encoded request, on behalf of whoever has access; its response is
        /// encoded too.
        pub(crate) async fn dispatch(
            front: &Front,
            access: Access,
            call: &str,
            request: &[u8],
        ) -> Result<Vec<u8>, Status> {
            match call {
                "ListSearchAttributes" => {
                    let request = operator::ListSearchAttributesRequest::decode(request)
                        .map_err(|error| Status::invalid_argument(error.to_string()))?;
                    let mut request = Request::new(request);
                    request.extensions_mut().insert(access);
                    let answered = front.list_search_attributes(request).await?;
                    Ok(answered.into_inner().encode_to_vec())
                }
                $($name => {
                    let request = service::$request::decode(request)
                        .map_err(|error| Status::invalid_argument(error.to_string()))?;
                    let mut request = Request::new(request);
                    request.extensions_mut().insert(access);
                    let answered = WorkflowService::$call(front, request).await?;
                    Ok(answered.into_inner().encode_to_vec())
                })+
                _ => Err(Status::unimplemented(format!("{call} is not served over HTTP"))),
            }
        }
    };
}

calls! {
    "CountWorkers" count_workers CountWorkersRequest
    "CountWorkflowExecutions" count_workflow_executions CountWorkflowExecutionsRequest
    "DescribeNamespace" describe_namespace DescribeNamespaceRequest
    "DescribeTaskQueue" describe_task_queue DescribeTaskQueueRequest
    "DescribeWorker" describe_worker DescribeWorkerRequest
    "DescribeWorkflowExecution" describe_workflow_execution DescribeWorkflowExecutionRequest
    "GetClusterInfo" get_cluster_info GetClusterInfoRequest
    "GetSystemInfo" get_system_info GetSystemInfoRequest
    "GetWorkflowExecutionHistory" get_workflow_execution_history GetWorkflowExecutionHistoryRequest
    "GetWorkflowExecutionHistoryReverse"
        get_workflow_execution_history_reverse GetWorkflowExecutionHistoryReverseRequest
    "ListNamespaces" list_namespaces ListNamespacesRequest
    "ListWorkers" list_workers ListWorkersRequest
    "ListWorkflowExecutions" list_workflow_executions ListWorkflowExecutionsRequest
    "PauseWorkflowExecution" pause_workflow_execution PauseWorkflowExecutionRequest
    "QueryWorkflow" query_workflow QueryWorkflowRequest
    "RecordActivityTaskHeartbeat" record_activity_task_heartbeat RecordActivityTaskHeartbeatRequest
    "RecordActivityTaskHeartbeatById"
        record_activity_task_heartbeat_by_id RecordActivityTaskHeartbeatByIdRequest
    "RecordWorkerHeartbeat" record_worker_heartbeat RecordWorkerHeartbeatRequest
    "ResetWorkflowExecution" reset_workflow_execution ResetWorkflowExecutionRequest
    "RespondActivityTaskCanceled" respond_activity_task_canceled RespondActivityTaskCanceledRequest
    "RespondActivityTaskCanceledById"
        respond_activity_task_canceled_by_id RespondActivityTaskCanceledByIdRequest
    "RespondActivityTaskCompleted"
        respond_activity_task_completed RespondActivityTaskCompletedRequest
    "RespondActivityTaskCompletedById"
        respond_activity_task_completed_by_id RespondActivityTaskCompletedByIdRequest
    "RespondActivityTaskFailed" respond_activity_task_failed RespondActivityTaskFailedRequest
    "RespondActivityTaskFailedById"
        respond_activity_task_failed_by_id RespondActivityTaskFailedByIdRequest
    "SignalWithStartWorkflowExecution"
        signal_with_start_workflow_execution SignalWithStartWorkflowExecutionRequest
    "SignalWorkflowExecution" signal_workflow_execution SignalWorkflowExecutionRequest
    "StartWorkflowExecution" start_workflow_execution StartWorkflowExecutionRequest
    "TerminateWorkflowExecution" terminate_workflow_execution TerminateWorkflowExecutionRequest
    "UnpauseWorkflowExecution" unpause_workflow_execution UnpauseWorkflowExecutionRequest
    "UpdateWorkflowExecution" update_workflow_execution UpdateWorkflowExecutionRequest
}
