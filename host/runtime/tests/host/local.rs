//! Local activities: in the workflow task that waits for them, through crashes and cancellation.

use super::support::*;
use sandglass::{
    ActivityContext, AttemptState, CancelOptions, Host, HostBuilder, RunHandle, StartOptions,
    engine::*,
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};

/// How long what must come is waited for, in real time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a local activity has seen: the key of each attempt, and why it was to stop.
#[derive(Clone, Default)]
struct Work {
    keys: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<(AttemptState, Instant)>>>,
    begun: Arc<watch::Sender<usize>>,
    release: Arc<Notify>,
}

impl Work {
    /// Serves `Local`, which ends when it is released, or with its cancellation.
    fn serve(&self, builder: HostBuilder) -> HostBuilder {
        let work = self.clone();
        builder.activity("Local", move |context, _| {
            let work = work.clone();
            async move { work.attempt(context).await }
        })
    }

    async fn attempt(&self, context: ActivityContext) -> Result<Payload, Failure> {
        let key = context.info().idempotency_key.clone();
        self.keys.lock().unwrap().push(key);
        self.begun.send_modify(|count| *count += 1);
        tokio::select! {
            () = self.release.notified() => Ok(Payload::json("7")),
            state = context.cancelled() => {
                self.told.lock().unwrap().push((state, Instant::now()));
                Err(context.canceled(vec![]))
            }
        }
    }

    /// Waits until this many attempts have begun.
    async fn begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let all = begun.wait_for(|begun| *begun >= count);
        tokio::time::timeout(PATIENCE, all).await.unwrap().unwrap();
    }

    fn attempts(&self) -> usize {
        self.keys.lock().unwrap().len()
    }
}

fn begin_local(calls: &mut Calls<'_>, cancellation: CancellationType) {
    calls.command(Command::ScheduleLocalActivity {
        scope: ScopeId::ROOT,
        call: ActivityCall {
            cancellation,
            ..call("Local")
        },
        retry_threshold: None,
    });
}

/// Ends as its one local activity does.
fn one_local(cancellation: CancellationType) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => begin_local(calls, cancellation),
            other => calls.end_with(other),
        }
    })
}

async fn ended(run: &RunHandle) -> Status {
    let status = tokio::time::timeout(PATIENCE, run.result()).await;
    status.unwrap().unwrap()
}

