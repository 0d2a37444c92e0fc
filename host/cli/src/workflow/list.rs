//! `sandglass workflow list`.

use super::{place::Place, stored};
use crate::{
    args::{CountArgs, ListArgs, OutputForm, StatusFilter},
    exit::{Exit, Outcome, Stop},
    output, payload,
    time::{length, rfc3339},
};
use anyhow::anyhow;
use sandglass::RunListing;
use sandglass_engine::{CancelState, Fields, Timestamp};
use sandglass_store::{ListFilter, RunRow, RunStatus};
use serde_json::{Value, json};

/// Runs that are counted at a time.
const PAGE: usize = 1000;

pub(super) fn list(args: &ListArgs, form: OutputForm) -> Outcome {
    let mut place = Place::open(&args.place)?;
    let filter = selected(args.id.as_ref(), args.status);
    let wanted = args.cancel_state.map(CancelState::from);
    let (runs, damaged) = find(&mut place, &filter, wanted, args.limit)?;
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflows": runs.iter().map(Listed::to_json).collect::<Vec<_>>(),
            "errors": damaged,
        }))?,
        OutputForm::Text => {
            output::print(&text(&runs))?;
            output::notes(damaged.iter().map(|error| format!("error: {error}")));
        }
    }
    // The readable runs were shown; the exit code says that they are not all.
    Ok(if damaged.is_empty() {
        Exit::Completed
    } else {
        Exit::Host
    })
}

pub(super) fn count(args: &CountArgs, form: OutputForm) -> Outcome {
    let mut place = Place::open(&args.place)?;
    let filter = selected(args.id.as_ref(), args.status);
    let (mut count, mut after) = (0_u64, None);
    loop {
        let rows = place.list(&filter, PAGE, after)?;
        for row in &rows {
            // One that cannot be read is one of them, but nobody knows of which status.
            let row = row
                .as_ref()
                .map_err(|error| Stop::host(anyhow!("{error}")))?;
            (count, after) = (count + 1, Some(row.key));
        }
        if rows.len() < PAGE {
            break;
        }
    }
    match form {
        OutputForm::Json => output::print_json(&json!({ "count": count }))?,
        OutputForm::Text => output::print(&format!("{count}\n"))?,
    }
    Ok(Exit::Completed)
}

/// What the store can select by.
fn selected(id: Option<&String>, status_wanted: Option<StatusFilter>) -> ListFilter {
    ListFilter {
        workflow_id: id.cloned(),
        status: status_wanted.map(status),
        cancel_requested: (status_wanted == Some(StatusFilter::Canceling)).then_some(true),
        ..ListFilter::default()
    }
}

/// The newest runs that the filter lets through, and what could not be read of the store.
fn find(
    place: &mut Place<'_>,
    filter: &ListFilter,
    wanted: Option<CancelState>,
    limit: usize,
) -> Result<(Vec<Listed>, Vec<String>), Stop> {
    let (mut runs, mut damaged, mut after) = (Vec::new(), Vec::new(), None);
    // A server gives no more at a time.
    let page = limit.min(PAGE);
    loop {
        let rows = place.list(filter, page, after)?;
        let (read, before) = (rows.len(), after);
        for row in rows {
            match row {
                Ok(row) => {
                    after = Some(row.key);
                    let listed = Listed::new(row);
                    if wanted.is_none_or(|state| listed.cancel_state == Some(state)) {
                        runs.push(listed);
                    }
                }
                Err(error) => damaged.push(error),
            }
        }
        // The store does not know how far a request has come; it is asked for more until there is
        // enough.
        let is_last = read < page || after == before;
        let is_enough = wanted.is_none() && runs.len() + damaged.len() >= limit;
        if is_last || is_enough || runs.len() >= limit {
            runs.truncate(limit);
            return Ok((runs, damaged));
        }
    }
}

struct Listed {
    row: RunRow,
    /// How far a request to cancel it has come, if that can be read.
    cancel_state: Option<CancelState>,
    compensation_failed: bool,
    /// Failed workflow tasks that keep a request to cancel from the run's code.
    undeliverable: Option<u32>,
    memo: Fields,
    search_attributes: Fields,
    paused: bool,
}

