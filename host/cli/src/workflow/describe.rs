//! `sandglass workflow describe`: how a run stands and what it waits for.

use super::stored;
use crate::{
    args::{OutputForm, TargetArgs},
    exit::{Exit, Outcome, Stop},
    history::value_text,
    output, payload,
    time::{chosen, length, rfc3339},
};
use sandglass_engine::{CancelState, EventId, PendingActivity, RunSummary, Status, Timestamp};
use sandglass_store::{Owner, Reader, RunRow, TimerRow};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn describe(args: &TargetArgs, form: OutputForm) -> Outcome {
    let reader = stored::open(&args.db.db)?;
    let row = stored::find(&reader, &args.id, args.run_id.as_deref())?;
    let owner = sandglass_store::owner(&args.db.db).map_err(stored::stop)?;
    let description = Description::read(&reader, row, owner)?;
    match form {
        OutputForm::Json => output::print_json(&description.to_json())?,
        OutputForm::Text => output::print(&description.text(now()))?,
    }
    Ok(Exit::Completed)
}

struct Description {
    row: RunRow,
    summary: RunSummary,
    activities: Vec<PendingActivity>,
    timers: Vec<TimerRow>,
    owner: Option<Owner>,
}

impl Description {
    fn read(reader: &dyn Reader, row: RunRow, owner: Option<Owner>) -> Result<Self, Stop> {
        Ok(Self {
            summary: stored::summary(reader, &row).map_err(stored::stop)?,
            activities: stored::activities(reader, row.key)?,
            timers: reader.timers(row.key).map_err(stored::stop)?,
            row,
            owner,
        })
    }

    fn to_json(&self) -> Value {
        let (row, summary) = (&self.row, &self.summary);
        let cancel = summary.cancel.as_ref().map(|(request, at)| {
            json!({
                "reason": request.reason,
                "identity": request.identity,
                "at": rfc3339(*at),
                "deadline": request.deadline.map(rfc3339),
            })
        });
        let task_failure = summary.task_failure.as_ref().map(|(cause, failure)| {
            json!({ "cause": payload::readable(cause), "failure": payload::readable(failure) })
        });
        let mut document = json!({
            "workflow_id": row.workflow_id,
            "run_id": row.run_id,
            "workflow_type": row.workflow_type,
            "status": stored::status_word(row.status),
            "digest": row.digest.to_string(),
            "started_at": rfc3339(row.started_at),
            "closed_at": row.closed_at.map(rfc3339),
            "history_events": summary.next_event_id.0.saturating_sub(1),
            "cancel_state": cancel_word(summary.cancel_state),
            "cancel": cancel,
            "workflow_task": {
                "pending": summary.task_pending,
                "attempt": summary.task_attempt,
                "failure": task_failure,
            },
            "pending_activities": self.activities.iter().map(activity_json).collect::<Vec<_>>(),
            "pending_timers": self.timers.iter().map(timer_json).collect::<Vec<_>>(),
            "compensations_failed": summary.uncompensated,
            "owner": self.owner.as_ref().map(|o| json!({ "pid": o.pid, "command": o.command })),
        });
        if let Value::Object(map) = &mut document {
            map.extend(outcome_json(&summary.status));
        }
        document
    }

    fn text(&self, now: Timestamp) -> String {
        let (row, summary) = (&self.row, &self.summary);
        let mut rows: Vec<(&str, String)> = vec![
            ("workflow id", row.workflow_id.clone()),
            ("run id", row.run_id.clone()),
            ("type", row.workflow_type.clone()),
            ("status", stored::status_text(row).into()),
            ("component", row.digest.to_string()),
            ("started", rfc3339(row.started_at)),
        ];
        if let Some(at) = row.closed_at {
            let took = length(at.since(row.started_at));
            rows.push(("closed", format!("{}, after {took}", rfc3339(at))));
        }
        rows.push((
            "history",
            format!("{} events", summary.next_event_id.0.saturating_sub(1)),
        ));
        rows.extend(outcome_text(&summary.status));
        if let Some((request, at)) = &summary.cancel {
            let by = if request.identity.is_empty() {
                "somebody"
            } else {
                &request.identity
            };
            let reason = if request.reason.is_empty() {
                "no reason given"
            } else {
                &request.reason
            };
            let state = cancel_word(summary.cancel_state);
            rows.push((
                "cancel",
                format!("{state}; by {by}, {}: {reason}", rfc3339(*at)),
            ));
        }
        if summary.task_pending {
            rows.push((
                "workflow task",
                format!("pending, attempt {}", summary.task_attempt),
            ));
        }
        if let Some((cause, failure)) = &summary.task_failure {
            rows.push(("task failure", format!("{cause:?}: {failure}")));
        }
        if !summary.uncompensated.is_empty() {
            rows.push(("compensations failed", summary.uncompensated.join(", ")));
        }
        rows.extend(
            self.activities
                .iter()
                .map(|a| ("activity", activity_text(a, now))),
        );
        rows.extend(
            self.timers
                .iter()
                .map(|timer| ("timer", timer_text(timer, now))),
        );
        if let Some(owner) = &self.owner {
            rows.push((
                "store in use",
                format!("by process {} ({})", owner.pid, owner.command),
            ));
        }
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(name, text)| vec![name.to_owned(), text])
            .collect();
        output::table(&rows)
    }
}

