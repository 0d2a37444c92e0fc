//! Limits of a run and of a task, and the run's own time limit.

use super::ROOT;
use super::chains::{last, retried, shielded};
use crate::support::{World, call};
use CancellationType::WaitCancellationCompleted as Wait;
use sandglass_engine::*;

#[test]
fn a_run_timeout_is_a_timer_on_the_start_event() {
    let mut run = Run::new(Limits::default());
    let start = Start {
        run_timeout: Some(Millis(50)),
        ..Start::default()
    };
    run.append(Timestamp(100), Input::Started(Box::new(start)))
        .unwrap();
    let timer = PendingTimer {
        started_event_id: EventId(1),
        due: Timestamp(150),
    };
    assert_eq!(run.take_frame().unwrap().changes.timers_started, [timer]);
    run.append(Timestamp(150), Input::TimedOut).unwrap();
    let output = run.take_frame().unwrap();
    assert!(output.changes.closed);
    assert_eq!(shorthand(&output.events), "WTO");
}

/// Commands that a run of these limits takes, before one that it does not; and the failure's type.
fn taken(limits: Limits, mut command: impl FnMut(usize) -> Command) -> (usize, String) {
    let mut run = Run::new(limits);
    run.append(Timestamp(1), Input::Started(Box::default()))
        .unwrap();
    let mut task = run.begin(Timestamp(1), Digest::default());
    task.next().unwrap();
    for count in 0.. {
        if let Err(failure) = task.command(command(count)) {
            assert!(task.finish().is_err(), "the task has failed");
            return (count, failure.failure.type_name());
        }
    }
    unreachable!("a limit ends the loop")
}

#[test]
fn limits_are_checked_at_the_call() {
    let limits = Limits {
        pending_children: 1,
        pending_signals: 1,
        pending_cancels: 1,
        commands_per_task: 20,
        payload_bytes_per_task: 1000,
        pending_timers: 5,
        pending_activities: 6,
        scopes_and_waits: 7,
        ..Limits::default()
    };
    let timer = |_| Command::StartTimer {
        scope: ROOT,
        duration: Millis(1),
    };
    let activity = |_| Command::ScheduleActivity {
        scope: ROOT,
        call: call("Work", Wait),
    };
    let wait = |_| Command::OpenWait {
        scope: ROOT,
        label: String::new(),
    };
    let scope = |kind| move |_| Command::OpenScope { parent: ROOT, kind };
    let large = |_| Command::PushCompensation {
        scope: ROOT,
        undoes: None,
        call: ActivityCall {
            arguments: vec![Payload {
                metadata: vec![],
                data: vec![0; 300],
            }],
            ..call("Undo", Wait)
        },
        when: CompensateWhen::Always,
    };
    let exceeded = |count| (count, "CommandLimitExceeded".to_owned());
    assert_eq!(taken(limits, timer), exceeded(5));
    assert_eq!(
        taken(limits, scope(ScopeKind::Timeout(Millis(1)))),
        exceeded(5)
    );
    let pending = (6, "PendingActivitiesLimitExceeded".to_owned());
    assert_eq!(taken(limits, activity), pending);
    // The root scope counts as well.
    assert_eq!(taken(limits, wait), exceeded(6));
    assert_eq!(taken(limits, scope(ScopeKind::Shielded)), exceeded(6));
    assert_eq!(taken(limits, large), exceeded(3));
    let compensate = |_| Command::Compensate { scope: ROOT };
    assert_eq!(taken(limits, compensate), exceeded(20));
    // Timers and activities do not count against each other, and what is canceled counts no more.
    // Each kind of what goes to other runs has a limit of its own.
    let child = |_| super::relatives::start_child(ChildCancellation::default());
    let target = || Target {
        workflow_id: "x".into(),
        run_id: None,
    };
    let signal = |_| Command::SignalExternal {
        scope: ROOT,
        target: target(),
        name: "s".into(),
        arguments: vec![],
        header: vec![],
    };
    let cancel = |_| Command::CancelExternal {
        scope: ROOT,
        target: target(),
        reason: String::new(),
    };
    let one = |name: &str| (1, name.to_owned());
    assert_eq!(
        taken(limits, child),
        one("PendingChildWorkflowsLimitExceeded")
    );
    assert_eq!(taken(limits, signal), one("PendingSignalsLimitExceeded"));
    assert_eq!(
        taken(limits, cancel),
        one("PendingRequestCancelLimitExceeded")
    );
    let mixed = |count: usize| match count % 3 {
        0 => timer(count),
        1 => Command::CancelOperation {
            operation: OperationId(1 + count as u64 / 3 * 2),
        },
        _ => activity(count),
    };
    assert_eq!(taken(limits, mixed), exceeded(20));
}