async fn has_shape(run: &RunHandle, wanted: &str) {
    let began = Instant::now();
    while shape_of(run).await != wanted {
        assert!(began.elapsed() < PATIENCE, "{}", shape_of(run).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn started(host: &Host) -> RunHandle {
    host.start(StartOptions::new("main", "w")).await.unwrap()
}

#[tokio::test]
async fn its_result_is_committed_with_the_task_that_waited_for_it() {
    let (world, work) = (World::new(), Work::default());
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    let described = run.describe().await.unwrap();
    assert!(described.activities.is_empty(), "it has no row");
    work.release.notify_one();
    assert!(matches!(ended(&run).await, Status::Completed { .. }));
    assert_eq!(shape_of(&run).await, "WES,T,MR,WC");
    let key = format!("{}/local-1", run.run_id().unwrap());
    assert_eq!(*work.keys.lock().unwrap(), [key]);
    // The start, and the task with what the local activity gave.
    assert_eq!(host.stats().commits, 2);
}

#[tokio::test]
async fn a22_a_request_reaches_it_without_heartbeats() {
    let waits = [
        CancellationType::TryCancel,
        CancellationType::WaitCancellationCompleted,
    ];
    for cancellation in waits {
        let (world, work) = (World::new(), Work::default());
        let host = work.serve(world.host(&one_local(cancellation)));
        let host = host.push_cancel(false).build().await.unwrap();
        let run = started(&host).await;
        work.begun(1).await;
        let asked = Instant::now();
        run.cancel(CancelOptions::reason("r1")).await.unwrap();
        let acknowledged = Instant::now();
        assert!(matches!(ended(&run).await, Status::Canceled { .. }));
        let closed = asked.elapsed();
        assert!(closed < Duration::from_secs(2), "closed after {closed:?}");
        assert_eq!(shape_of(&run).await, "WES,T,CR,T,MR,WX");
        host.shutdown().await.unwrap();
        let (state, told) = work.told.lock().unwrap().remove(0);
        assert_eq!(state, AttemptState::CancelRequested("r1".into()));
        let after = told.saturating_duration_since(acknowledged);
        assert!(after < Duration::from_millis(500), "told after {after:?}");
    }
}

#[tokio::test]
async fn at_80_percent_of_its_time_the_task_ends_and_another_one_waits() {
    let (world, work) = (World::new(), Work::default());
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    host.idle().await;
    world.advance(&host, 7_999).await;
    assert_eq!(shape_of(&run).await, "WES,Ts");
    world.advance(&host, 1).await;
    assert_eq!(shape_of(&run).await, "WES,T");
    world.advance(&host, 8_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,T");
    work.release.notify_one();
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,T,T,MR,WC");
    assert_eq!(work.attempts(), 1);
}

#[tokio::test]
async fn a_signal_waits_for_the_task_and_none_is_lost() {
    let (world, work) = (World::new(), Work::default());
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => begin_local(calls, CancellationType::default()),
            GuestEvent::SignalReceived(_) => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    });
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    host.idle().await;
    let signaler = run.clone();
    let signal = tokio::spawn(async move { signaler.signal_named("s", vec![]).await });
    // It waits for the task: nothing else ends it before the clock is moved.
    world.advance(&host, 7_000).await;
    assert!(!signal.is_finished());
    world.advance(&host, 1_000).await;
    signal.await.unwrap().unwrap();
    has_shape(&run, "WES,T,SG,Ts").await;
    world.advance(&host, 8_000).await;
    work.release.notify_one();
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,SG,T,TS,T,MR,WC");
}

#[tokio::test]
async fn a_signal_that_comes_into_the_closing_task_does_not_run_it_again() {
    let (world, work) = (World::new(), Work::default());
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    host.idle().await;
    let signaler = run.clone();
    let signal = tokio::spawn(async move { signaler.signal_named("s", vec![]).await });
    while host.stats().commits < 1 || !signal_waits(&run).await {
        tokio::task::yield_now().await;
    }
    work.release.notify_one();
    ended(&run).await;
    signal.await.unwrap().unwrap();
    let expected = "WES,Ts,Tb,Tf(UNHANDLED_COMMAND),SG,T,MR,WC";
    assert_eq!(shape_of(&run).await, expected);
    assert_eq!(work.attempts(), 1, "its result was kept");
}

/// Whether an input waits for the workflow task.
async fn signal_waits(run: &RunHandle) -> bool {
    run.describe().await.unwrap().buffered_inputs > 0
}

#[tokio::test]
async fn too_many_inputs_that_wait_end_the_task() {
    let few = Limits {
        buffered_inputs: 2,
        ..Limits::default()
    };
    let short = Limits {
        buffered_bytes: 300,
        ..Limits::default()
    };
    for limits in [few, short] {
        let (world, work) = (World::new(), Work::default());
        let script = one_local(CancellationType::default());
        let host = work.serve(world.host(&script)).limits(limits);
        let host = host.build().await.unwrap();
        let run = started(&host).await;
        work.begun(1).await;
        let long = || vec![Payload::json("1".repeat(150))];
        let (first, second) = (run.signal_named("a", long()), run.signal_named("b", long()));
        let (first, second) = tokio::join!(first, second);
        first.unwrap();
        second.unwrap();
        work.release.notify_one();
        ended(&run).await;
        assert_eq!(shape_of(&run).await, "WES,T,SG,SG,T,MR,WC");
    }
}

#[tokio::test]
async fn before_the_commit_a_crash_runs_it_again_and_after_it_not() {
    let (world, work) = (World::new(), Work::default());
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => begin_local(calls, CancellationType::default()),
            GuestEvent::ActivityResolved(..) => drop(calls.timer(3_600_000)),
            other => calls.end_with(other),
        }
    });
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    drop((run, host));
    let host = work.serve(world.host(&script)).build().await.unwrap();
    work.begun(2).await;
    let run = host.run("w", None);
    work.release.notify_one();
    has_shape(&run, "WES,T,MR,TS").await;
    drop((run, host));
    let host = work.serve(world.host(&script)).build().await.unwrap();
    world.advance(&host, 3_600_000).await;
    let run = host.run("w", None);
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,MR,TS,TF,T,WC");
    let keys = work.keys.lock().unwrap();
    assert_eq!(keys.len(), 2, "what was committed does not run again");
    assert_eq!(keys[0], keys[1]);
}

/// Ends as its one local activity does, which `Undo` undoes.
fn undone(cancellation: CancellationType) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                begin_local(calls, cancellation);
                calls.command(Command::PushCompensation {
                    scope: ScopeId::ROOT,
                    undoes: Some(OperationId(1)),
                    call: call("Undo"),
                    when: CompensateWhen::Effective,
                });
            }
            other => calls.end_with(other),
        }
    })
}

