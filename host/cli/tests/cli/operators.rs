//! Pausing a run, and what is done to one activity or scope of it, through the program.

use crate::{
    guests::{ACTIVITIES, Running, WORKFLOWS, folder, wait_until},
    support::{Folder, wait_for},
};
use serde_json::json;

fn run(folder: &Folder, workflow_type: &str) -> Running {
    let args = [
        "run",
        WORKFLOWS,
        "-a",
        ACTIVITIES,
        "--type",
        workflow_type,
        "--id",
        "w",
    ];
    Running::start(folder, &args)
}

#[test]
fn s52_the_help_says_what_cancel_and_terminate_are_like() {
    let help = Folder::new().sandglass(&["workflow", "--help"]);
    assert_eq!(help.code, Some(0), "{help:#?}");
    let line = |command: &str| {
        let mut lines = help.stdout.lines().map(str::trim);
        lines.find(|line| line.starts_with(command)).unwrap()
    };
    assert!(line("cancel").contains("(like SIGTERM)"), "{help:#?}");
    assert!(line("terminate").contains("(like SIGKILL)"), "{help:#?}");
}

#[test]
fn r40_a_run_is_paused_and_unpaused() {
    let folder = folder();
    let args = [
        "run", WORKFLOWS, "--type", "waits", "-i", "\"a\"", "--id", "w",
    ];
    let waiting = Running::start(&folder, &args);
    wait_until(&folder, "w", "the first task", |run| {
        run["history_events"].as_u64() >= Some(4)
    });
    let pause = ["workflow", "pause", "-w", "w", "--reason", "look"];
    let paused = folder.sandglass(&pause);
    assert_eq!(paused.stdout, "workflow w: paused\n", "{paused:#?}");
    folder
        .sandglass(&pause)
        .refused(1, "workflow is already paused");
    let signal = ["workflow", "signal", "w", "--name", "go", "-i", "\"b\""];
    assert_eq!(folder.sandglass(&signal).code, Some(0));
    let described = folder
        .sandglass(&["workflow", "describe", "w", "--output", "json"])
        .json(0);
    assert_eq!(described["status"], "paused");
    assert_eq!(described["paused"]["reason"], "look");
    let listed = folder.sandglass(&["workflow", "list"]);
    assert!(listed.stdout.contains("running (paused)"), "{listed:#?}");
    let unpause = ["workflow", "unpause", "w", "--reason", "go"];
    assert_eq!(folder.sandglass(&unpause).code, Some(0));
    let ended = waiting.end();
    assert_eq!(ended.stdout, "\"a b\"\n", "{ended:#?}");
    folder
        .sandglass(&unpause)
        .refused(1, "NotFound: workflow \"w\" has already ended");
    let shown = folder.sandglass(&["workflow", "show", "w"]);
    assert!(
        shown.stdout.contains("WorkflowExecutionPaused"),
        "{shown:#?}"
    );
}

#[test]
fn a_run_that_no_host_runs_is_paused_for_the_next_one() {
    let folder = folder();
    let waiting = run(&folder, "works");
    wait_until(&folder, "w", "the activity", |run| {
        run["pending_activities"][0]["started_at"].is_string()
    });
    drop(waiting);
    let pause = ["workflow", "pause", "w"];
    assert_eq!(folder.sandglass(&pause).code, Some(0));
    folder
        .sandglass(&pause)
        .refused(1, "workflow is already paused");
    let activity = ["activity", "complete", "-w", "w", "--activity-id", "1"];
    assert_eq!(folder.sandglass(&activity).code, Some(0));
    folder
        .sandglass(&activity)
        .refused(1, "NotFound: workflow \"w\": invalid activityID");
    assert_eq!(
        folder.sandglass(&["workflow", "unpause", "w"]).code,
        Some(0)
    );
    let ended = run(&folder, "works").end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "null\n"));
}

#[test]
fn an_activity_is_completed_by_somebody_else_after_the_host_was_killed() {
    let folder = folder();
    let handing = run(&folder, "hands_over");
    wait_until(&folder, "w", "the activity to be handed over", |run| {
        run["pending_activities"][0]["completed_elsewhere"] == json!(true)
    });
    drop(handing);
    let handing = run(&folder, "hands_over");
    wait_until(&folder, "w", "the next host", |run| {
        run["owner"].is_object() && run["pending_activities"][0]["state"] == "STARTED"
    });
    let complete = [
        "activity",
        "complete",
        "-w",
        "w",
        "--activity-id",
        "1",
        "--result",
        "7",
    ];
    let completed = folder.sandglass(&complete);
    assert_eq!(completed.stdout, "workflow w: activity 1: completed\n");
    let ended = handing.end();
    assert_eq!(ended.stdout, "7\n", "{ended:#?}");
}

