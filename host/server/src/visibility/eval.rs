//! Whether a run is one that a filter asks for.
//!
//! As in SQL an attribute that a run does not have makes a condition neither true nor false, and
//! only what is true is listed.

use super::parse::{Comparison, Condition, Value};
use crate::proto::enums::IndexedValueType;
use sandglass::RunListing;
use sandglass_engine::{CancelState, SearchValue, Status, Timestamp};
use std::cmp::Ordering;

/// A run that may be listed.
pub(crate) struct Candidate<'a> {
    pub(crate) listing: &'a RunListing,
    pub(crate) task_queue: &'a str,
    /// When its first workflow task was to be run.
    pub(crate) execution_time: Timestamp,
}

/// The status of a run under the name that filters have for it.
pub(crate) fn status_name(listing: &RunListing) -> &'static str {
    match listing.status {
        Status::Running if listing.paused => "Paused",
        Status::Running => "Running",
        Status::Completed { .. } => "Completed",
        Status::Failed { .. } => "Failed",
        Status::Canceled { .. } => "Canceled",
        Status::Terminated { .. } => "Terminated",
        Status::TimedOut => "TimedOut",
        Status::ContinuedAsNew { .. } => "ContinuedAsNew",
    }
}

const STATUSES: [&str; 8] = [
    "Running",
    "Completed",
    "Failed",
    "Canceled",
    "Terminated",
    "TimedOut",
    "ContinuedAsNew",
    "Paused",
];

/// Attributes of Temporal's that no run here has.
const NOT_KEPT: [&str; 18] = [
    "BatcherNamespace",
    "BatcherUser",
    "BinaryChecksums",
    "BuildIds",
    "ExecutionDuration",
    "HistorySizeBytes",
    "RootRunId",
    "RootWorkflowId",
    "StateTransitionCount",
    "TemporalExternalPayloadCount",
    "TemporalExternalPayloadSizeBytes",
    "TemporalNamespaceDivision",
    "TemporalPauseInfo",
    "TemporalScheduledById",
    "TemporalScheduledStartTime",
    "TemporalUsedWorkerDeploymentVersions",
    "TemporalWorkerDeployment",
    "TemporalWorkflowVersioningBehavior",
];

/// Attributes that every run has, with the types that they are listed under.
pub(crate) const BUILT_IN: [(&str, IndexedValueType); 12] = [
    ("CancelState", IndexedValueType::Keyword),
    ("CloseTime", IndexedValueType::Datetime),
    ("ExecutionStatus", IndexedValueType::Keyword),
    ("ExecutionTime", IndexedValueType::Datetime),
    ("HistoryLength", IndexedValueType::Int),
    ("ParentRunId", IndexedValueType::Keyword),
    ("ParentWorkflowId", IndexedValueType::Keyword),
    ("RunId", IndexedValueType::Keyword),
    ("StartTime", IndexedValueType::Datetime),
    ("TaskQueue", IndexedValueType::Keyword),
    ("WorkflowId", IndexedValueType::Keyword),
    ("WorkflowType", IndexedValueType::Keyword),
];

/// How far a request to cancel can have come.
const CANCEL_STATES: [CancelState; 5] = [
    CancelState::None,
    CancelState::Requested,
    CancelState::Delivered,
    CancelState::ForceRequested,
    CancelState::KillRequested,
];

/// What kind of value an attribute that every run has is compared with. `None`: a custom one.
fn is_time(name: &str) -> Option<bool> {
    match name {
        "StartTime" | "CloseTime" | "ExecutionTime" => Some(true),
        "WorkflowId" | "WorkflowType" | "RunId" | "TaskQueue" | "ExecutionStatus"
        | "ParentWorkflowId" | "ParentRunId" | "CancelState" => Some(false),
        _ => None,
    }
}

/// Finds what makes no sense before any run is looked at.
///
/// # Errors
/// Names the attribute or value.
pub(crate) fn check(condition: &Condition) -> Result<(), String> {
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().try_for_each(check),
        Condition::Not(inner) => check(inner),
        Condition::Compare(name, comparison, value) => {
            let is_text = matches!(value, Value::Text(_));
            if *comparison == Comparison::StartsWith && !is_text {
                return Err(format!("{name} STARTS_WITH needs a text"));
            }
            check_value(name, value)
        }
        Condition::In(name, values) => values.iter().try_for_each(|value| check_value(name, value)),
        Condition::IsNull(name) => check_name(name),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if NOT_KEPT.contains(&name) {
        return Err(format!("search attribute {name} is not kept here"));
    }
    let is_meant = |known: &&(&str, _)| known.0.eq_ignore_ascii_case(name) && known.0 != name;
    match BUILT_IN.iter().find(is_meant) {
        Some((known, _)) => Err(format!(
            "there is no search attribute {name}: {known} is meant"
        )),
        None => Ok(()),
    }
}

