//! The pure core of Sandglass: what a run is, and every rule about how it moves.
//!
//! There is no I/O here, no clock, no thread and no wasm: times and inputs are given, frames and
//! changes come out. The same code runs a workflow task for the first time and in replay.
//!
//! Reading order: [`Input`] and [`Command`] are what goes in, [`Frame`] is what is stored,
//! [`HistoryEvent`] is what people see, [`Run`] and [`Task`] are the rules, [`PendingActivity`] is
//! one activity between its scheduling and its end.

mod activity;
mod breakers;
mod chain;
mod changes;
mod child;
mod command;
mod compensation;
mod driver;
mod effect;
mod failure;
mod frame;
mod guest_event;
mod history;
mod id;
mod input;
mod limits;
mod local;
mod operator;
mod payload;
mod reset;
mod retry;
mod run;
mod schedule;
mod scopes;
mod search;
mod task;
mod time;
mod update;
mod view;

pub use activity::{
    AttemptReset, Attempts, Elsewhere, HeartbeatAnswer, PendingActivity, PendingState, Report,
    StartedAttempt, Verdict,
};
#[doc(hidden)]
pub use breakers::broken;
pub use chain::{Chain, ChainSummary, ContinueCall, Fields, HistorySize, IdReusePolicy, Initiator};
pub use changes::{Changes, FrameOutput, PendingTimer, Successor};
pub use child::{
    ChildCall, ChildCancellation, ChildClose, ExternalFailedCause, Origin, ParentClosePolicy,
    RunRef, StartChildFailedCause, Target,
};
pub use command::{
    ActivityCall, Answer, CancelCause, CancelInfo, CancellationType, Command, CompensateWhen,
    Outcome, RetryPolicy, ScopeKind,
};
pub use driver::{
    Driver, Nondeterminism, Projector, ReplayError, TaskFailure, drive, history, replay,
};
pub use effect::Effect;
pub use failure::{Failure, FailureInfo, RetryState, TimeoutKind};
pub use frame::{
    DecodeError, FORMAT_VERSION, Frame, Issued, Persisted, Record, TaskFailedCause, TaskOutcome,
    TaskRecord, decode, encode,
};
pub use guest_event::GuestEvent;
pub use history::{EventAttributes, HistoryEvent, shorthand, skeleton};
pub use id::{CompensationId, Digest, EventId, OperationId, ScopeId};
pub use input::{
    ActivityClose, AttemptInfo, CancelRequest, Escalation, ForceRequest, Input, Signal, Start,
    Trigger,
};
pub use limits::{LimitError, LimitSetting, LimitUnit, Limits};
pub use local::{LocalActivity, LocalOrder, LocalOutcome, LocalResolution, LocalVerdict};
pub use operator::{OperatorRequest, OperatorTarget};
pub use payload::Payload;
pub use reset::{Reset, ResetError, ResetPoint, reset};
pub use run::{CancelState, InputError, Run, RunSummary, Status};
pub use schedule::{CronSchedule, ScheduleError};
pub use search::SearchValue;
pub use task::Task;
pub use time::{Millis, Timestamp};
pub use update::{Query, Update, UpdateCounts, UpdateProgress};
pub use view::{OpenOperationView, OpenScopeView};