/// Also serves `Undo`, which counts.
fn undoing(builder: HostBuilder) -> (HostBuilder, Arc<Mutex<usize>>) {
    let undone = Arc::new(Mutex::new(0));
    let count = Arc::clone(&undone);
    let builder = builder.activity("Undo", move |_, _| {
        *count.lock().unwrap() += 1;
        async { Ok(Payload::null()) }
    });
    (builder, undone)
}

#[tokio::test]
async fn r36_what_is_left_alone_is_undone_after_its_end() {
    let (world, work) = (World::new(), Work::default());
    let (builder, undone) = undoing(world.host(&undone(CancellationType::Abandon)));
    let host = work.serve(builder).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    run.cancel(CancelOptions::reason("r1")).await.unwrap();
    has_shape(&run, "WES,T,CR,Ts").await;
    host.idle().await;
    assert_eq!(*undone.lock().unwrap(), 0, "its body still runs");
    work.release.notify_one();
    assert!(matches!(ended(&run).await, Status::Canceled { .. }));
    assert_eq!(*undone.lock().unwrap(), 1);
    assert_eq!(shape_of(&run).await, "WES,T,CR,T,MR,AS,AB,AC,T,WX");
    assert!(work.told.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r36_what_was_to_stop_when_its_host_died_is_undone_and_not_begun_again() {
    for cancellation in [
        CancellationType::TryCancel,
        CancellationType::WaitCancellationCompleted,
    ] {
        let (world, work) = (World::new(), Work::default());
        let script = undone(cancellation);
        // Its body does not hear: what it does when its host dies nobody knows.
        let deaf = work.clone();
        let host = world.host(&script).activity("Local", move |_, _| {
            deaf.begun.send_modify(|count| *count += 1);
            std::future::pending::<Result<Payload, Failure>>()
        });
        let host = host.build().await.unwrap();
        let run = started(&host).await;
        work.begun(1).await;
        run.cancel(CancelOptions::reason("r1")).await.unwrap();
        drop((run, host));
        let (builder, undone) = undoing(work.serve(world.host(&script)));
        let host = builder.build().await.unwrap();
        let run = host.run("w", None);
        assert!(matches!(ended(&run).await, Status::Canceled { .. }));
        assert_eq!(*undone.lock().unwrap(), 1);
        assert_eq!(work.attempts(), 0);
    }
}

#[tokio::test]
async fn a_terminate_does_not_wait_for_it() {
    let (world, work) = (World::new(), Work::default());
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    run.terminate("t", "op").await.unwrap();
    let expected = "WES,Ts,Tb,Tf(FORCE_CLOSE_COMMAND),WK";
    assert_eq!(shape_of(&run).await, expected);
    host.shutdown().await.unwrap();
    let told = work.told.lock().unwrap();
    assert_eq!(told[0].0, AttemptState::NotFound);
}

#[tokio::test]
async fn what_was_recorded_before_it_is_on_disk_before_it_begins() {
    let (world, work, faults) = (World::new(), Work::default(), Faults::default());
    let script = one_local(CancellationType::default());
    faults.push(Fault::Commit);
    let host = faults.host(work.serve(world.host(&script)), &world.db);
    let host = host.build().await.unwrap();
    let refused = host.start(StartOptions::new("main", "w")).await;
    assert!(refused.is_err());
    host.idle().await;
    assert_eq!(work.attempts(), 0);
    let run = started(&host).await;
    work.begun(1).await;
    work.release.notify_one();
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,MR,WC");
}

#[tokio::test]
async fn a_commit_that_fails_does_not_make_it_run_again() {
    let (world, work, faults) = (World::new(), Work::default(), Faults::default());
    let script = one_local(CancellationType::default());
    let host = faults.host(work.serve(world.host(&script)), &world.db);
    let host = host.build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    faults.push(Fault::Commit);
    work.release.notify_one();
    while host.stats().tasks < 1 {
        tokio::task::yield_now().await;
    }
    host.idle().await;
    world.advance(&host, 1_000).await;
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,MR,WC");
    assert_eq!(work.attempts(), 1, "its result was kept");
}

#[tokio::test]
async fn one_that_takes_too_long_or_fails_is_tried_again_in_the_task() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                calls.command(Command::ScheduleLocalActivity {
                    scope: ScopeId::ROOT,
                    call: ActivityCall {
                        start_to_close: Some(Millis(500)),
                        ..call("Local")
                    },
                    retry_threshold: None,
                });
            }
            other => calls.end_with(other),
        }
    });
    let attempts = Arc::new(watch::Sender::new(0));
    let seen = Arc::clone(&attempts);
    let host = world.host(&script).activity("Local", move |context, _| {
        let seen = Arc::clone(&seen);
        async move {
            let attempt = context.info().attempt;
            seen.send_replace(attempt);
            match attempt {
                1 => Err(Failure::application("E", "first")),
                2 => {
                    let state = context.cancelled().await;
                    assert_eq!(state, AttemptState::TimedOut);
                    Err(Failure::application("E", "refused"))
                }
                _ => Ok(Payload::json("3")),
            }
        }
    });
    let host = host.build().await.unwrap();
    let run = started(&host).await;
    let began = Instant::now();
    while run.describe().await.unwrap().status == Status::Running {
        assert!(began.elapsed() < PATIENCE, "attempt {}", *attempts.borrow());
        world.clock.advance(Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // How many workflow tasks waited for it is a matter of the clock.
    assert_eq!(skeleton(&run.history().await.unwrap()), "WES,MR,WC");
    let events = run.history().await.unwrap();
    let marker = events.iter().find_map(|event| match &event.attributes {
        EventAttributes::MarkerRecorded { details, .. } => Some(details[0].1[0].data.clone()),
        _ => None,
    });
    let text = String::from_utf8(marker.unwrap()).unwrap();
    assert!(text.contains("\"attempt\":3"), "{text}");
}

#[tokio::test]
async fn one_that_nobody_serves_fails() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                calls.command(Command::ScheduleLocalActivity {
                    scope: ScopeId::ROOT,
                    call: ActivityCall {
                        retry: Some(RetryPolicy {
                            maximum_attempts: 1,
                            ..RetryPolicy::default()
                        }),
                        ..call("Local")
                    },
                    retry_threshold: None,
                });
            }
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let run = started(&host).await;
    let Status::Failed { failure } = ended(&run).await else {
        panic!("not failed");
    };
    assert_eq!(failure.cause.unwrap().type_name(), "ActivityNotRegistered");
}

