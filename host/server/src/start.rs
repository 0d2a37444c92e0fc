//! `StartWorkflowExecution`, `SignalWithStartWorkflowExecution`.

use crate::{
    bounds,
    describe::status_of,
    door::Door,
    payload,
    proto::{
        common::{self, Link, link},
        enums::{EventType, WorkflowIdConflictPolicy, WorkflowIdReusePolicy},
        service::{
            SignalWithStartWorkflowExecutionRequest, SignalWithStartWorkflowExecutionResponse,
            StartWorkflowExecutionRequest, StartWorkflowExecutionResponse,
        },
    },
    status, time,
};
use sandglass::{
    IdConflictPolicy, IdReusePolicy, RetryPolicy, RunHandle, StartError, StartOptions,
};
use sandglass_engine::{Millis, Signal, Start};
use tonic::Status;

pub(crate) async fn start(
    door: &Door,
    request: StartWorkflowExecutionRequest,
) -> Result<StartWorkflowExecutionResponse, Status> {
    let options = options_of(door, request)?;
    let (request_id, reuse) = (options.request_id.clone(), options.id_reuse);
    let run = match door.host.start(options).await {
        Ok(run) => run,
        Err(error) => return Err(refused(door, error, reuse).await),
    };
    begun(door, &run, request_id.as_deref()).await
}

/// What a request to start a run asks for.
pub(crate) fn options_of(
    door: &Door,
    request: StartWorkflowExecutionRequest,
) -> Result<StartOptions, Status> {
    options(door, with_id(request)?, IdConflictPolicy::Fail)
}

/// The answer to a request that was given this run.
pub(crate) async fn begun(
    door: &Door,
    run: &RunHandle,
    request_id: Option<&str>,
) -> Result<StartWorkflowExecutionResponse, Status> {
    let begun = Begun::of(run).await?;
    Ok(StartWorkflowExecutionResponse {
        started: begun.is_by(request_id),
        status: begun.status.into(),
        link: Some(link_to_start(door, &begun)),
        first_execution_run_id: begun.start.first_run_id().to_owned(),
        run_id: begun.run_id,
        ..Default::default()
    })
}

pub(crate) async fn signal_with_start(
    door: &Door,
    request: SignalWithStartWorkflowExecutionRequest,
) -> Result<SignalWithStartWorkflowExecutionResponse, Status> {
    if request.signal_name.is_empty() {
        return Err(status::invalid("SignalName is not set on request."));
    }
    bounds::names(&[("SignalName", &request.signal_name)])?;
    let (name, arguments) = (
        request.signal_name.clone(),
        payload::list(request.signal_input.clone()),
    );
    let request = with_id(without_signal(request))?;
    let signal = Signal {
        name,
        arguments,
        // They are of both, the start and the signal.
        header: payload::header(request.header.clone()),
        identity: request.identity.clone(),
        // The same request again is the same signal too.
        request_id: request.request_id.clone(),
    };
    let options = options(door, request, IdConflictPolicy::UseExisting)?;
    let request_id = options.request_id.clone();
    let reuse = options.id_reuse;
    let run = match door.host.signal_with_start(options, signal).await {
        Ok(run) => run,
        Err(error) => return Err(refused(door, error, reuse).await),
    };
    let begun = Begun::of(&run).await?;
    Ok(SignalWithStartWorkflowExecutionResponse {
        started: begun.is_by(request_id.as_deref()),
        run_id: begun.run_id,
        ..Default::default()
    })
}

/// The request with an id: what it started is told from what was there by that.
fn with_id(
    mut request: StartWorkflowExecutionRequest,
) -> Result<StartWorkflowExecutionRequest, Status> {
    if request.request_id.is_empty() {
        request.request_id = bounds::new_id()?;
    }
    Ok(request)
}

