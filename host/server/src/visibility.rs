//! `ListWorkflowExecutions`, `CountWorkflowExecutions`: runs, newest first, by a filter.
//!
//! What the store can select by is handed to it; the rest is looked at run by run, from summaries
//! and not from histories.

mod eval;
mod filter;
mod parse;
#[cfg(test)]
mod tests;

use crate::{
    describe::{execution, parent, status_of},
    door::Door,
    payload,
    proto::{
        common::WorkflowType,
        service::{
            CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse,
            ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse,
            count_workflow_executions_response::AggregationGroup,
        },
        workflow::WorkflowExecutionInfo,
    },
    status, time,
};
pub(crate) use eval::BUILT_IN;
use eval::{Candidate, status_name};
pub use filter::RunFilter;
use parse::{Comparison, Condition, Query, Value};
use sandglass::{
    RunListing,
    store::{ListFilter, RunKey, RunStatus},
};
use sandglass_engine::{EventId, SearchValue, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tonic::Status;

/// Most runs of one page, and of one look into the store.
const PAGE: usize = 1000;

/// Runs whose start is remembered.
const REMEMBERED: usize = 100_000;

/// What a list shows of a run's start. It never changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Started {
    task_queue: String,
    execution_time: Timestamp,
}

fn read(text: &str) -> Result<Query, Status> {
    let wrong = |reason: String| status::invalid(format!("invalid query: {reason}"));
    let query = parse::parse(text).map_err(wrong)?;
    query
        .condition
        .iter()
        .try_for_each(eval::check)
        .map_err(wrong)?;
    Ok(query)
}

