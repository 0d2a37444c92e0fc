//! What arrives while a workflow task runs: cases that Temporal's server recorded. Each sequence is
//! compared with the recording by the test `oracle`.

use super::{chains::continue_as_new, support::*};
use sandglass::{CancelOptions, Disposition, Host, RunHandle, StartOptions, engine::*};
use sandglass_semantics::scenario;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Starts the run `w` and waits until its first workflow task is at the gate.
async fn start_held(host: &Host, gate: &Gate) -> RunHandle {
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    gate.wait_for(1);
    run
}

/// Cancels a run that is at a workflow task. The request is known and not recorded.
async fn cancel_held(run: &RunHandle) -> tokio::task::JoinHandle<Disposition> {
    let canceling = run.clone();
    let asked = tokio::spawn(async move {
        let response = canceling.cancel(CancelOptions::reason("r1")).await;
        response.unwrap().disposition
    });
    while run.describe().await.unwrap().cancel.is_none() {
        tokio::task::yield_now().await;
    }
    asked
}

#[tokio::test]
async fn row_30_a_task_that_completes_the_run_fails_and_runs_again() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let script = script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| {
            if matches!(event, GuestEvent::Initialize { .. }) {
                gate.pass();
                calls.complete("1");
            }
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start_held(&host, &gate).await;
    let asked = cancel_held(&run).await;
    gate.open();
    assert_eq!(asked.await.unwrap(), Disposition::Recorded);
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, scenario("row30_closing_wft"));
}

#[tokio::test]
async fn row_30_all_commands_of_such_a_task_are_dropped() {
    let world = World::new();
    let gate = Gate::default();
    let (held, attempts) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let script = script(move || {
        let (gate, attempts) = (held.clone(), Arc::clone(&attempts));
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                calls.timer(60_000);
                gate.pass();
                if attempts.fetch_add(1, Ordering::AcqRel) == 0 {
                    calls.complete("1");
                }
            }
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start_held(&host, &gate).await;
    let asked = cancel_held(&run).await;
    gate.open();
    asked.await.unwrap();
    run.result().await.unwrap();
    let expected = scenario("row30_closing_wft_with_commands");
    assert_eq!(shape_of(&run).await, expected);
}

/// Waits at the gate, starts a timer and an activity that nobody serves, and passes on what ends.
fn busy(gate: &Gate) -> Arc<Script> {
    let held = gate.clone();
    script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                gate.pass();
                calls.timer(60_000);
                let call = ActivityCall {
                    cancellation: CancellationType::TryCancel,
                    ..call("Work")
                };
                calls.activity(ScopeId::ROOT, call);
            }
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn row_30_a_second_request_fails_no_task() {
    let world = World::new();
    let gate = Gate::default();
    let host = world.host(&busy(&gate)).build().await.unwrap();
    host.pause_workflow_tasks();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    host.resume_workflow_tasks();
    gate.wait_for(1);
    let mut again = std::pin::pin!(run.cancel(CancelOptions::reason("r2")));
    // Asked for while the task is at the gate; whether it is answered before the run is closed or
    // afterwards is free.
    let answer = tokio::select! {
        biased;
        answer = &mut again => Some(answer),
        () = std::future::ready(()) => None,
    };
    gate.open();
    let answer = match answer {
        Some(answer) => answer,
        None => again.await,
    };
    assert_ne!(answer.unwrap().disposition, Disposition::Recorded);
    run.result().await.unwrap();
    let expected = scenario("row30_cancel_command_racing_cancel");
    assert_eq!(shape_of(&run).await, expected);
}

#[tokio::test]
async fn row_31_a_request_is_recorded_after_what_the_task_has_done() {
    let world = World::new();
    let gate = Gate::default();
    let host = world.host(&busy(&gate)).build().await.unwrap();
    let run = start_held(&host, &gate).await;
    let asked = cancel_held(&run).await;
    gate.open();
    assert_eq!(asked.await.unwrap(), Disposition::Recorded);
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, scenario("row31_open_wft"));
}