/// A JSON value of so many bytes: a digit, or a text.
fn big(len: usize) -> Payload {
    let text = match len.checked_sub(2) {
        Some(inner) => format!("\"{}\"", "x".repeat(inner)),
        None => "7".repeat(len),
    };
    Payload {
        metadata: vec![],
        data: text.into(),
    }
}

fn named(name: &str, len: usize) -> Fields {
    Fields::from([(name.into(), big(len))])
}

/// Why a run of these limits, with an update to be answered, does not take a command.
fn refused(limits: Limits, command: Command) -> Option<String> {
    let mut run = Run::new(limits);
    let update = Update {
        id: "u".into(),
        ..Update::default()
    };
    for input in [
        Input::Started(Box::default()),
        Input::UpdateRequested(update),
    ] {
        run.append(Timestamp(1), input).unwrap();
    }
    let mut task = run.begin(Timestamp(1), Digest::default());
    while task.next().unwrap().is_some() {}
    let refused = task.command(command).err()?;
    Some(format!(
        "{} {:?}",
        refused.failure.type_name(),
        refused.cause
    ))
}

/// A child and a run that continues this one, with these memo fields and search attributes.
fn begun_with(memo: &Fields, search_attributes: &Fields) -> [Command; 2] {
    let child = ChildCall {
        workflow_type: "w".into(),
        memo: memo.clone(),
        search_attributes: search_attributes.clone(),
        ..ChildCall::default()
    };
    let next = ContinueCall {
        memo: Some(memo.clone()),
        search_attributes: Some(search_attributes.clone()),
        ..ContinueCall::default()
    };
    let outcome = Outcome::ContinueAsNew(Box::new(next));
    let child = Command::StartChild {
        scope: ROOT,
        call: child,
    };
    [child, Command::Complete { outcome }]
}

#[test]
fn all_that_a_command_carries_counts() {
    let limits = Limits {
        payload_bytes_per_task: 1000,
        ..Limits::default()
    };
    let none = Fields::new();
    let header = |len| vec![("h".into(), big(len))];
    let commands = |len: usize| {
        let [by_memo, continued_memo] = begun_with(&named("m", len), &none);
        let [by_search, continued_search] = begun_with(&none, &named("s", len));
        let child = ChildCall {
            workflow_type: "w".into(),
            header: header(len),
            ..ChildCall::default()
        };
        let next = ContinueCall {
            header: Some(header(len)),
            ..ContinueCall::default()
        };
        [
            by_memo,
            continued_memo,
            by_search,
            continued_search,
            Command::StartChild {
                scope: ROOT,
                call: child,
            },
            Command::Complete {
                outcome: Outcome::ContinueAsNew(Box::new(next)),
            },
            Command::SignalExternal {
                scope: ROOT,
                target: Target {
                    workflow_id: "x".into(),
                    run_id: None,
                },
                name: "s".into(),
                arguments: vec![],
                header: header(len),
            },
            Command::UpsertSearchAttributes {
                entries: vec![("s".into(), Some(SearchValue::Text("x".repeat(len))))],
            },
            Command::UpsertMemo {
                entries: vec![("m".into(), Some(big(len)))],
            },
            Command::CompleteUpdate {
                id: "u".into(),
                outcome: Err(Failure::application("E", "x".repeat(len))),
            },
        ]
    };
    for (small, large) in commands(500).into_iter().zip(commands(1001)) {
        let text = format!("{small:?}");
        assert_eq!(refused(limits, small), None, "{text}");
        let why = refused(limits, large).unwrap_or_default();
        assert!(why.starts_with("CommandLimitExceeded"), "{why}: {text}");
    }
}

