//! The sandbox of Sandglass: loads components, checks what they ask for, and runs their code.
//!
//! This is the only crate that names wasmtime. What a guest can see, what it can use up and how it
//! is stopped is decided here; what its calls mean is the engine's matter.
//!
//! Reading order: [`SandboxConfig`] and [`Sandbox`] load components, [`WorkflowComponent`] makes an
//! [`Instance`] for each run in memory, which is the engine's driver, and [`ActivityComponent`]
//! makes the attempts of activities. `typed` has the functions of a component's own types.
//! [`to_component`], [`add_world`] and [`is_authors`] are for build tools.

mod activation;
mod activity;
mod allow;
mod bindings;
mod blocking;
mod cache;
mod component;
mod componentize;
mod concurrent;
mod config;
mod convert;
mod desk;
mod engine;
mod error;
mod facts;
mod host;
mod inspect;
mod instance;
mod limits;
mod linkers;
mod log;
#[cfg(target_os = "linux")]
mod memory;
mod sandbox;
mod shape;
mod state;
mod trap;
mod typed;
mod wasi;
mod workflows;

pub use activity::{
    Access, ActivityComponent, ActivityHost, ActivityOutcome, ActivityTask, AttemptState, Grants,
};
pub use allow::{ForbiddenImport, is_authors};
pub use component::{Typed, TypedFunction, WorkflowComponent};
pub use componentize::{ComponentizeError, add_world, to_component};
pub use config::{Pace, SandboxConfig};
pub use error::Error;
pub use inspect::{ImportVerdict, Inspection};
pub use instance::{Instance, Interrupter};
pub use log::{Level, LogSink};
pub use sandbox::Sandbox;
pub use shape::ComponentKind;
pub use typed::{ActivityOptions, Cancellation, Length, RetryOptions, TypedOptions};
