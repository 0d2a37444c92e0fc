//! How a run is started, beyond what runs: the options of Temporal's command line, by its names.

use super::{
    HeaderArgs, InputArgs, PlaceArgs, ServedArgs, SignalInputArgs,
    values::{parse_duration, parse_entry},
};
use clap::{Args, ValueEnum};
use sandglass::{IdConflictPolicy, IdReusePolicy, RetryPolicy, StartOptions};
use sandglass_engine::{Fields, Millis, Payload};
use std::time::Duration;

/// Options of a new run. They hold for a new run only.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Limit for one run, such as 30s, 5m or 2h; the run then times out
    #[arg(
        long,
        visible_alias = "run-timeout",
        value_name = "TIME",
        value_parser = parse_duration
    )]
    pub timeout: Option<Duration>,
    /// Limit for all runs that follow each other: retries, cron, continue-as-new
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub execution_timeout: Option<Duration>,
    /// Limit for each workflow task, which is given up then and tried again [default: that of the
    /// host]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub task_timeout: Option<Duration>,
    /// How long the first workflow task is put off; a cancel does not wait for it
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub start_delay: Option<Duration>,
    /// Repeat the workflow by this schedule, in UTC: five fields, @daily, or @every 1h30m
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "start_delay")]
    pub cron: Option<String>,
    /// Try a failed run again, after this wait at first [default with another --retry: 1s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub retry_initial_interval: Option<Duration>,
    /// The factor by which the wait grows [default: 2]
    #[arg(long, value_name = "FACTOR")]
    pub retry_backoff_coefficient: Option<f64>,
    /// The longest wait [default: 100 times the first]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub retry_maximum_interval: Option<Duration>,
    /// Most attempts; 0 for no limit [default with another --retry: 0]
    #[arg(long, value_name = "COUNT")]
    pub retry_maximum_attempts: Option<u32>,
    /// Whether the id may be used although runs of it have ended; `run` asks only with --rerun
    #[arg(
        long,
        value_enum,
        value_name = "POLICY",
        default_value_t,
        ignore_case = true
    )]
    pub id_reuse_policy: Reuse,
    /// What to do if a run of the id is open [default: UseExisting; `signal-with-start` takes Fail
    /// for it as well]
    #[arg(long, value_enum, value_name = "POLICY", ignore_case = true)]
    pub id_conflict_policy: Option<Conflict>,
    /// A value that is shown with the run, in JSON; may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = parse_entry)]
    pub memo: Vec<(String, String)>,
    /// A value of a type (text, number, time, list of texts) that is listed with the run, in JSON;
    /// may be repeated
    #[arg(long, value_name = "KEY=JSON", value_parser = parse_entry)]
    pub search_attribute: Vec<(String, String)>,
}

/// Whether a workflow id may be used again, by Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Reuse {
    /// It may.
    #[default]
    AllowDuplicate,
    /// Only if the last run failed, was canceled or terminated, or timed out.
    AllowDuplicateFailedOnly,
    /// It may not.
    RejectDuplicate,
    /// It may, also if a run of it is open: that is terminated, as with the conflict policy
    /// TerminateExisting.
    TerminateIfRunning,
}

/// What to do if a run of the id is open, by Temporal's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Conflict {
    /// Take it up.
    #[default]
    UseExisting,
    /// Refuse.
    Fail,
    /// Terminate it and start another one.
    TerminateExisting,
}

/// `sandglass workflow start` and `execute`.
#[derive(Debug, Args)]
pub struct StartWorkflowArgs {
    /// The workflow type
    #[arg(long = "type", visible_alias = "name", value_name = "T")]
    pub workflow_type: String,
    /// The task queue, which says which component the run begins with
    #[arg(short, long, default_value = "default", value_name = "QUEUE")]
    pub task_queue: String,
    /// The workflow id [default: random]
    #[arg(short, long, visible_alias = "id", value_name = "ID")]
    pub workflow_id: Option<String>,
    /// Its arguments
    #[command(flatten)]
    pub input: InputArgs,
    /// How it is started
    #[command(flatten)]
    pub start: StartArgs,
    /// Its headers
    #[command(flatten)]
    pub headers: HeaderArgs,
    /// Exit with code 1 if a run of the id is open [default: that run is taken for it]
    #[arg(long, conflicts_with = "id_conflict_policy")]
    pub fail_existing: bool,
    /// The server
    #[command(flatten)]
    pub server: ServedArgs,
}