#[test]
fn b15_an_activity_and_a_scope_are_canceled_and_s57_silent_ones_are_warned_about() {
    let folder = folder();
    let running = run(&folder, "scoped");
    wait_until(&folder, "w", "both activities", |run| {
        let pending = &run["pending_activities"];
        pending[0]["started_at"].is_string() && pending[1]["started_at"].is_string()
    });
    let described = folder.sandglass(&["workflow", "describe", "w"]);
    let scope = "1 (cancellable in 0): activity silent [2]";
    assert!(described.stdout.contains(scope), "{described:#?}");
    let warning = "without a heartbeat timeout nobody notices if it is stuck";
    assert!(described.stdout.contains(warning), "{described:#?}");

    wait_for("the warning", || running.said().contains(warning));

    let cancel = [
        "workflow", "cancel", "w", "--scope", "1", "--reason", "enough",
    ];
    assert_eq!(folder.sandglass(&cancel).code, Some(0));
    wait_until(&folder, "w", "the end of the scope", |run| {
        run["pending_activities"].as_array().unwrap().len() == 1
    });
    folder.sandglass(&cancel).refused(1, "no scope 1 is open");
    let one = ["activity", "cancel", "-w", "w", "--activity-id", "1"];
    assert_eq!(folder.sandglass(&one).code, Some(0));
    let ended = running.end();
    assert_eq!(ended.stdout, "\"both canceled\"\n", "{ended:#?}");
    assert_eq!(ended.stderr.matches(warning).count(), 1, "{ended:#?}");
    assert!(
        ended.stderr.contains("warning: activity silent:"),
        "{ended:#?}"
    );
    let shown = folder.sandglass(&["workflow", "show", "w"]);
    assert_eq!(shown.stdout.matches("OperatorCancelRequested").count(), 2);
}

#[test]
fn an_activity_is_paused_reset_and_failed() {
    let folder = folder();
    let running = run(&folder, "works");
    wait_until(&folder, "w", "the activity", |run| {
        run["pending_activities"][0]["started_at"].is_string()
    });
    let on = |verb: &str, more: &[&str]| {
        let mut args = vec!["activity", verb, "-w", "w", "--activity-id", "1"];
        args.extend(more);
        let done = folder.sandglass(&args);
        assert_eq!(done.code, Some(0), "{done:#?}");
    };
    on("pause", &["--reason", "look"]);
    // Its heartbeat tells it, and it gives its attempt back.
    wait_until(&folder, "w", "the attempt to stop", |run| {
        let activity = &run["pending_activities"][0];
        activity["state"] == "PAUSED" && activity["attempt"] == 1
    });
    on("reset", &["--reset-heartbeats"]);
    wait_until(&folder, "w", "another attempt", |run| {
        run["pending_activities"][0]["state"] == "STARTED"
    });
    on("fail", &["--reason", "by hand", "--non-retryable"]);
    let ended = running.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("by hand"), "{ended:#?}");
}

#[test]
fn b14_a_canceled_run_is_taken_back_and_completes() {
    let folder = folder();
    let running = run(&folder, "scoped");
    wait_until(&folder, "w", "both activities", |run| {
        run["pending_activities"].as_array().unwrap().len() == 2
    });
    let reset = ["workflow", "reset", "w", "--uncancel", "--reason", "go on"];
    folder
        .sandglass(&reset)
        .refused(1, "nobody asked for the cancellation of the run");
    let cancel = ["workflow", "cancel", "w", "--wait"];
    assert_eq!(folder.sandglass(&cancel).code, Some(0));
    assert_eq!(running.end().stdout, "\"both canceled\"\n");
    // No host runs: the next one takes the new run up.
    let made = folder.sandglass(&reset);
    assert!(made.stdout.contains("it goes on as run"), "{made:#?}");
    folder
        .sandglass(&["workflow", "reset", "w"])
        .refused(2, "--uncancel");
    let running = run(&folder, "scoped");
    wait_until(&folder, "w", "both activities again", |run| {
        let pending = &run["pending_activities"];
        run["cancel"].is_null() && pending[1]["started_at"].is_string()
    });
    for id in ["1", "2"] {
        let complete = ["activity", "complete", "-w", "w", "--activity-id", id];
        assert_eq!(folder.sandglass(&complete).code, Some(0));
    }
    assert_eq!(running.end().code, Some(0));
    let shown = folder.sandglass(&["workflow", "show", "w"]);
    assert_eq!(
        shown.stdout.matches("ActivityTaskScheduled").count(),
        2,
        "{shown:#?}"
    );
}