/// What the store can select by: at least the runs that the condition holds for.
fn filter(condition: Option<&Condition>) -> ListFilter {
    let mut filter = ListFilter::default();
    let all = match condition {
        Some(Condition::All(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    for condition in all {
        let Condition::Compare(name, comparison, value) = condition else {
            continue;
        };
        match (name.as_str(), comparison, value) {
            ("WorkflowId", Comparison::Equal, Value::Text(id)) => {
                filter.workflow_id = Some(id.clone());
            }
            ("WorkflowType", Comparison::Equal, Value::Text(name)) => {
                filter.workflow_type = Some(name.clone());
            }
            ("ExecutionStatus", Comparison::Equal, Value::Text(name)) => {
                filter.status = stored_status(name);
            }
            ("StartTime", Comparison::Greater | Comparison::GreaterOrEqual, value) => {
                filter.started_from = eval::time(value);
            }
            ("StartTime", Comparison::Less, value) => filter.started_before = eval::time(value),
            _ => {}
        }
    }
    filter
}

fn stored_status(name: &str) -> Option<RunStatus> {
    Some(match name {
        "Running" | "Paused" => RunStatus::Running,
        "Completed" => RunStatus::Completed,
        "Failed" => RunStatus::Failed,
        "Canceled" => RunStatus::Canceled,
        "Terminated" => RunStatus::Terminated,
        "TimedOut" => RunStatus::TimedOut,
        "ContinuedAsNew" => RunStatus::ContinuedAsNew,
        _ => return None,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The start of a run; remembered.
async fn started(door: &Door, listing: &RunListing) -> Started {
    if let Some(known) = lock(&door.starts).get(&listing.run_id) {
        return known.clone();
    }
    let run = door
        .host
        .run(listing.workflow_id.clone(), Some(&listing.run_id));
    // A damaged run is listed with what its summary tells.
    let Ok(start) = run.started().await else {
        return Started {
            execution_time: listing.started_at,
            ..Started::default()
        };
    };
    let started = Started {
        task_queue: start.task_queue,
        execution_time: listing.started_at + start.chain.first_task_backoff,
    };
    let mut starts = lock(&door.starts);
    if starts.len() >= REMEMBERED {
        starts.clear();
    }
    starts.insert(listing.run_id.clone(), started.clone());
    started
}

/// Whether a condition is about what only the start of a run tells.
fn is_about_start(condition: &Condition) -> bool {
    let is_it = |name: &str| matches!(name, "TaskQueue" | "ExecutionTime");
    match condition {
        Condition::All(inner) | Condition::Any(inner) => inner.iter().any(is_about_start),
        Condition::Not(inner) => is_about_start(inner),
        Condition::Compare(name, ..) | Condition::In(name, _) | Condition::IsNull(name) => {
            is_it(name)
        }
    }
}

/// Gives the runs that a filter asks for, newest first, to a function, until it says that it has
/// enough. Returns the last run that it was given if there may be more.
async fn each(
    door: &Door,
    query: &Query,
    mut after: Option<RunKey>,
    mut take: impl FnMut(RunListing) -> bool + Send,
) -> Result<Option<RunKey>, Status> {
    let condition = query.condition.as_ref();
    let filter = filter(condition);
    // Their starts are read from their histories: only if it matters.
    let asks_for_start = condition.is_some_and(is_about_start);
    loop {
        let found = door.host.list(&filter, PAGE, after).await;
        let found = found.map_err(status::of)?;
        let Some((last, _)) = found.last() else {
            return Ok(None);
        };
        after = Some(*last);
        for (key, listing) in found {
            let started = match asks_for_start {
                true => started(door, &listing).await,
                false => Started::default(),
            };
            let candidate = Candidate {
                listing: &listing,
                task_queue: &started.task_queue,
                execution_time: started.execution_time,
            };
            let is_asked_for =
                condition.is_none_or(|condition| eval::holds(condition, &candidate) == Some(true));
            if is_asked_for && !take(listing) {
                return Ok(Some(key));
            }
        }
        // A store may hold any number of runs; others are to be answered meanwhile.
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn list(
    door: &Door,
    request: ListWorkflowExecutionsRequest,
) -> Result<ListWorkflowExecutionsResponse, Status> {
    let query = read(&request.query)?;
    if query.by_status {
        return Err(status::invalid(
            "invalid query: GROUP BY is for counts only",
        ));
    }
    let after = match request.next_page_token.as_slice() {
        [] => None,
        token => Some(parse_token(token).ok_or_else(|| status::invalid("Invalid NextPageToken."))?),
    };
    let limit = match usize::try_from(request.page_size) {
        Ok(0) | Err(_) => PAGE,
        Ok(wanted) => wanted.min(PAGE),
    };
    let mut listings = Vec::new();
    let last = each(door, &query, after, |listing| {
        listings.push(listing);
        listings.len() < limit
    })
    .await?;
    let mut executions = Vec::with_capacity(listings.len());
    for listing in listings {
        let started = started(door, &listing).await;
        executions.push(info(listing, started));
    }
    Ok(ListWorkflowExecutionsResponse {
        executions,
        next_page_token: last.map_or_else(Vec::new, |key| key.to_string().into_bytes()),
    })
}

fn parse_token(token: &[u8]) -> Option<RunKey> {
    Some(RunKey(std::str::from_utf8(token).ok()?.parse().ok()?))
}

pub(crate) async fn count(
    door: &Door,
    request: CountWorkflowExecutionsRequest,
) -> Result<CountWorkflowExecutionsResponse, Status> {
    let query = read(&request.query)?;
    let mut groups: BTreeMap<&'static str, i64> = BTreeMap::new();
    each(door, &query, None, |listing| {
        *groups.entry(status_name(&listing)).or_default() += 1;
        true
    })
    .await?;
    let count = groups.values().sum();
    let shown = groups.into_iter().filter(|_| query.by_status);
    let groups = shown.map(|(name, count)| AggregationGroup {
        group_values: vec![payload::to_proto(
            SearchValue::Keyword(name.into()).to_payload(),
        )],
        count,
    });
    Ok(CountWorkflowExecutionsResponse {
        count,
        groups: groups.collect(),
    })
}

fn info(listing: RunListing, started: Started) -> WorkflowExecutionInfo {
    let lasted = listing.closed_at.map(|at| at.since(listing.started_at));
    WorkflowExecutionInfo {
        execution: execution(&listing.workflow_id, &listing.run_id),
        status: status_of(&listing.status).into(),
        r#type: Some(WorkflowType {
            name: listing.workflow_type,
        }),
        start_time: Some(time::timestamp(listing.started_at)),
        close_time: listing.closed_at.map(time::timestamp),
        execution_time: Some(time::timestamp(started.execution_time)),
        execution_duration: lasted.map(time::duration),
        history_length: crate::failure::event_id(EventId(listing.history_length)),
        parent_execution: parent(listing.parent.as_ref()),
        root_execution: parent(listing.parent.as_ref())
            .or_else(|| execution(&listing.workflow_id, &listing.run_id)),
        memo: Some(payload::to_memo(listing.memo)),
        search_attributes: Some(payload::to_search_attributes(listing.search_attributes)),
        task_queue: started.task_queue,
        first_run_id: listing.first_run_id,
        ..Default::default()
    }
}
