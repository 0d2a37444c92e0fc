//! What operators do to runs and activities: `workflow pause|unpause|reset` and `activity ...`.

use super::{DetailArgs, PlaceArgs, ResultArgs, TargetArgs};
use clap::{Args, Subcommand, ValueEnum};
use sandglass::{ActivityRef, TaskToken};

/// `sandglass workflow reset`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("point").required(true))]
pub struct ResetArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Go back to the workflow task that this event is of
    #[arg(short, long, value_name = "N", group = "point")]
    pub event_id: Option<u64>,
    /// Go back to this workflow task
    #[arg(short = 't', long = "type", value_enum, group = "point")]
    pub to: Option<ResetType>,
    /// Go back to before the request to cancel the run; nothing that was done is done again
    #[arg(long, group = "point")]
    pub uncancel: bool,
}

/// Workflow tasks that a run can be reset to by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResetType {
    /// The first that has completed.
    #[value(alias = "FirstWorkflowTask")]
    FirstWorkflowTask,
    /// The last that has completed.
    #[value(alias = "LastWorkflowTask")]
    LastWorkflowTask,
}

/// `sandglass workflow pause` and `unpause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The run
    #[command(flatten)]
    pub target: TargetArgs,
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `sandglass activity ...`.
#[derive(Debug, Subcommand)]
pub enum ActivityCommand {
    /// Report that an activity has completed, whoever was to do it
    Complete(CompleteArgs),
    /// Report that an attempt of an activity has failed; it is retried by its policy
    Fail(FailArgs),
    /// Cancel one activity, as the code of its run could; with --token, report that the attempt has
    /// accepted its cancellation
    Cancel(CancelActivityArgs),
    /// Give a sign of life of an attempt, and hear whether to go on
    Heartbeat(HeartbeatArgs),
    /// Begin no further attempts of an activity; a running one is told
    Pause(ReasonArgs),
    /// Let attempts of a paused activity be begun again
    Unpause(OneActivityArgs),
    /// Begin anew with the first attempt of an activity
    Reset(ResetActivityArgs),
}

/// Which activity.
#[derive(Debug, Clone, Args)]
pub struct OneActivityArgs {
    /// The workflow id
    #[arg(
        short = 'w',
        long,
        value_name = "ID",
        required_unless_present = "token"
    )]
    workflow_id: Option<String>,
    /// The run id [default: the newest run of the workflow id]
    #[arg(short, long, value_name = "ID")]
    run_id: Option<String>,
    /// The activity id, which `workflow describe` shows in brackets
    #[arg(short, long, value_name = "ID", required_unless_present = "token")]
    activity_id: Option<String>,
    /// The token of the attempt, in place of the ids: of an attempt that is over, nothing is done
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with_all = ["workflow_id", "run_id", "activity_id"]
    )]
    token: Option<TaskToken>,
    /// Where it is
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `sandglass activity complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// Its result
    #[command(flatten)]
    pub result: ResultArgs,
}

/// `sandglass activity fail`.
#[derive(Debug, Args)]
pub struct FailArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// Why
    #[arg(long, default_value = "failed by an operator")]
    pub reason: String,
    /// The failure's type, by which code and retry policies know it
    #[arg(long = "type", default_value = "Operator", value_name = "T")]
    pub failure_type: String,
    /// Do not try again
    #[arg(long)]
    pub non_retryable: bool,
    /// What is told beside why
    #[command(flatten)]
    pub detail: DetailArgs,
}

/// `sandglass activity cancel`.
#[derive(Debug, Args)]
pub struct CancelActivityArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// Why
    #[arg(long, default_value = "", conflicts_with = "token")]
    pub reason: String,
    /// With --token: a value that describes how far the attempt came, in JSON, or @FILE to read it;
    /// may be repeated
    #[arg(long, value_name = "JSON|@FILE", requires = "token")]
    pub details: Vec<String>,
}

/// `sandglass activity heartbeat`.
#[derive(Debug, Args)]
pub struct HeartbeatArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// A value that the next attempt receives, in JSON, or @FILE to read it; may be repeated
    #[arg(long, value_name = "JSON|@FILE")]
    pub details: Vec<String>,
}

/// `sandglass activity pause`.
#[derive(Debug, Args)]
pub struct ReasonArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
}

/// `sandglass activity reset`.
#[derive(Debug, Args)]
pub struct ResetActivityArgs {
    /// The activity
    #[command(flatten)]
    pub activity: OneActivityArgs,
    /// Forget the details of its heartbeats
    #[arg(long, visible_alias = "clear-heartbeat-details")]
    pub reset_heartbeats: bool,
    /// If it is paused, leave it so
    #[arg(long)]
    pub keep_paused: bool,
}

impl OneActivityArgs {
    /// The run that it belongs to.
    #[must_use]
    pub fn target(&self) -> TargetArgs {
        let (id, run_id) = match &self.token {
            Some(token) => (Some(token.workflow_id.clone()), Some(token.run_id.clone())),
            None => (self.workflow_id.clone(), self.run_id.clone()),
        };
        TargetArgs {
            id,
            workflow_id: None,
            run_id,
            place: self.place.clone(),
        }
    }

    /// Which activity of the run.
    #[must_use]
    pub fn which(&self) -> ActivityRef {
        match &self.token {
            Some(token) => ActivityRef::Attempt(token.clone()),
            None => ActivityRef::Id(self.activity_id.clone().unwrap_or_default()),
        }
    }

    /// Whether an attempt is named by its token.
    #[must_use]
    pub fn by_token(&self) -> bool {
        self.token.is_some()
    }
}
