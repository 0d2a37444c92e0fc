//! A run's description as text and as JSON.

use crate::{
    outcome, output, payload,
    time::{chosen, length, rfc3339},
};
use sandglass::{ActivityDescription, CancelDescription, RunDescription, TaskDescription};
use sandglass_engine::{
    Escalation, EventId, ForceRequest, Initiator, OpenOperationView, OpenScopeView,
    OperatorRequest, PendingState, ScopeId, ScopeKind, Status, Timestamp, Trigger,
};
use sandglass_store::Owner;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The description as one document.
#[must_use]
pub fn to_json(run: &RunDescription, owner: Option<&Owner>) -> Value {
    let mut document = json!({
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "workflow_type": run.workflow_type,
        "status": match &run.paused {
            Some(_) => "paused",
            None => run.status.name(),
        },
        "digest": run.digest.to_string(),
        "started_at": rfc3339(run.started_at),
        "closed_at": run.closed_at.map(rfc3339),
        "history_events": run.history_length,
        "cancel_state": run.cancel_state.name(),
        "cancel": run.cancel.as_ref().map(|cancel| cancel_json(cancel, run.task.as_ref())),
        "force": run.force.as_ref().map(|(force, at)| json!({
            "rung": force.rung.name(),
            "trigger": trigger_word(force.trigger),
            "reason": force.reason,
            "identity": force.identity,
            "requested_at": rfc3339(*at),
        })),
        "parent": run.parent.as_ref().map(|parent| json!({
            "workflow_id": parent.run.workflow_id,
            "run_id": parent.run.run_id,
            "initiated_event_id": parent.initiated_event_id.0,
        })),
        "chain": chain_json(run),
        "paused": run.paused.as_ref().map(paused_json),
        "workflow_task": run.task.as_ref().map(task_json),
        "pending_activities": run.activities.iter().map(activity_json).collect::<Vec<_>>(),
        "pending_timers": run.timers.iter().map(|(event, due)| {
            json!({ "started_event_id": event.0, "due": rfc3339(*due) })
        }).collect::<Vec<_>>(),
        "uncompensated": run.uncompensated,
        "local_activities": run.local_activities.iter().map(|(name, attempt)| {
            json!({ "activity_type": name, "attempt": attempt })
        }).collect::<Vec<_>>(),
        "buffered_inputs": run.buffered_inputs,
        "trouble": run.trouble,
        "memo": payload::fields(&run.memo),
        "search_attributes": payload::fields(&run.search_attributes),
        "updates": { "total": run.updates.total, "in_flight": run.updates.in_flight },
        "owner": owner.map(|owner| json!({ "pid": owner.pid, "command": owner.command })),
    });
    if let Value::Object(map) = &mut document {
        map.extend(outcome::fields(&run.status));
    }
    document
}

/// The description as lines of a label and a text.
#[must_use]
pub fn text(run: &RunDescription, owner: Option<&Owner>, now: Timestamp) -> String {
    let mut rows: Vec<(&str, String)> = vec![
        ("workflow id", run.workflow_id.clone()),
        ("run id", run.run_id.clone()),
        ("type", run.workflow_type.clone()),
        ("status", status_text(run).into()),
        ("component", run.digest.to_string()),
        ("started", rfc3339(run.started_at)),
    ];
    if let Some(at) = run.closed_at {
        let took = length(at.since(run.started_at));
        rows.push(("closed", format!("{}, after {took}", rfc3339(at))));
    }
    rows.push(("history", format!("{} events", run.history_length)));
    rows.extend(outcome::text(&run.status));
    rows.extend(
        run.cancel
            .as_ref()
            .map(|cancel| ("cancel", cancel_text(cancel))),
    );
    if let Some(failed) = run.cancel.as_ref().and_then(|cancel| cancel.undeliverable) {
        let last = last_failure(run.task.as_ref());
        let text = format!("{failed} workflow tasks have failed since, last: {last}");
        rows.push(("undeliverable", text));
    }
    if let Some((force, at)) = &run.force {
        rows.push((
            "forced",
            format!("{} at {}", force_text(force), rfc3339(*at)),
        ));
    }
    if let Some(parent) = &run.parent {
        let run = &parent.run;
        rows.push((
            "child of",
            format!("{} (run {})", run.workflow_id, run.run_id),
        ));
    }
    rows.extend(chain_rows(run));
    if let Some(paused) = &run.paused {
        rows.push(("paused", paused_text(paused)));
    }
    if !run.uncompensated.is_empty() {
        rows.push(("compensations failed", run.uncompensated.join(", ")));
    }
    for (label, fields) in [
        ("memo", &run.memo),
        ("search attributes", &run.search_attributes),
    ] {
        if !fields.is_empty() {
            rows.push((label, payload::fields_text(fields)));
        }
    }
    if run.updates.total > 0 {
        let (total, open) = (run.updates.total, run.updates.in_flight);
        rows.push(("updates", format!("{total}, {open} of them not completed")));
    }
    rows.extend(waiting(run, now));
    if let Some(owner) = owner {
        rows.push((
            "store in use",
            format!("by process {} ({})", owner.pid, owner.command),
        ));
    }
    let cells = |(label, text): (&str, String)| vec![label.to_owned(), output::one_line(&text)];
    let rows: Vec<_> = rows.into_iter().map(cells).collect();
    output::table(&rows)
}