/// The word for how far a request to cancel has come.
fn cancel_word(state: CancelState) -> &'static str {
    match state {
        CancelState::None => "none",
        CancelState::Requested => "requested",
        CancelState::Delivered => "delivered",
    }
}

/// How a run ended, as fields of a document.
#[must_use]
pub(crate) fn outcome_json(status: &Status) -> Map<String, Value> {
    let fields = match status {
        Status::Running | Status::TimedOut => json!({}),
        Status::Completed { result } => json!({ "result": payload::value(result) }),
        Status::Failed { failure } => {
            json!({ "failure": payload::readable(failure), "message": failure.to_string() })
        }
        Status::Canceled { details } => json!({ "details": payload::values(details) }),
        Status::Terminated { reason, identity } => {
            json!({ "reason": reason, "identity": identity })
        }
    };
    match fields {
        Value::Object(map) => map,
        _ => unreachable!("each arm is an object"),
    }
}

fn outcome_text(status: &Status) -> Option<(&'static str, String)> {
    match status {
        Status::Running | Status::TimedOut => None,
        Status::Completed { result } => Some(("result", value_text(result))),
        Status::Failed { failure } => Some(("failure", failure.to_string())),
        Status::Canceled { details } if details.is_empty() => None,
        Status::Canceled { details } => Some(("details", payload::short(details))),
        Status::Terminated { reason, identity } => {
            Some(("terminated", format!("by {identity}: {reason}")))
        }
    }
}

fn activity_json(activity: &PendingActivity) -> Value {
    json!({
        "activity_id": activity.activity_id,
        "activity_type": activity.call.activity_type,
        "scheduled_event_id": activity.scheduled_event_id.0,
        "scheduled_at": rfc3339(activity.scheduled_at),
        "attempt": activity.attempt,
        "next_attempt_at": rfc3339(activity.next_attempt_at),
        "maximum_attempts": activity.call.retry.as_ref().map_or(0, |retry| retry.maximum_attempts),
        "last_failure": activity.last_failure.as_ref().map(payload::readable),
        "heartbeat_details": payload::values(&activity.heartbeat_details),
        "cancel_requested": activity.cancel_requested,
    })
}

/// One activity in a line: what it is, which attempt, why the one before failed, how far it came.
#[must_use]
pub(crate) fn activity_text(activity: &PendingActivity, now: Timestamp) -> String {
    let mut text = format!(
        "{} [{}], attempt {}",
        activity.call.activity_type, activity.activity_id, activity.attempt
    );
    if activity.next_attempt_at > now {
        text += &format!(" in {}", chosen(activity.next_attempt_at.since(now)));
    }
    if let Some(reason) = &activity.cancel_requested {
        text += &format!(", asked to stop: {reason}");
    }
    if !activity.heartbeat_details.is_empty() {
        text += &format!(
            ", heartbeat {}",
            payload::short(&activity.heartbeat_details)
        );
    }
    if let Some(failure) = &activity.last_failure {
        text += &format!(", last failure {failure}");
    }
    text
}

fn timer_json(timer: &TimerRow) -> Value {
    json!({ "started_event_id": timer.started_event_id.0, "due": rfc3339(timer.due) })
}

fn timer_text(timer: &TimerRow, now: Timestamp) -> String {
    let left = chosen(timer.due.since(now));
    // A run's own timeout is kept as a timer of its first event.
    match timer.started_event_id {
        EventId(1) => format!("run timeout in {left}"),
        id => format!("of event {id}, due in {left}"),
    }
}

/// The time now.
#[must_use]
pub(crate) fn now() -> Timestamp {
    let passed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}
