//! `ExecuteMultiOperation`: a start and an update in one call. The run has the update before its
//! first workflow task, or is one that was open already.

use crate::{
    door::Door,
    proto::{
        common::WorkflowExecution,
        service::{
            ExecuteMultiOperationRequest, ExecuteMultiOperationResponse,
            StartWorkflowExecutionRequest, UpdateWorkflowExecutionRequest,
            execute_multi_operation_request::operation::Operation,
            execute_multi_operation_response::{self, response::Response},
        },
    },
    start, status, update,
};
use sandglass::{Error, IdConflictPolicy, MessageError};
use tonic::Status;

/// A run that was open may end before it is asked: how often it is begun anew then.
const TRIES: u32 = 3;

/// The place of each operation in the request.
const START: usize = 0;
const UPDATE: usize = 1;

pub(crate) async fn execute(
    door: &Door,
    request: ExecuteMultiOperationRequest,
) -> Result<ExecuteMultiOperationResponse, Status> {
    let (start, update) = operations(request)?;
    let failed = |place| move |error: Status| status::of_operation(place, &error);
    check_start(door, &start).map_err(failed(START))?;
    check_update(door, &start.workflow_id, &update).map_err(failed(UPDATE))?;
    let options = start::options_of(door, start).map_err(failed(START))?;
    let asked = update::options_of(update).map_err(failed(UPDATE))?;
    let mut tries = 1;
    loop {
        let begun = door.host.start_with_update(options.clone(), &asked).await;
        let run = match begun {
            Ok(run) => run,
            Err(error) => {
                let refused = start::refused(door, error, options.id_reuse).await;
                return Err(status::of_operation(START, &refused));
            }
        };
        match update::answer(door, &run, asked.clone()).await {
            Ok(answered) => {
                let request_id = options.request_id.as_deref();
                let begun = start::begun(door, &run, request_id).await?;
                return Ok(response(vec![
                    Response::StartWorkflow(begun),
                    Response::UpdateWorkflow(answered),
                ]));
            }
            Err(MessageError::Host(Error::Closed { .. }))
                if tries < TRIES && options.id_conflict != IdConflictPolicy::Fail =>
            {
                tries += 1;
            }
            Err(error) => {
                let refused = status::of_message(error, &door.namespace);
                return Err(status::of_operation(UPDATE, &refused));
            }
        }
    }
}

/// The two operations that the API has this call for.
fn operations(
    request: ExecuteMultiOperationRequest,
) -> Result<
    (
        StartWorkflowExecutionRequest,
        UpdateWorkflowExecutionRequest,
    ),
    Status,
> {
    let mut operations = request.operations.into_iter().map(|one| one.operation);
    let all = (operations.next(), operations.next(), operations.next());
    match all {
        (Some(Some(Operation::StartWorkflow(start))), Some(Some(second)), None) => match second {
            Operation::UpdateWorkflow(update) => Ok((start, update)),
            Operation::StartWorkflow(_) => Err(not_these()),
        },
        _ => Err(not_these()),
    }
}

fn not_these() -> Status {
    status::invalid("Operations have to be exactly [Start, Update].")
}

fn check_start(door: &Door, start: &StartWorkflowExecutionRequest) -> Result<(), Status> {
    check_namespace(door, &start.namespace)?;
    if !start.cron_schedule.is_empty() {
        return Err(status::invalid("CronSchedule is not allowed."));
    }
    if start.request_eager_execution {
        return Err(status::invalid("RequestEagerExecution is not supported."));
    }
    if start.workflow_start_delay.is_some() {
        return Err(status::invalid("WorkflowStartDelay is not supported."));
    }
    Ok(())
}

fn check_update(
    door: &Door,
    workflow_id: &str,
    update: &UpdateWorkflowExecutionRequest,
) -> Result<(), Status> {
    check_namespace(door, &update.namespace)?;
    if !update.first_execution_run_id.is_empty() {
        return Err(status::invalid("FirstExecutionRunId is not allowed."));
    }
    let none = WorkflowExecution::default();
    let execution = update.workflow_execution.as_ref().unwrap_or(&none);
    if !execution.run_id.is_empty() {
        return Err(status::invalid("RunId is not allowed."));
    }
    match execution.workflow_id == workflow_id {
        true => Ok(()),
        false => Err(status::invalid(
            "WorkflowId is not consistent with previous operation(s)",
        )),
    }
}

/// Whoever asks may do so in the namespace of the call, and in no other.
fn check_namespace(door: &Door, named: &str) -> Result<(), Status> {
    match named.is_empty() || named == door.namespace {
        true => Ok(()),
        false => Err(status::invalid(
            "the namespace of an operation is not that of the request",
        )),
    }
}

fn response(all: Vec<Response>) -> ExecuteMultiOperationResponse {
    let one = |response| execute_multi_operation_response::Response {
        response: Some(response),
    };
    ExecuteMultiOperationResponse {
        responses: all.into_iter().map(one).collect(),
    }
}
