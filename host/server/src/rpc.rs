//! The calls, each with the function that answers it. What is common to all is done here: the
//! namespace is looked at, and the end of each call is logged.

use crate::{
    activities, control, describe, door::Door, history, operate, poll,
    proto::generated::workflow::workflow_service_server::WorkflowService, proto::service, query,
    start, system, update, visibility, workers,
};
use tonic::{Request, Response, Status};

/// Logs how a call ended.
fn log<T>(call: &'static str, answer: Result<T, Status>) -> Result<Response<T>, Status> {
    match &answer {
        Ok(_) => tracing::debug!(call, "answered"),
        Err(status) => {
            tracing::debug!(call, code = ?status.code(), reason = status.message(), "refused");
        }
    }
    answer.map(Response::new)
}

macro_rules! calls {
    (@check namespace, $door:ident, $request:ident) => {
        $door.check_namespace(&$request.namespace)
    };
    (@check no_namespace, $door:ident, $request:ident) => {
        Ok::<(), Status>(())
    };
    ($($scope:ident $call:ident($request:ident) -> $response:ident: $answer:path;)+) => {
        #[tonic::async_trait]
        impl WorkflowService for Door {
            $(async fn $call(
                &self,
                request: Request<service::$request>,
            ) -> Result<Response<service::$response>, Status> {
                let request = request.into_inner();
                let door = self;
                let answer = match calls!(@check $scope, door, request) {
                    Ok(()) => $answer(door, request).await,
                    Err(status) => Err(status),
                };
                log(stringify!($call), answer)
            })+
        }
    };
}

calls! {
    no_namespace get_system_info(GetSystemInfoRequest) -> GetSystemInfoResponse: system::system;
    no_namespace get_cluster_info(GetClusterInfoRequest) -> GetClusterInfoResponse: system::cluster;
    no_namespace describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse:
        system::namespace;
    no_namespace list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse:
        system::namespaces;
    namespace start_workflow_execution(StartWorkflowExecutionRequest)
        -> StartWorkflowExecutionResponse: start::start;
    namespace signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest)
        -> SignalWithStartWorkflowExecutionResponse: start::signal_with_start;
    namespace request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest)
        -> RequestCancelWorkflowExecutionResponse: operate::cancel;
    namespace terminate_workflow_execution(TerminateWorkflowExecutionRequest)
        -> TerminateWorkflowExecutionResponse: operate::terminate;
    namespace signal_workflow_execution(SignalWorkflowExecutionRequest)
        -> SignalWorkflowExecutionResponse: operate::signal;
    namespace pause_workflow_execution(PauseWorkflowExecutionRequest)
        -> PauseWorkflowExecutionResponse: operate::pause;
    namespace unpause_workflow_execution(UnpauseWorkflowExecutionRequest)
        -> UnpauseWorkflowExecutionResponse: operate::unpause;
    namespace reset_workflow_execution(ResetWorkflowExecutionRequest)
        -> ResetWorkflowExecutionResponse: operate::reset;
    namespace describe_workflow_execution(DescribeWorkflowExecutionRequest)
        -> DescribeWorkflowExecutionResponse: describe::describe;
    namespace get_workflow_execution_history(GetWorkflowExecutionHistoryRequest)
        -> GetWorkflowExecutionHistoryResponse: history::get;
    namespace get_workflow_execution_history_reverse(GetWorkflowExecutionHistoryReverseRequest)
        -> GetWorkflowExecutionHistoryReverseResponse: history::get_reverse;
    namespace query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse: query::query;
    namespace update_workflow_execution(UpdateWorkflowExecutionRequest)
        -> UpdateWorkflowExecutionResponse: update::update;
    namespace poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest)
        -> PollWorkflowExecutionUpdateResponse: update::poll;
    namespace list_workflow_executions(ListWorkflowExecutionsRequest)
        -> ListWorkflowExecutionsResponse: visibility::list;
    namespace count_workflow_executions(CountWorkflowExecutionsRequest)
        -> CountWorkflowExecutionsResponse: visibility::count;
    namespace poll_workflow_task_queue(PollWorkflowTaskQueueRequest)
        -> PollWorkflowTaskQueueResponse: system::poll_workflow_task;
    namespace record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest)
        -> RecordActivityTaskHeartbeatResponse: activities::heartbeat;
    namespace record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest)
        -> RecordActivityTaskHeartbeatByIdResponse: activities::heartbeat_by_id;
    namespace respond_activity_task_completed(RespondActivityTaskCompletedRequest)
        -> RespondActivityTaskCompletedResponse: activities::completed;
    namespace respond_activity_task_completed_by_id(RespondActivityTaskCompletedByIdRequest)
        -> RespondActivityTaskCompletedByIdResponse: activities::completed_by_id;
    namespace respond_activity_task_failed(RespondActivityTaskFailedRequest)
        -> RespondActivityTaskFailedResponse: activities::failed;
    namespace respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest)
        -> RespondActivityTaskFailedByIdResponse: activities::failed_by_id;
    namespace respond_activity_task_canceled(RespondActivityTaskCanceledRequest)
        -> RespondActivityTaskCanceledResponse: activities::canceled;
    namespace respond_activity_task_canceled_by_id(RespondActivityTaskCanceledByIdRequest)
        -> RespondActivityTaskCanceledByIdResponse: activities::canceled_by_id;
    namespace poll_activity_task_queue(PollActivityTaskQueueRequest)
        -> PollActivityTaskQueueResponse: poll::poll;
    namespace poll_nexus_task_queue(PollNexusTaskQueueRequest)
        -> PollNexusTaskQueueResponse: control::poll;
    namespace respond_nexus_task_completed(RespondNexusTaskCompletedRequest)
        -> RespondNexusTaskCompletedResponse: control::completed;
    namespace respond_nexus_task_failed(RespondNexusTaskFailedRequest)
        -> RespondNexusTaskFailedResponse: control::failed;
    namespace record_worker_heartbeat(RecordWorkerHeartbeatRequest)
        -> RecordWorkerHeartbeatResponse: workers::heartbeat;
    namespace shutdown_worker(ShutdownWorkerRequest) -> ShutdownWorkerResponse: workers::shut_down;
    namespace list_workers(ListWorkersRequest) -> ListWorkersResponse: workers::list;
    namespace count_workers(CountWorkersRequest) -> CountWorkersResponse: workers::count;
    namespace describe_worker(DescribeWorkerRequest) -> DescribeWorkerResponse: workers::describe;
    namespace describe_task_queue(DescribeTaskQueueRequest)
        -> DescribeTaskQueueResponse: workers::describe_queue;
}
