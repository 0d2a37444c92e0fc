//! How activities of typed imports are run: what `sandglass.toml` says, kept inside the component.
//!
//! It is a part of the component's bytes, so that its digest names it and a run goes on with what
//! it began with.

use crate::Error;
use sandglass_engine::{ActivityCall, CancellationType, Millis, Payload, RetryPolicy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{collections::BTreeMap, fmt};
use wasm_encoder::{ComponentSection as _, CustomSection};

/// The custom section that holds the options, as JSON.
pub(crate) const SECTION: &str = "sandglass:activities";

/// Longest attempt of an activity about which nothing is said.
const START_TO_CLOSE: Millis = Millis::from_secs(60);

/// The table `[activities]`: options of all activities of typed imports under the name `default`,
/// those of an interface under its name without a version (`shop:payments/cards`), those of a
/// single one under its activity type (`shop:payments/cards.charge`). What is said of an activity
/// goes before what is said of its interface, and that before the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TypedOptions(pub BTreeMap<String, ActivityOptions>);

/// The name under which the options of all activities stand.
const DEFAULT: &str = "default";

/// Options of activities. What is not given is looked for one level above.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ActivityOptions {
    /// Limit for one attempt. 60 s if neither it nor `schedule_to_close` is given anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_to_close: Option<Length>,
    /// Limit for all attempts and waits together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_to_close: Option<Length>,
    /// Limit until a worker begins an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_to_start: Option<Length>,
    /// Longest silence between heartbeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Length>,
    /// Which workers take it. Default: the run's own task queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_queue: Option<String>,
    /// What cancellation does to it. Default: it is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Cancellation>,
    /// Longest wait for how a canceled one ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_timeout: Option<Length>,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "RetryOptions::is_empty")]
    pub retry: RetryOptions,
}

/// When an activity is tried again. What is not given is looked for one level above, field by
/// field.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryOptions {
    /// Wait before the second attempt. Default: 1 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_interval: Option<Length>,
    /// Factor by which the wait grows. Default: 2.
    #[serde(
        default,
        deserialize_with = "finite",
        skip_serializing_if = "Option::is_none"
    )]
    pub backoff_coefficient: Option<f64>,
    /// Longest wait. Default: 100 times the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_interval: Option<Length>,
    /// Most attempts; 0 for no limit, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_attempts: Option<u32>,
    /// Failure types that are final. Default: those that the function's `result<_, E>` declares,
    /// which are answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_retryable_types: Option<Vec<String>>,
}

/// TOML can write what JSON cannot, which would be lost on the way into the component.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = f64::deserialize(deserializer)?;
    match number.is_finite() {
        true => Ok(Some(number)),
        false => Err(de::Error::custom(format!("{number} is no factor"))),
    }
}

/// What canceling an activity means to the run that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cancellation {
    /// It is asked to stop, and waited for.
    WaitCancellationCompleted,
    /// It is asked to stop, and reported canceled at once.
    TryCancel,
    /// It is not told, and reported canceled at once.
    Abandon,
}

/// A length of time, written as `250ms`, `30s`, `5m`, `2h` or `1d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length(pub Millis);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.0 {
            millis if millis % 1000 == 0 => write!(f, "{}s", millis / 1000),
            millis => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length: Millis = text
            .parse()
            .map_err(|error| de::Error::custom(format!("{text:?}: {error}")))?;
        Ok(Self(length))
    }
}

impl TypedOptions {
    /// The component with these options in it.
    ///
    /// They are checked when it is loaded: what they name must be imported by it.
    #[must_use]
    pub fn embed(&self, component: &[u8]) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("options have a JSON form");
        let section = CustomSection {
            name: SECTION.into(),
            data: json.into(),
        };
        let mut bytes = component.to_vec();
        section.append_to_component(&mut bytes);
        bytes
    }

    /// Reads what a component holds.
    pub(crate) fn read(section: Option<&[u8]>) -> Result<Self, Error> {
        let Some(json) = section else {
            return Ok(Self::default());
        };
        serde_json::from_slice(json).map_err(|error| Error::Options(error.to_string()))
    }

    /// Checks that all that is named is there. `names` are the interfaces and activity types that
    /// the component imports.
    pub(crate) fn check<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        let mut named = self.0.keys().filter(|name| *name != DEFAULT);
        let unknown = named.find(|name| !names.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some(name) if names.is_empty() => Err(Error::Options(format!(
                "{name:?} is not imported: the component imports no interface of its own"
            ))),
            Some(name) => Err(Error::Options(format!(
                "{name:?} is not imported; imported are {}",
                names.join(", ")
            ))),
        }
    }

    /// What holds for one activity.
    pub(crate) fn for_activity(&self, interface: Option<&str>, name: &str) -> ActivityOptions {
        let levels = [Some(name), interface, Some(DEFAULT)];
        let said = levels.into_iter().flatten().filter_map(|of| self.0.get(of));
        said.fold(ActivityOptions::default(), ActivityOptions::or)
    }
}

