//! What is done to a run, and told of it, beyond Temporal's API: how a request to cancel was taken,
//! how long the run may take and what follows then, force and kill.

use crate::{
    access::Access,
    beyond,
    door::Door,
    front::Front,
    http::{
        answer::{Answer, Form, Refusal},
        calls,
        json::{from_json, of_service, to_json},
        request::Asked,
    },
    proto::service::{DescribeWorkflowExecutionResponse, RequestCancelWorkflowExecutionRequest},
    status,
};
use prost::Message as _;
use sandglass::{CancelOptions, CancelResponse, Disposition, ForceOptions, RunHandle};
use sandglass_engine::Escalation;
use serde_json::{Value, json};
use std::time::Duration;

/// The answer of Temporal's API, and beside it what that has no place for, under `sandglass`.
pub(crate) async fn describe(
    front: &Front,
    access: Access,
    asked: Asked,
    form: &Form,
) -> Result<Answer, Refusal> {
    let call = "DescribeWorkflowExecution";
    let name = of_service(&format!("{call}Request"));
    let shorthand = asked.shorthand();
    let namespace = asked.value("namespace").to_owned();
    let request = from_json(&name, asked.message(&name).await?, shorthand)?;
    let response = calls::dispatch(front, access.clone(), call, &request).await?;
    let name = of_service(&format!("{call}Response"));
    let mut document = to_json(&name, &response, form.shorthand)?;
    let described = DescribeWorkflowExecutionResponse::decode(&*response);
    let info = described.ok().and_then(|run| run.workflow_execution_info);
    let execution = info.and_then(|info| info.execution).unwrap_or_default();
    // Exactly that run, also if another has followed it by now.
    let host = &front.door(&access, &namespace)?.host;
    let run = host.run(execution.workflow_id, Some(&execution.run_id));
    document["sandglass"] = beyond::of(&run.describe().await.map_err(status::of)?);
    Ok(Answer::json(document))
}

/// A request to end a run: what Temporal's has, and how long the run may take.
struct Ending {
    run: RunHandle,
    request: RequestCancelWorkflowExecutionRequest,
    grace: Option<Duration>,
    then: Option<Escalation>,
}

impl Ending {
    async fn read(door: &Door, asked: Asked, with_grace: bool) -> Result<Self, Refusal> {
        let name = of_service("RequestCancelWorkflowExecutionRequest");
        let shorthand = asked.shorthand();
        let mut message = asked.message(&name).await?;
        let mut own = |name: &str| match message.as_object_mut() {
            Some(fields) if with_grace => fields.shift_remove(name),
            _ => None,
        };
        let grace = own("grace").map(|value| length(&value)).transpose()?;
        let then = own("then").map(|value| escalation(&value)).transpose()?;
        if then.is_some() && grace.is_none() {
            return Err(Refusal::invalid("then needs grace: what follows, and when"));
        }
        let bytes = from_json(&name, message, shorthand)?;
        let request = RequestCancelWorkflowExecutionRequest::decode(&*bytes)
            .map_err(|error| Refusal::invalid(error.to_string()))?;
        let run = door.run(
            request.workflow_execution.clone(),
            &request.first_execution_run_id,
        )?;
        Ok(Self {
            run,
            request,
            grace,
            then,
        })
    }

    fn request_id(&self) -> Option<String> {
        let id = self.request.request_id.clone();
        Some(id).filter(|id| !id.is_empty())
    }

    async fn answer(&self, door: &Door, response: CancelResponse) -> Result<Answer, Refusal> {
        // Exactly that run, also if another has followed it by now.
        let run_id = Some(response.run_id.as_str());
        let run = door.host.run(self.run.workflow_id(), run_id);
        let described = run.describe().await.map_err(status::of)?;
        let disposition = match response.disposition {
            Disposition::Recorded => "recorded",
            Disposition::AlreadyRequested => "already_requested",
            Disposition::AlreadyClosed(_) => "already_closed",
        };
        Ok(Answer::json(json!({
            "workflow_id": described.workflow_id,
            "run_id": described.run_id,
            "disposition": disposition,
            "cancel_state": described.cancel_state.name(),
            "status": described.status.name(),
            "repeats": response.repeats,
            "killed_attempts": response.killed,
        })))
    }
}

/// A length of time in protobuf's JSON form, such as `1.5s`.
fn length(value: &Value) -> Result<Duration, Refusal> {
    let wrong = || {
        Refusal::invalid(format!(
            "grace is a length of time like \"30s\", not {value}"
        ))
    };
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s'));
    let seconds: f64 = seconds
        .filter(|text| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
        })
        .and_then(|text| text.parse().ok())
        .ok_or_else(wrong)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn escalation(value: &Value) -> Result<Escalation, Refusal> {
    Ok(match value.as_str() {
        Some("force") => Escalation::Force,
        Some("kill") => Escalation::Kill,
        Some("terminate") => Escalation::Terminate,
        Some("fail") => Escalation::Fail,
        _ => {
            let message = format!("then is force, kill, terminate or fail, not {value}");
            return Err(Refusal::invalid(message));
        }
    })
}

pub(crate) async fn cancel(door: &Door, asked: Asked) -> Result<Answer, Refusal> {
    let ending = Ending::read(door, asked, true).await?;
    let options = CancelOptions {
        reason: ending.request.reason.clone(),
        identity: ending.request.identity.clone(),
        request_id: ending.request_id(),
        deadline: ending.grace,
        escalation: ending.then,
    };
    let response = ending.run.cancel(options).await.map_err(status::of)?;
    ending.answer(door, response).await
}

pub(crate) async fn force(door: &Door, asked: Asked, kill: bool) -> Result<Answer, Refusal> {
    let ending = Ending::read(door, asked, false).await?;
    let options = ForceOptions {
        reason: ending.request.reason.clone(),
        identity: ending.request.identity.clone(),
        request_id: ending.request_id(),
        kill,
    };
    let response = ending.run.force(options).await.map_err(status::of)?;
    ending.answer(door, response).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grace_is_a_length_of_time() {
        let of = |text: &str| length(&json!(text)).ok();
        assert_eq!(of("30s"), Some(Duration::from_secs(30)));
        assert_eq!(of("1.5s"), Some(Duration::from_millis(1500)));
        for wrong in ["", "s", "30", "-1s", "1m", "1e400s", "nans", "1..2s", " 1s"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert!(length(&json!(30)).is_err());
    }
}
