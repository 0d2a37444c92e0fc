//! Every program of the tests and examples, as the cancel sweep plays it: what it is given, what its
//! activities answer, and how a cancellation ends it.

use super::stage::Answer;
use crate::binary::component;
use sandglass::{ActivityContext, AttemptState};
use sandglass_engine::{Failure, Payload};
use std::sync::Arc;

/// What a request to cancel comes to, wherever in the history it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The run closes.
    Closes,
    /// Its code has a bug: once it is canceled its workflow tasks fail, for ever.
    Fails,
}

/// One workflow type with what it needs.
#[derive(Debug, Clone)]
pub struct Program {
    /// The folder of its crate.
    pub folder: &'static str,
    /// The workflow type.
    pub workflow_type: &'static str,
    /// Its arguments, as JSON texts.
    pub arguments: &'static [&'static str],
    /// Signals that it is sent, name and argument, when nothing else is to come.
    pub signals: &'static [(&'static str, &'static str)],
    /// How it ends when it is canceled.
    pub end: End,
    /// What it does depends on chance or time, or other runs take part: only the skeletons of two
    /// of its histories are the same.
    pub varies: bool,
    /// So much is pending at once that it ends at once, in any order.
    pub together: bool,
}

/// The activity types that are served.
pub const ACTIVITIES: &[&str] = &[
    "Work",
    "Swallow",
    "Deaf",
    "Stubborn",
    "Cleanup",
    "Resume",
    "A",
    "B",
    "C",
    "a",
    "b",
    "c",
    "Echo",
    "Wait",
    "reserve",
    "charge",
    "ship",
    "release",
    "refund",
    "recall",
    "read_orders",
    "greet",
    "import",
    "to_be_canceled",
    "to_be_skipped",
    "cleanup",
];

/// Those that never end once they are told to stop.
pub const STUBBORN: &[&str] = &["Stubborn"];

/// Crates of guests, and workflow types, that are no programs of the sweep, with the reason.
pub const NOT_PLAYED: &[(&str, &str)] = &[
    ("tests/guests/forbidden-import", "no host loads it"),
    (
        "tests/guests/typed-activities",
        "activities, which the typed workflows in C call",
    ),
    ("examples/embed", "a host, which runs the example hello"),
    (
        "tests/guests/determinism::misbehave",
        "its workflow tasks fail for ever, which is what it is for",
    ),
    (
        "tests/guests/scenarios::undone_slowly",
        "what undoes its work ends when the scenario says so",
    ),
    (
        "tests/guests/scenarios::cuts_short",
        "its child ends by the request or with it, whichever is first",
    ),
    (
        "tests/guests/scenarios::soon",
        "its activity is for workers, and is over when none begins it in time",
    ),
    (
        "tests/guests/scenarios::GreetingWorkflow",
        "its activities are those of Temporal's page, at workers of its SDKs",
    ),
    (
        "tests/guests/scenarios::ordered",
        "its activities are of an interface that no worker of the sweep has; the typed guest's are \
         played by the scenarios",
    ),
    (
        "tests/guests/scenarios-async::two-orders",
        "as `ordered`: played by the scenarios",
    ),
    (
        "tests/guests/scenarios-async::hasty-order",
        "as `ordered`: played by the scenarios",
    ),
    (
        "tests/guests/scenarios-async::buy",
        "as `ordered`: played by the scenarios",
    ),
    (
        "tests/guests/scenarios-async::hesitates",
        "it sleeps again and again until its signal comes",
    ),
    (
        "tests/guests/scenarios-async::greedy",
        "its workflow tasks fail for ever, which is what it is for",
    ),
    (
        "tests/guests/scenarios-async::spins",
        "its first workflow task never ends",
    ),
    (
        "tests/guests/bench::alarm",
        "how long it sleeps depends on the clock; `sleeper` is played",
    ),
];

const fn of(folder: &'static str, workflow_type: &'static str) -> Program {
    Program {
        folder,
        workflow_type,
        arguments: &[],
        signals: &[],
        end: End::Closes,
        varies: false,
        together: false,
    }
}

impl Program {
    const fn given(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    const fn told(mut self, signals: &'static [(&'static str, &'static str)]) -> Self {
        self.signals = signals;
        self
    }

    const fn failing(mut self) -> Self {
        self.end = End::Fails;
        self
    }

    const fn varying(mut self) -> Self {
        self.varies = true;
        self
    }

    const fn together(mut self) -> Self {
        self.together = true;
        self.varies = true;
        self
    }

    /// Where it is, for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}::{}", self.folder, self.workflow_type)
    }

