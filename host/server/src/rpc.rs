//! The calls, each with the function that answers it. What is common to all is done here: who asks
//! and for which namespace, the size of what came, and the end of each call is logged.

use crate::{
    access::Access, activities, bounds, control, describe, front::Front, history, multi, operate,
    poll, proto::generated::workflow::workflow_service_server::WorkflowService, proto::service,
    query, start, system, update, visibility, workers,
};
use prost::Message as _;
use tonic::{Request, Response, Status};

/// Logs how a call ended.
fn log<T>(call: &'static str, answer: &Result<T, Status>) {
    match answer {
        Ok(_) => tracing::debug!(call, "answered"),
        Err(status) => {
            tracing::debug!(call, code = ?status.code(), reason = status.message(), "refused");
        }
    }
}

macro_rules! calls {
    // What is about no namespace, or about several, looks itself which the caller may see.
    (@answer front, $front:ident, $access:ident, $request:ident, $answer:path) => {
        $answer($front, &$access, $request).await.map(Response::new)
    };
    (@answer namespace, $front:ident, $access:ident, $request:ident, $answer:path) => {
        match $front.door(&$access, &$request.namespace) {
            Ok(door) => $answer(door, $request).await.map(Response::new),
            Err(status) => Err(status),
        }
    };
    (@answer task, $front:ident, $access:ident, $request:ident, $answer:path) => {
        match $front.door(&$access, &$request.namespace) {
            Ok(door) => {
                // It may wait for long.
                drop($access);
                $answer(door, $request).await
            }
            Err(status) => Err(status),
        }
    };
    // What comes with a run or an activity the host's own limits are for.
    (@size payloads, $request:ident) => {
        Ok::<(), Status>(())
    };
    (@size $size:ident, $request:ident) => {
        bounds::$size($request.encoded_len())
    };
    ($(
        $scope:ident $size:ident $call:ident($request:ident) -> $response:ident: $answer:path;
    )+) => {
        #[tonic::async_trait]
        impl WorkflowService for Front {
            $(async fn $call(
                &self,
                request: Request<service::$request>,
            ) -> Result<Response<service::$response>, Status> {
                let access = Access::of(request.extensions())?;
                let (front, request) = (self, request.into_inner());
                let answer = match calls!(@size $size, request) {
                    Ok(()) => calls!(@answer $scope, front, access, request, $answer),
                    Err(status) => Err(status),
                };
                log(stringify!($call), &answer);
                answer
            })+
        }
    };
}