#[tokio::test]
async fn a_request_is_described_before_it_is_recorded() {
    let world = World::new();
    let gate = Gate::default();
    let held = gate.clone();
    let script = script(move || {
        let gate = held.clone();
        move |_: &GuestEvent, _: &mut Calls<'_>| gate.pass()
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start_held(&host, &gate).await;
    let asked = cancel_held(&run).await;
    assert_eq!(shape_of(&run).await, "WES,Ts");
    host.pause_workflow_tasks();
    gate.open();
    asked.await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await, scenario("cancel_buffered_describe"));
    host.resume_workflow_tasks();
}

#[tokio::test]
async fn r18_an_activity_that_completes_during_the_task_that_cancels_it_has_completed() {
    let world = World::new();
    let (gate, work) = (Gate::default(), Gate::default());
    let held = gate.clone();
    let script = script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.activity(ScopeId::ROOT, call("Work"))),
            GuestEvent::CancelRequested(_) => gate.pass(),
            other => calls.end_with(other),
        }
    });
    let working = work.clone();
    let host = world.host(&script).activity_json("Work", move |_, (): ()| {
        let work = working.clone();
        async move {
            tokio::task::spawn_blocking(move || work.pass())
                .await
                .unwrap();
            Ok(7)
        }
    });
    let host = host.build().await.unwrap();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    work.wait_for(1);
    // Answered by a commit of its own, while the task is at the gate.
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    gate.wait_for(1);
    work.open();
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    host.pause_workflow_tasks();
    gate.open();
    host.idle().await;
    assert_eq!(shape_of(&run).await, scenario("R18_more:buffered_close"));
    host.resume_workflow_tasks();
    assert_eq!(json_result(&run).await, "7");
}

/// Starts a timer; loops when it is signaled.
fn looping() -> Arc<Script> {
    script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => calls.spin(),
            other => calls.end_with(other),
        }
    })
}

#[tokio::test]
async fn s53_what_waited_for_the_task_is_recorded_before_the_end() {
    let world = World::new();
    let host = world.host(&looping()).build().await.unwrap();
    let run = start(&host).await;
    run.signal_named("go", vec![]).await.unwrap();
    let asked = cancel_held(&run).await;
    run.terminate("t", "op").await.unwrap();
    assert_eq!(asked.await.unwrap(), Disposition::Recorded);
    assert_eq!(shape_of(&run).await, scenario("S53_terminate_started_wft"));
}

#[tokio::test]
async fn a_run_timeout_fails_the_task_and_keeps_what_waited_for_it() {
    let world = World::new();
    let script = script(|| |_: &GuestEvent, calls: &mut Calls<'_>| calls.spin());
    let host = world.host(&script).build().await.unwrap();
    let options = StartOptions {
        run_timeout: Some(Duration::from_secs(60)),
        ..StartOptions::new("main", "w")
    };
    let run = host.start(options).await.unwrap();
    let asked = cancel_held(&run).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(run.result().await.unwrap(), Status::TimedOut);
    assert_eq!(asked.await.unwrap(), Disposition::Recorded);
    let expected = scenario("run_timeout_with_started_wft");
    assert_eq!(shape_of(&run).await, expected);
}

#[tokio::test]
async fn a3_what_waited_for_a_task_is_recorded_together_ends_of_activities_last() {
    let world = World::new();
    let (gate, work) = (Gate::default(), Gate::default());
    let held = gate.clone();
    let script = script(move || {
        let gate = held.clone();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } => {
                // The neighbor only sleeps, as long.
                if arguments.is_empty() {
                    calls.activity(ScopeId::ROOT, call("Work"));
                }
                calls.timer(1000);
            }
            GuestEvent::SignalReceived(signal) if signal.name == "hold" => gate.pass(),
            GuestEvent::TimerFired(OperationId(1), _) => calls.end_with(event),
            _ => {}
        }
    });
    let working = work.clone();
    let host = world.host(&script).activity_json("Work", move |_, (): ()| {
        let work = working.clone();
        async move {
            tokio::task::spawn_blocking(move || work.pass())
                .await
                .unwrap();
            Ok(7)
        }
    });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let neighbor = StartOptions::new("main", "neighbor").json("1");
    let neighbor = host.start(neighbor).await.unwrap();
    host.idle().await;
    work.wait_for(1);
    run.signal_named("hold", vec![]).await.unwrap();
    gate.wait_for(1);
    // While the task is held: the activity ends first, and is recorded last.
    work.open();
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    let asked = cancel_held(&run).await;
    world.clock.advance(Duration::from_secs(1));
    // Timers that are due at once fire in the order of their runs.
    assert_eq!(json_result(&neighbor).await, "\"fired\"");
    let mut signal = std::pin::pin!(run.signal_named("s", vec![]));
    tokio::select! {
        biased;
        sent = &mut signal => panic!("recorded while a task is held: {sent:?}"),
        () = std::future::ready(()) => {}
    };
    host.pause_workflow_tasks();
    gate.open();
    assert_eq!(asked.await.unwrap(), Disposition::Recorded);
    signal.await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&run).await, scenario("A3_flush_order"));
}

