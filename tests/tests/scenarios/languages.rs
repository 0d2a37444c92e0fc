//! The same program in each language: the scenarios with the guest of each, whose histories must be
//! those of the guest in Rust, event by event.
//!
//! To add a language: its guest in [`GUESTS`], with the workflow types of `scenarios` that the table
//! below plays. Guests are built here like all others; what their toolchain lacks is installed.

use super::{activities, each_way, relatives};
use sandglass_engine::{EventAttributes, HistoryEvent, Status};
use sandglass_semantics::scenario;
use sandglass_tests::{Patience, World, WorldBuilder};
use serde_json::Value;
use std::time::Duration;

/// The guests of `tests/guests` that are in another language, engine or world: that of C is the
/// blocking one, and `scenarios-async` has component-model async.
const GUESTS: [&str; 6] = [
    "scenarios-python",
    "scenarios-js",
    "scenarios-spidermonkey",
    "scenarios-go",
    "scenarios-c",
    "scenarios-async",
];

/// How exactly two histories are compared.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// All events with their numbers.
    Full,
    /// Without workflow tasks and starts of activities, where two executions race each other.
    Skeleton,
}
use Mode::{Full, Skeleton};

/// Makes a test of each row.
macro_rules! in_each_language {
    ($($name:ident, $mode:expr, $scenario:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                compare($mode, $scenario).await;
            }
        )*
    };
}

in_each_language! {
    a01, Full, super::a01;
    a03, Full, super::a03;
    a04, Full, super::a04;
    a05, Full, async |w| super::a05_or_a06(w, "a05", scenario("A05")).await;
    a06, Full, async |w| super::a05_or_a06(w, "a06", scenario("A06")).await;
    a07, Full, async |w| super::a07(w, 5).await;
    a08, Full, activities::a08;
    a09, Full, activities::a09;
    a10, Full, activities::a10;
    a13, Skeleton, relatives::a13;
    a21, Full, super::a21_accepted;
    a21_completed, Full, super::a21_completed;
    a21_noticed_later, Full, super::a21_noticed_later;
    a24, Full, super::a24;
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_never_waits_is_ended_by_force() {
    for guest in ["scenarios-c", "scenarios-go"] {
        let settings = WorldBuilder::default().activation_budget(Duration::from_secs(30));
        let world = settings.build().await;
        world.load(guest).await;
        let run = world.start("spins").await;
        run.until("WES,Ts").await;
        run.handle.terminate("enough", "test").await.unwrap();
        let described = run.handle.describe().await.unwrap();
        let status = described.status;
        assert!(
            matches!(status, Status::Terminated { .. }),
            "{guest}: {status:?}"
        );
    }
}

/// Runs of `observe`.
const RUNS: usize = 10;

/// Rounds of each, each of three workflow tasks at least.
const ROUNDS: usize = 7;

/// Those of them with `observe`, whose commands depend on the order of collections, random numbers,
/// dates, JSON, floating point.
const OBSERVERS: [&str; 4] = [
    "scenarios-python",
    "scenarios-js",
    "scenarios-spidermonkey",
    "scenarios-go",
];

#[tokio::test]
async fn two_hundred_tasks_that_begin_with_a_replay() {
    for guest in OBSERVERS {
        let world = WorldBuilder::default().evict().build().await;
        world.load(guest).await;
        for _ in 0..RUNS {
            let rounds = ROUNDS.to_string();
            let run = world
                .start_with("observe", |options| options.json(rounds))
                .await;
            for round in 1..=ROUNDS {
                let patience = Patience::default();
                while run.history().await.matches("TS").count() < round {
                    patience.paused("it does not sleep").await;
                }
                world.advance(5000);
                world.host.idle().await;
                run.handle.signal_named("next", vec![]).await.unwrap();
            }
            run.result().await;
        }
        let replays = world.host.stats().replays;
        assert!(replays >= 200, "{guest}: {replays} replays");
        world.replay_all().await;
    }
}

/// Plays a scenario with the guest in Rust, and then each way with each other one.
async fn compare(mode: Mode, scenario: impl AsyncFn(&World)) {
    let world = WorldBuilder::default().build().await;
    world.load("scenarios").await;
    scenario(&world).await;
    let expected = told(&world, mode).await;
    for guest in GUESTS {
        each_way(WorldBuilder::default(), guest, async |world| {
            scenario(world).await;
            let found = told(world, mode).await;
            // A host that ends after each commit tries some tasks and attempts again.
            if !world.host.restarts() {
                assert_eq!(difference(&found, &expected), None, "{guest}");
            }
        })
        .await;
    }
}

/// The histories of a world as lines, without what differs from run to run.
pub(super) async fn told(world: &World, mode: Mode) -> String {
    let histories = world.histories().await;
    let mut text = String::new();
    for events in &histories {
        let kept = events.iter().filter(|event| mode == Full || lasts(event));
        let lines = kept.map(|event| line(event, mode));
        text.extend(lines.chain(["".into()]).map(|line| line + "\n"));
    }
    // Runs are named in what they tell each other, and in the headers of compensations.
    for (number, events) in histories.iter().enumerate() {
        if let Some(EventAttributes::WorkflowExecutionStarted(start)) =
            events.first().map(|event| &event.attributes)
        {
            text = text.replace(&start.run_id, &format!("RUN{number}"));
            text = text.replace(&start.workflow_id, &format!("WORKFLOW{number}"));
        }
    }
    text
}

/// The first line that differs, in both.
fn difference<'a>(found: &'a str, expected: &'a str) -> Option<(&'a str, &'a str)> {
    let lines = |text: &'a str| text.lines().chain(["(no more)"]);
    let mut pairs = lines(found).zip(lines(expected));
    pairs.find(|(found, expected)| found != expected)
}

fn lasts(event: &HistoryEvent) -> bool {
    let name = event.attributes.event_type();
    !name.starts_with("WorkflowTask") && name != "ActivityTaskStarted"
}

fn line(event: &HistoryEvent, mode: Mode) -> String {
    let mut value = serde_json::to_value(&event.attributes).expect("events have a JSON form");
    forget(&mut value, mode);
    match mode {
        Full => format!("{} {value}", event.event_id),
        Skeleton => value.to_string(),
    }
}

/// Removes what belongs to this execution or component, or is a language's own text; makes the
/// bytes of payloads text.
fn forget(value: &mut Value, mode: Mode) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let own = [
                    "request_id",
                    "seed",
                    "digest",
                    "bytes",
                    "source",
                    "stack_trace",
                ];
                let numbered = mode == Skeleton && name.ends_with("event_id");
                !numbered && !own.contains(&&**name)
            });
            if let Some(data) = fields.get_mut("data") {
                let bytes: Vec<u8> = serde_json::from_value(data.take()).expect("bytes");
                *data = String::from_utf8_lossy(&bytes).into();
            }
            fields.values_mut().for_each(|field| forget(field, mode));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, mode)),
        _ => {}
    }
}
