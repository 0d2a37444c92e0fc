//! What versions 3 to 5 can hold is read for ever, and the fixtures together have each kind of
//! input and command there is.
//!
//! `UPDATE_FIXTURES=1` writes fixtures that are missing. One that was released is never written
//! again: a format that grows gets another one beside it.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

fn fields(key: &str) -> Fields {
    BTreeMap::from([(key.to_owned(), Payload::json("1"))])
}

fn request() -> OperatorRequest {
    OperatorRequest {
        reason: "r".into(),
        identity: "op".into(),
        request_id: "q".into(),
    }
}

fn reset(point: ResetPoint) -> Box<Reset> {
    Box::new(Reset {
        base_run_id: "base".into(),
        new_run_id: "new".into(),
        reason: "r".into(),
        identity: "op".into(),
        request_id: "q".into(),
        point,
    })
}

fn retry() -> RetryPolicy {
    RetryPolicy {
        maximum_interval: Some(Millis(9)),
        maximum_attempts: 3,
        non_retryable_types: vec!["N".into()],
        ..RetryPolicy::default()
    }
}

fn start(initiator: Initiator) -> Input {
    Input::Started(Box::new(Start {
        workflow_id: "w".into(),
        run_id: "r".into(),
        task_queue: "q".into(),
        chain: Chain {
            first_run_id: "first".into(),
            continued_from: Some("before".into()),
            initiator: Some(initiator),
            attempt: 2,
            retry: Some(retry()),
            cron: Some("* * * * *".into()),
            execution_timeout: Some(Millis(7)),
            expires_at: Some(Timestamp(8)),
            first_task_backoff: Millis(9),
            continued_failure: Some(Failure::application("E", "e")),
            last_result: Some(Payload::json("2")),
            base_run_id: Some("base".into()),
        },
        memo: fields("m"),
        search_attributes: fields("s"),
        ..Start::default()
    }))
}

fn inputs() -> Vec<Input> {
    let update = Update {
        id: "u".into(),
        name: "n".into(),
        arguments: vec![Payload::json("1")],
        header: vec![("h".into(), Payload::null())],
        identity: "op".into(),
    };
    vec![
        start(Initiator::ContinueAsNew),
        start(Initiator::Retry),
        start(Initiator::Cron),
        Input::CancelRequested(CancelRequest {
            inherited_from: Some("before".into()),
            ..CancelRequest::default()
        }),
        Input::Terminated {
            reason: "t".into(),
            identity: "op".into(),
            details: vec![Payload::null()],
            request_id: "q".into(),
        },
        Input::UpdateRequested(update),
        Input::FirstTaskDue,
        Input::Paused(request()),
        Input::Unpaused(request()),
        Input::OperatorCanceled {
            target: OperatorTarget::Activity(EventId(5)),
            request: request(),
        },
        Input::OperatorCanceled {
            target: OperatorTarget::Scope(ScopeId(2)),
            request: request(),
        },
        Input::Superseded(reset(ResetPoint::Event(EventId(4)))),
        Input::Superseded(reset(ResetPoint::FirstTask)),
        Input::Reset(reset(ResetPoint::LastTask)),
        Input::Reset(reset(ResetPoint::BeforeCancel)),
    ]
}

