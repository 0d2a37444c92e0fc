//! The calls that are served. The build makes the traits of exactly these; whatever else a client
//! asks for is refused by name.

/// Calls of `temporal.api.workflowservice.v1.WorkflowService`.
pub(crate) const WORKFLOW: &[&str] = &[
    "CountWorkers",
    "CountWorkflowExecutions",
    "DescribeNamespace",
    "DescribeTaskQueue",
    "DescribeWorker",
    "DescribeWorkflowExecution",
    "GetClusterInfo",
    "GetSystemInfo",
    "GetWorkflowExecutionHistory",
    "GetWorkflowExecutionHistoryReverse",
    "ListNamespaces",
    "ListWorkers",
    "ListWorkflowExecutions",
    "PauseWorkflowExecution",
    "PollActivityTaskQueue",
    "PollNexusTaskQueue",
    "PollWorkflowExecutionUpdate",
    "PollWorkflowTaskQueue",
    "QueryWorkflow",
    "RecordActivityTaskHeartbeat",
    "RecordActivityTaskHeartbeatById",
    "RecordWorkerHeartbeat",
    "RequestCancelWorkflowExecution",
    "ResetWorkflowExecution",
    "RespondActivityTaskCanceled",
    "RespondActivityTaskCanceledById",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskCompletedById",
    "RespondActivityTaskFailed",
    "RespondActivityTaskFailedById",
    "RespondNexusTaskCompleted",
    "RespondNexusTaskFailed",
    "ShutdownWorker",
    "SignalWithStartWorkflowExecution",
    "SignalWorkflowExecution",
    "StartWorkflowExecution",
    "TerminateWorkflowExecution",
    "UnpauseWorkflowExecution",
    "UpdateWorkflowExecution",
];

/// Calls of `grpc.health.v1.Health`.
pub(crate) const HEALTH: &[&str] = &["Check"];