/// The runs before and after it, and what makes them follow each other.
fn chain_json(run: &RunDescription) -> Value {
    let chain = &run.chain;
    json!({
        "first_run_id": run.first_run_id,
        "continued_from": chain.continued_from,
        "initiator": chain.initiator.map(Initiator::name),
        "attempt": chain.attempt,
        "maximum_attempts": chain.retry.as_ref().map(|retry| retry.maximum_attempts),
        "cron": chain.cron,
        "expires_at": chain.expires_at.map(rfc3339),
        "new_run_id": chain.successor,
    })
}

fn chain_rows(run: &RunDescription) -> Vec<(&'static str, String)> {
    let chain = &run.chain;
    let mut rows = Vec::new();
    if let (Some(before), Some(initiator)) = (&chain.continued_from, chain.initiator) {
        let why = match initiator {
            Initiator::ContinueAsNew => "continue-as-new",
            Initiator::Retry => "retry",
            Initiator::Cron => "cron",
        };
        rows.push(("follows", format!("run {before}, by {why}")));
        rows.push(("first run", run.first_run_id.clone()));
    }
    if let Some(retry) = &chain.retry {
        let attempt = chain.attempt;
        rows.push((
            "attempt",
            match retry.maximum_attempts {
                0 => format!("{attempt}, without limit"),
                most => format!("{attempt} of {most}"),
            },
        ));
    }
    rows.extend(
        chain
            .cron
            .clone()
            .map(|cron| ("cron", format!("{cron} (UTC)"))),
    );
    rows.extend(chain.expires_at.map(|at| ("expires", rfc3339(at))));
    rows.extend(
        chain
            .successor
            .clone()
            .map(|next| ("followed by", format!("run {next}"))),
    );
    rows
}

/// What an open run waits for: its workflow task, activities and timers, each with a label.
pub fn waiting(
    run: &RunDescription,
    now: Timestamp,
) -> impl Iterator<Item = (&'static str, String)> {
    let task = run
        .task
        .iter()
        .map(move |task| ("workflow task", task_text(task, now)));
    let activities = run
        .activities
        .iter()
        .map(move |a| ("activity", activity_text(a, now)));
    let local = run.local_activities.iter().map(|(name, attempt)| {
        let text = format!("{name}, attempt {attempt}, in the workflow task");
        ("local activity", text)
    });
    let timers = run
        .timers
        .iter()
        .map(move |timer| ("timer", timer_text(*timer, now)));
    let trouble = run
        .trouble
        .iter()
        .map(|trouble| ("trouble", trouble.clone()));
    trouble
        .chain(task)
        .chain(activities)
        .chain(local)
        .chain(timers)
}

/// The status that people are shown: an open run with a recorded request is *canceling*.
#[must_use]
pub fn status_text(run: &RunDescription) -> &'static str {
    match run.status {
        Status::Running if run.paused.is_some() => "paused",
        Status::Running if run.cancel.is_some() => "canceling",
        ref status => status.name(),
    }
}

/// The time now.
#[must_use]
pub fn now() -> Timestamp {
    let passed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}

/// What caused a force, in a word.
#[must_use]
pub fn trigger_word(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Request => "request",
        Trigger::Deadline => "deadline",
    }
}

/// A force as people read it: how far it went, who asked, why.
#[must_use]
pub fn force_text(force: &ForceRequest) -> String {
    let by = match (force.trigger, force.identity.as_str()) {
        (Trigger::Deadline, _) => "the deadline passed".to_owned(),
        (Trigger::Request, "") => "by somebody unnamed".to_owned(),
        (Trigger::Request, identity) => format!("by {identity}"),
    };
    let word = force.rung.name();
    match force.reason.as_str() {
        "" => format!("{word} {by}"),
        reason => format!("{word} {by}: {reason}"),
    }
}