#[test]
fn a_run_begins_with_no_more_than_it_may_have() {
    let limits = Limits {
        memo_bytes: 100,
        search_attribute_bytes: 200,
        name_bytes: 10,
        ..Limits::default()
    };
    for (memo, search, is_taken) in [
        (named("m", 99), named("s", 199), true),
        (named("m", 100), named("s", 1), false),
        (named("m", 1), named("s", 200), false),
        (named("", 1), named("s", 1), false),
        (named("m", 1), named("much too long", 1), false),
        (
            named("m", 1),
            Fields::from([("s".into(), Payload::json("{}"))]),
            false,
        ),
    ] {
        let causes = [
            "BadStartChildExecutionAttributes",
            "BadContinueAsNewAttributes",
        ];
        for (command, cause) in begun_with(&memo, &search).into_iter().zip(causes) {
            let expected = (!is_taken).then(|| format!("{cause} {cause}"));
            assert_eq!(refused(limits, command), expected, "{memo:?} {search:?}");
        }
    }
}

#[test]
fn no_child_is_started_by_a_schedule_that_is_over() {
    let child = |cron: &str| Command::StartChild {
        scope: ROOT,
        call: ChildCall {
            workflow_type: "w".into(),
            cron: Some(cron.into()),
            ..ChildCall::default()
        },
    };
    let refused = |cron: &str, now: u64| {
        let mut run = Run::new(Limits::default());
        run.append(Timestamp(now), Input::Started(Box::default()))
            .unwrap();
        let mut task = run.begin(Timestamp(now), Digest::default());
        task.next().unwrap();
        task.command(child(cron)).is_err()
    };
    // 2026-11-22.
    let now = 1_795_374_000_000;
    assert!(refused("0 0 0 1 1 * 2020", now) && !refused("0 0 0 1 1 * 2030", now));
    assert!(!refused("0 0 0 1 1 * 2020", 1_000));
}

#[test]
fn a_run_takes_so_many_signals_and_a_replay_counts_none() {
    let limits = Limits {
        signals_per_run: 2,
        ..Limits::default()
    };
    let mut run = Run::new(limits);
    let signal = || Input::Signaled(Signal::default());
    run.append(Timestamp(1), Input::Started(Box::default()))
        .unwrap();
    run.append(Timestamp(1), signal()).unwrap();
    run.append(Timestamp(1), signal()).unwrap();
    let refused = run.append(Timestamp(1), signal());
    assert_eq!(refused, Err(InputError::TooManySignals(2)));
    let frame = run.take_frame().unwrap().frame;
    let mut wide = replay([frame], None).unwrap();
    wide.append(Timestamp(2), signal()).unwrap();
    let frames = wide.take_frame().unwrap();
    assert_eq!(shorthand(&frames.events), "SG");
    // Known again after a rebuild.
    let mut narrow = wide.with_limits(limits);
    let refused = narrow.append(Timestamp(3), signal());
    assert_eq!(refused, Err(InputError::TooManySignals(2)));
}

#[test]
fn r14_after_a_request_a_run_that_times_out_is_not_tried_again() {
    for canceled in [true, false] {
        let start = Start {
            run_timeout: Some(Millis::from_secs(9)),
            ..retried(0)
        };
        let mut w = World::start_as(shielded, start, None);
        w.task();
        if canceled {
            w.cancel().unwrap();
            w.task();
        }
        let limit = w.timers[&EventId(1)];
        w.timers.retain(|_, due| *due == limit);
        w.fire();
        assert!(w.replayed_history().ends_with(",WTO"), "{}", w.history());
        let EventAttributes::WorkflowExecutionTimedOut { retry_state, .. } = last(&w) else {
            panic!("not timed out: {:?}", last(&w));
        };
        let expected = match canceled {
            true => &RetryState::CancelRequested,
            false => &RetryState::InProgress,
        };
        assert_eq!(retry_state, expected);
        assert_eq!(w.successor.is_none(), canceled);
    }
}

fn asked(id: &str) -> Input {
    Input::UpdateRequested(Update {
        id: id.into(),
        ..Update::default()
    })
}

