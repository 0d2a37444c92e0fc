//! Chains of runs on a host: which run is meant, what goes from one to the next, and starting them.

use super::support::*;
use sandglass::{
    CancelOptions, Disposition, Error, Host, IdConflictPolicy, IdReusePolicy, Limits, RetryPolicy,
    RunHandle, StartError, StartOptions, engine::*, store::ListFilter,
};
use sandglass_semantics::scenario;
use std::{sync::Arc, time::Duration};

pub(super) fn continue_as_new(calls: &mut Calls<'_>, argument: &str) {
    let call = ContinueCall {
        arguments: vec![Payload::json(argument)],
        ..ContinueCall::default()
    };
    let outcome = Outcome::ContinueAsNew(Box::new(call));
    calls.command(Command::Complete { outcome });
}

/// Without an argument continues as new at once; with one it sleeps for an hour. A signal `fail`
/// makes it fail, `return` return, any other continue as new.
fn wanderer() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                continue_as_new(calls, "2");
            }
            GuestEvent::SignalReceived(signal) => match signal.name.as_str() {
                "fail" => calls.fail(&Failure::application("Broken", "b")),
                "return" => calls.complete("7"),
                _ => continue_as_new(calls, "3"),
            },
            GuestEvent::Initialize { .. } => sleep(calls),
            other => calls.end_with(other),
        }
    })
}

pub(super) fn sleep(calls: &mut Calls<'_>) {
    if let Answer::Refused(failure) = calls.timer(3_600_000) {
        calls.fail(&failure);
    }
}

fn sleeper() -> StartOptions {
    StartOptions::new("main", "w").json("1")
}

pub(super) async fn begin(host: &Host, options: StartOptions) -> RunHandle {
    let run = host.start(options).await.unwrap();
    host.idle().await;
    run
}

pub(super) async fn cancel(run: &RunHandle) -> Disposition {
    let response = run.cancel(CancelOptions::reason("r1")).await.unwrap();
    response.disposition
}

pub(super) async fn signal(host: &Host, run: &RunHandle, name: &str) {
    run.signal_named(name, vec![]).await.unwrap();
    host.idle().await;
}

pub(super) async fn successor(host: &Host, run: &RunHandle) -> RunHandle {
    let next = run.describe().await.unwrap().chain.successor;
    host.run(run.workflow_id(), Some(&next.expect("a run follows")))
}

#[tokio::test]
async fn a19_s42_s43_which_run_is_meant() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let started = begin(&host, StartOptions::new("main", "w")).await;
    let run1 = host.run("w", started.run_id());
    let run2 = successor(&host, &run1).await;
    assert_eq!(
        shape_of(&run2).await,
        "WES",
        "it follows a second after the first"
    );
    world.advance(&host, 1000).await;
    assert_eq!(shape_of(&run1).await, scenario("A19:run1"));

    assert!(matches!(
        cancel(&run1).await,
        Disposition::AlreadyClosed(Status::ContinuedAsNew { .. })
    ));
    assert_eq!(
        shape_of(&run2).await,
        "WES,T,TS",
        "nothing has reached the second"
    );
    let current = host.run("w", None);
    assert_eq!(cancel(&current).await, Disposition::Recorded);
    host.idle().await;
    assert_eq!(shape_of(&run2).await, scenario("A19:run2"));
    assert!(matches!(
        cancel(&current).await,
        Disposition::AlreadyClosed(Status::Canceled { .. })
    ));
    assert_eq!(shape_of(&run2).await, scenario("A19:run2"));
    let unknown = host
        .run("nobody", None)
        .cancel(CancelOptions::default())
        .await;
    assert!(
        matches!(unknown, Err(Error::NotFound { .. })),
        "{unknown:?}"
    );
    let closed = current.terminate("t", "op").await;
    assert!(matches!(closed, Err(Error::Closed { .. })), "{closed:?}");
    // The handle of the start stands for the chain, its result is that of the last run.
    let result = started.result().await.unwrap();
    assert!(matches!(result, Status::Canceled { .. }), "{result:?}");
}

