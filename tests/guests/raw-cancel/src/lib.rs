//! A guest written on the raw bindings, without an SDK.
//!
//! It shows that the contract itself is enough: `cancel.rs`, under 40 lines, handles the cancellation
//! of four workflow types. What is here belongs to any guest: it lists the types, says what each
//! starts, passes events on and describes activities.

mod cancel;

use cancel::{OnCancel, RUN};
use sandglass_guest_bindings::workflow::exports::sandglass::workflow::guest::{
    Event, Guest, Update,
};
use sandglass_guest_bindings::workflow::sandglass::workflow::activities::schedule_activity;
use sandglass_guest_bindings::workflow::sandglass::workflow::execution::{Outcome, complete};
use sandglass_guest_bindings::workflow::sandglass::workflow::log;
use sandglass_guest_bindings::workflow::sandglass::workflow::timers::start_timer;
use sandglass_guest_bindings::workflow::sandglass::workflow::types::{
    ActivityCall, ApplicationFailure, CancellationType, Definition, FailureInfo, FailureLink,
    Payload, RetryPolicy,
};
use sandglass_guest_bindings::workflow::sandglass::workflow::waits::open_wait;

struct Component;

impl Guest for Component {
    fn definitions() -> Vec<Definition> {
        ["a01", "a05", "a07", "a24"]
            .map(|name| Definition {
                name: name.to_owned(),
            })
            .into()
    }

    fn activate(event: Event) {
        match event {
            Event::Initialize(start) => begin(&start.workflow_type),
            Event::CancelRequested(info) => log::write(log::Level::Info, "cancel", &info.reason),
            Event::ActivityResolved(done) => cancel::resolved("activity", done.outcome.map(drop)),
            Event::TimerFired(done) => cancel::resolved("timer", done.outcome),
            Event::WaitCanceled(done) => cancel::resolved("wait", done.outcome),
            // It has no others: no scopes, children, messages or compensations.
            _ => {}
        }
    }

    fn query(
        name: String,
        _: Vec<Payload>,
        _: Vec<(String, Payload)>,
    ) -> Result<Payload, Vec<FailureLink>> {
        Err(nobody(&format!("no query `{name}`; there are none")))
    }

    fn validate_update(update: Update) -> Result<(), Vec<FailureLink>> {
        Err(nobody(&format!(
            "no update `{}`; there are none",
            update.name
        )))
    }
}

/// The failure of a message that nobody answers.
fn nobody(message: &str) -> Vec<FailureLink> {
    let info = ApplicationFailure {
        failure_type: "Unknown".to_owned(),
        non_retryable: true,
        details: Vec::new(),
        next_retry_delay: None,
    };
    vec![FailureLink {
        message: message.to_owned(),
        source: "guest".to_owned(),
        stack_trace: String::new(),
        encoded_attributes: None,
        info: FailureInfo::Application(info),
    }]
}

/// Starts what the workflow type awaits. Its first cancellation ends it, unless said otherwise.
fn begin(workflow_type: &str) {
    let work = || schedule_activity(0, &call("Work"));
    let hour = || start_timer(0, 3_600_000);
    let (on_cancel, started) = match workflow_type {
        "a05" => (OnCancel::CleanUp, hour()),
        "a07" => (
            OnCancel::EndAfter(1),
            work().and(hour()).and(work()).and(hour()),
        ),
        "a24" => (
            OnCancel::EndAfter(3),
            work().and(work()).and(open_wait(0, "flag")),
        ),
        _ => (OnCancel::EndAfter(1), hour()),
    };
    RUN.set(on_cancel);
    if let Err(canceled) = started {
        complete(&Outcome::Failed(canceled));
    }
}

/// Describes an activity that is reported canceled at once when it is canceled.
fn call(activity_type: &str) -> ActivityCall {
    ActivityCall {
        activity_type: activity_type.to_owned(),
        activity_id: None,
        task_queue: None,
        arguments: Vec::new(),
        header: Vec::new(),
        schedule_to_close: None,
        schedule_to_start: None,
        start_to_close: Some(60_000),
        heartbeat: Some(2_000),
        retry: Some(RetryPolicy {
            initial_interval: 1_000,
            backoff_coefficient: 2.0,
            maximum_interval: None,
            maximum_attempts: 1,
            non_retryable_types: Vec::new(),
        }),
        cancellation: CancellationType::TryCancel,
        wait_timeout: None,
    }
}

/// The result of a workflow that returns nothing.
fn nothing() -> Payload {
    Payload {
        metadata: vec![("encoding".to_owned(), b"binary/null".to_vec())],
        data: Vec::new(),
    }
}

#[cfg(all(target_arch = "wasm32", not(target_os = "wasi")))]
sandglass_guest_bindings::workflow::export!(Component);

// No other build serves workflows. This checks the code there.
#[cfg(not(all(target_arch = "wasm32", not(target_os = "wasi"))))]
const _: fn(Event) = <Component as Guest>::activate;