#[test]
fn a_run_takes_so_many_updates_at_once_and_so_many_in_all() {
    let mut run = Run::new(Limits {
        updates_in_flight: 1,
        updates_per_run: 2,
        ..Limits::default()
    });
    let now = Timestamp(1);
    run.append(now, Input::Started(Box::default())).unwrap();
    for id in ["a", "b"] {
        run.append(now, asked(id)).unwrap();
        let refused = run.append(now, asked("another"));
        assert_eq!(refused, Err(InputError::TooManyUpdatesInFlight(1)), "{id}");
        let mut task = run.begin(now, Digest::default());
        while task.next().unwrap().is_some() {}
        let answer = Command::CompleteUpdate {
            id: id.into(),
            outcome: Ok(Payload::null()),
        };
        task.command(answer).unwrap();
        run = task.finish().unwrap();
    }
    let refused = run.append(now, asked("c"));
    assert_eq!(refused, Err(InputError::TooManyUpdates(2)));
}

/// A run of these limits whose history has so many bytes more than a start has.
fn grown(limits: Limits, bytes: usize) -> Box<Run> {
    let mut run = Run::new(limits);
    let now = Timestamp(1);
    run.append(now, Input::Started(Box::default())).unwrap();
    run.take_frame().unwrap();
    run.append(
        now,
        Input::Signaled(Signal {
            name: "s".into(),
            arguments: vec![big(bytes)],
            ..Signal::default()
        }),
    )
    .unwrap();
    run.take_frame().unwrap();
    run
}

#[test]
fn a_history_is_measured_in_bytes_too() {
    let limits = Limits {
        history_bytes: 30_000,
        history_bytes_warning: 20_000,
        history_bytes_suggested: 10_000,
        ..Limits::default()
    };
    for (bytes, suggested, warned, over) in [
        (9_000, false, false, false),
        (11_000, true, false, false),
        (21_000, true, true, false),
        (31_000, true, true, true),
    ] {
        let run = grown(limits, bytes);
        let told = run.history_size().suggest_continue_as_new;
        assert_eq!(told, suggested, "{bytes}");
        let warning = run.history_over_warning().unwrap_or_default();
        assert_eq!(
            warning.ends_with("bytes, more than 20000"),
            warned,
            "{bytes}"
        );
        let limit = run.history_over_limit().unwrap_or_default();
        assert_eq!(limit.ends_with("bytes, more than 30000"), over, "{bytes}");
    }
}

#[test]
fn what_a_run_keeps_beside_its_history_has_a_limit() {
    let limits = Limits {
        run_state_bytes: 1_000,
        ..Limits::default()
    };
    // What was only said is history, not state.
    let run = grown(limits, 5_000);
    assert_eq!(run.state_over_limit(), None);
    let undo = || Command::PushCompensation {
        scope: ROOT,
        undoes: None,
        call: ActivityCall {
            arguments: vec![big(600)],
            ..call("Undo", Wait)
        },
        when: CompensateWhen::Always,
    };
    let remember = || Command::UpsertMemo {
        entries: vec![("m".into(), Some(big(600)))],
    };
    let find = || Command::UpsertSearchAttributes {
        entries: vec![("s".into(), Some(SearchValue::Text("x".repeat(600))))],
    };
    for (name, commands, is_over) in [
        ("one", vec![undo()], false),
        ("two to undo", vec![undo(), undo()], true),
        ("a memo", vec![undo(), remember()], true),
        ("a search attribute", vec![undo(), find()], true),
    ] {
        let mut task = grown(limits, 5_000).begin(Timestamp(2), Digest::default());
        while task.next().unwrap().is_some() {}
        for command in commands {
            task.command(command).unwrap();
        }
        let over = task.finish().unwrap().state_over_limit();
        let text = over.unwrap_or_default();
        assert_eq!(
            text.ends_with("bytes, more than 1000"),
            is_over,
            "{name}: {text}"
        );
    }
}

#[test]
fn no_workflow_task_may_take_longer_than_the_longest_limit() {
    for (own, default, longest, expected) in [
        (None, 10, 120, 10),
        (None, 300, 120, 120),
        (Some(60), 10, 120, 60),
        (Some(300), 10, 120, 120),
    ] {
        let mut run = Run::new(Limits {
            workflow_task_timeout: default,
            workflow_task_timeout_max: longest,
            ..Limits::default()
        });
        let start = Start {
            task_timeout: own.map(Millis),
            ..Start::default()
        };
        run.append(Timestamp(1), Input::Started(Box::new(start)))
            .unwrap();
        let task = run.begin(Timestamp(1), Digest::default());
        assert_eq!(task.timeout(), Millis(expected), "{own:?} {default}");
    }
}