/// Why the workflow task before failed.
fn last_failure(task: Option<&TaskDescription>) -> String {
    let failure = task.and_then(|task| task.last_failure.as_ref());
    failure.map_or_else(String::new, |(_, failure)| failure.to_string())
}

fn cancel_json(cancel: &CancelDescription, task: Option<&TaskDescription>) -> Value {
    json!({
        "reason": cancel.reason,
        "identity": cancel.identity,
        "requested_at": rfc3339(cancel.requested_at),
        "deadline": cancel.deadline.map(rfc3339),
        "then": cancel.escalation.map(Escalation::name),
        "repeats": cancel.repeats,
        "undeliverable": cancel.undeliverable.map(|failed| json!({
            "failed_workflow_tasks": failed,
            "last_failure": last_failure(task),
        })),
    })
}

fn cancel_text(cancel: &CancelDescription) -> String {
    let by = if cancel.identity.is_empty() {
        "somebody unnamed"
    } else {
        &cancel.identity
    };
    let reason = if cancel.reason.is_empty() {
        "no reason given"
    } else {
        &cancel.reason
    };
    let mut text = cancel.state.name().to_owned();
    text += &format!(" by {by} at {}: {reason}", rfc3339(cancel.requested_at));
    if let Some(deadline) = cancel.deadline {
        let then = cancel.escalation.map(Escalation::name);
        let then = then.map_or_else(String::new, |then| format!(", then {then}"));
        text += &format!(" (until {}{then})", rfc3339(deadline));
    }
    if cancel.repeats > 0 {
        text += &format!(" (asked {} more times)", cancel.repeats);
    }
    text
}

fn task_json(task: &TaskDescription) -> Value {
    json!({
        "attempt": task.attempt,
        "last_failure": task.last_failure.as_ref().map(|(cause, failure)| {
            json!({
                "cause": payload::readable(cause),
                "message": failure.to_string(),
                "failure": payload::readable(failure),
            })
        }),
        "next_attempt_at": task.next_attempt_at.map(rfc3339),
        "paused": task.paused,
    })
}

fn task_text(task: &TaskDescription, now: Timestamp) -> String {
    let mut text = format!("attempt {}", task.attempt);
    if let Some(at) = task.next_attempt_at.filter(|at| *at > now) {
        text += &format!(" in {}", chosen(at.since(now)));
    }
    if task.paused {
        text += ", held back";
    }
    if let Some((cause, failure)) = &task.last_failure {
        text += &format!(", last failure {cause:?}: {failure}");
    }
    text
}

fn activity_json(activity: &ActivityDescription) -> Value {
    json!({
        "activity_id": activity.activity_id,
        "activity_type": activity.activity_type,
        "scheduled_event_id": activity.scheduled_event_id.0,
        "attempt": activity.attempt,
        "started_at": activity.started_at.map(rfc3339),
        "last_heartbeat_at": activity.last_heartbeat_at.map(rfc3339),
        "heartbeat_details": payload::values(&activity.heartbeat_details),
        "next_attempt_at": activity.next_attempt_at.map(rfc3339),
        "last_failure": activity.last_failure.as_ref().map(|failure| {
            json!({ "message": failure.to_string(), "failure": payload::readable(failure) })
        }),
        "cancel_requested": activity.cancel_requested,
        "state": state_word(activity.state),
        "paused": activity.paused.as_ref().map(paused_json),
        "completed_elsewhere": activity.elsewhere,
        "worker": activity.worker,
        "warning": activity.lacks_heartbeat.then_some(LACKS_HEARTBEAT),
    })
}

