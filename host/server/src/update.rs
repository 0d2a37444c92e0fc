//! `UpdateWorkflowExecution`, `PollWorkflowExecutionUpdate`.
//!
//! An update that the run's code refuses is an outcome with a failure, not an error of the call.

use crate::{
    bounds,
    door::{Door, LONG_POLL},
    failure, payload,
    proto::{
        common::WorkflowExecution,
        enums::UpdateWorkflowExecutionLifecycleStage as Stage,
        service::{
            PollWorkflowExecutionUpdateRequest, PollWorkflowExecutionUpdateResponse,
            UpdateWorkflowExecutionRequest, UpdateWorkflowExecutionResponse,
        },
        update::{self, Outcome, UpdateRef, WaitPolicy, outcome},
    },
    status,
};
use sandglass::{Error, MessageError, RunHandle, UpdateOptions, UpdateStage};
use sandglass_engine::{Failure, Payload};
use tonic::Status;

pub(crate) async fn update(
    door: &Door,
    request: UpdateWorkflowExecutionRequest,
) -> Result<UpdateWorkflowExecutionResponse, Status> {
    let execution = request.workflow_execution.clone();
    let run = door.run(execution, &request.first_execution_run_id)?;
    let options = options_of(request)?;
    let answered = answer(door, &run, options).await;
    answered.map_err(|error| status::of_message(error, &door.namespace))
}

/// What a request for an update asks for. It has an id: asked for again, it must be the same one.
pub(crate) fn options_of(request: UpdateWorkflowExecutionRequest) -> Result<UpdateOptions, Status> {
    let asked = request.request.unwrap_or_default();
    let (meta, input) = (
        asked.meta.unwrap_or_default(),
        asked.input.unwrap_or_default(),
    );
    if input.name.is_empty() {
        return Err(status::invalid("update name is not set"));
    }
    let update_id = match meta.update_id {
        none if none.is_empty() => bounds::new_id()?,
        given => given,
    };
    bounds::names(&[
        ("UpdateName", &input.name),
        ("UpdateId", &update_id),
        ("Identity", &meta.identity),
    ])?;
    Ok(UpdateOptions {
        name: input.name,
        arguments: payload::list(input.args),
        header: payload::header(input.header),
        update_id: Some(update_id),
        identity: meta.identity,
        wait_for: stage_of(request.wait_policy, UpdateStage::Accepted),
        timeout: Some(LONG_POLL),
    })
}

/// Makes an update, and waits for as long as a call may take until it has come as far as is asked.
pub(crate) async fn answer(
    door: &Door,
    run: &RunHandle,
    options: UpdateOptions,
) -> Result<UpdateWorkflowExecutionResponse, MessageError> {
    let (stage, update_id) = (options.wait_for, options.update_id.clone());
    let asked = door.poll(run.update(options.clone())).await;
    let found = match asked.unwrap_or(Err(MessageError::DeadlineExceeded(0))) {
        Err(MessageError::DeadlineExceeded(_)) if stage > UpdateStage::Admitted => {
            // It goes on. How far it is by now is said at once; the client polls for the rest.
            let options = UpdateOptions {
                wait_for: UpdateStage::Admitted,
                ..options
            };
            run.update(options).await
        }
        found => found,
    };
    let (reached, outcome, run_id, update_id) = match found {
        Ok(response) => {
            let shown = |outcome| to_outcome(outcome, &door.namespace);
            let outcome = response.outcome.map(shown);
            (response.stage, outcome, response.run_id, response.update_id)
        }
        Err(MessageError::Failed(failure)) => {
            let run_id = current_run_id(run).await?;
            let outcome = Some(to_outcome(Err(failure), &door.namespace));
            let update_id = update_id.unwrap_or_default();
            (UpdateStage::Completed, outcome, run_id, update_id)
        }
        Err(error) => return Err(error),
    };
    let workflow_id = run.workflow_id().to_owned();
    Ok(UpdateWorkflowExecutionResponse {
        update_ref: Some(reference(workflow_id, run_id, update_id)),
        outcome,
        stage: to_stage(reached).into(),
        ..Default::default()
    })
}

async fn current_run_id(run: &RunHandle) -> Result<String, Error> {
    match run.run_id() {
        Some(run_id) => Ok(run_id.to_owned()),
        None => Ok(run.describe().await?.run_id),
    }
}

fn stage_of(policy: Option<WaitPolicy>, default: UpdateStage) -> UpdateStage {
    match policy.unwrap_or_default().lifecycle_stage() {
        Stage::Unspecified => default,
        Stage::Admitted => UpdateStage::Admitted,
        Stage::Accepted => UpdateStage::Accepted,
        Stage::Completed => UpdateStage::Completed,
    }
}

fn to_stage(stage: UpdateStage) -> Stage {
    match stage {
        UpdateStage::Admitted => Stage::Admitted,
        UpdateStage::Accepted => Stage::Accepted,
        UpdateStage::Completed => Stage::Completed,
    }
}

/// The answer to an update as it goes.
pub(crate) fn to_outcome(outcome: Result<Payload, Failure>, namespace: &str) -> Outcome {
    Outcome {
        value: match outcome {
            Ok(value) => payload::to_one(value).map(outcome::Value::Success),
            Err(failure) => Some(outcome::Value::Failure(failure::to_proto(
                failure, namespace,
            ))),
        },
    }
}

fn reference(workflow_id: String, run_id: String, update_id: String) -> UpdateRef {
    UpdateRef {
        workflow_execution: Some(WorkflowExecution {
            workflow_id,
            run_id,
        }),
        update_id,
    }
}

pub(crate) async fn poll(
    door: &Door,
    request: PollWorkflowExecutionUpdateRequest,
) -> Result<PollWorkflowExecutionUpdateResponse, Status> {
    let update::UpdateRef {
        workflow_execution,
        update_id,
    } = request.update_ref.unwrap_or_default();
    let run = door.run(workflow_execution, "")?;
    // A poll without a policy does not wait.
    let wanted = stage_of(request.wait_policy, UpdateStage::Admitted);
    let asked = door.poll(run.poll_update(&update_id, wanted, Some(LONG_POLL)));
    let found = match asked.await {
        None | Some(Err(MessageError::DeadlineExceeded(_))) => {
            // Not within the call, which would have room for it all the time it waits.
            Box::pin(run.poll_update(&update_id, UpdateStage::Admitted, None)).await
        }
        Some(found) => found,
    };
    let Some(response) = found.map_err(|error| status::of_message(error, &door.namespace))? else {
        return Err(status::not_found(format!("update {update_id:?} not found")));
    };
    let workflow_id = run.workflow_id().to_owned();
    Ok(PollWorkflowExecutionUpdateResponse {
        outcome: response
            .outcome
            .map(|outcome| to_outcome(outcome, &door.namespace)),
        stage: to_stage(response.stage).into(),
        update_ref: Some(reference(workflow_id, response.run_id, update_id)),
    })
}