#[test]
fn r36_run_warns_of_a_compensation_that_failed() {
    let folder = folder();
    let ended = run(&folder, "undoes").end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    let warning = "warning: compensations failed:";
    assert!(ended.stderr.contains(warning), "{ended:#?}");
    assert!(ended.stderr.contains("cannot be undone"), "{ended:#?}");
    let described = folder.sandglass(&["workflow", "describe", "w"]);
    assert!(
        described.stdout.contains("compensations failed"),
        "{described:#?}"
    );
}

/// The token of the first attempt of the only activity of the run `w`.
fn first_token(folder: &Folder) -> String {
    let described = folder.sandglass(&["workflow", "describe", "w", "--output", "json"]);
    let run = described.json(0);
    let event = &run["pending_activities"][0]["scheduled_event_id"];
    format!("{}/{event}/1.1/w", run["run_id"].as_str().unwrap())
}

fn handed_over(folder: &Folder) -> Running {
    let handing = run(folder, "hands_over");
    wait_until(folder, "w", "the activity to be handed over", |run| {
        run["pending_activities"][0]["completed_elsewhere"] == json!(true)
    });
    handing
}

#[test]
fn an_attempt_is_reported_on_by_its_token() {
    let folder = folder();
    let handing = handed_over(&folder);
    let token = first_token(&folder);
    let report = |command: &str, token: &str, more: &[&str]| {
        let mut args = vec!["activity", command, "--token", token, "--output", "json"];
        args.extend(more);
        folder.sandglass(&args)
    };
    let beat = report("heartbeat", &token, &["--details", "3"]).json(0);
    assert_eq!(beat["disposition"], "active", "{beat:#}");
    // R20.
    let early = report("cancel", &token, &[]);
    early.refused_in_json(
        1,
        "unable to mark activity as canceled without activity being request canceled first",
    );
    let other = token.replace("/1.1/", "/1.2/");
    report("heartbeat", &other, &[]).refused_in_json(1, "NotFound");
    report("heartbeat", "nonsense", &[]).refused_in_json(2, "is no task token");
    let cancel = [
        "activity",
        "cancel",
        "-w",
        "w",
        "--activity-id",
        "1",
        "--reason",
        "enough",
    ];
    assert_eq!(folder.sandglass(&cancel).code, Some(0));
    crate::support::wait_for("the request to reach the attempt", || {
        let beat = report("heartbeat", &token, &[]).json(0);
        beat["disposition"] == "cancellation requested" && beat["reason"] == "enough"
    });
    let canceled = report("cancel", &token, &["--details", "\"d\""]).json(0);
    assert_eq!(canceled["disposition"], "canceled", "{canceled:#}");
    // Nobody asked for the cancellation of the run (R12).
    let ended = handing.end();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    report("fail", &token, &["--reason", "late"]).refused_in_json(1, "NotFound");
}

#[test]
fn an_attempt_is_completed_by_its_token_without_a_host() {
    let folder = folder();
    let handing = handed_over(&folder);
    // In order: what a host tells of an attempt may not be on disk yet.
    handing.signal("-TERM");
    handing.end();
    let token = first_token(&folder);
    let complete = ["activity", "complete", "--token", &token, "--result", "7"];
    let completed = folder.sandglass(&complete);
    assert_eq!(completed.code, Some(0), "{completed:#?}");
    folder.sandglass(&complete).refused(1, "NotFound");
    let ended = run(&folder, "hands_over").end();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "7\n"));
}

#[test]
fn a_run_is_deleted_whether_a_host_runs_it_or_not() {
    let folder = folder();
    let waiting = run(&folder, "works");
    wait_until(&folder, "w", "the activity", |run| {
        run["pending_activities"][0]["started_at"].is_string()
    });
    let delete = ["workflow", "delete", "-w", "w", "--output", "json"];
    let deleted = folder.sandglass(&delete).json(0);
    assert_eq!(deleted["disposition"], "deleted");
    waiting.end().refused(4, "terminated");
    folder
        .sandglass(&delete)
        .refused_in_json(2, "there is no workflow 'w'");

    let again = run(&folder, "works");
    wait_until(&folder, "w", "its first task", |run| {
        run["history_events"].as_u64() >= Some(4)
    });
    drop(again);
    let cold = folder.sandglass(&delete).json(0);
    assert_eq!(
        (&cold["host"], &cold["disposition"]),
        (&json!(null), &json!("deleted"))
    );
    let listed = folder.sandglass(&["workflow", "list", "--output", "json"]);
    assert_eq!(listed.json(0)["workflows"], json!([]));
}
