//! `sandglass workflow list`.

use super::stored;
use crate::{
    args::{ListArgs, OutputForm, StatusFilter},
    exit::{Exit, Outcome},
    output,
    time::{length, rfc3339},
};
use sandglass_engine::Timestamp;
use sandglass_store::{ListFilter, Reader, RunRow, RunStatus};
use serde_json::{Value, json};

pub(super) fn list(args: &ListArgs, form: OutputForm) -> Outcome {
    let reader = stored::open(&args.db.db)?;
    let filter = ListFilter {
        workflow_id: args.id.clone(),
        status: args.status.map(status),
        ..ListFilter::default()
    };
    let rows = reader
        .list(&filter, args.limit, None)
        .map_err(stored::stop)?;
    let mut runs = Vec::new();
    let mut damaged = Vec::new();
    for row in rows {
        match row {
            Ok(row) => runs.push(Listed::new(&reader, row)),
            Err(error) => damaged.push(error),
        }
    }
    match form {
        OutputForm::Json => output::print_json(&json!({
            "workflows": runs.iter().map(Listed::to_json).collect::<Vec<_>>(),
            "errors": damaged.iter().map(ToString::to_string).collect::<Vec<_>>(),
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

struct Listed {
    row: RunRow,
    compensation_failed: bool,
}

impl Listed {
    fn new(reader: &dyn Reader, row: RunRow) -> Self {
        let summary = stored::summary(reader, &row);
        let compensation_failed = summary.is_ok_and(|summary| !summary.uncompensated.is_empty());
        Self {
            row,
            compensation_failed,
        }
    }

    fn to_json(&self) -> Value {
        let row = &self.row;
        json!({
            "workflow_id": row.workflow_id,
            "run_id": row.run_id,
            "workflow_type": row.workflow_type,
            "status": stored::status_word(row.status),
            "cancel_requested": row.cancel_requested,
            "compensation_failed": self.compensation_failed,
            "digest": row.digest.to_string(),
            "started_at": rfc3339(row.started_at),
            "closed_at": row.closed_at.map(rfc3339),
        })
    }

    fn cells(&self) -> Vec<String> {
        let row = &self.row;
        let mark = if self.compensation_failed {
            " (compensation failed)"
        } else {
            ""
        };
        vec![
            row.workflow_id.clone(),
            row.workflow_type.clone(),
            format!("{}{mark}", stored::status_text(row)),
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
        StatusFilter::Running => RunStatus::Running,
        StatusFilter::Completed => RunStatus::Completed,
        StatusFilter::Failed => RunStatus::Failed,
        StatusFilter::Canceled => RunStatus::Canceled,
        StatusFilter::Terminated => RunStatus::Terminated,
        StatusFilter::TimedOut => RunStatus::TimedOut,
    }
}
