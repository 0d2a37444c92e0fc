//! Random guests under random inputs: what must hold of every run, whatever its code does.
//!
//! Checked after each step by the support module: event ids are contiguous, the projection of the
//! encoded frames gives the same events, replay with the guest issues the same commands.

use crate::support::{Guest, Script, World, call};
use sandglass_engine::*;
use std::{cell::Cell, env};

/// Runs in one pass of the suite. `SANDGLASS_SEED` runs one alone.
const RUNS: u64 = 400;

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// A xorshift generator: no state but a number, the same everywhere.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A guest that issues up to four random commands for each event.
fn random_guest() -> Script {
    let mut random = Random::new(SEED.get());
    let mut known = Known::default();
    Box::new(move |_, guest| {
        for _ in 0..random.below(5) {
            random_command(&mut random, guest, &mut known);
        }
    })
}

/// The numbers that the guest was given.
#[derive(Default)]
struct Known {
    scopes: u32,
    last: u64,
    activities: Vec<OperationId>,
}

fn random_command(random: &mut Random, guest: &mut Guest<'_>, known: &mut Known) {
    let scope = ScopeId(u32::try_from(random.below(u64::from(known.scopes) + 1)).unwrap());
    let operation = OperationId(1 + random.below(known.last.max(1)));
    let kind = match random.below(4) {
        0 => ScopeKind::Cancellable,
        1 => ScopeKind::Shielded,
        2 => ScopeKind::Detached,
        _ => ScopeKind::Timeout(Millis(random.below(100))),
    };
    let cancellation = match random.below(4) {
        0 => CancellationType::WaitCancellationCompleted,
        1 => CancellationType::TryCancel,
        2 => CancellationType::WaitAtMost(Millis::from_secs(1)),
        _ => CancellationType::Abandon,
    };
    let nth = usize::try_from(random.below(1 + known.activities.len() as u64)).unwrap();
    let undone = known.activities.get(nth).copied();
    let command = match random.below(29) {
        0..=5 => Command::ScheduleActivity {
            scope,
            call: call("Work", cancellation),
        },
        6..=9 => Command::StartTimer {
            scope,
            duration: Millis(random.below(100)),
        },
        10..=11 => Command::OpenWait {
            scope,
            label: String::new(),
        },
        12..=14 => Command::OpenScope {
            parent: scope,
            kind,
        },
        15 if scope != ScopeId::ROOT => Command::CancelScope {
            scope,
            reason: "code".into(),
        },
        16 if scope != ScopeId::ROOT => Command::CloseScope { scope },
        17..=18 if known.last > 0 => Command::CancelOperation { operation },
        19..=21 => Command::PushCompensation {
            scope,
            undoes: undone,
            call: call("Undo", CancellationType::default()),
            when: CompensateWhen::Effective,
        },
        22 if random.below(3) == 0 => Command::Compensate { scope },
        24..=25 => Command::ScheduleLocalActivity {
            scope,
            call: ActivityCall {
                retry: None,
                ..call("Local", cancellation)
            },
            retry_threshold: Some(Millis(random.below(3000))),
        },
        23 if random.below(6) == 0 => {
            let outcome = match random.below(2) {
                0 => Outcome::Completed(Payload::json("1")),
                _ => Outcome::Failed(Failure::application("E", "random")),
            };
            Command::Complete { outcome }
        }
        26 => Command::Patched {
            id: random.below(3).to_string(),
            deprecated: random.below(3) == 0,
        },
        27 => Command::UpsertMemo {
            entries: vec![("note".into(), Some(Payload::json(operation.to_string())))],
        },
        28 => Command::UpsertSearchAttributes {
            entries: vec![("Seen".into(), Some(SearchValue::Bool(true)))],
        },
        _ => return,
    };
    let is_activity = matches!(
        command,
        Command::ScheduleActivity { .. } | Command::ScheduleLocalActivity { .. }
    );
    match guest.command(command) {
        Answer::Operation(operation) => {
            known.last = known.last.max(operation.0);
            known
                .activities
                .extend(Some(operation).filter(|_| is_activity));
        }
        Answer::Scope(scope) => known.scopes = known.scopes.max(scope.0),
        _ => {}
    }
}