impl ActivityOptions {
    /// What is not given here is taken from there.
    fn or(self, above: &Self) -> Self {
        let (retry, there) = (self.retry, above.retry.clone());
        Self {
            start_to_close: self.start_to_close.or(above.start_to_close),
            schedule_to_close: self.schedule_to_close.or(above.schedule_to_close),
            schedule_to_start: self.schedule_to_start.or(above.schedule_to_start),
            heartbeat: self.heartbeat.or(above.heartbeat),
            task_queue: self.task_queue.or_else(|| above.task_queue.clone()),
            cancellation: self.cancellation.or(above.cancellation),
            wait_timeout: self.wait_timeout.or(above.wait_timeout),
            retry: RetryOptions {
                initial_interval: retry.initial_interval.or(there.initial_interval),
                backoff_coefficient: retry.backoff_coefficient.or(there.backoff_coefficient),
                maximum_interval: retry.maximum_interval.or(there.maximum_interval),
                maximum_attempts: retry.maximum_attempts.or(there.maximum_attempts),
                non_retryable_types: retry.non_retryable_types.or(there.non_retryable_types),
            },
        }
    }

    /// A call without arguments. `answers` are the failure types that the function declares.
    ///
    /// # Errors
    /// The retry policy is out of range.
    pub(crate) fn call(&self, name: &str, answers: Vec<String>) -> Result<ActivityCall, Error> {
        let retry = self.retry.policy(answers);
        if let Some(problem) = retry.problem() {
            return Err(Error::Options(format!("retry of {name}: {problem}")));
        }
        let length = |length: Option<Length>| length.map(|length| length.0);
        let schedule_to_close = length(self.schedule_to_close);
        let start_to_close = match (length(self.start_to_close), schedule_to_close) {
            (None, None) => Some(START_TO_CLOSE),
            (given, _) => given,
        };
        Ok(ActivityCall {
            activity_type: name.into(),
            activity_id: None,
            task_queue: self.task_queue.clone(),
            arguments: Vec::<Payload>::new(),
            header: Vec::new(),
            schedule_to_close,
            schedule_to_start: length(self.schedule_to_start),
            start_to_close,
            heartbeat: length(self.heartbeat),
            retry: Some(retry),
            cancellation: match (self.cancellation, length(self.wait_timeout)) {
                (Some(Cancellation::TryCancel), _) => CancellationType::TryCancel,
                (Some(Cancellation::Abandon), _) => CancellationType::Abandon,
                (_, Some(limit)) => CancellationType::WaitAtMost(limit),
                (_, None) => CancellationType::WaitCancellationCompleted,
            },
        })
    }
}

impl RetryOptions {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn policy(&self, answers: Vec<String>) -> RetryPolicy {
        let default = RetryPolicy::default();
        let length = |length: Option<Length>| length.map(|length| length.0);
        RetryPolicy {
            initial_interval: length(self.initial_interval).unwrap_or(default.initial_interval),
            backoff_coefficient: self
                .backoff_coefficient
                .unwrap_or(default.backoff_coefficient),
            maximum_interval: length(self.maximum_interval).or(default.maximum_interval),
            maximum_attempts: self.maximum_attempts.unwrap_or(default.maximum_attempts),
            non_retryable_types: self.non_retryable_types.clone().unwrap_or(answers),
        }
    }
}

/// How an activity is run, in words.
pub(super) fn in_words(call: &ActivityCall) -> String {
    let limits = [
        ("start-to-close", call.start_to_close),
        ("schedule-to-close", call.schedule_to_close),
        ("schedule-to-start", call.schedule_to_start),
        ("heartbeat", call.heartbeat),
    ];
    let limits = limits.into_iter();
    let mut words: Vec<String> = limits
        .filter_map(|(name, limit)| Some(format!("{name} {}", Length(limit?))))
        .collect();
    if let Some(queue) = &call.task_queue {
        words.push(format!("task queue {queue}"));
    }
    words.push(match call.cancellation {
        CancellationType::WaitCancellationCompleted => "waits if canceled".into(),
        CancellationType::WaitAtMost(limit) => format!("waits {} if canceled", Length(limit)),
        CancellationType::TryCancel => "try-cancel".into(),
        CancellationType::Abandon => "abandon".into(),
    });
    if let Some(retry) = &call.retry {
        words.push(match retry.maximum_attempts {
            0 => "retried without limit".into(),
            1 => "one attempt".into(),
            attempts => format!("{attempts} attempts"),
        });
        if !retry.non_retryable_types.is_empty() {
            words.push(format!(
                "but not after {}",
                retry.non_retryable_types.join(", ")
            ));
        }
    }
    words.join(", ")
}
