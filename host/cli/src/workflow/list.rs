//! `sandglass workflow list`, `sandglass workflow count`.

use super::{place::Place, stored};
use crate::{
    args::{CountArgs, ListArgs, OutputForm, StatusFilter},
    exit::{Exit, Outcome, Stop, usage},
    output, payload,
    time::{length, rfc3339},
};
use anyhow::anyhow;
use sandglass::{RunListing, RunStart};
use sandglass_engine::{CancelState, Fields, Timestamp};
use sandglass_server::RunFilter;
use sandglass_store::{ListFilter, RunRow, RunStatus, is_last_page};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs that are counted at a time.
const PAGE: usize = 1000;

pub(super) fn list(args: &ListArgs, form: OutputForm) -> Outcome {
    let mut place = Place::open(&args.place)?;
    let wanted = Wanted::new(
        args.id.as_ref(),
        args.status,
        args.cancel_state.map(CancelState::from),
        args.query.as_deref(),
    )?;
    if wanted.is_grouped() {
        return Err(usage!("--query: GROUP BY is for `workflow count` only"));
    }
    let (runs, damaged) = find(&mut place, &wanted, args)?;
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
    let wanted = Wanted::new(args.id.as_ref(), args.status, None, args.query.as_deref())?;
    let (mut groups, mut after) = (BTreeMap::<&str, u64>::new(), None);
    loop {
        let rows = place.list(&wanted.selected, PAGE, after)?;
        let is_last = is_last_page(&rows, PAGE);
        // One that cannot be read is one of them, but nobody knows of which status.
        let rows: Vec<RunRow> = rows
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Stop::host(anyhow!("{error}")))?;
        let starts = wanted.starts(&mut place, &rows)?;
        for (row, start) in rows.into_iter().zip(starts) {
            after = Some(row.key);
            let listed = Listed::new(row);
            if wanted.is_all() || wanted.has(&listed, &start) {
                *groups.entry(listed.group()).or_default() += 1;
            }
        }
        if is_last {
            break;
        }
    }
    let count: u64 = groups.values().sum();
    if !wanted.is_grouped() {
        groups.clear();
    }
    match form {
        OutputForm::Json if wanted.is_grouped() => {
            output::print_json(&json!({ "count": count, "groups": groups }))?;
        }
        OutputForm::Json => output::print_json(&json!({ "count": count }))?,
        OutputForm::Text => {
            let groups = groups
                .iter()
                .map(|(name, count)| format!("{name}: {count}\n"));
            output::print(&format!("{count}\n{}", groups.collect::<String>()))?;
        }
    }
    Ok(Exit::Completed)
}

/// Which runs are asked for.
struct Wanted {
    /// What the store can select by.
    selected: ListFilter,
    cancel_state: Option<CancelState>,
    filter: Option<RunFilter>,
}

impl Wanted {
    fn new(
        id: Option<&String>,
        status_wanted: Option<StatusFilter>,
        cancel_state: Option<CancelState>,
        query: Option<&str>,
    ) -> Result<Self, Stop> {
        let filter = query.map(RunFilter::parse).transpose();
        let filter = filter.map_err(|error| Stop::usage(anyhow!("--query: {error}")))?;
        let asked = filter.as_ref().map(RunFilter::selected);
        let asked = asked.unwrap_or_default();
        let is_canceling = status_wanted == Some(StatusFilter::Canceling);
        Ok(Self {
            selected: ListFilter {
                workflow_id: id.cloned().or(asked.workflow_id),
                status: status_wanted.map(status).or(asked.status),
                cancel_requested: is_canceling.then_some(true),
                ..asked
            },
            cancel_state,
            filter,
        })
    }

    /// Whether the store has selected exactly what is asked for.
    fn is_all(&self) -> bool {
        self.cancel_state.is_none() && self.filter.is_none()
    }

    fn is_grouped(&self) -> bool {
        self.filter.as_ref().is_some_and(RunFilter::is_grouped)
    }

    /// How these runs were started, where that matters.
    fn starts(&self, place: &mut Place<'_>, rows: &[RunRow]) -> Result<Vec<RunStart>, Stop> {
        match self.filter.as_ref().is_some_and(RunFilter::is_about_start) {
            true => place.starts(rows),
            false => Ok(vec![RunStart::default(); rows.len()]),
        }
    }