impl Listed {
    fn new(row: RunRow) -> Self {
        // What a damaged summary would say is left out; `describe` names the damage.
        let listing = RunListing::from_row(&row).ok();
        Self {
            cancel_state: listing.as_ref().map(|listing| listing.cancel_state),
            compensation_failed: listing
                .as_ref()
                .is_some_and(|l| !l.uncompensated.is_empty()),
            paused: listing.as_ref().is_some_and(|listing| listing.paused),
            undeliverable: listing.as_ref().and_then(|listing| listing.undeliverable),
            memo: listing.as_ref().map(|l| l.memo.clone()).unwrap_or_default(),
            search_attributes: listing.map(|l| l.search_attributes).unwrap_or_default(),
            row,
        }
    }

    fn to_json(&self) -> Value {
        let row = &self.row;
        json!({
            "workflow_id": row.workflow_id,
            "run_id": row.run_id,
            "workflow_type": row.workflow_type,
            "status": stored::status_word(row.status),
            "paused": self.paused,
            "cancel_requested": row.cancel_requested,
            "cancel_state": self.cancel_state.map(CancelState::name),
            "compensation_failed": self.compensation_failed,
            "undeliverable": self.undeliverable,
            "memo": payload::fields(&self.memo),
            "search_attributes": payload::fields(&self.search_attributes),
            "digest": row.digest.to_string(),
            "started_at": rfc3339(row.started_at),
            "closed_at": row.closed_at.map(rfc3339),
        })
    }

    fn cells(&self) -> Vec<String> {
        let row = &self.row;
        let mut marks = String::new();
        if self.paused {
            marks.push_str(" (paused)");
        }
        if let Some(failed) = self.undeliverable {
            marks += &format!(" (undeliverable, {failed} workflow tasks failed)");
        }
        if self.compensation_failed {
            marks.push_str(" (compensation failed)");
        }
        vec![
            row.workflow_id.clone(),
            row.workflow_type.clone(),
            format!("{}{marks}", stored::status_text(row)),
            rfc3339(row.started_at),
            row.closed_at
                .map(|at: Timestamp| length(at.since(row.started_at)))
                .unwrap_or_default(),
            row.run_id.clone(),
        ]
    }
}

fn text(runs: &[Listed]) -> String {
    if runs.is_empty() {
        return "no workflows\n".into();
    }
    let head = ["WORKFLOW ID", "TYPE", "STATUS", "STARTED", "TOOK", "RUN ID"];
    let mut rows = vec![head.map(String::from).to_vec()];
    rows.extend(runs.iter().map(Listed::cells));
    output::table(&rows)
}

fn status(filter: StatusFilter) -> RunStatus {
    match filter {
        StatusFilter::Running | StatusFilter::Canceling => RunStatus::Running,
        StatusFilter::Completed => RunStatus::Completed,
        StatusFilter::Failed => RunStatus::Failed,
        StatusFilter::Canceled => RunStatus::Canceled,
        StatusFilter::Terminated => RunStatus::Terminated,
        StatusFilter::TimedOut => RunStatus::TimedOut,
        StatusFilter::ContinuedAsNew => RunStatus::ContinuedAsNew,
    }
}

#[cfg(test)]
mod tests {
    use super::{Listed, RunRow, RunStatus, Timestamp};
    use sandglass_engine::{CancelRequest, CancelState, Digest, RunSummary, encode};
    use sandglass_store::RunKey;

    fn listed(failed_tasks: u32, uncompensated: &[&str]) -> String {
        let summary = RunSummary {
            cancel: Some((CancelRequest::default(), Timestamp(5))),
            cancel_state: CancelState::Requested,
            task_pending: true,
            undelivered_tasks: failed_tasks,
            uncompensated: uncompensated.iter().map(ToString::to_string).collect(),
            ..RunSummary::default()
        };
        let row = RunRow {
            key: RunKey(1),
            workflow_id: "order-1".into(),
            run_id: "r".into(),
            first_run_id: "r".into(),
            workflow_type: "order".into(),
            status: RunStatus::Running,
            digest: Digest::default(),
            started_at: Timestamp(0),
            closed_at: None,
            cancel_requested: true,
            summary: encode(&summary),
        };
        let listed = Listed::new(row);
        let json = listed.to_json();
        assert_eq!(json["undeliverable"].as_u64().is_some(), failed_tasks >= 3);
        listed.cells().swap_remove(2)
    }

    #[test]
    fn a_run_that_cannot_be_told_of_its_cancel_is_marked() {
        assert_eq!(listed(2, &[]), "canceling");
        let marked = "canceling (undeliverable, 3 workflow tasks failed)";
        assert_eq!(listed(3, &[]), marked);
        let both = format!("{marked} (compensation failed)");
        assert_eq!(listed(3, &["undo"]), both);
    }
}
