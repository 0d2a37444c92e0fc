//! What the body of an activity can ask of the host: whether to go on, and who asks for it.
//!
//! `#[activity]` on an `async fn` makes it an activity type. Its options are written in the
//! attribute: `#[activity(start_to_close = "10s", heartbeat = "2s", retry(maximum_attempts = 3))]`;
//! besides there are `name`, `schedule_to_close`, `schedule_to_start`, `task_queue`, `cancellation`
//! (`"wait-cancellation-completed"`, `"try-cancel"` or `"abandon"`) and, in `retry`,
//! `initial_interval`, `maximum_interval`, `backoff_coefficient` and `non_retryable("Type", ..)`.
//! The attribute makes
//!
//! - `greet(name)`, which starts the activity in a workflow and returns an [`Activity`],
//! - `greet::call(name)`, which only describes a call ([`ActivityCall`]): to change its options,
//!   `greet::call(name).with(ActivityOptions::new().start_to_close(limit)).start()`, or to
//!   register it as a compensation,
//! - and the implementation, if the function has a body. Without one
//!   (`async fn charge(order: Order) -> Result<Receipt, Failure>;`) the activity is one of the
//!   host's own functions or of another component.
//!
//! `#[activities("shop:payments/cards")]` on a trait does the same for the functions of an
//! interface that another component serves by functions with types of their own; their values are
//! those of [`crate::wit`].
//!
//! A body runs at least once for each call, and again after a failure, a timeout or a crash. What
//! it does under [`Info::idempotency_key`] should be done once. It may block: reading files and
//! sockets with the standard library is fine, within what the component was granted.
//!
//! [`Activity`]: crate::Activity
//! [`ActivityCall`]: crate::ActivityCall

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sandglass_guest_bindings::activity::exports::sandglass::workflow::activity_handler::ActivityTask;
use sandglass_guest_bindings::activity::sandglass::workflow::activity_context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::payload::{self, Payload};
use crate::runtime::Definition;
use crate::{Failure, FailureLink, Timestamp};

pub use activity_context::AttemptState;

/// The attempt that is being made.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// The activity type.
    pub activity_type: String,
    /// The activity's id.
    pub activity_id: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The same for every attempt of this activity and different for every other activity.
    pub idempotency_key: String,
    /// The workflow id of the run that wants it.
    pub workflow_id: String,
    /// That run's id.
    pub run_id: String,
    /// When the activity was scheduled.
    pub scheduled_at: Timestamp,
    /// When this attempt is given up, if ever.
    pub deadline: Option<Timestamp>,
    /// The longest silence allowed between heartbeats.
    pub heartbeat_timeout: Option<Duration>,
    /// Context that is no argument.
    pub header: Vec<(String, Payload)>,
}

/// What is kept of an attempt's task while it runs.
struct Attempt {
    info: Info,
    heartbeat_details: Vec<Payload>,
}

thread_local! {
    static ATTEMPT: RefCell<Option<Attempt>> = const { RefCell::new(None) };
}

fn current<R>(what: &str, f: impl FnOnce(&Attempt) -> R) -> R {
    ATTEMPT.with_borrow(|attempt| match attempt {
        Some(attempt) => f(attempt),
        None => panic!("activity::{what} was used outside an activity attempt"),
    })
}

/// Returns what is known about this attempt.
///
/// # Panics
///
/// Outside an activity attempt, as all functions here.
pub fn info() -> Info {
    current("info", |attempt| attempt.info.clone())
}

/// Decodes the details of the last heartbeat of an earlier attempt; several as a tuple.
///
/// None if there was none, or if its details are not of this type.
pub fn heartbeat_details<T: DeserializeOwned>() -> Option<T> {
    current("heartbeat_details", |attempt| {
        match attempt.heartbeat_details.as_slice() {
            [] => None,
            details => payload::decode_all(details, "the heartbeat's details").ok(),
        }
    })
}

