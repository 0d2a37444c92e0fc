//! `sandglass workflow start` and `execute`: runs of a server, by the request that Temporal has.

use super::request;
use crate::{
    args::{Conflict, OutputForm, PlaceArgs, Reuse, StartWorkflowArgs, TargetArgs},
    exit::{Exit, OrStop as _, Outcome, Stop},
    output,
    run::IDENTITY,
};
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use sandglass::StartOptions;
use sandglass_engine::Payload;
use sandglass_server::Call;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) fn start(args: &StartWorkflowArgs, form: OutputForm) -> Outcome {
    let Begun {
        workflow_id,
        run_id,
        is_new,
    } = begin(args)?;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": workflow_id,
            "run_id": run_id,
            "workflow_type": args.workflow_type,
            "task_queue": args.task_queue,
            "started": is_new,
        }))?,
        OutputForm::Text if is_new => {
            output::print(&format!(
                "workflow {workflow_id}: started as run {run_id}\n"
            ))?;
        }
        OutputForm::Text => {
            output::print(&format!(
                "workflow {workflow_id}: open before, as run {run_id}\n"
            ))?;
        }
    }
    Ok(Exit::Completed)
}

pub(super) fn execute(args: &StartWorkflowArgs, form: OutputForm) -> Outcome {
    let begun = begin(args)?;
    let place = PlaceArgs::at(&args.server);
    request::result(
        &TargetArgs::of(&begun.workflow_id, Some(begun.run_id), place),
        form,
    )
}

/// The run that a start has given.
struct Begun {
    workflow_id: String,
    run_id: String,
    is_new: bool,
}

fn begin(args: &StartWorkflowArgs) -> Result<Begun, Stop> {
    let server = args.server.server()?;
    let workflow_id = match &args.workflow_id {
        Some(id) => id.clone(),
        None => format!("{}-{}", args.workflow_type, super::operate::request_id()),
    };
    let mut options = StartOptions::new(&args.workflow_type, &workflow_id);
    options.arguments = args.input.read().or_usage()?;
    options.header = args.headers.all();
    options.task_queue.clone_from(&args.task_queue);
    args.start.apply(&mut options);
    let conflict = match args.fail_existing {
        true => Conflict::Fail,
        false => args.start.conflict().unwrap_or_default(),
    };
    let document = document(&options, args.start.id_reuse_policy, conflict);
    let answer = server.document(Call::Start(document))?;
    Ok(Begun {
        workflow_id,
        run_id: run_id_of(&answer)?,
        is_new: answer["started"] == true,
    })
}

/// The run that an answer names.
pub(super) fn run_id_of(answer: &Value) -> Result<String, Stop> {
    let run_id = answer["runId"].as_str();
    let run_id = run_id.ok_or_else(|| Stop::host(anyhow::anyhow!("it gave no run id")))?;
    Ok(run_id.to_owned())
}

/// Values as Temporal's messages have them.
pub(super) fn payloads(all: &[Payload]) -> Value {
    let all: Vec<Value> = all.iter().map(full).collect();
    json!({ "payloads": all })
}

/// Temporal's request for a start.
pub(super) fn document(options: &StartOptions, reuse: Reuse, conflict: Conflict) -> Value {
    let reuse = match reuse {
        Reuse::AllowDuplicate | Reuse::TerminateIfRunning => "ALLOW_DUPLICATE",
        Reuse::AllowDuplicateFailedOnly => "ALLOW_DUPLICATE_FAILED_ONLY",
        Reuse::RejectDuplicate => "REJECT_DUPLICATE",
    };
    let conflict = match conflict {
        Conflict::Fail => "FAIL",
        Conflict::UseExisting => "USE_EXISTING",
        Conflict::TerminateExisting => "TERMINATE_EXISTING",
    };
    let mut document = json!({
        "workflowId": options.workflow_id,
        "workflowType": { "name": options.workflow_type },
        "taskQueue": { "name": options.task_queue },
        "input": payloads(&options.arguments),
        "identity": IDENTITY,
        "requestId": super::operate::request_id(),
        "workflowIdReusePolicy": format!("WORKFLOW_ID_REUSE_POLICY_{reuse}"),
        "workflowIdConflictPolicy": format!("WORKFLOW_ID_CONFLICT_POLICY_{conflict}"),
        "header": { "fields": fields(options.header.iter().map(|(name, value)| (name, value))) },
        "memo": { "fields": fields(&options.memo) },
        "searchAttributes": { "indexedFields": fields(&options.search_attributes) },
        "cronSchedule": options.cron.as_deref().unwrap_or_default(),
    });
    let lengths = [
        ("workflowRunTimeout", options.run_timeout),
        ("workflowExecutionTimeout", options.execution_timeout),
        ("workflowTaskTimeout", options.task_timeout),
        ("workflowStartDelay", options.start_delay),
    ];
    for (name, given) in lengths {
        if let Some(given) = given {
            document[name] = length(given);
        }
    }
    if let Some(retry) = &options.retry {
        document["retryPolicy"] = json!({
            "initialInterval": length(retry.initial_interval.into()),
            "backoffCoefficient": retry.backoff_coefficient,
            "maximumAttempts": retry.maximum_attempts,
        });
        if let Some(longest) = retry.maximum_interval {
            document["retryPolicy"]["maximumInterval"] = length(longest.into());
        }
    }
    document
}

/// A value in its full form, so that it arrives byte for byte.
fn full(payload: &Payload) -> Value {
    let metadata = payload.metadata.iter();
    let metadata: Map<String, Value> = metadata
        .map(|(name, value)| (name.clone(), BASE64.encode(value).into()))
        .collect();
    json!({ "metadata": metadata, "data": BASE64.encode(&payload.data) })
}

fn fields<'a>(fields: impl IntoIterator<Item = (&'a String, &'a Payload)>) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, payload)| (name.clone(), full(payload)))
        .collect()
}

/// A length of time in protobuf's JSON form.
fn length(length: Duration) -> Value {
    format!("{}.{:09}s", length.as_secs(), length.subsec_nanos()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_protobuf() {
        assert_eq!(length(Duration::from_millis(1500)), "1.500000000s");
    }
}