/// The part of the request that a start has too.
fn without_signal(
    request: SignalWithStartWorkflowExecutionRequest,
) -> StartWorkflowExecutionRequest {
    StartWorkflowExecutionRequest {
        namespace: request.namespace,
        workflow_id: request.workflow_id,
        workflow_type: request.workflow_type,
        task_queue: request.task_queue,
        input: request.input,
        workflow_execution_timeout: request.workflow_execution_timeout,
        workflow_run_timeout: request.workflow_run_timeout,
        workflow_task_timeout: request.workflow_task_timeout,
        identity: request.identity,
        request_id: request.request_id,
        workflow_id_reuse_policy: request.workflow_id_reuse_policy,
        workflow_id_conflict_policy: request.workflow_id_conflict_policy,
        retry_policy: request.retry_policy,
        cron_schedule: request.cron_schedule,
        memo: request.memo,
        search_attributes: request.search_attributes,
        header: request.header,
        workflow_start_delay: request.workflow_start_delay,
        ..Default::default()
    }
}

/// What a start asks for.
fn options(
    door: &Door,
    request: StartWorkflowExecutionRequest,
    conflict: IdConflictPolicy,
) -> Result<StartOptions, Status> {
    // Before anything that could hide a start without an id.
    if request.workflow_id.is_empty() {
        return Err(status::invalid("WorkflowId is not set on request."));
    }
    if !request.completion_callbacks.is_empty() {
        return Err(Status::unimplemented("completion callbacks are not served"));
    }
    let (id_reuse, id_conflict) = policies(&request, conflict);
    let workflow_type = request.workflow_type.unwrap_or_default().name;
    let task_queue = request.task_queue.unwrap_or_default().name;
    bounds::names(&[
        ("WorkflowType", &workflow_type),
        ("TaskQueue", &task_queue),
        ("RequestId", &request.request_id),
        ("Identity", &request.identity),
        ("CronSchedule", &request.cron_schedule),
    ])?;
    let queues = door
        .queues
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let component = queues.component(&task_queue, &workflow_type)?;
    drop(queues);
    let limit = |what, length| time::optional(what, length);
    Ok(StartOptions {
        component: Some(component),
        task_queue,
        arguments: payload::list(request.input),
        identity: request.identity,
        request_id: Some(request.request_id).filter(|id| !id.is_empty()),
        run_timeout: limit("the run timeout", request.workflow_run_timeout)?,
        task_timeout: limit("the workflow task timeout", request.workflow_task_timeout)?,
        header: payload::header(request.header),
        execution_timeout: limit("the execution timeout", request.workflow_execution_timeout)?,
        retry: request.retry_policy.map(retry_policy).transpose()?,
        cron: Some(request.cron_schedule).filter(|cron| !cron.is_empty()),
        start_delay: limit("the start delay", request.workflow_start_delay)?,
        id_reuse,
        id_conflict,
        memo: payload::memo(request.memo),
        search_attributes: payload::search_attributes(request.search_attributes),
        ..StartOptions::new(workflow_type, request.workflow_id)
    })
}

fn policies(
    request: &StartWorkflowExecutionRequest,
    default: IdConflictPolicy,
) -> (IdReusePolicy, IdConflictPolicy) {
    let conflict = match request.workflow_id_conflict_policy() {
        WorkflowIdConflictPolicy::Unspecified => default,
        WorkflowIdConflictPolicy::Fail => IdConflictPolicy::Fail,
        WorkflowIdConflictPolicy::UseExisting => IdConflictPolicy::UseExisting,
        WorkflowIdConflictPolicy::TerminateExisting => IdConflictPolicy::TerminateExisting,
    };
    #[expect(deprecated, reason = "older clients still send it")]
    match request.workflow_id_reuse_policy() {
        WorkflowIdReusePolicy::TerminateIfRunning => (
            IdReusePolicy::AllowDuplicate,
            IdConflictPolicy::TerminateExisting,
        ),
        WorkflowIdReusePolicy::AllowDuplicateFailedOnly => {
            (IdReusePolicy::AllowDuplicateFailedOnly, conflict)
        }
        WorkflowIdReusePolicy::RejectDuplicate => (IdReusePolicy::RejectDuplicate, conflict),
        WorkflowIdReusePolicy::Unspecified | WorkflowIdReusePolicy::AllowDuplicate => {
            (IdReusePolicy::AllowDuplicate, conflict)
        }
    }
}

