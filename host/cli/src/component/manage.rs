//! `sandglass component ...`: the components of a running server.

use crate::{
    args::{ComponentCommand, OutputForm},
    component,
    exit::{Exit, Outcome, Stop},
    output::{self, size},
};
use sandglass_engine::Digest;
use sandglass_server::{Call, Component};
use serde_json::Value;

/// Runs one of the commands.
///
/// # Errors
/// With exit code 1 if open runs need a component that is to be removed, 2 if a component is
/// refused or not there, 6 if the server cannot be reached.
pub fn manage(command: &ComponentCommand, form: OutputForm) -> Outcome {
    match command {
        ComponentCommand::Push(args) => {
            let bytes = component::read(&args.component)?;
            let context = args.component.display().to_string();
            let pushed_for = Component {
                task_queues: args.task_queue.clone(),
                ..Component::default()
            };
            let answer = args
                .server
                .server()?
                .document(Call::PushComponent(pushed_for, bytes))
                .map_err(|stop| Stop {
                    error: stop.error.context(context),
                    ..stop
                })?;
            show(&answer, form, pushed)
        }
        ComponentCommand::List(args) => {
            let answer = args.server.server()?.document(Call::ListComponents)?;
            show(&answer, form, list)
        }
        ComponentCommand::Inspect(args) => {
            let call = Call::DescribeComponent(named(args.digest));
            let answer = args.server.server()?.document(call)?;
            show(&answer, form, inspected)
        }
        ComponentCommand::Remove(args) => {
            let call = Call::RemoveComponent(Component {
                keep_runs: args.keep_runs,
                ..named(args.digest)
            });
            let answer = args.server.server()?.document(call)?;
            show(&answer, form, removed)
        }
    }
}

fn named(digest: Digest) -> Component {
    Component {
        digest: digest.to_string(),
        ..Component::default()
    }
}

fn show(answer: &Value, form: OutputForm, text: impl Fn(&Value) -> String) -> Outcome {
    match form {
        OutputForm::Json => output::print_json(answer)?,
        OutputForm::Text => output::print(&text(answer))?,
    }
    Ok(Exit::Completed)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn texts(values: &Value) -> Vec<String> {
    values.as_array().into_iter().flatten().map(text).collect()
}

fn pushed(answer: &Value) -> String {
    let known = match text(&answer["disposition"]).as_str() {
        "present" => "the server had it already",
        _ => "added",
    };
    format!(
        "component {}: {known}\ntask queue {}: new runs of {} begin with it\n",
        text(&answer["digest"]),
        texts(&answer["task_queues"]).join(", "),
        texts(&answer["workflow_types"]).join(", ")
    )
}

/// Where new runs begin with a component: `queue: types`.
fn serves(component: &Value) -> Vec<String> {
    let serves = component["serves"].as_array().into_iter().flatten();
    let line = |one: &Value| {
        let types = texts(&one["workflow_types"]).join(", ");
        format!("{}: {types}", text(&one["task_queue"]))
    };
    serves.map(line).collect()
}

fn bytes(component: &Value) -> String {
    let bytes = component["size_bytes"].as_u64().unwrap_or_default();
    size(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn list(answer: &Value) -> String {
    let components = answer["components"].as_array().into_iter().flatten();
    let rows = components.map(|component| {
        vec![
            text(&component["digest"]),
            bytes(component),
            text(&component["added_at"]),
            text(&component["open_runs"]),
            serves(component).join("; "),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return "no components\n".into();
    }
    let head = ["COMPONENT", "SIZE", "ADDED", "OPEN RUNS", "SERVES"];
    let head = head.map(String::from).to_vec();
    output::table(&[vec![head], rows].concat())
}

fn inspected(component: &Value) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("kind", text(&component["kind"])),
        row("digest", text(&component["digest"])),
        row("size", bytes(component)),
        row("added", text(&component["added_at"])),
        row("open runs", text(&component["open_runs"])),
    ];
    let types = texts(&component["workflow_types"]);
    rows.extend(types.into_iter().map(|name| row("workflow type", name)));
    rows.extend(
        serves(component)
            .into_iter()
            .map(|line| row("serves", line)),
    );
    let functions = |of: &str| component[of].as_array().into_iter().flatten();
    let shown = |one: &Value| format!("{}: {}", text(&one["name"]), text(&one["signature"]));
    rows.extend(functions("functions").map(|one| row("function", shown(one))));
    for call in functions("calls") {
        rows.push(row("calls activity", shown(call)));
        rows.push(row("", text(&call["options"])));
    }
    for import in component["imports"].as_array().into_iter().flatten() {
        let verdict = match import["allowed"].as_bool() {
            Some(true) => "allowed".to_owned(),
            _ => format!("FORBIDDEN: {}", text(&import["advice"])),
        };
        rows.push(row(
            "import",
            format!("{}  {verdict}", text(&import["name"])),
        ));
    }
    if let Some(problem) = component["problem"].as_str() {
        rows.push(row("not loadable", problem.to_owned()));
    }
    output::table(&rows)
}

fn removed(answer: &Value) -> String {
    let digest = text(&answer["digest"]);
    match answer["open_runs"].as_u64() {
        Some(0) => format!("component {digest}: removed\n"),
        runs => format!(
            "component {digest}: no new run begins with it; kept for {} open runs\n",
            runs.unwrap_or_default()
        ),
    }
}