/// Tells the host that the attempt is alive, with details that a next attempt receives.
///
/// To be called at least as often as the heartbeat timeout says. Cheap: the host stores details at
/// intervals.
///
/// # Errors
///
/// A cancellation if the attempt should stop: returning it with `?` accepts the cancellation, after
/// which the activity is *canceled*; returning anything else ignores it. Also if the result would
/// be refused, because the run has closed or the attempt has timed out, when the host stops, and
/// when an operator has paused or reset the activity: the attempt is then made again later.
/// Details that have no JSON form are a failure of type `PayloadEncoding`.
pub fn heartbeat<T: Serialize + ?Sized>(details: &T) -> Result<(), Failure> {
    current("heartbeat", |_| ());
    let details = [payload::encode(details)?];
    let why = match host_heartbeat(&details) {
        AttemptState::Active => return Ok(()),
        AttemptState::CancelRequested(reason) if reason.is_empty() => "canceled".to_owned(),
        AttemptState::CancelRequested(reason) => reason,
        AttemptState::NotFound => "the run no longer waits for this attempt".to_owned(),
        AttemptState::TimedOut => "the attempt has timed out".to_owned(),
        AttemptState::WorkerShutdown => "the host is stopping".to_owned(),
        AttemptState::Paused => "the activity is paused".to_owned(),
        AttemptState::Reset => "the activity begins anew".to_owned(),
    };
    Err(Failure::canceled(why))
}

/// Returns whether the attempt should go on, without counting as a heartbeat.
pub fn cancel_state() -> AttemptState {
    current("cancel_state", |_| ());
    host_state()
}

/// Says that somebody else will report how this attempt ends, and returns the token to do it with.
///
/// What the body returns with `Ok` is then dropped, and the activity stays pending until its end is
/// reported by the token or by the activity's id (`sandglass activity complete`), or a limit on
/// time passes; that outlives the host. An `Err` still fails the attempt. Called again, it returns
/// the same token.
///
/// Whoever has the token may heartbeat with it, and learns so of a cancellation.
pub fn complete_later() -> String {
    current("complete_later", |_| ());
    host_complete_later()
}

// In a component that serves workflows these imports do not exist. Naming them there, if only from
// code that never runs, would make the component ask for them.
#[cfg(all(target_os = "wasi", not(sandglass_workflows)))]
use activity_context::{
    complete_later as host_complete_later, get_state as host_state, heartbeat as host_heartbeat,
};

#[cfg(not(all(target_os = "wasi", not(sandglass_workflows))))]
fn host_complete_later() -> String {
    unreachable!("there are no attempts in a build that does not serve activities")
}

#[cfg(not(all(target_os = "wasi", not(sandglass_workflows))))]
fn host_state() -> AttemptState {
    unreachable!("there are no attempts in a build that does not serve activities")
}

#[cfg(not(all(target_os = "wasi", not(sandglass_workflows))))]
fn host_heartbeat(_: &[Payload]) -> AttemptState {
    unreachable!("there are no attempts in a build that does not serve activities")
}

/// Makes one attempt.
#[doc(hidden)]
pub fn attempt(
    definitions: &[Definition],
    task: ActivityTask,
) -> Result<Payload, Vec<FailureLink>> {
    crate::log::install_panic_hook();
    let definition = definitions
        .iter()
        .find(|one| one.name == task.activity_type);
    let Some(definition) = definition else {
        let message = format!(
            "this component has no activity type `{}`",
            task.activity_type
        );
        let failure = Failure::application("UnknownActivityType", message).non_retryable();
        return Err(failure.into_links());
    };
    let info = Info {
        activity_type: task.activity_type,
        activity_id: task.activity_id,
        attempt: task.attempt,
        idempotency_key: task.idempotency_key,
        workflow_id: task.workflow_id,
        run_id: task.run_id,
        scheduled_at: Timestamp::from_millis(task.scheduled_at),
        deadline: task.deadline.map(Timestamp::from_millis),
        heartbeat_timeout: task.heartbeat_timeout.map(Duration::from_millis),
        header: task.header,
    };
    let attempt = Attempt {
        info,
        heartbeat_details: task.heartbeat_details,
    };
    ATTEMPT.set(Some(attempt));
    let result = block_on((definition.begin)(task.arguments));
    ATTEMPT.set(None);
    result.map_err(Failure::into_links)
}

/// Runs a body to its end. There is nothing to wait for: a body blocks, or its own futures wake it.
fn block_on(future: impl Future<Output = Result<Payload, Failure>>) -> Result<Payload, Failure> {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    while flag.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
    }
    let message = "the activity awaits something that nothing in this component can bring about";
    Err(Failure::application("Deadlock", message).non_retryable())
}
