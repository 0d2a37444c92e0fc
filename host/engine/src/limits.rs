//! What one task and one run may ask for: one table, so that a host can print it and be told other
//! numbers by name.

use std::fmt;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitUnit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Millis,
}

impl fmt::Display for LimitUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Bytes => "bytes",
            Self::Millis => "ms",
        })
    }
}

/// One of the [`Limits`], for those who show or set it by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSetting {
    /// Its name, words joined by `-`.
    pub name: &'static str,
    /// What it counts.
    pub unit: LimitUnit,
    /// What it is if nobody says otherwise.
    pub default: usize,
    /// What it is on a Temporal server; `None` if that has no such limit.
    pub temporal: Option<usize>,
    /// What it bounds.
    pub bounds: &'static str,
    /// What happens when it is passed.
    pub passed: &'static str,
}

/// Why a limit was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is none of this name.
    #[error("there is no limit named {0:?}")]
    Unknown(String),
    /// It would forbid everything.
    #[error("the limit {0} must be at least 1")]
    Zero(&'static str),
}

macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident, $name:literal, $unit:ident, $default:expr, $temporal:expr, $passed:literal;
    )+) => {
        /// The limits of a host. Those on commands are checked by [`crate::Task`] at each call.
        ///
        /// A replay is not checked: what was recorded was within the limits of its time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $doc])+ pub $field: usize,)+
        }

        impl Default for Limits {
            /// Temporal's numbers where it has any, but histories of 1,000,000 events or 500 MiB.
            /// The others bound what one frame and one run can cost the host.
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl Limits {
            /// Every limit, in the order in which they are shown.
            pub const SETTINGS: &'static [LimitSetting] = &[$(LimitSetting {
                name: $name,
                unit: LimitUnit::$unit,
                default: $default,
                temporal: $temporal,
                bounds: concat!($($doc),+).trim_ascii(),
                passed: $passed,
            },)+];

            fn place(&mut self, name: &str) -> Option<&mut usize> {
                match name {
                    $($name => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }
    };
}

limits! {
    /// Events of one run's history.
    history_events, "history-events", Count, 1_000_000, Some(51_200),
        "the run is terminated";
    /// Bytes of one run's history as stored.
    history_bytes, "history-bytes", Bytes, 500 << 20, Some(50 << 20),
        "the run is terminated";
    /// Events of a history from which on it is warned of.
    history_events_warning, "history-events-warning", Count, 100_000, Some(10_240),
        "a warning is logged";
    /// Bytes of a history from which on it is warned of.
    history_bytes_warning, "history-bytes-warning", Bytes, 50 << 20, Some(10 << 20),
        "a warning is logged";
    /// Events of a history from which on continue-as-new is suggested.
    history_events_suggested, "history-events-suggested", Count, 100_000, Some(4_096),
        "the run's code is told to continue as new";
    /// Bytes of a history from which on continue-as-new is suggested.
    history_bytes_suggested, "history-bytes-suggested", Bytes, 50 << 20, Some(4 << 20),
        "the run's code is told to continue as new";
    /// Bytes of payload in one request, or in one result of an activity.
    payload_bytes, "payload-bytes", Bytes, 2 << 20, Some(2 << 20),
        "the request is refused; a result is replaced by the failure PayloadTooLarge";
    /// Bytes of payload in one request or result from which on it is warned of.
    payload_bytes_warning, "payload-bytes-warning", Bytes, 512 << 10, Some(512 << 10),
        "a warning is logged";
    /// Payload bytes in the commands of one workflow task.
    payload_bytes_per_task, "payload-bytes-per-task", Bytes, 4 << 20, Some(4 << 20),
        "the workflow task fails: CommandLimitExceeded";
    /// Commands of one workflow task.
    commands_per_task, "commands-per-task", Count, 10_000, None,
        "the workflow task fails: CommandLimitExceeded";
    /// Activities pending in one run, local ones included.
    pending_activities, "pending-activities", Count, 2_000, Some(2_000),
        "the workflow task fails: PENDING_ACTIVITIES_LIMIT_EXCEEDED";
    /// Child workflows pending in one run.
    pending_children, "pending-children", Count, 2_000, Some(2_000),
        "the workflow task fails: PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED";
    /// Signals to other runs pending in one run.
    pending_signals, "pending-signals", Count, 2_000, Some(2_000),
        "the workflow task fails: PENDING_SIGNALS_LIMIT_EXCEEDED";
    /// Requests to cancel other runs pending in one run.
    pending_cancels, "pending-cancels", Count, 2_000, Some(2_000),
        "the workflow task fails: PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED";
    /// Timers pending in one run.
    pending_timers, "pending-timers", Count, 10_000, None,
        "the workflow task fails: CommandLimitExceeded";
    /// Open scopes and waits of one run.
    scopes_and_waits, "scopes-and-waits", Count, 100_000, None,
        "the workflow task fails: CommandLimitExceeded";
    /// Signals that one run takes.
    signals_per_run, "signals-per-run", Count, 10_000, Some(10_000),
        "the signal is refused";
    /// Updates of one run that have been accepted and have not ended.
    updates_in_flight, "updates-in-flight", Count, 10, Some(10),
        "the update is refused";
    /// Updates that one run takes.
    updates_per_run, "updates-per-run", Count, 2_000, Some(2_000),
        "the update is refused";
    /// Bytes in the memo of one run, names included.
    memo_bytes, "memo-bytes", Bytes, 2 << 20, Some(2 << 20),
        "the workflow task fails: BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES";
    /// Bytes in the search attributes of one run, names and types included.
    search_attribute_bytes, "search-attribute-bytes", Bytes, 40 << 10, Some(40 << 10),
        "the workflow task fails: BAD_SEARCH_ATTRIBUTES";
    /// Bytes of an id or a name.
    name_bytes, "name-bytes", Bytes, 1_000, Some(1_000),
        "the request is refused; a command fails its workflow task";
    /// Inputs that wait for a running workflow task to end.
    buffered_inputs, "buffered-inputs", Count, 100, Some(100),
        "a workflow task that waits for local activities ends early; one that computes is bounded \
         by its time";
    /// Bytes of payload in the inputs that wait for a running workflow task to end.
    buffered_bytes, "buffered-bytes", Bytes, 2 << 20, Some(2 << 20),
        "a workflow task that waits for local activities ends early; one that computes is bounded \
         by its time";
    /// Bytes of payloads and texts that a run keeps beside its history: memo, search attributes,
    /// compensations, local activities, the ids of requests, updates, patches and of what is
    /// pending.
    run_state_bytes, "run-state-bytes", Bytes, 8 << 20, Some(8 << 20),
        "the run is terminated";
    /// How long a workflow task may take, unless its run was started with another limit.
    workflow_task_timeout, "workflow-task-timeout", Millis, 10_000, Some(10_000),
        "the task times out and is tried again; at 80 % one that only waits for local activities \
         ends, and another one waits on";
    /// The longest such limit that a start or a setting can give a workflow task.
    workflow_task_timeout_max, "workflow-task-timeout-max", Millis, 120_000, Some(120_000),
        "a longer limit is cut to this";
}