#[tokio::test]
async fn r4_a_first_run_id_means_the_current_run_of_its_chain() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let started = begin(&host, StartOptions::new("main", "w")).await;
    world.advance(&host, 1000).await;
    let first = started.run_id().unwrap();
    let run2 = successor(&host, &host.run("w", Some(first))).await;
    let run2_id = run2.run_id().unwrap();
    // Another chain's id finds nothing while a run is open; the second run begins no chain.
    for other in ["other", run2_id] {
        let handle = host.run("w", Some(first)).of_chain(other);
        let missed = handle.cancel(CancelOptions::default()).await;
        assert!(matches!(missed, Err(Error::NotFound { .. })), "{missed:?}");
        let missed = handle.terminate("t", "op").await;
        assert!(matches!(missed, Err(Error::NotFound { .. })), "{missed:?}");
    }
    // The run id is not looked at.
    let chain = host.run("w", Some("other")).of_chain(first);
    chain.terminate("t", "op").await.unwrap();
    assert_eq!(shape_of(&run2).await, scenario("terminate_first_run_id"));
    // With none open any id is answered by the last run.
    let late = host.run("w", None).of_chain("other");
    assert!(matches!(
        cancel(&late).await,
        Disposition::AlreadyClosed(Status::Terminated { .. })
    ));
    let described = run2.describe().await.unwrap();
    assert_eq!(described.first_run_id, first);
    assert_eq!(described.chain.continued_from.as_deref(), Some(first));
    let filter = ListFilter {
        first_run_id: Some(first.into()),
        ..ListFilter::default()
    };
    let listed = host.list(&filter, 10, None).await.unwrap();
    let ids: Vec<_> = listed.iter().map(|(_, run)| run.run_id.as_str()).collect();
    assert_eq!(ids, [run2_id, first]);
}

#[tokio::test]
async fn a26_r15_a_request_to_cancel_goes_to_the_run_that_follows() {
    let world = World::new();
    let script = script(|| {
        let mut second = false;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } => {
                second = arguments == &[Payload::json("2")];
                sleep(calls);
            }
            GuestEvent::TimerFired(_, Err(failure)) if second => calls.fail(failure),
            GuestEvent::TimerFired(..) => continue_as_new(calls, "2"),
            _ => {}
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = begin(&host, sleeper()).await;
    assert_eq!(cancel(&run).await, Disposition::Recorded);
    let result = run.result().await.unwrap();
    assert!(matches!(result, Status::Canceled { .. }), "{result:?}");
    assert_eq!(shape_of(&run).await, scenario("A26:run1"));
    let next = successor(&host, &run).await;
    assert_eq!(shape_of(&next).await, scenario("A26:run2"));
    let events = next.history().await.unwrap();
    let EventAttributes::WorkflowExecutionCancelRequested(request) = &events[1].attributes else {
        panic!("{events:?}");
    };
    assert_eq!(request.inherited_from.as_deref(), run.run_id());
    assert_eq!(request.reason, "r1");
}

#[tokio::test]
async fn a_failed_run_is_tried_again_after_its_backoff_across_a_crash() {
    let world = World::new();
    let mut options = sleeper();
    options.retry = Some(RetryPolicy {
        maximum_attempts: 2,
        ..RetryPolicy::default()
    });
    let first = {
        let host = world.host(&wanderer()).build().await.unwrap();
        let run = begin(&host, options).await;
        signal(&host, &run, "fail").await;
        assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,WF");
        run.run_id().unwrap().to_owned()
    };
    let host = world.host(&wanderer()).build().await.unwrap();
    let run = host.run("w", Some(&first)).of_chain(&first);
    let second = host.run("w", None);
    assert_eq!(shape_of(&second).await, "WES");
    world.advance(&host, 999).await;
    assert_eq!(shape_of(&second).await, "WES");
    world.advance(&host, 1).await;
    assert_eq!(shape_of(&second).await, "WES,T,TS");
    let described = second.describe().await.unwrap();
    assert_eq!(
        (described.chain.attempt, described.first_run_id),
        (2, first)
    );
    // A signal to the chain finds the second run, which fails for good.
    signal(&host, &run, "fail").await;
    let result = run.result().await.unwrap();
    assert!(matches!(result, Status::Failed { .. }), "{result:?}");
    assert_eq!(shape_of(&second).await, "WES,T,TS,SG,T,WF");
}

#[tokio::test]
async fn r1_a_request_does_not_wait_for_a_start_delay() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let mut options = sleeper();
    options.start_delay = Some(Duration::from_secs(60));
    let run = begin(&host, options.clone()).await;
    assert_eq!(shape_of(&run).await, "WES");
    cancel(&run).await;
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, scenario("R1_start_delay"));

    let run = begin(&host, options).await;
    signal(&host, &run, "return").await;
    assert_eq!(shape_of(&run).await, scenario("R1_start_delay_signal"));
    world.advance(&host, 60_000).await;
    assert_eq!(shape_of(&run).await, "WES,SG,T,WC");
}