fn check_value(name: &str, value: &Value) -> Result<(), String> {
    check_name(name)?;
    match (is_time(name), value) {
        (Some(true), value) if time(value).is_none() => Err(format!(
            "{name} is compared with a time like \"2026-03-01T12:00:00Z\""
        )),
        (Some(false), Value::Text(text)) if name == "ExecutionStatus" => {
            let known = STATUSES.contains(&text.as_str());
            let problem = || {
                format!(
                    "ExecutionStatus {text:?} is none of {}",
                    STATUSES.join(", ")
                )
            };
            known.then_some(()).ok_or_else(problem)
        }
        (Some(false), Value::Text(text)) if name == "CancelState" => {
            let names = CANCEL_STATES.map(CancelState::name);
            let problem = || format!("CancelState {text:?} is none of {}", names.join(", "));
            let known = names.contains(&text.as_str());
            known.then_some(()).ok_or_else(problem)
        }
        (Some(false), value) if !matches!(value, Value::Text(_)) => {
            Err(format!("{name} is compared with a text"))
        }
        (None, Value::Text(_) | Value::Bool(_)) if name == "HistoryLength" => {
            Err(format!("{name} is compared with a number"))
        }
        _ => Ok(()),
    }
}

/// A time in a filter: RFC 3339, or nanoseconds since 1970.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Text(text) => Timestamp::from_rfc3339(text),
        Value::Int(nanos) => Some(Timestamp(u64::try_from(*nanos).ok()? / 1_000_000)),
        Value::Double(_) | Value::Bool(_) => None,
    }
}

/// Whether a condition holds; `None`: it cannot be said.
pub(crate) fn holds(condition: &Condition, run: &Candidate<'_>) -> Option<bool> {
    match condition {
        Condition::All(inner) => join(inner, run, false),
        Condition::Any(inner) => join(inner, run, true),
        Condition::Not(inner) => holds(inner, run).map(|holds| !holds),
        Condition::IsNull(name) => Some(attribute(name, run).is_none()),
        Condition::Compare(name, comparison, value) => {
            compare(&attribute(name, run)?, *comparison, value)
        }
        Condition::In(name, values) => {
            let found = attribute(name, run)?;
            let mut equal = values
                .iter()
                .filter_map(|value| compare(&found, Comparison::Equal, value));
            Some(equal.any(|equal| equal))
        }
    }
}

/// One that decides makes the whole so; else one of which nothing can be said leaves it open.
fn join(conditions: &[Condition], run: &Candidate<'_>, decides: bool) -> Option<bool> {
    let mut joined = Some(!decides);
    for condition in conditions {
        match holds(condition, run) {
            Some(found) if found == decides => return Some(decides),
            Some(_) => {}
            None => joined = None,
        }
    }
    joined
}

fn attribute(name: &str, run: &Candidate<'_>) -> Option<SearchValue> {
    let listing = run.listing;
    let text = |text: &str| Some(SearchValue::Keyword(text.into()));
    let parent = listing.parent.as_ref();
    match name {
        "WorkflowId" => text(&listing.workflow_id),
        "WorkflowType" => text(&listing.workflow_type),
        "RunId" => text(&listing.run_id),
        "TaskQueue" => text(run.task_queue),
        "ExecutionStatus" => text(status_name(listing)),
        "CancelState" => text(listing.cancel_state.name()),
        "ParentWorkflowId" => text(&parent?.run.workflow_id),
        "ParentRunId" => text(&parent?.run.run_id),
        "StartTime" => Some(SearchValue::Datetime(listing.started_at)),
        "ExecutionTime" => Some(SearchValue::Datetime(run.execution_time)),
        "CloseTime" => listing.closed_at.map(SearchValue::Datetime),
        "HistoryLength" => {
            let length = i64::try_from(listing.history_length);
            Some(SearchValue::Int(length.unwrap_or(i64::MAX)))
        }
        custom => SearchValue::from_payload(listing.search_attributes.get(custom)?).ok(),
    }
}

fn compare(found: &SearchValue, comparison: Comparison, value: &Value) -> Option<bool> {
    match (found, value) {
        (SearchValue::Keyword(found), Value::Text(value)) => match comparison {
            Comparison::StartsWith => Some(found.starts_with(value.as_str())),
            _ => Some(is(comparison, found.cmp(value))),
        },
        (SearchValue::KeywordList(found), Value::Text(value)) => {
            let has = match comparison {
                Comparison::StartsWith => found.iter().any(|one| one.starts_with(value.as_str())),
                _ => found.contains(value),
            };
            Some(has != (comparison == Comparison::NotEqual))
        }
        (SearchValue::Text(found), Value::Text(value)) => {
            let has = has_word_of(found, value);
            Some(has != (comparison == Comparison::NotEqual))
        }
        (SearchValue::Int(found), Value::Int(value)) => Some(is(comparison, found.cmp(value))),
        (SearchValue::Bool(found), Value::Bool(value)) => Some(is(comparison, found.cmp(value))),
        (SearchValue::Datetime(found), value) => Some(is(comparison, found.cmp(&time(value)?))),
        (found, value) => Some(is(comparison, float(found)?.partial_cmp(&literal(value)?)?)),
    }
}

fn has_word_of(text: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|character: char| !character.is_alphanumeric());
        words.map(str::to_lowercase).collect()
    };
    let found = words(text);
    let wanted = words(wanted);
    wanted
        .iter()
        .any(|word| !word.is_empty() && found.contains(word))
}

#[expect(clippy::cast_precision_loss, reason = "compared with a fraction")]
fn float(value: &SearchValue) -> Option<f64> {
    match value {
        SearchValue::Int(number) => Some(*number as f64),
        SearchValue::Double(number) => Some(*number),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared with a fraction")]
fn literal(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Text(_) | Value::Bool(_) => None,
    }
}

fn is(comparison: Comparison, order: Ordering) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
        // Of numbers nothing begins with anything.
        Comparison::StartsWith => false,
    }
}