impl Limits {
    /// No limits: what was recorded was within those of its time.
    pub(crate) fn none() -> Self {
        let mut limits = Self::default();
        for setting in Self::SETTINGS {
            if let Some(place) = limits.place(setting.name) {
                *place = usize::MAX;
            }
        }
        limits
    }

    /// The numbers of a Temporal server; what that does not limit has our default.
    #[must_use]
    pub fn temporal() -> Self {
        let mut limits = Self::default();
        for setting in Self::SETTINGS {
            if let (Some(place), Some(value)) = (limits.place(setting.name), setting.temporal) {
                *place = value;
            }
        }
        limits
    }

    /// A limit by its name.
    #[must_use]
    pub fn get(mut self, name: &str) -> Option<usize> {
        self.place(name).copied()
    }

    /// Sets a limit by its name.
    ///
    /// # Errors
    /// There is no such limit, or the value is 0.
    pub fn set(&mut self, name: &str, value: usize) -> Result<(), LimitError> {
        let setting = Self::SETTINGS.iter().find(|setting| setting.name == name);
        let (Some(setting), Some(place)) = (setting, self.place(name)) else {
            return Err(LimitError::Unknown(name.into()));
        };
        if value == 0 {
            return Err(LimitError::Zero(setting.name));
        }
        *place = value;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn each_limit_is_named_once_and_set_alone() {
        for setting in Limits::SETTINGS {
            let mut limits = Limits::default();
            assert_eq!(limits.get(setting.name), Some(setting.default));
            limits.set(setting.name, 7).unwrap();
            let changed = Limits::SETTINGS
                .iter()
                .filter(|other| limits.get(other.name) != Some(other.default));
            let changed: Vec<_> = changed.map(|other| other.name).collect();
            assert_eq!(changed, [setting.name]);
            assert_eq!(
                limits.set(setting.name, 0),
                Err(LimitError::Zero(setting.name))
            );
        }
        let unknown = Limits::default().set("luck", 1);
        assert_eq!(unknown, Err(LimitError::Unknown("luck".into())));
    }

    #[test]
    fn temporals_numbers_are_those_of_the_semantics() {
        let expected = [
            ("history-events", 51_200),
            ("history-bytes", 50 << 20),
            ("history-events-warning", 10_240),
            ("history-bytes-warning", 10 << 20),
            ("history-events-suggested", 4_096),
            ("history-bytes-suggested", 4 << 20),
            ("payload-bytes", 2 << 20),
            ("payload-bytes-warning", 512 << 10),
            ("payload-bytes-per-task", 4 << 20),
            ("pending-activities", 2_000),
            ("pending-children", 2_000),
            ("pending-signals", 2_000),
            ("pending-cancels", 2_000),
            ("signals-per-run", 10_000),
            ("updates-in-flight", 10),
            ("updates-per-run", 2_000),
            ("memo-bytes", 2 << 20),
            ("search-attribute-bytes", 40 << 10),
            ("name-bytes", 1_000),
            ("buffered-inputs", 100),
            ("buffered-bytes", 2 << 20),
            ("run-state-bytes", 8 << 20),
            ("workflow-task-timeout", 10_000),
            ("workflow-task-timeout-max", 120_000),
        ];
        let limits = Limits::temporal();
        for (name, value) in expected {
            assert_eq!(limits.get(name), Some(value), "{name}");
        }
        let ours = Limits::SETTINGS.iter();
        let ours = ours.filter(|setting| !expected.iter().any(|(name, _)| *name == setting.name));
        for setting in ours {
            assert_eq!(setting.temporal, None, "{}", setting.name);
            assert_eq!(
                limits.get(setting.name),
                Some(setting.default),
                "{}",
                setting.name
            );
        }
    }
}
