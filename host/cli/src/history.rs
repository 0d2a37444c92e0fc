//! The one text form of a history: a line for each event, with what matters about it.
//!
//! `workflow show`, the progress of `run` and the documents all use it.

mod messages;
mod relatives;

use crate::{description::force_text, output, payload, time};
use sandglass_engine::{
    ActivityCall, CancellationType, EventAttributes, Failure, HistoryEvent, OperatorTarget,
    Payload, Timestamp,
};

/// Characters that a description may take before it is cut.
const ROOM: usize = 160;

/// The lines of a history, in columns: event id, time since the start, event type, description.
#[must_use]
pub fn text(events: &[HistoryEvent]) -> String {
    lines(events).concat()
}

/// The same, line by line.
#[must_use]
pub fn lines(events: &[HistoryEvent]) -> Vec<String> {
    let start = events
        .first()
        .map(|event| event.event_time)
        .unwrap_or_default();
    let digits = events
        .last()
        .map_or(1, |event| event.event_id.to_string().len());
    let lines = events.iter().map(|event| {
        let line = line(event, start, events);
        format!("{:>digits$}  {line}\n", event.event_id)
    });
    lines.collect()
}

/// One event without its id.
#[must_use]
pub fn line(event: &HistoryEvent, start: Timestamp, history: &[HistoryEvent]) -> String {
    let passed = format!("+{}", time::length(event.event_time.since(start)));
    let event_type = event.attributes.event_type();
    let description = output::shorten(
        &output::one_line(&describe(&event.attributes, history)),
        ROOM,
    );
    format!("{passed:>9}  {event_type:<32}  {description}")
        .trim_end()
        .to_owned()
}

/// Whether an event belongs to the mechanics of workflow tasks, which say nothing about the run.
#[must_use]
pub fn is_mechanics(attributes: &EventAttributes) -> bool {
    matches!(
        attributes,
        EventAttributes::WorkflowTaskScheduled { .. }
            | EventAttributes::WorkflowTaskStarted { .. }
            | EventAttributes::WorkflowTaskCompleted { .. }
    )
}