fn commands() -> Vec<Command> {
    let scope = ScopeId(1);
    let values = [
        SearchValue::Keyword("k".into()),
        SearchValue::KeywordList(vec!["a".into(), "b".into()]),
        SearchValue::Text("t".into()),
        SearchValue::Int(-1),
        SearchValue::Double(0.5),
        SearchValue::Bool(true),
        SearchValue::Datetime(Timestamp(1)),
    ];
    let named = values.into_iter().map(|value| ("a".into(), Some(value)));
    let continued = ContinueCall {
        workflow_type: Some("t".into()),
        arguments: vec![Payload::json("1")],
        task_queue: Some("q".into()),
        run_timeout: Some(Millis(1)),
        retry: Some(retry()),
        header: Some(vec![]),
        memo: Some(fields("m")),
        search_attributes: Some(fields("s")),
        drop_cancel: true,
        drop_compensations: true,
    };
    vec![
        Command::ScheduleLocalActivity {
            scope,
            call: ActivityCall {
                activity_type: "Near".into(),
                ..ActivityCall::default()
            },
            retry_threshold: Some(Millis(3)),
        },
        Command::CompleteUpdate {
            id: "u".into(),
            outcome: Ok(Payload::json("1")),
        },
        Command::CompleteUpdate {
            id: "v".into(),
            outcome: Err(Failure::application("E", "e")),
        },
        Command::UpsertMemo {
            entries: vec![("m".into(), Some(Payload::json("1"))), ("n".into(), None)],
        },
        Command::UpsertSearchAttributes {
            entries: named.chain([("b".into(), None)]).collect(),
        },
        Command::Patched {
            id: "p".into(),
            deprecated: true,
        },
        Command::StartChild {
            scope,
            call: ChildCall {
                execution_timeout: Some(Millis(1)),
                retry: Some(retry()),
                cron: Some("* * * * *".into()),
                id_reuse: IdReusePolicy::RejectDuplicate,
                memo: fields("m"),
                search_attributes: fields("s"),
                ..ChildCall::default()
            },
        },
        Command::Complete {
            outcome: Outcome::ContinueAsNew(Box::new(continued)),
        },
    ]
}

fn resolutions() -> Vec<LocalResolution> {
    let outcomes = [
        LocalOutcome::Closed(ActivityClose::Completed(Payload::json("1"))),
        LocalOutcome::Backoff {
            delay: Millis(70_000),
            failure: Failure::application("E", "e"),
        },
        LocalOutcome::Unsettled,
    ];
    let resolution = |outcome| LocalResolution {
        operation: OperationId(3),
        attempt: 2,
        at: Timestamp(13),
        outcome,
        unsettled: false,
    };
    outcomes.map(resolution).to_vec()
}

/// What version 3 has more than version 2.
fn frame() -> Frame {
    let at = Timestamp(11);
    let one = inputs()
        .into_iter()
        .map(|input| Record::Input { at, input });
    let mut records: Vec<Record> = one.collect();
    let (digest, history) = (
        Digest([7; 32]),
        HistorySize {
            bytes: 99,
            suggest_continue_as_new: true,
        },
    );
    let issued = |command| Issued {
        delivery: 1,
        command,
    };
    let commands = commands().into_iter().map(issued).collect();
    let local = TaskOutcome::CompletedWithLocal {
        digest,
        commands,
        resolutions: resolutions(),
    };
    let failed = |cause| TaskOutcome::Failed {
        cause,
        failure: Failure::application("E", "e"),
    };
    let outcomes = [
        local,
        failed(TaskFailedCause::BadContinueAsNewAttributes),
        failed(TaskFailedCause::ResetWorkflow),
    ];
    records.extend(outcomes.map(|outcome| {
        Record::Task(TaskRecord {
            attempt: 2,
            started_at: Timestamp(12),
            outcome,
            history,
        })
    }));
    Frame {
        first_event_id: EventId(1),
        next_event_id: EventId(40),
        records,
    }
}

/// A row of an activity whose attempt is made elsewhere.
fn activity() -> PendingActivity {
    let mut run = Run::new(Limits::default());
    let start = Input::Started(Box::default());
    run.append(Timestamp(0), start).unwrap();
    let mut task = run.begin(Timestamp(0), Digest::default());
    task.next().unwrap();
    let call = ActivityCall {
        activity_type: "Work".into(),
        task_queue: Some("q".into()),
        heartbeat: Some(Millis(30)),
        start_to_close: Some(Millis(100)),
        ..ActivityCall::default()
    };
    let scope = ScopeId::ROOT;
    task.command(Command::ScheduleActivity { scope, call })
        .unwrap();
    let output = task.finish().unwrap().take_frame().unwrap();
    let mut activity = output.changes.scheduled.into_iter().next().unwrap();
    activity.start(Timestamp(1), "worker");
    activity.last_failure = Some(Failure::application("E", "e"));
    activity.complete_later();
    activity.heartbeat(Timestamp(2), vec![Payload::json("1")]);
    activity.pause(Timestamp(3), request());
    activity.reset(Timestamp(3), false);
    activity.scheduled_by = Some("old".into());
    // Version 3 did not count.
    activity.begun = 0;
    activity
}