/// Waits for `Work` and a timer; at a signal it waits at the gate and closes, `on` by continuing as
/// new, `drop` after it has canceled the timer.
fn closing(gate: &Gate) -> Arc<Script> {
    let held = gate.clone();
    script(move || {
        let gate = held.clone();
        let mut timer = None;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { arguments, .. } if arguments.is_empty() => {
                calls.activity(ScopeId::ROOT, call("Work"));
                if let Answer::Operation(operation) = calls.timer(1000) {
                    timer = Some(operation);
                }
            }
            GuestEvent::Initialize { .. } => drop(calls.timer(1000)),
            GuestEvent::SignalReceived(signal) => {
                gate.pass();
                if signal.name == "on" {
                    return continue_as_new(calls, "1");
                }
                if signal.name == "drop" {
                    let operation = timer.unwrap();
                    calls.command(Command::CancelOperation { operation });
                }
                calls.complete("1");
            }
            GuestEvent::TimerFired(..) if timer.is_none() => calls.end_with(event),
            _ => {}
        }
    })
}

#[tokio::test]
async fn r16_whatever_arrives_while_a_task_closes_the_run_comes_first() {
    for (close, arrives, expected) in [
        ("complete", "cancel", "Ts,Tb,Tf(UNHANDLED_COMMAND),CR,T,WC"),
        ("complete", "end", "Ts,Tb,Tf(UNHANDLED_COMMAND),AB,AC,T,WC"),
        ("complete", "timer", "Ts,Tb,Tf(UNHANDLED_COMMAND),TF,T,WC"),
        ("on", "cancel", "Ts,Tb,Tf(UNHANDLED_COMMAND),CR,T,WCAN"),
        ("on", "end", "Ts,Tb,Tf(UNHANDLED_COMMAND),AB,AC,T,WCAN"),
        ("on", "timer", "Ts,Tb,Tf(UNHANDLED_COMMAND),TF,T,WCAN"),
        // What the task itself has canceled has nothing to say any more.
        ("drop", "timer", "T,TC,WC"),
    ] {
        let world = World::new();
        let (gate, work) = (Gate::default(), Gate::default());
        let working = work.clone();
        let host = world
            .host(&closing(&gate))
            .activity_json("Work", move |_, (): ()| {
                let work = working.clone();
                async move {
                    tokio::task::spawn_blocking(move || work.pass())
                        .await
                        .unwrap();
                    Ok(7)
                }
            });
        let host = host.build().await.unwrap();
        let run = start(&host).await;
        let neighbor = StartOptions::new("main", "neighbor").json("1");
        let neighbor = host.start(neighbor).await.unwrap();
        host.idle().await;
        work.wait_for(1);
        run.signal_named(close, vec![]).await.unwrap();
        gate.wait_for(1);
        let mut asked = None;
        match arrives {
            "cancel" => asked = Some(cancel_held(&run).await),
            "end" => {
                work.open();
                while host.attempts_in_flight() > 0 {
                    tokio::task::yield_now().await;
                }
            }
            _ => {
                world.clock.advance(Duration::from_secs(1));
                // Timers that are due at once fire in the order of their runs.
                assert_eq!(json_result(&neighbor).await, "\"fired\"");
            }
        }
        gate.open();
        run.wait_closed().await.unwrap();
        if let Some(asked) = asked {
            assert_eq!(asked.await.unwrap(), Disposition::Recorded);
        }
        let first = host.run("w", run.run_id());
        let shape = shape_of(&first).await;
        assert_eq!(
            shape,
            format!("WES,T,AS,TS,SG,{expected}"),
            "{close} {arrives}"
        );
        work.open();
    }
}

#[tokio::test]
async fn a_request_that_waits_for_a_task_is_recorded_when_that_times_out() {
    let world = World::new();
    let gate = Gate::default();
    let (held, clock) = (gate.clone(), Arc::clone(&world.clock));
    let attempts = Arc::new(AtomicUsize::new(0));
    let script = script(move || {
        let (gate, clock, attempts) = (held.clone(), Arc::clone(&clock), Arc::clone(&attempts));
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                gate.pass();
                let Answer::Operation(operation) = calls.timer(60_000) else {
                    return;
                };
                if attempts.fetch_add(1, Ordering::AcqRel) == 0 {
                    clock.advance(Duration::from_secs(11));
                    // What this causes comes too late.
                    calls.command(Command::CancelOperation { operation });
                }
            }
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = start_held(&host, &gate).await;
    let asked = cancel_held(&run).await;
    gate.open();
    asked.await.unwrap();
    run.result().await.unwrap();
    assert_eq!(shape_of(&run).await, scenario("wft_timeout_flushes_CR"));
}
