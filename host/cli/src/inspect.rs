//! `sandglass inspect`: what a component contains, and whether a host would load it.

use crate::{
    args::{InspectArgs, OutputForm},
    component,
    exit::{Exit, OrStop, Outcome},
    output::{self, size},
};
use anyhow::Context;
use sandglass_sandbox::{ComponentKind, ImportVerdict, Inspection, TypedFunction};
use serde_json::{Map, Value, json};

/// Prints all about a component.
///
/// # Errors
/// With exit code 2 if the file is no component. One that would not be loaded is shown, and exits
/// with 2 as well.
pub fn inspect(args: &InspectArgs, form: OutputForm) -> Outcome {
    let bytes = component::read(&args.component)?;
    let inspection = component::sandbox()?
        .inspect(&bytes)
        .with_context(|| args.component.display().to_string())
        .or_usage()?;
    match form {
        OutputForm::Json => output::print_json(&to_json(&inspection))?,
        OutputForm::Text => output::print(&text(&inspection))?,
    }
    Ok(if inspection.problem.is_none() {
        Exit::Completed
    } else {
        Exit::Usage
    })
}

/// The field that lists the types of a component of this kind.
#[must_use]
pub fn types_field(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Workflow => "workflow_types",
        ComponentKind::Activities => "activity_types",
    }
}

/// A component as a JSON document.
#[must_use]
pub fn to_json(inspection: &Inspection) -> Value {
    let settings: Map<String, Value> = inspection
        .settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_str().into()))
        .collect();
    json!({
        "kind": inspection.kind.to_string(),
        "digest": inspection.digest.to_string(),
        "size_bytes": inspection.size_bytes,
        types_field(inspection.kind): inspection.types,
        "imports": inspection.imports.iter().map(import_json).collect::<Vec<_>>(),
        "calls": inspection.typed.imports.iter().map(function_json).collect::<Vec<_>>(),
        "functions": inspection.typed.exports.iter().map(function_json).collect::<Vec<_>>(),
        "settings": settings,
        "problem": inspection.problem,
    })
}

fn function_json(function: &TypedFunction) -> Value {
    json!({
        "name": function.name,
        "signature": function.signature,
        "options": function.options,
    })
}

fn import_json(import: &ImportVerdict) -> Value {
    json!({
        "name": import.name,
        "allowed": import.forbidden.is_none(),
        "advice": import.forbidden.as_ref().map(|forbidden| forbidden.advice),
    })
}

fn text(inspection: &Inspection) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("kind", inspection.kind.to_string()),
        row("digest", inspection.digest.to_string()),
        row("size", size(inspection.size_bytes)),
    ];
    for name in &inspection.types {
        let label = match inspection.kind {
            ComponentKind::Workflow => "workflow type",
            ComponentKind::Activities => "activity type",
        };
        rows.push(row(label, name.clone()));
    }
    for function in &inspection.typed.exports {
        let shown = format!("{}: {}", function.name, function.signature);
        rows.push(row("function", shown));
    }
    for call in &inspection.typed.imports {
        rows.push(row(
            "calls activity",
            format!("{}: {}", call.name, call.signature),
        ));
        rows.extend(call.options.clone().map(|options| row("", options)));
    }
    for import in &inspection.imports {
        let verdict = match &import.forbidden {
            None => format!("{}  allowed", import.name),
            Some(forbidden) => format!("{}  FORBIDDEN: {}", import.name, forbidden.advice),
        };
        rows.push(row("import", verdict));
    }
    for (name, value) in &inspection.settings {
        rows.push(row("setting", format!("{name} = {value}")));
    }
    if let Some(problem) = &inspection.problem {
        rows.push(row("not loadable", problem.clone()));
    }
    output::table(&rows)
}