/// What an event says beyond its type. `history` names the activities that it refers to.
#[must_use]
pub fn describe(attributes: &EventAttributes, history: &[HistoryEvent]) -> String {
    use EventAttributes as E;
    match attributes {
        E::WorkflowTaskScheduled { attempt } if *attempt > 1 => format!("attempt {attempt}"),
        E::WorkflowTaskCompleted { digest, .. } => changed_digest(digest, history),
        E::WorkflowTaskTimedOut { .. } => "it took longer than it may".into(),
        E::WorkflowTaskFailed { cause, failure, .. } => format!("{cause:?}: {failure}"),
        E::ActivityTaskScheduled {
            activity_id, call, ..
        } => scheduled(activity_id, call),
        E::ActivityTaskStarted {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityTaskCompleted {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityTaskFailed {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityTaskTimedOut {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityTaskCancelRequested {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityTaskCanceled {
            scheduled_event_id: id,
            ..
        }
        | E::ActivityCancelWaitTimedOut {
            scheduled_event_id: id,
            ..
        } => activity_name(*id, history) + &activity_news(attributes),
        E::OperatorCancelRequested {
            target: OperatorTarget::Activity(id),
            request,
        } => {
            let by = by(&request.reason, &request.identity);
            format!("{} {by}", activity_name(*id, history))
        }
        E::TimerStarted {
            timer_id,
            start_to_fire_timeout,
            ..
        } => {
            format!("timer {timer_id}, {}", time::chosen(*start_to_fire_timeout))
        }
        E::TimerFired { timer_id, .. } | E::TimerCanceled { timer_id, .. } => {
            format!("timer {timer_id}")
        }
        attributes => {
            let said = relatives::describe(attributes, history);
            let said = said.or_else(|| messages::describe(attributes));
            said.unwrap_or_else(|| run_news(attributes))
        }
    }
}

/// What an event says about the run itself.
fn run_news(attributes: &EventAttributes) -> String {
    use EventAttributes as E;
    match attributes {
        E::WorkflowExecutionStarted(start) => format!(
            "{}({}) by {}, component {}",
            start.workflow_type,
            payload::short(&start.arguments),
            or_unknown(&start.identity),
            short_digest(&start.digest)
        ),
        E::WorkflowExecutionCompleted { result, .. } => value_text(result),
        E::WorkflowExecutionFailed {
            failure,
            uncompensated,
            ..
        } => {
            format!("{failure}{}", not_compensated(uncompensated))
        }
        E::WorkflowExecutionCanceled {
            details,
            uncompensated,
            ..
        } => {
            format!(
                "{}{}",
                payload::short(details),
                not_compensated(uncompensated)
            )
        }
        E::WorkflowExecutionTerminated {
            reason, identity, ..
        } => by(reason, identity),
        E::WorkflowExecutionCancelRequested(request) => by(&request.reason, &request.identity),
        E::WorkflowExecutionForceCancelRequested(force) => force_text(force),
        E::WorkflowExecutionPaused(request) | E::WorkflowExecutionUnpaused(request) => {
            by(&request.reason, &request.identity)
        }
        E::OperatorCancelRequested {
            target: OperatorTarget::Scope(scope),
            request,
        } => format!("scope {scope} {}", by(&request.reason, &request.identity)),
        E::WorkflowExecutionSignaled(signal) => {
            format!("{}({})", signal.name, payload::short(&signal.arguments))
        }
        _ => String::new(),
    }
}

/// What an event says about the activity that it names.
fn activity_news(attributes: &EventAttributes) -> String {
    use EventAttributes as E;
    match attributes {
        E::ActivityTaskStarted {
            attempt,
            last_failure,
            ..
        } => attempt_text(*attempt, last_failure.as_ref()),
        E::ActivityTaskCompleted { result, .. } => match value_text(result).as_str() {
            // It was done for its effect.
            "null" => String::new(),
            text => format!(" -> {text}"),
        },
        E::ActivityTaskFailed {
            failure,
            retry_state,
            ..
        }
        | E::ActivityTaskTimedOut {
            failure,
            retry_state,
            ..
        } => {
            format!(": {failure} ({retry_state:?})")
        }
        E::ActivityTaskCancelRequested { reason, .. } => after_colon(reason),
        E::ActivityCancelWaitTimedOut { .. } => ": has not ended, no longer awaited".into(),
        E::ActivityTaskCanceled { details, .. } => after_colon(&payload::short(details)),
        _ => String::new(),
    }
}

/// A value as JSON, in a line.
#[must_use]
pub fn value_text(value: &Payload) -> String {
    payload::short(std::slice::from_ref(value))
}

/// The start of a digest, enough to tell components apart.
#[must_use]
pub fn short_digest(digest: &sandglass_engine::Digest) -> String {
    digest.to_string()[..12].to_owned()
}

fn activity_name(scheduled: sandglass_engine::EventId, history: &[HistoryEvent]) -> String {
    let index = usize::try_from(scheduled.0)
        .unwrap_or(usize::MAX)
        .wrapping_sub(1);
    match history.get(index).map(|event| &event.attributes) {
        Some(EventAttributes::ActivityTaskScheduled {
            activity_id, call, ..
        }) => {
            format!("{} [{activity_id}]", call.activity_type)
        }
        _ => format!("activity of event {scheduled}"),
    }
}

fn scheduled(activity_id: &str, call: &ActivityCall) -> String {
    let arguments = payload::short(&call.arguments);
    let cancellation = match call.cancellation {
        CancellationType::WaitCancellationCompleted => String::new(),
        CancellationType::WaitAtMost(limit) => {
            format!(", cancellation awaited for {}", time::chosen(limit))
        }
        CancellationType::TryCancel => ", try-cancel".into(),
        CancellationType::Abandon => ", abandon".into(),
    };
    format!(
        "{} [{activity_id}] ({arguments}){cancellation}",
        call.activity_type
    )
}

fn attempt_text(attempt: u32, last_failure: Option<&Failure>) -> String {
    match last_failure {
        None if attempt <= 1 => String::new(),
        None => format!(", attempt {attempt}"),
        Some(failure) => format!(", attempt {attempt} after {failure}"),
    }
}

/// Only a task that ran with another component than the one before it names it.
fn changed_digest(digest: &sandglass_engine::Digest, history: &[HistoryEvent]) -> String {
    let started = history.first().map(|event| &event.attributes);
    match started {
        Some(EventAttributes::WorkflowExecutionStarted(start)) if start.digest != *digest => {
            format!("component {}", short_digest(digest))
        }
        _ => String::new(),
    }
}

fn not_compensated(types: &[String]) -> String {
    match types {
        [] => String::new(),
        types => format!(" (compensations failed: {})", types.join(", ")),
    }
}

fn by(reason: &str, identity: &str) -> String {
    let identity = or_unknown(identity);
    if reason.is_empty() {
        format!("by {identity}")
    } else {
        format!("by {identity}: {reason}")
    }
}

fn or_unknown(identity: &str) -> &str {
    if identity.is_empty() {
        "somebody unnamed"
    } else {
        identity
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

#[cfg(test)]
mod tests;
