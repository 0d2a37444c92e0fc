//! The calls that are served, and what whoever makes them must be allowed to. The build makes the
//! traits of exactly these; whatever else a client asks for is refused by name.
//!
//! Who looks changes nothing. Who writes starts and ends runs, by force too, talks to them, and
//! works on their activities. What decides which code runs, for everybody, is an administrator's.
//! The routes of the HTTP API that are no calls have theirs in `http/routes.rs`.

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Everybody.
    Nothing,
    /// Whoever is known, with a role in whatever namespace.
    Name,
    /// Those who may look.
    Read,
    /// Those who may change runs.
    Write,
    /// Those who may change the namespace.
    Admin,
}

use Needs::{Admin, Name, Nothing, Read, Write};

/// Calls of `temporal.api.workflowservice.v1.WorkflowService`.
pub(crate) const WORKFLOW: &[(&str, Needs)] = &[
    ("CountWorkers", Read),
    ("CountWorkflowExecutions", Read),
    ("DeleteWorkflowExecution", Write),
    ("DescribeNamespace", Read),
    ("DescribeTaskQueue", Read),
    ("DescribeWorker", Read),
    ("DescribeWorkflowExecution", Read),
    ("ExecuteMultiOperation", Write),
    ("GetClusterInfo", Name),
    ("GetSystemInfo", Name),
    ("GetWorkflowExecutionHistory", Read),
    ("GetWorkflowExecutionHistoryReverse", Read),
    // Those in which the caller has a role.
    ("ListNamespaces", Name),
    ("ListWorkers", Read),
    ("ListWorkflowExecutions", Read),
    ("PauseWorkflowExecution", Write),
    ("PollActivityTaskQueue", Write),
    ("PollNexusTaskQueue", Write),
    ("PollWorkflowExecutionUpdate", Read),
    ("PollWorkflowTaskQueue", Write),
    ("QueryWorkflow", Read),
    ("RecordActivityTaskHeartbeat", Write),
    ("RecordActivityTaskHeartbeatById", Write),
    ("RecordWorkerHeartbeat", Write),
    ("RequestCancelWorkflowExecution", Write),
    ("ResetWorkflowExecution", Write),
    ("RespondActivityTaskCanceled", Write),
    ("RespondActivityTaskCanceledById", Write),
    ("RespondActivityTaskCompleted", Write),
    ("RespondActivityTaskCompletedById", Write),
    ("RespondActivityTaskFailed", Write),
    ("RespondActivityTaskFailedById", Write),
    ("RespondNexusTaskCompleted", Write),
    ("RespondNexusTaskFailed", Write),
    ("ShutdownWorker", Write),
    ("SignalWithStartWorkflowExecution", Write),
    ("SignalWorkflowExecution", Write),
    ("StartWorkflowExecution", Write),
    ("TerminateWorkflowExecution", Write),
    ("UnpauseWorkflowExecution", Write),
    ("UpdateWorkflowExecution", Write),
];

/// Calls of `temporal.api.operatorservice.v1.OperatorService`.
pub(crate) const OPERATOR: &[(&str, Needs)] = &[("ListSearchAttributes", Read)];

/// Calls of `grpc.health.v1.Health`.
pub(crate) const HEALTH: &[(&str, Needs)] = &[("Check", Nothing)];

/// Calls of `sandglass.v1.Commands`: those of our own command line.
pub(crate) const COMMANDS: &[(&str, Needs)] = &[
    ("DescribeComponent", Read),
    ("ListComponents", Read),
    ("PushComponent", Admin),
    ("RemoveComponent", Admin),
    // More for what changes something, once it is read.
    ("Run", Read),
    ("SignalWithStart", Write),
    ("Start", Write),
    ("Upgrade", Admin),
];
