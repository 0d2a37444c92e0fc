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
use prost::Message as _;
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

/// Bytes after which a page ends. Clients take messages of 4 MiB at least.
const PAGE_BYTES: usize = 2 << 20;

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

/// The text that a filter compares this attribute with, if that is all of it.
pub(crate) fn equal_to(query: &str, attribute: &str) -> Option<String> {
    match parse::parse(query).ok()? {
        Query {
            condition: Some(Condition::Compare(name, Comparison::Equal, Value::Text(value))),
            by_status: false,
        } if name == attribute => Some(value),
        _ => None,
    }
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

/// Which run's start is asked for.
struct Known {
    workflow_id: String,
    run_id: String,
    started_at: Timestamp,
}

impl Known {
    fn of(listing: &RunListing) -> Self {
        Self {
            workflow_id: listing.workflow_id.clone(),
            run_id: listing.run_id.clone(),
            started_at: listing.started_at,
        }
    }
}

/// The start of a run; remembered.
async fn started(door: &Door, run: &Known) -> Started {
    if let Some(known) = lock(&door.starts).get(&run.run_id) {
        return known.clone();
    }
    let handle = door.host.run(run.workflow_id.clone(), Some(&run.run_id));
    // A damaged run is listed with what its summary tells.
    let Ok(start) = handle.started().await else {
        return Started {
            execution_time: run.started_at,
            ..Started::default()
        };
    };
    let started = Started {
        task_queue: start.task_queue,
        execution_time: run.started_at + start.chain.first_task_backoff,
    };
    let mut starts = lock(&door.starts);
    if starts.len() >= REMEMBERED {
        starts.clear();
    }
    starts.insert(run.run_id.clone(), started.clone());
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
/// enough. Returns whether it has, and there may be more.
async fn each(
    door: &Door,
    query: &Query,
    mut after: Option<RunKey>,
    mut take: impl FnMut(RunKey, RunListing) -> bool + Send,
) -> Result<bool, Status> {
    let condition = query.condition.as_ref();
    let filter = filter(condition);
    // Their starts are read from their histories: only if it matters.
    let asks_for_start = condition.is_some_and(is_about_start);
    loop {
        let found = door.host.list(&filter, PAGE, after).await;
        let found = found.map_err(status::of)?;
        let Some((last, _)) = found.last() else {
            return Ok(false);
        };
        after = Some(*last);
        for (key, listing) in found {
            let started = match asks_for_start {
                true => started(door, &Known::of(&listing)).await,
                false => Started::default(),
            };
            let candidate = Candidate {
                listing: &listing,
                task_queue: &started.task_queue,
                execution_time: started.execution_time,
            };
            let is_asked_for =
                condition.is_none_or(|condition| eval::holds(condition, &candidate) == Some(true));
            if is_asked_for && !take(key, listing) {
                return Ok(true);
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
    let (mut page, mut bytes) = (Vec::new(), 0);
    let has_more = each(door, &query, after, |key, listing| {
        let known = Known::of(&listing);
        let info = info(listing);
        bytes += info.encoded_len();
        if !page.is_empty() && bytes > PAGE_BYTES {
            return false;
        }
        page.push((key, known, info));
        page.len() < limit
    })
    .await?;
    let last = page.last().filter(|_| has_more).map(|(key, ..)| *key);
    let mut executions = Vec::with_capacity(page.len());
    for (_, known, mut info) in page {
        let started = started(door, &known).await;
        info.execution_time = Some(time::timestamp(started.execution_time));
        info.task_queue = started.task_queue;
        executions.push(info);
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
    each(door, &query, None, |_, listing| {
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

/// What its summary tells of a run.
fn info(listing: RunListing) -> WorkflowExecutionInfo {
    let lasted = listing.closed_at.map(|at| at.since(listing.started_at));
    WorkflowExecutionInfo {
        execution: execution(&listing.workflow_id, &listing.run_id),
        status: status_of(&listing.status).into(),
        r#type: Some(WorkflowType {
            name: listing.workflow_type,
        }),
        start_time: Some(time::timestamp(listing.started_at)),
        close_time: listing.closed_at.map(time::timestamp),
        execution_duration: lasted.map(time::duration),
        history_length: crate::failure::event_id(EventId(listing.history_length)),
        parent_execution: parent(listing.parent.as_ref()),
        root_execution: parent(listing.parent.as_ref())
            .or_else(|| execution(&listing.workflow_id, &listing.run_id)),
        memo: Some(payload::to_memo(listing.memo)),
        search_attributes: Some(payload::to_search_attributes(listing.search_attributes)),
        first_run_id: listing.first_run_id,
        ..Default::default()
    }
}