    /// Its component.
    #[must_use]
    pub fn component(&self) -> Vec<u8> {
        component_of(self.folder)
    }
}

/// The component of a crate of guests.
#[must_use]
pub fn component_of(folder: &str) -> Vec<u8> {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    let prefix = if folder.starts_with("tests/") {
        "guest-"
    } else {
        ""
    };
    component(folder, &format!("{prefix}{name}.wasm"))
}

const SCENARIOS: &str = "tests/guests/scenarios";
const ASYNC: &str = "tests/guests/scenarios-async";
const HOSTILE: &str = "tests/guests/hostile";
const CONCURRENCY: &str = "tests/guests/concurrency";
const RAW: &str = "tests/guests/raw-cancel";
const OTHER: &[&str] = &["\"other\""];
const GO: &[(&str, &str)] = &[("go", "null")];

/// All of them.
pub const PROGRAMS: &[Program] = &[
    of("examples/hello", "hello").given(&["\"you\""]),
    of("examples/cancellation", "cancellation"),
    of("examples/heartbeat", "import_file").given(&["3"]),
    of("examples/order-saga", "fulfill_orders").given(&["\"orders\""]),
    of("tests/guests/sweep", "saga")
        .given(&["1"])
        .told(&[("approve", "null"), ("approve", "null")]),
    of("tests/guests/sweep", "near").given(&["1"]),
    of("tests/guests/bench", "sequence").given(&["3"]),
    of("tests/guests/bench", "parallel").given(&["3"]).varying(),
    of("tests/guests/bench", "sleeper"),
    of("tests/guests/bench", "waiter"),
    of("tests/guests/bench", "cleaner"),
    of("tests/guests/determinism", "observe")
        .given(&["2"])
        .told(&[("next", "null"); 2])
        .varying(),
    of("tests/guests/determinism", "steps").told(&[("end", "\"x\"")]),
    of("tests/guests/scenarios-fixed", "a20"),
    of("tests/guests/scenarios-fixed", "waits_twice"),
    of(CONCURRENCY, "join_all_1000").together(),
    of(CONCURRENCY, "futures_unordered").given(&["3"]),
    of(CONCURRENCY, "select_loop").told(&[("add", "1"), ("add", "2"), ("stop", "null")]),
    of(CONCURRENCY, "mpsc_channel").together(),
    of(CONCURRENCY, "oneshot_channel"),
    of(CONCURRENCY, "random_and_time").varying(),
    of(CONCURRENCY, "nested_scopes"),
    of(RAW, "a01"),
    of(RAW, "a05"),
    of(RAW, "a07"),
    of(RAW, "a24"),
    of(SCENARIOS, "a01"),
    of(SCENARIOS, "a02_caught"),
    of(SCENARIOS, "a04"),
    of(SCENARIOS, "a04_then_sleep"),
    // As the last run of its chain: those that are continued are in the scenarios.
    of(SCENARIOS, "a19").given(&["2"]),
    of(SCENARIOS, "a26").given(&["2"]),
    of(SCENARIOS, "a26_drop").given(&["2"]),
    of(SCENARIOS, "retried"),
    of(SCENARIOS, "a05"),
    of(SCENARIOS, "a06"),
    of(SCENARIOS, "a07"),
    of(SCENARIOS, "a08"),
    of(SCENARIOS, "a09"),
    of(SCENARIOS, "a10"),
    of(SCENARIOS, "a13").given(OTHER).varying(),
    of(SCENARIOS, "a14").given(OTHER).varying(),
    of(SCENARIOS, "a15").given(OTHER).varying(),
    of(SCENARIOS, "a16").given(OTHER).varying(),
    of(SCENARIOS, "a17"),
    // After `go` no activation of it ends: it is canceled before.
    of(SCENARIOS, "a18"),
    of(SCENARIOS, "a20").failing(),
    of(SCENARIOS, "a21"),
    of(SCENARIOS, "a21_then_sleep"),
    of(SCENARIOS, "a23"),
    of(SCENARIOS, "a24"),
    of(SCENARIOS, "a27"),
    of(SCENARIOS, "r23"),
    of(SCENARIOS, "s24").given(OTHER).varying(),
    of(SCENARIOS, "a22"),
    of(SCENARIOS, "a22_wait"),
    // Two of its local activities end in any order.
    of(SCENARIOS, "local_in_turn").varying(),
    of(SCENARIOS, "holder").told(&[("note", "\"x\""), ("note", "\"end\"")]),
    of(SCENARIOS, "labeled").told(GO),
    of(SCENARIOS, "waits_twice"),
    of(ASYNC, "a01"),
    of(ASYNC, "a04"),
    of(ASYNC, "a04_then_sleep"),
    of(ASYNC, "a05"),
    of(ASYNC, "a06"),
    of(ASYNC, "a07"),
    of(ASYNC, "a08"),
    of(ASYNC, "a09"),
    of(ASYNC, "a10"),
    of(ASYNC, "a13").given(OTHER).varying(),
    of(ASYNC, "a21"),
    of(ASYNC, "a21_then_sleep"),
    of(ASYNC, "a24"),
    of(ASYNC, "teller"),
    of(ASYNC, "collector").told(&[("note", "\"x\""), ("note", "\"end\"")]),
    // Its activity and its timer end in any order.
    of(ASYNC, "races").varying(),
    // What they do after `go` no host lets them do: they are canceled before.
    of(ASYNC, "loops"),
    of(ASYNC, "turns"),
    of(ASYNC, "turns-beside"),
    of(ASYNC, "hoards"),
    of(ASYNC, "recurses"),
    of(ASYNC, "crowds"),
    of(ASYNC, "deaf"),
    of(ASYNC, "loops-after"),
    of(ASYNC, "dithers").told(GO),
    of(ASYNC, "turns-after").told(GO),
    of(ASYNC, "waits-after").told(GO),
    of(HOSTILE, "spin"),
    of(HOSTILE, "memory_bomb"),
    of(HOSTILE, "stack_overflow"),
    of(HOSTILE, "trap"),
    of(HOSTILE, "asked"),
    of(HOSTILE, "trap_in_cancel_handler").failing(),
    of(HOSTILE, "huge_payload"),
    of(HOSTILE, "huge_result"),
    of(HOSTILE, "billion_timers"),
    of(HOSTILE, "use_up").given(&["\"timers\"", "3"]).told(GO),
    // Nobody serves it, and nobody waits for it for ever.
    of(HOSTILE, "failure_of").given(&["\"Nobody\""]),
    of(HOSTILE, "log_flood").given(&["3"]),
];

