//! Runs what the README of each example shows, and compares what it prints.
//!
//! A README has one `console` block: lines that begin with `$ ` are commands, the lines after one are
//! what it prints on stdout. There `…` stands for anything within a line, and a line of `…` alone
//! for any number of lines. A line `^C` means that the reader interrupts the command once an activity
//! is at work.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_tests::{javascript_toolchain, repository, sandglass, toolchain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a state may take to come about before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

struct Step {
    command: String,
    interrupted: bool,
    expected: Vec<String>,
}

/// The folder of the programs.
fn programs() -> PathBuf {
    Path::new(sandglass().get_program())
        .parent()
        .unwrap()
        .to_owned()
}

fn steps(readme: &str) -> Vec<Step> {
    let block = readme
        .split("```console\n")
        .nth(1)
        .expect("a README has a console block");
    let mut steps: Vec<Step> = Vec::new();
    for line in block.split("```").next().unwrap().lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                interrupted: false,
                expected: Vec::new(),
            }),
            (None, Some(step)) if line == "^C" => step.interrupted = true,
            (None, Some(step)) => step.expected.push(line.to_owned()),
            (None, None) => panic!("a console block begins with a command, not with {line:?}"),
        }
    }
    steps
}

/// Whether a line is as expected, `…` standing for anything.
fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn lines_match(expected: &[String], lines: &[&str]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, others)), _) if first == "…" => {
            (0..=lines.len()).any(|skipped| lines_match(others, &lines[skipped..]))
        }
        (Some((first, others)), Some((line, rest))) => {
            line_matches(first, line) && lines_match(others, rest)
        }
        _ => false,
    }
}

/// Starts a command of a README in a folder of its own, with our programs and this checkout's examples.
fn start(command: &str, folder: &Path) -> Child {
    let programs = programs();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let examples = format!("{}/examples/", repository().display());
    let command = command
        .replace("target/debug/", &format!("{}/", programs.display()))
        .replace("examples/", &examples);
    // Cargo is for the checkout; what our programs write belongs into the folder.
    let folder = if command.starts_with("cargo ") {
        repository()
    } else {
        folder
    };
    Command::new("bash")
        .args(["-c", &command])
        .current_dir(folder)
        .env("PATH", path)
        .env("SANDGLASS_JAVASCRIPT", javascript_toolchain(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the store tells of an activity that has reported its progress.
fn wait_for_an_activity(command: &str, folder: &Path, child: &mut Child) {
    let id = command
        .split("--id ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let begun = Instant::now();
    loop {
        let output = sandglass()
            .args(["workflow", "describe", id, "--output", "json"])
            .current_dir(folder)
            .output()
            .unwrap();
        // Before the run has been started there is no store, or no such run.
        let described: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let activities = described["pending_activities"].as_array();
        let reports = activities.map(|all| all.iter().map(|one| one["heartbeat_details"].clone()));
        if reports.is_some_and(|mut all| {
            all.any(|details| details.as_array().is_some_and(|d| !d.is_empty()))
        }) {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "`{command}` ended before it was interrupted"
        );
        assert!(
            begun.elapsed() < PATIENCE,
            "no activity has reported within {PATIENCE:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Does what Ctrl-C does.
fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success(), "kill: {status}");
}

fn run_example(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let readme =
        fs::read_to_string(repository().join("examples").join(name).join("README.md")).unwrap();
    let steps = steps(&readme);
    assert!(!steps.is_empty(), "the README of {name} shows no command");
    for step in steps {
        let child = if step.interrupted {
            let mut child = start(&format!("exec {}", step.command), folder.path());
            wait_for_an_activity(&step.command, folder.path(), &mut child);
            interrupt(&child);
            child
        } else {
            start(&step.command, folder.path())
        };
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = stdout.lines().collect();
        assert!(
            lines_match(&step.expected, &lines),
            "examples/{name}: `{}` ({}) printed\n{stdout}\nthe README says\n{}\n\nstderr:\n{}",
            step.command,
            output.status,
            step.expected.join("\n"),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn three_dots_stand_for_anything() {
    for (expected, line, matches) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…c", "abbc", true),
        ("a…c", "abb", false),
        ("…b…", "abc", true),
        ("a…b…c", "a-c-b", false),
    ] {
        assert_eq!(line_matches(expected, line), matches, "{expected} {line}");
    }
    let expected = ["x".to_owned(), "…".to_owned(), "z".to_owned()];
    assert!(lines_match(&expected, &["x", "y", "y", "z"]));
    assert!(!lines_match(&expected, &["x", "y"]));
}

#[test]
fn hello_prints_what_its_readme_says() {
    run_example("hello");
}

#[test]
fn cancellation_prints_what_its_readme_says() {
    run_example("cancellation");
}

#[test]
fn heartbeat_prints_what_its_readme_says() {
    run_example("heartbeat");
}

#[test]
fn order_saga_prints_what_its_readme_says() {
    run_example("order-saga");
}

#[test]
fn order_saga_in_typescript_prints_what_its_readme_says() {
    run_example("order-saga-ts");
}

#[test]
fn embed_prints_what_its_readme_says() {
    run_example("embed");
}

#[test]
fn order_saga_in_python_prints_what_its_readme_says() {
    toolchain("python");
    run_example("order-saga-python");
}

#[test]
fn order_saga_in_go_prints_what_its_readme_says() {
    toolchain("go");
    run_example("order-saga-go");
}

#[test]
fn order_saga_in_c_prints_what_its_readme_says() {
    toolchain("c");
    run_example("order-saga-c");
}