#[tokio::test]
async fn cron_repeats_a_run_until_it_is_canceled() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let mut options = sleeper();
    options.cron = Some("@every 60s".into());
    let run = begin(&host, options).await;
    world.advance(&host, 60_000).await;
    signal(&host, &run, "return").await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,WC");
    let second = successor(&host, &run).await;
    assert_eq!(shape_of(&second).await, "WES");
    world.advance(&host, 60_000).await;
    assert_eq!(shape_of(&second).await, "WES,T,TS");
    let events = second.history().await.unwrap();
    let EventAttributes::WorkflowExecutionStarted(start) = &events[0].attributes else {
        panic!("{events:?}");
    };
    assert_eq!(start.chain.last_result, Some(Payload::json("7")));
    assert_eq!(start.chain.initiator, Some(Initiator::Cron));
    signal(&host, &run, "fail").await;
    let third = successor(&host, &second).await;
    // A cancel while it waits for its time ends it, and the chain with it.
    assert_eq!(cancel(&run).await, Disposition::Recorded);
    let result = run.result().await.unwrap();
    assert!(matches!(result, Status::Canceled { .. }), "{result:?}");
    assert_eq!(shape_of(&third).await, scenario("R1_cron"));
    world.advance(&host, 600_000).await;
    assert_eq!(
        host.list(&ListFilter::default(), 10, None)
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn the_limit_on_the_chain_ends_it_and_that_on_a_run_may_not() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let mut options = sleeper();
    options.retry = Some(RetryPolicy::default());
    options.run_timeout = Some(Duration::from_secs(10));
    options.execution_timeout = Some(Duration::from_secs(15));
    let run = begin(&host, options).await;
    world.advance(&host, 10_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,WTO");
    let second = successor(&host, &run).await;
    world.advance(&host, 1000).await;
    assert_eq!(shape_of(&second).await, "WES,T,TS");
    world.advance(&host, 4000).await;
    assert_eq!(shape_of(&second).await, "WES,T,TS,WTO");
    assert_eq!(run.result().await.unwrap(), Status::TimedOut);
    assert_eq!(second.describe().await.unwrap().chain.successor, None);
}

#[tokio::test]
async fn a_workflow_id_is_used_again_as_its_policies_say() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let with = |reuse, conflict| {
        let mut options = sleeper();
        (options.id_reuse, options.id_conflict) = (reuse, conflict);
        options
    };
    use {IdConflictPolicy as Conflict, IdReusePolicy as Reuse};
    let first = begin(&host, with(Reuse::RejectDuplicate, Conflict::Fail)).await;
    let refused = host
        .start(with(Reuse::AllowDuplicate, Conflict::Fail))
        .await;
    assert!(matches!(
        refused.err(),
        Some(StartError::AlreadyStarted { .. })
    ));
    let same = host
        .start(with(Reuse::RejectDuplicate, Conflict::UseExisting))
        .await
        .unwrap();
    assert_eq!(same.run_id(), first.run_id());
    let instead = host
        .start(with(Reuse::AllowDuplicate, Conflict::TerminateExisting))
        .await;
    let second = instead.unwrap();
    assert_eq!(shape_of(&first).await, "WES,T,TS,WK");
    host.idle().await;
    // Terminated: failed, in the sense of the policy.
    second.terminate("t", "op").await.unwrap();
    let third = begin(&host, with(Reuse::AllowDuplicateFailedOnly, Conflict::Fail)).await;
    signal(&host, &third, "return").await;
    for reuse in [Reuse::AllowDuplicateFailedOnly, Reuse::RejectDuplicate] {
        let refused = host.start(with(reuse, Conflict::Fail)).await;
        let Some(StartError::IdUsed { run_id, .. }) = refused.err() else {
            panic!("{reuse:?} allowed it");
        };
        assert_eq!(Some(run_id.as_str()), third.run_id());
    }
    begin(&host, with(Reuse::AllowDuplicate, Conflict::Fail)).await;
}

