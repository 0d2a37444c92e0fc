//! How a run ended: its result on stdout, anything else about it on stderr.

use crate::{
    args::OutputForm,
    description,
    exit::{Exit, Outcome},
    outcome, output, payload,
};
use sandglass::RunDescription;
use sandglass_engine::Status;
use serde_json::{Value, json};

/// Prints how the run ended and returns its exit code.
pub(super) fn report(run: &RunDescription, form: OutputForm) -> Outcome {
    let exit = outcome::exit(&run.status);
    if !run.uncompensated.is_empty() {
        output::note(&format!(
            "warning: compensations failed: {}",
            run.uncompensated.join(", ")
        ));
    }
    output::note(&line(run));
    match (form, &run.status) {
        (OutputForm::Json, _) => output::print_json(&document(run, exit))?,
        (OutputForm::Text, Status::Completed { result }) => {
            output::print_json(&payload::value(result))?;
        }
        (OutputForm::Text, _) => {}
    }
    Ok(exit)
}

fn line(run: &RunDescription) -> String {
    let word = description::status_text(run);
    match outcome::text(&run.status) {
        // The result is printed, whole, on stdout.
        Some((_, text)) if !matches!(run.status, Status::Completed { .. }) => {
            format!("workflow {} {word}: {text}", run.workflow_id)
        }
        _ => format!("workflow {} {word}", run.workflow_id),
    }
}

fn document(run: &RunDescription, exit: Exit) -> Value {
    let mut document = json!({
        "workflow_id": run.workflow_id,
        "run_id": run.run_id,
        "workflow_type": run.workflow_type,
        "status": run.status.name(),
        "exit_code": exit as u8,
        "uncompensated": run.uncompensated,
    });
    if let Value::Object(map) = &mut document {
        map.extend(outcome::fields(&run.status));
    }
    document
}