fn random_input(random: &mut Random, w: &mut World) {
    if w.is_hosting() {
        match random.below(8) {
            0 => w.crash(),
            1 => w.end_task(),
            2..=3 => w.local("Local", Report::Completed(Payload::json("1"))),
            4..=5 => w.local("Local", Report::Failed(Failure::application("E", "random"))),
            6 => w.local("Local", Report::Canceled(vec![])),
            _ => {
                let operation = *w.locals.keys().next().unwrap();
                w.resolve(LocalResolution {
                    operation,
                    attempt: 1,
                    at: w.now,
                    outcome: LocalOutcome::Unsettled,
                    unsettled: false,
                });
            }
        }
        return;
    }
    let now = w.now;
    match random.below(10) {
        0 => w.signal("s"),
        1 => _ = w.cancel(),
        2..=4 if !w.timers.is_empty() => w.fire(),
        5 => w.worker = !w.worker,
        _ => {
            let nth = usize::try_from(random.below(1 + w.pending.len() as u64)).unwrap();
            let Some(activity) = w.pending.values_mut().nth(nth) else {
                return;
            };
            if activity.started.is_none() {
                return activity.start(now, "worker");
            }
            let report = match random.below(3) {
                0 => Report::Completed(Payload::json("1")),
                1 => Report::Failed(Failure::application("E", "random")),
                _ => Report::Canceled(vec![]),
            };
            if let Verdict::Close(input) = activity.report(now, report) {
                w.append(input).unwrap();
            }
        }
    }
}

/// Events of the run, and how many of them are markers of local activities.
fn run(seed: u64) -> (usize, usize) {
    SEED.set(seed);
    let mut random = Random::new(!seed);
    let mut w = World::start(random_guest);
    for _ in 0..40 {
        if random.below(4) == 0 && !w.is_hosting() {
            w.evict();
        }
        if random.below(3) > 0 {
            w.task();
        }
        if !w.is_hosting() && w.run().status() != &Status::Running {
            break;
        }
        random_input(&mut random, &mut w);
    }
    if w.is_hosting() {
        w.end_task();
    }
    w.replayed_history();
    invariants(&w.events);
    let markers = w.events.iter();
    let markers =
        markers.filter(|event| matches!(event.attributes, EventAttributes::MarkerRecorded { .. }));
    (w.events.len(), markers.count())
}

/// Nothing follows the close; what ended was begun, and ended once.
fn invariants(events: &[HistoryEvent]) {
    let mut open = std::collections::BTreeSet::new();
    let mut closed = false;
    for event in events {
        assert!(!closed, "an event follows the close: {event:?}");
        match &event.attributes {
            EventAttributes::ActivityTaskScheduled { .. }
            | EventAttributes::TimerStarted { .. } => _ = open.insert(event.event_id),
            EventAttributes::ActivityTaskCompleted {
                scheduled_event_id: id,
                ..
            }
            | EventAttributes::ActivityTaskFailed {
                scheduled_event_id: id,
                ..
            }
            | EventAttributes::ActivityTaskCanceled {
                scheduled_event_id: id,
                ..
            }
            | EventAttributes::TimerFired {
                started_event_id: id,
                ..
            }
            | EventAttributes::TimerCanceled {
                started_event_id: id,
                ..
            } => {
                assert!(open.remove(id), "ended twice or never begun: {event:?}");
            }
            EventAttributes::WorkflowExecutionCompleted { .. }
            | EventAttributes::WorkflowExecutionFailed { .. }
            | EventAttributes::WorkflowExecutionCanceled { .. } => closed = true,
            _ => {}
        }
    }
}

#[test]
fn random_runs_replay_to_the_same_history() {
    if let Ok(seed) = env::var("SANDGLASS_SEED") {
        let seed = seed.parse().expect("SANDGLASS_SEED is a number");
        println!("seed {seed}: {} events", run(seed).0);
        return;
    }
    let (mut events, mut markers) = (0, 0);
    for seed in 0..RUNS {
        println!("seed {seed}");
        let (all, marked) = run(seed);
        events += all;
        markers += marked;
    }
    assert!(
        events > 5_000,
        "the random runs have become too small to say anything: {events}"
    );
    assert!(markers > 300, "few local activities ended: {markers}");
    println!("{events} events, {markers} of them markers");
}
