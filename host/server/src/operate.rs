//! What is done to a run: cancel, terminate, delete, signal, pause, reset.

use crate::{
    bounds,
    door::Door,
    payload,
    proto::{common::WorkflowExecution, service::*},
    status,
};
use sandglass::{CancelOptions, ResetOptions, TerminateOptions};
use sandglass_engine::{EventId, OperatorRequest, ResetPoint, Signal};
use tonic::Status;

/// The reason of a request to terminate that gives none, as Temporal's server has it.
const NO_REASON: &str = "terminated by user via frontend";

fn given(id: String) -> Option<String> {
    Some(id).filter(|id| !id.is_empty())
}

pub(crate) async fn cancel(
    door: &Door,
    request: RequestCancelWorkflowExecutionRequest,
) -> Result<RequestCancelWorkflowExecutionResponse, Status> {
    let run = door.run(request.workflow_execution, &request.first_execution_run_id)?;
    let options = CancelOptions {
        reason: request.reason,
        identity: request.identity,
        request_id: given(request.request_id),
        ..CancelOptions::default()
    };
    // A run that has ended and one that is canceled already are no errors.
    let chain = status::of_chain(&request.first_execution_run_id);
    run.cancel(options).await.map_err(chain)?;
    Ok(RequestCancelWorkflowExecutionResponse::default())
}

pub(crate) async fn terminate(
    door: &Door,
    request: TerminateWorkflowExecutionRequest,
) -> Result<TerminateWorkflowExecutionResponse, Status> {
    let run = door.run(request.workflow_execution, &request.first_execution_run_id)?;
    bounds::names(&[("Identity", &request.identity)])?;
    bounds::small(request.reason.len())?;
    let reason = given(request.reason).unwrap_or_else(|| NO_REASON.into());
    let options = TerminateOptions {
        details: payload::list(request.details),
        ..TerminateOptions::new(reason, request.identity)
    };
    let chain = status::of_chain(&request.first_execution_run_id);
    run.terminate_with(options).await.map_err(chain)?;
    Ok(TerminateWorkflowExecutionResponse::default())
}

/// Temporal's server answers before the run is gone, this one after.
pub(crate) async fn delete(
    door: &Door,
    request: DeleteWorkflowExecutionRequest,
) -> Result<DeleteWorkflowExecutionResponse, Status> {
    let run = door.run(request.workflow_execution, "")?;
    // One that was cut off can be asked for again.
    let late = || Status::deadline_exceeded("other runs have not heard of its end yet: ask again");
    let gone = door.poll(run.delete()).await.ok_or_else(late)?;
    gone.map_err(status::of)?;
    Ok(DeleteWorkflowExecutionResponse::default())
}

pub(crate) async fn signal(
    door: &Door,
    request: SignalWorkflowExecutionRequest,
) -> Result<SignalWorkflowExecutionResponse, Status> {
    let run = door.run(request.workflow_execution, "")?;
    if request.signal_name.is_empty() {
        return Err(status::invalid("SignalName is not set on request."));
    }
    bounds::names(&[
        ("SignalName", &request.signal_name),
        ("RequestId", &request.request_id),
        ("Identity", &request.identity),
    ])?;
    let signal = Signal {
        name: request.signal_name,
        arguments: payload::list(request.input),
        header: payload::header(request.header),
        identity: request.identity,
        request_id: request.request_id,
    };
    run.signal(signal).await.map_err(status::of)?;
    Ok(SignalWorkflowExecutionResponse::default())
}

pub(crate) async fn pause(
    door: &Door,
    request: PauseWorkflowExecutionRequest,
) -> Result<PauseWorkflowExecutionResponse, Status> {
    let run = door.run(execution(request.workflow_id, request.run_id), "")?;
    let request = OperatorRequest {
        reason: request.reason,
        identity: request.identity,
        request_id: request.request_id,
    };
    run.pause(request).await.map_err(status::of)?;
    Ok(PauseWorkflowExecutionResponse::default())
}

pub(crate) async fn unpause(
    door: &Door,
    request: UnpauseWorkflowExecutionRequest,
) -> Result<UnpauseWorkflowExecutionResponse, Status> {
    let run = door.run(execution(request.workflow_id, request.run_id), "")?;
    let request = OperatorRequest {
        reason: request.reason,
        identity: request.identity,
        request_id: request.request_id,
    };
    run.unpause(request).await.map_err(status::of)?;
    Ok(UnpauseWorkflowExecutionResponse::default())
}

fn execution(workflow_id: String, run_id: String) -> Option<WorkflowExecution> {
    Some(WorkflowExecution {
        workflow_id,
        run_id,
    })
}

pub(crate) async fn reset(
    door: &Door,
    request: ResetWorkflowExecutionRequest,
) -> Result<ResetWorkflowExecutionResponse, Status> {
    let run = door.run(request.workflow_execution, "")?;
    if !request.post_reset_operations.is_empty() {
        return Err(Status::unimplemented(
            "operations after a reset are not served",
        ));
    }
    let event = u64::try_from(request.workflow_task_finish_event_id).unwrap_or_default();
    if event < 2 {
        let text = "Workflow task finish ID must be > 1 && <= workflow last event ID.";
        return Err(status::invalid(text));
    }
    let options = ResetOptions {
        reason: request.reason,
        identity: request.identity,
        request_id: given(request.request_id),
        ..ResetOptions::to(ResetPoint::Event(EventId(event)))
    };
    let new = run.reset(options).await.map_err(status::of)?;
    let run_id = new.run_id().unwrap_or_default().to_owned();
    Ok(ResetWorkflowExecutionResponse { run_id })
}