/// The same at a worker that polled for it. Such rows came after the first ones of version 3.
fn handed_out() -> PendingActivity {
    let mut activity = activity();
    activity.hand_out(Timestamp(1), "far", Some("control".into()));
    activity.begun = 0;
    activity
}

fn summary() -> RunSummary {
    RunSummary {
        next_event_id: EventId(40),
        task_pending: true,
        chain: ChainSummary {
            continued_from: Some("before".into()),
            initiator: Some(Initiator::Cron),
            attempt: 2,
            retry: Some(retry()),
            cron: Some("* * * * *".into()),
            expires_at: Some(Timestamp(8)),
            successor: Some("next".into()),
        },
        memo: fields("m"),
        search_attributes: fields("s"),
        updates: UpdateCounts {
            total: 2,
            in_flight: 1,
        },
        begun: true,
        paused: Some((request(), Timestamp(3))),
        lineage: vec![(EventId(4), "old".into())],
        reset_request: "q".into(),
        ..RunSummary::default()
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// What version 4 has more than version 3.
fn frame_v4() -> Frame {
    let Input::Started(started) = start(Initiator::Retry) else {
        panic!("it starts a run");
    };
    let input = Input::Started(Box::new(Start {
        task_timeout: Some(Millis(700)),
        ..*started
    }));
    let outcome = TaskOutcome::Failed {
        cause: TaskFailedCause::TimedOut,
        failure: Failure::application("TimedOut", "too long"),
    };
    Frame {
        first_event_id: EventId(1),
        next_event_id: EventId(5),
        records: vec![
            Record::Input {
                at: Timestamp(1),
                input,
            },
            Record::Task(TaskRecord {
                started_at: Timestamp(2),
                attempt: 1,
                outcome,
                history: HistorySize::default(),
            }),
        ],
    }
}

fn activity_v4() -> PendingActivity {
    PendingActivity {
        begun: 7,
        ..handed_out()
    }
}

fn summary_v4() -> RunSummary {
    RunSummary {
        cancel_repeats: 3,
        ..summary()
    }
}

/// The bytes of a fixture; they are written if they are missing.
fn fixture<T: Persisted>(name: &str, value: &T) -> Vec<u8> {
    let path = path(name);
    if env::var_os("UPDATE_FIXTURES").is_some() && !path.exists() {
        fs::write(&path, encode(value)).unwrap();
    }
    fs::read(path).unwrap()
}

/// What a fixture of an activity's row loads as. How its attempt was started is not stored.
fn loads_as(activity: PendingActivity) -> PendingActivity {
    PendingActivity {
        started: None,
        ..activity
    }
}

/// A version's fixtures load as what they were made of.
#[track_caller]
fn load_for_ever(version: u8, frame: &Frame, activity: &PendingActivity, summary: &RunSummary) {
    let stored = fixture(&format!("frame-v{version}.bin"), frame);
    assert_eq!(stored[0], version);
    assert_eq!(decode::<Frame>(&stored).as_ref(), Ok(frame));
    let stored = fixture(&format!("activity-v{version}.bin"), activity);
    assert_eq!(decode(&stored), Ok(loads_as(activity.clone())));
    let stored = fixture(&format!("summary-v{version}.bin"), summary);
    assert_eq!(decode::<RunSummary>(&stored).as_ref(), Ok(summary));
}

#[test]
fn what_version_3_has_loads_for_ever() {
    load_for_ever(3, &frame(), &activity(), &summary());
}

#[test]
fn a_row_of_an_activity_at_a_worker_loads_for_ever() {
    let stored = fixture("activity-v3-handed-out.bin", &handed_out());
    assert_eq!(decode(&stored), Ok(loads_as(handed_out())));
}

#[test]
fn what_version_4_has_loads_for_ever() {
    load_for_ever(4, &frame_v4(), &activity_v4(), &summary_v4());
}

/// What version 5 has more than version 4.
fn frame_v5() -> Frame {
    let input = Input::ActivityClosed {
        scheduled_event_id: EventId(5),
        started: None,
        close: ActivityClose::Canceled {
            details: vec![Payload::json("1")],
            identity: "worker".into(),
        },
        unsettled: true,
    };
    let lost = |resolution| LocalResolution {
        unsettled: true,
        ..resolution
    };
    let outcome = TaskOutcome::CompletedWithLocal {
        digest: Digest([7; 32]),
        commands: vec![Issued {
            delivery: 0,
            command: Command::StopCompensatingOnFailure { stop: true },
        }],
        resolutions: resolutions().into_iter().map(lost).collect(),
    };
    Frame {
        first_event_id: EventId(1),
        next_event_id: EventId(9),
        records: vec![
            Record::Input {
                at: Timestamp(1),
                input,
            },
            Record::Task(TaskRecord {
                started_at: Timestamp(2),
                attempt: 1,
                outcome,
                history: HistorySize::default(),
            }),
        ],
    }
}

fn activity_v5() -> PendingActivity {
    PendingActivity {
        unsettled: true,
        ..activity_v4()
    }
}

fn summary_v5() -> RunSummary {
    RunSummary {
        undelivered_tasks: 4,
        ..summary_v4()
    }
}

#[test]
fn what_version_5_has_loads_for_ever() {
    load_for_ever(5, &frame_v5(), &activity_v5(), &summary_v5());
}

/// The number of a kind of input. A new one has to be written into a fixture, and in here.
fn kind_of_input(input: &Input) -> usize {
    match input {
        Input::Started(_) => 0,
        Input::Signaled(_) => 1,
        Input::CancelRequested(_) => 2,
        Input::ActivityClosed { .. } => 3,
        Input::TimerFired { .. } => 4,
        Input::Terminated { .. } => 5,
        Input::TimedOut => 6,
        Input::Forced(_) => 7,
        Input::ChildStarted { .. } => 8,
        Input::ChildStartFailed { .. } => 9,
        Input::ChildClosed { .. } => 10,
        Input::ExternalResolved { .. } => 11,
        Input::UpdateRequested(_) => 12,
        Input::FirstTaskDue => 13,
        Input::Paused(_) => 14,
        Input::Unpaused(_) => 15,
        Input::OperatorCanceled { .. } => 16,
        Input::Superseded(_) => 17,
        Input::Reset(_) => 18,
    }
}

fn kind_of_command(command: &Command) -> usize {
    match command {
        Command::ScheduleActivity { .. } => 0,
        Command::StartTimer { .. } => 1,
        Command::OpenWait { .. } => 2,
        Command::CloseWait { .. } => 3,
        Command::OpenScope { .. } => 4,
        Command::CancelScope { .. } => 5,
        Command::CloseScope { .. } => 6,
        Command::CancelOperation { .. } => 7,
        Command::PushCompensation { .. } => 8,
        Command::SetCompensationArguments { .. } => 9,
        Command::Compensate { .. } => 10,
        Command::Complete { .. } => 11,
        Command::StartChild { .. } => 12,
        Command::SignalExternal { .. } => 13,
        Command::CancelExternal { .. } => 14,
        Command::ScheduleLocalActivity { .. } => 15,
        Command::CompleteUpdate { .. } => 16,
        Command::UpsertMemo { .. } => 17,
        Command::UpsertSearchAttributes { .. } => 18,
        Command::Patched { .. } => 19,
        Command::StopCompensatingOnFailure { .. } => 20,
    }
}

#[test]
fn the_fixtures_have_each_kind_of_input_and_command() {
    let (mut inputs, mut commands) = (BTreeSet::new(), BTreeSet::new());
    for version in 1..=FORMAT_VERSION {
        let stored = fs::read(path(&format!("frame-v{version}.bin"))).unwrap();
        let frame: Frame = decode(&stored).unwrap();
        for record in &frame.records {
            inputs.extend(record.inputs().map(|(_, input)| kind_of_input(input)));
            if let Record::Task(task) = record
                && let Some((_, issued)) = task.outcome.completed()
            {
                commands.extend(issued.iter().map(|issued| kind_of_command(&issued.command)));
            }
        }
    }
    let all = |count: usize| (0..count).collect::<BTreeSet<_>>();
    assert_eq!(inputs, all(19));
    assert_eq!(commands, all(21));
}
