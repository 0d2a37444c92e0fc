//! Ending a run that does not end by itself: force, kill, and a deadline with what follows it.

use crate::{
    guests::{ACTIVITIES, Running, WORKFLOWS, folder, wait_until},
    support::{Ended, Folder},
};
use serde_json::{Value, json};

/// A run in a shield, whose activity is running.
fn stubborn(folder: &Folder) -> Running {
    let args = [
        "run", WORKFLOWS, "-a", ACTIVITIES, "--type", "stubborn", "--id", "s",
    ];
    let run = Running::start(folder, &args);
    wait_until(folder, "s", "the activity to run", |run| {
        run["pending_activities"][0]["started_at"].is_string()
    });
    run
}

/// How such a run ends when it is canceled like this; the answer, and the run's description then.
fn canceled(args: &[&str]) -> (Ended, Value, Value) {
    let folder = folder();
    let run = stubborn(&folder);
    let mut command = vec![
        "workflow", "cancel", "s", "--reason", "enough", "--output", "json",
    ];
    command.extend(args);
    let answered = folder.sandglass(&command).json(0);
    let ended = run.end();
    let described = folder
        .sandglass(&["workflow", "describe", "s", "--output", "json"])
        .json(0);
    for state in [
        "requested",
        "delivered",
        "force-requested",
        "kill-requested",
    ] {
        let list = [
            "workflow",
            "list",
            "--cancel-state",
            state,
            "--output",
            "json",
        ];
        let listed = folder.sandglass(&list).json(0);
        let count = listed["workflows"].as_array().unwrap().len();
        let is_so = described["cancel_state"] == state;
        assert_eq!(count, usize::from(is_so), "{state} in {listed:#}");
    }
    (ended, answered, described)
}

#[test]
fn force_and_kill_close_a_run_as_canceled() {
    for (flag, state, rung) in [
        ("--force", "force-requested", "force"),
        ("--kill", "kill-requested", "kill"),
    ] {
        let (ended, answered, described) = canceled(&[flag]);
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        assert_eq!(answered["disposition"], "recorded");
        assert_eq!(described["status"], "canceled");
        assert_eq!(described["cancel_state"], state);
        let force = &described["force"];
        let told = json!([force["rung"], force["trigger"], force["reason"]]);
        assert_eq!(told, json!([rung, "request", "enough"]));
    }
}

#[test]
fn a_grace_that_runs_out_is_followed_by_what_was_asked_for() {
    for (then, code, status) in [
        ("force", 3, "canceled"),
        ("terminate", 4, "terminated"),
        ("fail", 1, "failed"),
    ] {
        let (ended, answered, described) = canceled(&["--grace", "300ms", "--then", then]);
        assert_eq!(ended.code, Some(code), "{then}: {ended:#?}");
        assert_eq!(answered["disposition"], "recorded");
        assert_eq!(described["status"], status);
        assert_eq!(described["cancel"]["then"], then);
    }
}

#[test]
fn a_canceling_run_is_listed_and_described_as_one() {
    let folder = folder();
    let run = stubborn(&folder);
    let list = ["workflow", "list", "--status", "canceling"];
    assert_eq!(folder.sandglass(&list).stdout, "no workflows\n");
    let args = ["workflow", "cancel", "s", "--grace", "1h", "--then", "kill"];
    assert_eq!(folder.sandglass(&args).code, Some(0));
    let listed = folder.sandglass(&list);
    assert!(listed.stdout.contains("canceling"), "{listed:#?}");
    let described = folder.sandglass(&["workflow", "describe", "s"]);
    assert!(described.stdout.contains(", then kill)"), "{described:#?}");
    for (query, count) in [
        ("CancelState != 'none' AND CloseTime IS NULL", "1\n"),
        ("WorkflowId = 's' OR ExecutionStatus = 'Failed'", "1\n"),
        ("CancelState = 'kill-requested' OR WorkflowId != 's'", "0\n"),
    ] {
        let counted = folder.sandglass(&["workflow", "count", "--query", query]);
        assert_eq!(counted.stdout, count, "{query}: {counted:#?}");
        let listed = folder.sandglass(&["workflow", "list", "--query", query]);
        let is_listed = listed.stdout.contains("canceling");
        assert_eq!(is_listed, count == "1\n", "{query}: {listed:#?}");
    }
    for (query, reason) in [
        ("WorkflowId = ", "--query: "),
        ("GROUP BY ExecutionStatus", "GROUP BY"),
    ] {
        let refused = folder.sandglass(&["workflow", "list", "--query", query]);
        refused.refused(2, reason);
    }

    let forced = ["workflow", "cancel", "s", "--force", "--wait"];
    assert_eq!(folder.sandglass(&forced).code, Some(3));
    assert_eq!(run.end().code, Some(3));
    assert_eq!(folder.sandglass(&list).stdout, "no workflows\n");
    let late = ["workflow", "cancel", "s", "--fail-if-closed"];
    let late = folder.sandglass(&late);
    assert_eq!(late.code, Some(1), "{late:#?}");
    assert!(
        late.stdout.contains("had ended already: canceled"),
        "{late:#?}"
    );
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    let folder = folder();
    for (args, reason) in [
        (&["--force", "--kill"][..], "cannot be used with"),
        (&["--force", "--grace", "1s"], "cannot be used with"),
        (&["--then", "kill"], "--grace"),
        (
            &["--grace", "1s", "--then", "wait"],
            "possible values: force, kill",
        ),
    ] {
        let mut command = vec!["workflow", "cancel", "s"];
        command.extend(args);
        folder.sandglass(&command).refused(2, reason);
    }
}