#[tokio::test]
async fn a_host_that_stops_records_what_ended_and_nothing_of_what_it_stopped() {
    let (world, work) = (World::new(), Work::default());
    let script = script(|| {
        let mut left = 2;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                begin_local(calls, CancellationType::default());
                begin_local(calls, CancellationType::default());
            }
            GuestEvent::ActivityResolved(..) => {
                left -= 1;
                if left == 0 {
                    calls.complete("2");
                }
            }
            _ => {}
        }
    });
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = started(&host).await;
    work.begun(2).await;
    work.release.notify_one();
    while host.attempts_in_flight() > 1 {
        tokio::task::yield_now().await;
    }
    drop(run);
    host.shutdown().await.unwrap();
    assert_eq!(work.told.lock().unwrap()[0].0, AttemptState::WorkerShutdown);
    let host = work.serve(world.host(&script)).build().await.unwrap();
    work.begun(3).await;
    let run = host.run("w", None);
    assert_eq!(shape_of(&run).await, "WES,T,MR");
    work.release.notify_one();
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,MR,T,MR,WC");
    assert_eq!(work.attempts(), 3);
}

#[tokio::test]
async fn a_run_that_waits_for_one_is_not_evicted() {
    let (world, work) = (World::new(), Work::default());
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).instance_cache_bytes(0);
    let host = host.build().await.unwrap();
    let run = started(&host).await;
    work.begun(1).await;
    host.idle().await;
    world.advance(&host, 8_000).await;
    work.release.notify_one();
    ended(&run).await;
    assert_eq!(shape_of(&run).await, "WES,T,T,MR,WC");
    let stats = host.stats();
    assert_eq!((stats.evictions, stats.replays), (0, 0));
}

#[tokio::test]
async fn a_local_activity_does_not_count_as_one_that_sleeps() {
    let world = World::new();
    let work = Work::default();
    let script = one_local(CancellationType::default());
    let host = work.serve(world.host(&script)).build().await.unwrap();
    let run = host.start(StartOptions::new("main", "w")).await.unwrap();
    work.begun(1).await;
    for _ in 0..100 {
        assert_eq!(host.sleeping(), 0);
        tokio::task::yield_now().await;
    }
    work.release.notify_one();
    assert_eq!(json_result(&run).await, "7");
}