const ORDERS: &str = r#"[
    {"id":"1","customer":"c","card":"x","cents":1,"items":[],"parcels":1},
    {"id":"2","customer":"c","card":"DECLINED","cents":1,"items":[],"parcels":1}]"#;

/// What attempts come to. `accepts`: whether they let themselves be canceled.
#[must_use]
pub fn answer(accepts: bool) -> Answer {
    Arc::new(move |context, arguments| attempt(context, arguments, accepts))
}

fn attempt(
    context: &ActivityContext,
    arguments: &[Payload],
    accepts: bool,
) -> Result<Payload, Failure> {
    let info = context.info();
    if accepts && matches!(context.state(), AttemptState::CancelRequested(_)) {
        return Err(context.canceled(vec![Payload::json("\"d\"")]));
    }
    let argument = arguments.first();
    let says = |word: &str| {
        argument.is_some_and(|argument| {
            let text = String::from_utf8_lossy(&argument.data);
            text.contains(word)
        })
    };
    match info.activity_type.as_str() {
        "charge" if info.attempt == 1 && says("good") => {
            Err(Failure::application("Busy", "the bank is busy"))
        }
        "charge" if says("DECLINED") => Err(refused()),
        "ship" if says("bad") => Err(refused()),
        "Work" | "Swallow" | "Deaf" | "Resume" => Ok(Payload::json("7")),
        "Echo" => Ok(argument.cloned().unwrap_or_else(Payload::null)),
        "read_orders" => Ok(Payload::json(ORDERS)),
        "greet" | "to_be_canceled" => Ok(Payload::json("\"well\"")),
        "import" => Ok(Payload::json(r#"{"rows":3,"attempt":1,"already_there":0}"#)),
        _ => Ok(Payload::null()),
    }
}

fn refused() -> Failure {
    let mut failure = Failure::application("Refused", "it is refused");
    if let sandglass_engine::FailureInfo::Application { non_retryable, .. } = &mut failure.info {
        *non_retryable = true;
    }
    failure
}
