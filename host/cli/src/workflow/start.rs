//! `sandglass workflow start` and `execute`: runs of a server, by the request that Temporal has.

use super::request;
use crate::{
    args::{Conflict, OutputForm, PlaceArgs, Reuse, StartWorkflowArgs, TargetArgs},
    exit::{Exit, OrStop as _, Outcome, Stop},
    output, payload,
    run::IDENTITY,
    served::Served,
};
use sandglass::StartOptions;
use sandglass_engine::{Fields, Payload};
use sandglass_server::Call;
use serde_json::{Map, Value, json};
use std::time::Duration;

pub(super) fn start(args: &StartWorkflowArgs, form: OutputForm) -> Outcome {
    let run_id = begin(args)?;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflow_id": args.workflow_id,
            "run_id": run_id,
            "workflow_type": args.workflow_type,
            "task_queue": args.task_queue,
        }))?,
        OutputForm::Text => output::print(&format!(
            "workflow {}: started as run {run_id}\n",
            args.workflow_id
        ))?,
    }
    Ok(Exit::Completed)
}

pub(super) fn execute(args: &StartWorkflowArgs, form: OutputForm) -> Outcome {
    let run_id = begin(args)?;
    let place = PlaceArgs::at(&args.server);
    request::result(
        &TargetArgs::of(&args.workflow_id, Some(run_id), place),
        form,
    )
}

/// Starts it, and returns its run id.
fn begin(args: &StartWorkflowArgs) -> Result<String, Stop> {
    let server = args.server.server()?;
    let mut options = StartOptions::new(&args.workflow_type, &args.workflow_id);
    options.arguments = payload::read(&args.input).or_usage()?;
    options.task_queue.clone_from(&args.task_queue);
    args.start.apply(&mut options);
    let conflict = args.start.id_conflict_policy.unwrap_or(Conflict::Fail);
    let document = document(&options, args.start.id_reuse_policy, conflict);
    run_id_of(&server, Call::Start(document))
}

/// Makes a call that gives a run, and returns its id.
pub(super) fn run_id_of(server: &Served, call: Call) -> Result<String, Stop> {
    let answer = server.document(call)?;
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
        Reuse::AllowDuplicate => "ALLOW_DUPLICATE",
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
        .map(|(name, value)| (name.clone(), base64(value).into()))
        .collect();
    json!({ "metadata": metadata, "data": base64(&payload.data) })
}

fn fields(fields: &Fields) -> Map<String, Value> {
    let entries = fields.iter();
    entries
        .map(|(name, payload)| (name.clone(), full(payload)))
        .collect()
}

/// A length of time in protobuf's JSON form.
fn length(length: Duration) -> Value {
    format!("{}.{:09}s", length.as_secs(), length.subsec_nanos()).into()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |place| u32::from(three.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_base64() {
        let of = |text: &str| base64(text.as_bytes());
        let written = ["", "f", "fo", "foo", "foob"].map(of);
        assert_eq!(written, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        assert_eq!(base64(&[255, 254, 253]), "//79");
        assert_eq!(length(Duration::from_millis(1500)), "1.500000000s");
    }
}
