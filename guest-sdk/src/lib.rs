//! Durable workflows and activities in Rust, compiled to WebAssembly components.
//!
//! A workflow is an ordinary `async fn`. The host records each step, rebuilds the workflow from
//! that record after a crash, and can cancel it at any point where it awaits something. An
//! activity does the work that touches the world: the host runs it at least once and retries it.
//!
//! ```
//! use sandglass_guest::prelude::*;
//!
//! /// Says hello.
//! #[activity(start_to_close = "10s", retry(maximum_attempts = 3))]
//! async fn greet(name: String) -> Result<String, Failure> {
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! /// Says hello, and a second later returns what was said.
//! #[workflow]
//! async fn hello(name: String) -> Result<String, Failure> {
//!     let greeting = greet(name).await?; // the call starts it, `.await` waits for it
//!     sleep(Duration::from_secs(1)).await?;
//!     Ok(greeting)
//! }
//!
//! sandglass_guest::export! { workflows: [hello], activities: [greet] }
//! # fn main() {}
//! ```
//!
//! The crate, of type `cdylib`, is built for `wasm32-unknown-unknown` to serve its workflows, and
//! for `wasm32-wasip1` to serve its activities. `sandglass build --wasi` builds its workflows for
//! that target too: then `std::time`, `std::env` and `println!` work in them.
//!
//! # What may be used in a workflow
//!
//! Everything that is plain computation, and every future that is: `join!`, `select!`,
//! `FuturesUnordered`, channels. There is no file, socket or thread, and without `--wasi` no clock;
//! [`now`], [`sleep`], [`random`] and [`log`] take their places, and their answers are the same in
//! a replay. The
//! iteration order of a `HashMap` is the same in every replay, too.
//!
//! # Messages
//!
//! [`signals`] tell a workflow something, a [`query`] asks it something without changing it, an
//! [`update`] asks it to do something and waits for the answer.
//!
//! # Cancellation
//!
//! A request for cancellation makes whatever the workflow awaits fail with a cancellation
//! ([`Failure::is_cancellation`]), and everything it starts from then on. Cleanup runs in a
//! [`scope::shielded`] or [`scope::detached`] scope. Activities that undo others are better
//! registered with [`Activity::compensated_by`]: then the host runs them.
//!
//! Dropping an activity's or timer's future before it is done cancels it; so the losers of a
//! `select!` are canceled.

pub mod activity;
pub mod attributes;
mod call;
pub mod child;
pub mod compensation;
mod continuation;
mod export;
pub mod external;
mod failure;
pub mod info;
pub mod log;
mod patch;
mod payload;
mod query;
pub mod random;
mod runtime;
pub mod scope;
mod signal;
mod time;
mod timer;
mod update;
mod wait;
pub mod wit;

#[cfg(test)]
mod fake;
/// The host's functions, replaced by a recording host in the unit tests.
#[cfg(test)]
use fake as host;
#[cfg(not(test))]
use sandglass_guest_bindings::workflow::sandglass::workflow as host;

pub use call::{
    Activity, ActivityCall, ActivityOptions, CancellationType, LocalActivityCall, RetryPolicy,
    local_activity,
};
pub use child::{
    Child, ChildCall, ChildCancellation, ChildOptions, IdReusePolicy, ParentClosePolicy,
};
pub use compensation::{Compensation, RunWhen, compensate, stop_compensating_on_failure};
pub use continuation::ContinueAsNew;
pub use failure::{
    ActivityFailure, ApplicationFailure, CanceledFailure, Failure, FailureInfo, FailureLink,
    RetryState, TimeoutKind,
};
pub use patch::{deprecate_patch, patched};
pub use payload::{Payload, decode, encode};
pub use query::query;
pub use runtime::{JoinHandle, spawn};
pub use sandglass_guest_macros::{activities, activity, workflow};
pub use scope::{CancelCause, CancelInfo, Scope};
pub use signal::{Signals, signals};
pub use time::{Timestamp, now};
pub use timer::{Sleep, sleep};
pub use update::{UpdateHandler, all_handlers_finished, update};
pub use wait::{or_canceled, wait_until};

/// What most workflows and activities use.
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::{
        Activity, ActivityCall, ActivityOptions, CancellationType, Child, ChildCall,
        ChildCancellation, ChildOptions, ContinueAsNew, Failure, IdReusePolicy, ParentClosePolicy,
        RetryPolicy, RunWhen, Scope, activities, activity, all_handlers_finished, compensate,
        deprecate_patch, external, info, log, now, patched, query, random, scope, signals, sleep,
        spawn, update, wait_until, workflow,
    };
}

/// What the attributes and `export!` write into a user's crate. No part of the public interface.
#[doc(hidden)]
pub mod __private {
    use serde::Serialize;

    pub use crate::activity::attempt;
    pub use crate::payload::{Arguments, Payload};
    pub use crate::runtime::{Body, Definition, activate, answer_query, validate_update};
    pub use sandglass_guest_bindings as bindings;

    use crate::Failure;

    /// The arguments of a workflow or activity.
    pub type Payloads = Vec<Payload>;

    /// What a workflow or activity may return.
    pub trait Outcome {
        /// The type of the value.
        type Value;

        /// Gives the value or the failure.
        fn into_result(self) -> Result<Self::Value, Failure>;
    }

    impl<T, E: Into<Failure>> Outcome for Result<T, E> {
        type Value = T;

        fn into_result(self) -> Result<T, Failure> {
            self.map_err(Into::into)
        }
    }

    /// Encodes what a workflow or activity has returned.
    pub fn encode_outcome<O: Outcome<Value: Serialize>>(outcome: O) -> Result<Payload, Failure> {
        crate::encode(&outcome.into_result()?)
    }
}