calls! {
    front small get_system_info(GetSystemInfoRequest)
        -> GetSystemInfoResponse: system::system;
    front small get_cluster_info(GetClusterInfoRequest)
        -> GetClusterInfoResponse: system::cluster;
    front small describe_namespace(DescribeNamespaceRequest) -> DescribeNamespaceResponse:
        system::namespace;
    front small list_namespaces(ListNamespacesRequest) -> ListNamespacesResponse:
        system::namespaces;
    namespace payloads start_workflow_execution(StartWorkflowExecutionRequest)
        -> StartWorkflowExecutionResponse: start::start;
    namespace payloads signal_with_start_workflow_execution(SignalWithStartWorkflowExecutionRequest)
        -> SignalWithStartWorkflowExecutionResponse: start::signal_with_start;
    namespace small request_cancel_workflow_execution(RequestCancelWorkflowExecutionRequest)
        -> RequestCancelWorkflowExecutionResponse: operate::cancel;
    namespace payloads terminate_workflow_execution(TerminateWorkflowExecutionRequest)
        -> TerminateWorkflowExecutionResponse: operate::terminate;
    namespace payloads signal_workflow_execution(SignalWorkflowExecutionRequest)
        -> SignalWorkflowExecutionResponse: operate::signal;
    namespace small pause_workflow_execution(PauseWorkflowExecutionRequest)
        -> PauseWorkflowExecutionResponse: operate::pause;
    namespace small unpause_workflow_execution(UnpauseWorkflowExecutionRequest)
        -> UnpauseWorkflowExecutionResponse: operate::unpause;
    namespace small reset_workflow_execution(ResetWorkflowExecutionRequest)
        -> ResetWorkflowExecutionResponse: operate::reset;
    namespace small delete_workflow_execution(DeleteWorkflowExecutionRequest)
        -> DeleteWorkflowExecutionResponse: operate::delete;
    namespace small describe_workflow_execution(DescribeWorkflowExecutionRequest)
        -> DescribeWorkflowExecutionResponse: describe::describe;
    namespace small get_workflow_execution_history(GetWorkflowExecutionHistoryRequest)
        -> GetWorkflowExecutionHistoryResponse: history::get;
    namespace small get_workflow_execution_history_reverse(
        GetWorkflowExecutionHistoryReverseRequest)
        -> GetWorkflowExecutionHistoryReverseResponse: history::get_reverse;
    namespace payloads query_workflow(QueryWorkflowRequest) -> QueryWorkflowResponse: query::query;
    namespace payloads update_workflow_execution(UpdateWorkflowExecutionRequest)
        -> UpdateWorkflowExecutionResponse: update::update;
    namespace payloads execute_multi_operation(ExecuteMultiOperationRequest)
        -> ExecuteMultiOperationResponse: multi::execute;
    namespace small poll_workflow_execution_update(PollWorkflowExecutionUpdateRequest)
        -> PollWorkflowExecutionUpdateResponse: update::poll;
    namespace small list_workflow_executions(ListWorkflowExecutionsRequest)
        -> ListWorkflowExecutionsResponse: visibility::list;
    namespace small count_workflow_executions(CountWorkflowExecutionsRequest)
        -> CountWorkflowExecutionsResponse: visibility::count;
    namespace small poll_workflow_task_queue(PollWorkflowTaskQueueRequest)
        -> PollWorkflowTaskQueueResponse: system::poll_workflow_task;
    namespace payloads record_activity_task_heartbeat(RecordActivityTaskHeartbeatRequest)
        -> RecordActivityTaskHeartbeatResponse: activities::heartbeat;
    namespace payloads record_activity_task_heartbeat_by_id(RecordActivityTaskHeartbeatByIdRequest)
        -> RecordActivityTaskHeartbeatByIdResponse: activities::heartbeat_by_id;
    namespace payloads respond_activity_task_completed(RespondActivityTaskCompletedRequest)
        -> RespondActivityTaskCompletedResponse: activities::completed;
    namespace payloads respond_activity_task_completed_by_id(
        RespondActivityTaskCompletedByIdRequest)
        -> RespondActivityTaskCompletedByIdResponse: activities::completed_by_id;
    namespace payloads respond_activity_task_failed(RespondActivityTaskFailedRequest)
        -> RespondActivityTaskFailedResponse: activities::failed;
    namespace payloads respond_activity_task_failed_by_id(RespondActivityTaskFailedByIdRequest)
        -> RespondActivityTaskFailedByIdResponse: activities::failed_by_id;
    namespace payloads respond_activity_task_canceled(RespondActivityTaskCanceledRequest)
        -> RespondActivityTaskCanceledResponse: activities::canceled;
    namespace payloads respond_activity_task_canceled_by_id(RespondActivityTaskCanceledByIdRequest)
        -> RespondActivityTaskCanceledByIdResponse: activities::canceled_by_id;
    task small poll_activity_task_queue(PollActivityTaskQueueRequest)
        -> PollActivityTaskQueueResponse: poll::poll;
    task small poll_nexus_task_queue(PollNexusTaskQueueRequest)
        -> PollNexusTaskQueueResponse: control::poll;
    namespace payloads respond_nexus_task_completed(RespondNexusTaskCompletedRequest)
        -> RespondNexusTaskCompletedResponse: control::completed;
    namespace payloads respond_nexus_task_failed(RespondNexusTaskFailedRequest)
        -> RespondNexusTaskFailedResponse: control::failed;
    namespace of_workers record_worker_heartbeat(RecordWorkerHeartbeatRequest)
        -> RecordWorkerHeartbeatResponse: workers::heartbeat;
    namespace of_workers shutdown_worker(ShutdownWorkerRequest)
        -> ShutdownWorkerResponse: workers::shut_down;
    namespace small list_workers(ListWorkersRequest) -> ListWorkersResponse: workers::list;
    namespace small count_workers(CountWorkersRequest) -> CountWorkersResponse: workers::count;
    namespace small describe_worker(DescribeWorkerRequest)
        -> DescribeWorkerResponse: workers::describe;
    namespace small describe_task_queue(DescribeTaskQueueRequest)
        -> DescribeTaskQueueResponse: workers::describe_queue;
}