/// `sandglass workflow signal-with-start`.
#[derive(Debug, Args)]
pub struct SignalWithStartArgs {
    /// The workflow id
    #[arg(short = 'w', long, value_name = "ID")]
    pub workflow_id: String,
    /// The workflow type, of a component that the host has loaded
    #[arg(long = "type", visible_alias = "name", value_name = "T")]
    pub workflow_type: String,
    /// The task queue
    #[arg(short, long, default_value = "default", value_name = "QUEUE")]
    pub task_queue: String,
    /// Arguments of the workflow
    #[command(flatten)]
    pub input: InputArgs,
    /// The name of the signal
    #[arg(long, visible_alias = "signal-type", value_name = "NAME")]
    pub signal_name: String,
    /// Arguments of the signal
    #[command(flatten)]
    pub signal_input: SignalInputArgs,
    /// How a new run is started
    #[command(flatten)]
    pub start: StartArgs,
    /// Headers, of the start and of the signal
    #[command(flatten)]
    pub headers: HeaderArgs,
    /// Where it is
    #[command(flatten)]
    pub place: PlaceArgs,
}

impl StartArgs {
    /// Writes what was given into the options of a start.
    pub fn apply(&self, options: &mut StartOptions) {
        options.run_timeout = self.timeout;
        options.execution_timeout = self.execution_timeout;
        options.task_timeout = self.task_timeout;
        options.start_delay = self.start_delay;
        options.cron.clone_from(&self.cron);
        options.retry = self.retry();
        options.id_reuse = match self.id_reuse_policy {
            Reuse::AllowDuplicate | Reuse::TerminateIfRunning => IdReusePolicy::AllowDuplicate,
            Reuse::AllowDuplicateFailedOnly => IdReusePolicy::AllowDuplicateFailedOnly,
            Reuse::RejectDuplicate => IdReusePolicy::RejectDuplicate,
        };
        options.id_conflict = match self.conflict() {
            Some(Conflict::TerminateExisting) => IdConflictPolicy::TerminateExisting,
            None | Some(Conflict::Fail | Conflict::UseExisting) => IdConflictPolicy::Fail,
        };
        options.memo = fields(&self.memo);
        options.search_attributes = fields(&self.search_attribute);
    }

    /// What to do if a run of the id is open, where that was said.
    #[must_use]
    pub fn conflict(&self) -> Option<Conflict> {
        match self.id_reuse_policy {
            // What was said of open runs themselves goes before.
            Reuse::TerminateIfRunning => self
                .id_conflict_policy
                .or(Some(Conflict::TerminateExisting)),
            _ => self.id_conflict_policy,
        }
    }

    /// Whether anything was given that a run that is taken up cannot follow any more.
    #[must_use]
    pub fn is_for_new_runs(&self) -> bool {
        self.timeout.is_some()
            || self.execution_timeout.is_some()
            || self.task_timeout.is_some()
            || self.start_delay.is_some()
            || self.cron.is_some()
            || self.retry().is_some()
            || !self.memo.is_empty()
            || !self.search_attribute.is_empty()
    }

    fn retry(&self) -> Option<RetryPolicy> {
        let given = self.retry_initial_interval.is_some()
            || self.retry_backoff_coefficient.is_some()
            || self.retry_maximum_interval.is_some()
            || self.retry_maximum_attempts.is_some();
        let default = RetryPolicy::default();
        given.then(|| RetryPolicy {
            initial_interval: self
                .retry_initial_interval
                .map_or(default.initial_interval, Millis::from),
            backoff_coefficient: self
                .retry_backoff_coefficient
                .unwrap_or(default.backoff_coefficient),
            maximum_interval: self.retry_maximum_interval.map(Millis::from),
            maximum_attempts: self.retry_maximum_attempts.unwrap_or(0),
            ..default
        })
    }
}

fn fields(entries: &[(String, String)]) -> Fields {
    let entries = entries.iter();
    entries
        .map(|(key, json)| (key.clone(), Payload::json(json.as_bytes())))
        .collect()
}