#[tokio::test]
async fn a_signal_starts_a_run_or_goes_to_the_open_one() {
    let world = World::new();
    let host = world
        .host(&wanderer())
        .start_paused()
        .build()
        .await
        .unwrap();
    let named = |name: &str| Signal {
        name: name.into(),
        ..Signal::default()
    };
    let run = host
        .signal_with_start(sleeper(), named("return"))
        .await
        .unwrap();
    assert_eq!(shape_of(&run).await, scenario("signal_with_start"));
    let same = host
        .signal_with_start(sleeper(), named("more"))
        .await
        .unwrap();
    assert_eq!(same.run_id(), run.run_id());
    assert_eq!(shape_of(&run).await, "WES,SG,Ts,SG");
    host.resume_workflow_tasks();
    assert_eq!(json_result(&run).await, "7");
    let next = host
        .signal_with_start(sleeper(), named("return"))
        .await
        .unwrap();
    assert_ne!(next.run_id(), run.run_id());
    assert_eq!(json_result(&next).await, "7");
}

#[tokio::test]
async fn r39_a_repeated_start_finds_its_chain() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let mut options = StartOptions::new("main", "w");
    options.request_id = Some("q".into());
    let run = begin(&host, options.clone()).await;
    let again = host.start(options.clone()).await.unwrap();
    assert_eq!(
        again.run_id(),
        run.run_id(),
        "although its second run is open"
    );
    again.terminate("t", "op").await.unwrap();
    let after = host.start(options.clone()).await.unwrap();
    assert_eq!(after.run_id(), run.run_id(), "although it has ended");
    drop(host);
    let host = world.host(&wanderer()).build().await.unwrap();
    let later = host.start(options).await.unwrap();
    assert_eq!(
        later.run_id(),
        run.run_id(),
        "although another host asks the store"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::new();
    let host = world.host(&wanderer()).build().await.unwrap();
    let refused = async |change: fn(&mut StartOptions)| {
        let mut options = sleeper();
        change(&mut options);
        host.start(options).await.err().unwrap().to_string()
    };
    let cron = refused(|options| options.cron = Some("61 * * * *".into())).await;
    assert!(cron.contains("cron schedule \"61 * * * *\": "), "{cron}");
    // The clock of the tests begins in 2023.
    let over = refused(|options| options.cron = Some("0 0 0 1 1 * 2020".into())).await;
    assert!(over.contains("times are over"), "{over}");
    let both = refused(|options| {
        options.cron = Some("@daily".into());
        options.start_delay = Some(Duration::from_secs(1));
    });
    let both = both.await;
    assert!(both.contains("start delay"), "{both}");
    let retry = refused(|options| {
        options.retry = Some(RetryPolicy {
            backoff_coefficient: 0.5,
            ..RetryPolicy::default()
        });
    });
    let retry = retry.await;
    assert!(
        retry.contains("retry policy: backoff coefficient"),
        "{retry}"
    );
}

#[tokio::test]
async fn a_request_that_reaches_a_run_while_it_is_replaced_goes_to_the_next() {
    let world = World::new();
    let faults = Faults::default();
    let builder = faults.host(world.host(&wanderer()), &world.db);
    let host = builder.build().await.unwrap();
    let run = begin(&host, sleeper()).await;
    faults.push(Fault::Wait);
    let signaled = tokio::spawn({
        let run = run.clone();
        async move { run.signal_named("on", vec![]).await }
    });
    let gate = faults.gate().clone();
    tokio::task::spawn_blocking(move || gate.wait_for(1))
        .await
        .unwrap();
    // The close and the successor's start are with the store.
    let canceled = tokio::spawn({
        let run = run.clone();
        async move { cancel(&run).await }
    });
    let waits = async {
        while run.describe().await.unwrap().cancel.is_none() {
            tokio::task::yield_now().await;
        }
    };
    waits.await;
    faults.gate().open();
    signaled.await.unwrap().unwrap();
    assert_eq!(canceled.await.unwrap(), Disposition::Recorded);
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,WCAN");
    let next = successor(&host, &run).await;
    assert_eq!(shape_of(&next).await, "WES,CR,T,WX");
}