    /// Whether a run that the store has selected is asked for.
    fn has(&self, listed: &Listed, start: &RunStart) -> bool {
        let state = |state| listed.listing.as_ref().map(|l| l.cancel_state) == Some(state);
        let holds = |filter: &RunFilter| {
            let listing = listed.listing.as_ref();
            listing.is_some_and(|listing| filter.holds(listing, start))
        };
        self.cancel_state.is_none_or(state) && self.filter.as_ref().is_none_or(holds)
    }
}

/// The newest runs that are asked for, and what could not be read of the store.
fn find(
    place: &mut Place<'_>,
    wanted: &Wanted,
    args: &ListArgs,
) -> Result<(Vec<Listed>, Vec<String>), Stop> {
    let (mut runs, mut damaged, mut after) = (Vec::new(), Vec::new(), None);
    let limit = args.limit;
    // A server gives no more at a time. Where only some of them are wanted, no fewer are asked for.
    let most = if wanted.is_all() { limit } else { PAGE };
    let page = args.page_size.unwrap_or(most).clamp(1, PAGE);
    loop {
        let rows = place.list(&wanted.selected, page, after)?;
        let (is_last, before) = (is_last_page(&rows, page), after);
        let mut readable = Vec::new();
        for row in rows {
            match row {
                Ok(row) => readable.push(row),
                Err(error) => damaged.push(error),
            }
        }
        let starts = wanted.starts(place, &readable)?;
        for (row, start) in readable.into_iter().zip(starts) {
            after = Some(row.key);
            let listed = Listed::new(row);
            if wanted.has(&listed, &start) {
                runs.push(listed);
            }
        }
        // The store cannot select by all that may be asked for; it is asked for more until there
        // is enough.
        let is_last = is_last || after == before;
        let is_enough = wanted.is_all() && runs.len() + damaged.len() >= limit;
        if is_last || is_enough || runs.len() >= limit {
            runs.truncate(limit);
            return Ok((runs, damaged));
        }
    }
}

struct Listed {
    row: RunRow,
    /// What its summary says. What a damaged one would say is left out; `describe` names the
    /// damage.
    listing: Option<RunListing>,
}

impl Listed {
    fn new(row: RunRow) -> Self {
        let listing = RunListing::from_row(&row).ok();
        Self { row, listing }
    }

    /// The status as groups are named by it.
    fn group(&self) -> &'static str {
        self.listing.as_ref().map_or("?", RunFilter::group)
    }

    fn is_paused(&self) -> bool {
        self.listing.as_ref().is_some_and(|listing| listing.paused)
    }

    fn compensation_failed(&self) -> bool {
        let listing = self.listing.as_ref();
        listing.is_some_and(|listing| !listing.uncompensated.is_empty())
    }

    /// Failed workflow tasks that keep a request to cancel from the run's code.
    fn undeliverable(&self) -> Option<u32> {
        self.listing.as_ref()?.undeliverable
    }

    fn to_json(&self) -> Value {
        let row = &self.row;
        let fields = |of: fn(&RunListing) -> &Fields| self.listing.as_ref().map(of);
        let shown = |of| payload::fields(fields(of).unwrap_or(&Fields::new()));
        json!({
            "workflow_id": row.workflow_id,
            "run_id": row.run_id,
            "workflow_type": row.workflow_type,
            "status": stored::status_word(row.status),
            "paused": self.is_paused(),
            "cancel_requested": row.cancel_requested,
            "cancel_state": self.listing.as_ref().map(|listing| listing.cancel_state.name()),
            "compensation_failed": self.compensation_failed(),
            "undeliverable": self.undeliverable(),
            "memo": shown(|listing| &listing.memo),
            "search_attributes": shown(|listing| &listing.search_attributes),
            "digest": row.digest.to_string(),
            "started_at": rfc3339(row.started_at),
            "closed_at": row.closed_at.map(rfc3339),
        })
    }

    fn cells(&self) -> Vec<String> {
        let row = &self.row;
        let mut marks = String::new();
        if self.is_paused() {
            marks.push_str(" (paused)");
        }
        if let Some(failed) = self.undeliverable() {
            marks += &format!(" (undeliverable, {failed} workflow tasks failed)");
        }
        if self.compensation_failed() {
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