/// A retry policy as it came, with the defaults that the API has for zero.
fn retry_policy(policy: common::RetryPolicy) -> Result<RetryPolicy, Status> {
    let default = RetryPolicy::default();
    let interval = |what, length| Ok::<_, Status>(time::optional(what, length)?.map(Millis::from));
    let initial = interval("the initial interval", policy.initial_interval)?;
    let maximum_attempts = u32::try_from(policy.maximum_attempts);
    let types = policy.non_retryable_error_types.iter();
    bounds::small(types.map(String::len).sum())?;
    Ok(RetryPolicy {
        initial_interval: initial.unwrap_or(default.initial_interval),
        backoff_coefficient: match policy.backoff_coefficient {
            0.0 => default.backoff_coefficient,
            coefficient => coefficient,
        },
        maximum_interval: interval("the maximum interval", policy.maximum_interval)?,
        maximum_attempts: maximum_attempts
            .map_err(|_| status::invalid("MaximumAttempts cannot be negative on retry policy."))?,
        non_retryable_types: policy.non_retryable_error_types,
    })
}

/// The run that a start has given.
struct Begun {
    run_id: String,
    start: Start,
    status: crate::proto::enums::WorkflowExecutionStatus,
}

impl Begun {
    async fn of(run: &RunHandle) -> Result<Self, Status> {
        let run_id = run.run_id().unwrap_or_default().to_owned();
        let start = run.started().await.map_err(status::of)?;
        let described = run.describe().await.map_err(status::of)?;
        Ok(Self {
            run_id,
            start,
            status: status_of(&described.status),
        })
    }

    /// Whether it was this request that started it.
    fn is_by(&self, request_id: Option<&str>) -> bool {
        request_id == Some(&*self.start.request_id)
    }
}

fn link_to_start(door: &Door, begun: &Begun) -> Link {
    let event = link::workflow_event::EventReference {
        event_id: 1,
        event_type: EventType::WorkflowExecutionStarted.into(),
    };
    Link {
        variant: Some(link::Variant::WorkflowEvent(link::WorkflowEvent {
            namespace: door.namespace.clone(),
            workflow_id: begun.start.workflow_id.clone(),
            run_id: begun.run_id.clone(),
            reference: Some(link::workflow_event::Reference::EventRef(event)),
        })),
    }
}

/// The status of a start that was refused, with the run that stands in its way.
pub(crate) async fn refused(door: &Door, error: StartError, reuse: IdReusePolicy) -> Status {
    let (workflow_id, run_id, message) = match error {
        StartError::AlreadyStarted {
            workflow_id,
            run_id,
        } => {
            let message = format!(
                "Workflow execution is already running. WorkflowId: {workflow_id}, RunId: {run_id}."
            );
            (workflow_id, run_id, message)
        }
        StartError::IdUsed {
            workflow_id,
            run_id,
        } => {
            let (how, policy) = match reuse {
                IdReusePolicy::AllowDuplicateFailedOnly => (
                    "finished successfully",
                    "allow duplicate workflow Id if last run failed",
                ),
                _ => ("finished", "reject duplicate workflow Id"),
            };
            let message = format!(
                "Workflow execution already {how}. WorkflowId: {workflow_id}, RunId: {run_id}. \
                 Workflow Id reuse policy: {policy}."
            );
            (workflow_id, run_id, message)
        }
        error => return status::of_start(error),
    };
    let other = door.host.run(workflow_id, Some(&run_id)).started().await;
    // It may be gone by now; the text says all that matters.
    let request_id = other.map_or_else(|_| String::new(), |start| start.request_id);
    status::already_started(message, request_id, run_id)
}