#[tokio::test]
async fn a_failed_commit_leaves_neither_the_close_nor_the_next_run() {
    let world = World::new();
    let faults = Faults::default();
    let builder = faults.host(world.host(&wanderer()), &world.db);
    let host = builder.build().await.unwrap();
    let run = begin(&host, sleeper()).await;
    for fault in [Fault::Commit, Fault::FirstWrite] {
        faults.push(fault);
        let lost = run.signal_named("on", vec![]).await;
        assert!(matches!(lost, Err(Error::Store(_))), "{lost:?}");
        assert_eq!(shape_of(&run).await, "WES,T,TS");
        assert_eq!(
            host.list(&ListFilter::default(), 10, None)
                .await
                .unwrap()
                .len(),
            1
        );
        host.idle().await;
    }
    world.advance(&host, 60_000).await;
    signal(&host, &run, "on").await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,WCAN");
    let next = successor(&host, &run).await;
    assert_eq!(shape_of(&next).await, "WES,T,TS");
}

#[tokio::test]
async fn a_run_continues_only_as_a_type_of_its_component() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| {
            if let GuestEvent::Initialize { .. } = event {
                let call = ContinueCall {
                    workflow_type: Some("nothing".into()),
                    ..ContinueCall::default()
                };
                let outcome = Outcome::ContinueAsNew(Box::new(call));
                calls.command(Command::Complete { outcome });
            }
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = begin(&host, StartOptions::new("main", "w")).await;
    assert_eq!(
        shape_of(&run).await,
        "WES,Ts,Tb,Tf(BAD_CONTINUE_AS_NEW_ATTRIBUTES)"
    );
    let (_, failure) = run
        .describe()
        .await
        .unwrap()
        .task
        .unwrap()
        .last_failure
        .unwrap();
    assert!(failure.message.contains("\"nothing\""), "{failure}");
}

#[tokio::test]
async fn a_history_that_grows_too_long_ends_its_run_with_the_reason() {
    let world = World::new();
    let limits = Limits {
        history_events: 9,
        history_events_suggested: 6,
        ..Limits::default()
    };
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| {
            if let GuestEvent::Initialize { .. } = event {
                sleep(calls);
            }
        }
    });
    let host = world.host(&script).limits(limits).build().await.unwrap();
    let run = begin(&host, sleeper()).await;
    signal(&host, &run, "a").await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T");
    let events = run.history().await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match event.attributes {
            EventAttributes::WorkflowTaskStarted { history, .. } => {
                Some(history.suggest_continue_as_new)
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [false, true]);
    signal(&host, &run, "b").await;
    assert_eq!(shape_of(&run).await, "WES,T,TS,SG,T,SG,Ts,WK");
    let Status::Terminated { reason, .. } = run.result().await.unwrap() else {
        panic!("it goes on");
    };
    assert!(reason.contains("11 events, more than 9"), "{reason}");
}

#[tokio::test]
async fn what_a_run_keeps_beside_its_history_ends_it_when_it_grows_too_large() {
    let world = World::new();
    let limits = Limits {
        run_state_bytes: 2_000,
        ..Limits::default()
    };
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => sleep(calls),
            GuestEvent::SignalReceived(signal) => {
                let value = Payload::json(format!("\"{}\"", "x".repeat(1_500)));
                drop(calls.command(Command::UpsertMemo {
                    entries: vec![(signal.name.clone(), Some(value))],
                }));
            }
            _ => {}
        }
    });
    let host = world.host(&script).limits(limits).build().await.unwrap();
    let run = begin(&host, sleeper()).await;
    signal(&host, &run, "a").await;
    assert_eq!(run.describe().await.unwrap().status, Status::Running);
    signal(&host, &run, "b").await;
    let Status::Terminated { reason, .. } = run.result().await.unwrap() else {
        panic!("it goes on");
    };
    assert!(reason.contains("bytes, more than 2000"), "{reason}");
}