/// One activity in a line: what it is, which attempt, how far it came, why the one before failed.
fn activity_text(activity: &ActivityDescription, now: Timestamp) -> String {
    let mut text = format!(
        "{} [{}] attempt {}",
        activity.activity_type, activity.activity_id, activity.attempt
    );
    match (activity.started_at, activity.next_attempt_at) {
        (Some(at), _) => text += &format!(", running for {}", length(now.since(at))),
        (None, Some(at)) if at > now => text += &format!(" in {}", length(at.since(now))),
        _ => {}
    }
    if let Some(worker) = &activity.worker {
        text += &format!(", at the worker {worker}");
    } else if activity.elsewhere {
        text += ", its end is reported from outside";
    }
    if let Some(paused) = &activity.paused {
        text += &format!(", paused {}", paused_text(paused));
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
    if activity.lacks_heartbeat {
        text += &format!(" (warning: {LACKS_HEARTBEAT})");
    }
    text
}

/// What is wrong with a child of which [`OpenOperationView::cut_short`] tells.
const CUT_SHORT: &str = "it is canceled without being waited for and terminated when its parent \
     ends, so it may have no time to clean up";

/// What is wrong with an activity of which [`ActivityDescription::lacks_heartbeat`] tells.
pub const LACKS_HEARTBEAT: &str =
    "a canceled run waits for it, and without a heartbeat timeout nobody notices if it is stuck";

/// The word for how an activity stands, under Temporal's name.
fn state_word(state: PendingState) -> &'static str {
    match state {
        PendingState::Scheduled => "SCHEDULED",
        PendingState::Started => "STARTED",
        PendingState::CancelRequested => "CANCEL_REQUESTED",
        PendingState::Paused => "PAUSED",
        PendingState::PauseRequested => "PAUSE_REQUESTED",
    }
}

fn paused_json((request, at): &(OperatorRequest, Timestamp)) -> Value {
    json!({
        "reason": request.reason,
        "identity": request.identity,
        "at": rfc3339(*at),
    })
}

fn paused_text((request, at): &(OperatorRequest, Timestamp)) -> String {
    let by = match request.identity.as_str() {
        "" => "somebody unnamed",
        identity => identity,
    };
    let mut text = format!("by {by} at {}", rfc3339(*at));
    if !request.reason.is_empty() {
        text += &format!(": {}", request.reason);
    }
    text
}

/// The open scopes of a run as JSON.
#[must_use]
pub fn scopes_json(scopes: &[OpenScopeView]) -> Value {
    let operations = |scope: &OpenScopeView| -> Vec<Value> {
        let one = |open: &OpenOperationView| {
            json!({
                "operation": open.operation.0,
                "what": open.what,
                "canceled": open.canceled,
                "warning": open.cut_short.then_some(CUT_SHORT),
            })
        };
        scope.operations.iter().map(one).collect()
    };
    let one = |scope: &OpenScopeView| {
        json!({
            "scope": scope.scope.0,
            "parent": scope.parent.0,
            "kind": kind_word(scope.kind),
            "canceled": scope.canceled.as_ref().map(|info| info.reason.clone()),
            "pending": operations(scope),
        })
    };
    scopes.iter().map(one).collect()
}

/// The open scopes below the root as text, a line for each; the root too if there is a warning.
#[must_use]
pub fn scopes_text(scopes: &[OpenScopeView]) -> String {
    let told = |scope: &&OpenScopeView| {
        let warns = scope.operations.iter().any(|one| one.cut_short);
        scope.scope != ScopeId::ROOT || warns
    };
    let line = |scope: &OpenScopeView| {
        let what = |one: &OpenOperationView| match one.cut_short {
            true => format!("{} (warning: {CUT_SHORT})", one.what),
            false => one.what.clone(),
        };
        let pending: Vec<_> = scope.operations.iter().map(what).collect();
        let pending = match pending.is_empty() {
            true => "nothing pending".to_owned(),
            false => pending.join(", "),
        };
        let canceled = match scope.canceled {
            Some(_) => ", canceled",
            None => "",
        };
        let text = format!(
            "{} ({} in {}{canceled}): {pending}",
            scope.scope,
            kind_word(scope.kind),
            scope.parent
        );
        vec!["scope".to_owned(), output::one_line(&text)]
    };
    let rows: Vec<_> = scopes.iter().filter(told).map(line).collect();
    match rows.is_empty() {
        true => String::new(),
        false => output::table(&rows),
    }
}

fn kind_word(kind: ScopeKind) -> &'static str {
    match kind {
        ScopeKind::Cancellable => "cancellable",
        ScopeKind::Shielded => "shielded",
        ScopeKind::Detached => "detached",
        ScopeKind::Timeout(_) => "timeout",
    }
}

fn timer_text((event, due): (EventId, Timestamp), now: Timestamp) -> String {
    let left = length(due.since(now));
    // A run's own timeout is kept as a timer of its first event.
    match event {
        EventId(0) => format!("first workflow task in {left}"),
        EventId(1) => format!("run timeout in {left}"),
        event => format!("of event {event}, due in {left}"),
    }
}
