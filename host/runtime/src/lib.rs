//! The embedding API of Sandglass: durable workflows in WebAssembly, inside your own program.
//!
//! A [`Host`] runs the workflows of one store. It loads components, starts runs, makes the
//! attempts of their activities, fires their timers, and rebuilds all of it after a crash. Nothing
//! is acknowledged before it is on disk.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sandglass::{Host, StartOptions};
//!
//! let host = Host::builder()
//!     .store("orders.db")
//!     .activity_json("greet", |_, name: String| async move { Ok(format!("hello, {name}")) })
//!     .build()
//!     .await?;
//! host.load_component(std::fs::read("hello.wasm")?).await?;
//! let run = host.start(StartOptions::new("hello", "hello-1").json(r#""world""#)).await?;
//! println!("{:?}", run.result().await?);
//! host.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Reading order of the source: `cell` is one run in memory, `task` one step of it, `writer` the
//! commit, `effects` what follows it; `activity` and `timers` are what a run waits for.

mod activity;
mod bounds;
mod builder;
mod cache;
mod cell;
mod clock;
mod component;
mod components;
mod describe;
mod effects;
mod error;
mod handle;
mod host;
mod keep;
mod message;
pub mod offline;
mod outbox;
mod owner;
mod pool;
mod protocol;
mod query;
mod queues;
mod recovery;
pub mod remote;
mod reset;
mod shutdown;
mod side;
mod start;
mod starts;
mod stats;
mod task;
mod timers;
mod update;
mod upgrade;
mod wasm;
mod writer;

pub use activity::{
    ActivityContext, ActivityHandle, ActivityInfo, ActivityOp, ActivityRef, ActivityReset,
    AttemptState, BadToken, TaskToken, Unserved,
};
pub use builder::HostBuilder;
pub use clock::{Clock, ManualClock, SystemClock};
pub use component::{Component, GuestInstance, Interrupt};
pub use components::{ComponentInfo, PushedComponent, TaskQueueBinding};
pub use describe::{
    ActivityDescription, CancelDescription, RunDescription, RunListing, TaskDescription,
};
pub use error::{Error, StartError, UpgradeError};
pub use handle::{
    CancelOptions, CancelResponse, Disposition, ForceOptions, HistoryReader, RunHandle,
    TerminateOptions, open_scopes,
};
pub use host::Host;
pub use message::MessageError;
pub use owner::CommandRequest;
pub use query::{QueryOptions, QueryReject};
pub use queues::{
    ActivityTask, ControlCommand, PollOptions, PollerDescription, TaskQueueDescription,
};
pub use recovery::stored_frames;
pub use reset::ResetOptions;
pub use sandglass_engine as engine;
pub use sandglass_engine::{IdReusePolicy, LimitSetting, Limits, RetryPolicy};
pub use sandglass_sandbox::{Access, ComponentKind, Grants, Inspection, TypedFunction};
pub use sandglass_store as store;
#[cfg(feature = "crash-points")]
pub use sandglass_store::crash;
#[cfg(not(feature = "crash-points"))]
use sandglass_store::crash;
pub use start::{IdConflictPolicy, StartOptions};
pub use starts::RunStart;
pub use stats::Stats;
pub use update::{UpdateOptions, UpdateResponse, UpdateStage};
pub use upgrade::{Obstacle, RunUpgrade, UpgradeOptions, UpgradeOutcome, UpgradeReport};
