//! The one error type of workflows and activities.

use std::fmt;
use std::time::Duration;

use sandglass_guest_bindings::workflow::sandglass::workflow::types;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use types::{
    ActivityFailure, ApplicationFailure, CanceledFailure, FailureInfo, FailureLink, RetryState,
    TimeoutKind,
};

use crate::payload::{self, Payload};

/// What the failures made here name as their source.
const SOURCE: &str = "sandglass-guest";

/// Why a workflow, an activity or an awaited operation failed: a message of a certain kind, and
/// what caused it.
///
/// `?` turns any standard error into a failure: an application failure whose type is the error's
/// type name, with the error's sources as its causes. For that reason `Failure` itself is no
/// [`std::error::Error`].
#[derive(Clone, PartialEq)]
pub struct Failure {
    /// The failure, its cause, that one's cause. Never empty.
    links: Vec<FailureLink>,
}

/// Making failures.
impl Failure {
    /// Makes an error of user code. `failure_type` is the name that retry policies and callers go
    /// by.
    pub fn application(failure_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(
            message,
            FailureInfo::Application(application(failure_type.into())),
        )
    }

    /// Makes a cancellation: what an activity returns to accept one. Details reach the workflow.
    pub fn canceled(message: impl Into<String>) -> Self {
        let canceled = CanceledFailure {
            details: Vec::new(),
            identity: String::new(),
            settled: true,
            request: None,
        };
        Self::of(message, FailureInfo::Canceled(canceled))
    }

    /// Makes the failure of a scope that took too long.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        let timeout = types::TimeoutFailure {
            kind: TimeoutKind::StartToClose,
            last_heartbeat_details: Vec::new(),
        };
        let message = format!("the scope was not done within {limit:?}");
        Self::of(message, FailureInfo::Timeout(timeout))
    }

    fn of(message: impl Into<String>, info: FailureInfo) -> Self {
        let link = FailureLink {
            message: message.into(),
            source: SOURCE.to_owned(),
            stack_trace: String::new(),
            encoded_attributes: None,
            info,
        };
        Self { links: vec![link] }
    }

    /// Marks the failure as one that another attempt cannot cure. Only application failures are
    /// changed.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        if let FailureInfo::Application(application) = &mut self.links[0].info {
            application.non_retryable = true;
        }
        self
    }

    /// Sets the wait before the next attempt, in place of the retry policy's. Only application
    /// failures are changed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let FailureInfo::Application(application) = &mut self.links[0].info {
            application.next_retry_delay = Some(crate::time::millis(wait));
        }
        self
    }

    /// Adds a value that describes an application failure or a cancellation. One that has no JSON
    /// form is replaced by a text that says so.
    #[must_use]
    pub fn with_details<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        let detail = payload::encode(value).unwrap_or_else(|failure| {
            payload::encode(&failure.to_string()).expect("a string has a JSON form")
        });
        match &mut self.links[0].info {
            FailureInfo::Application(application) => application.details.push(detail),
            FailureInfo::Canceled(canceled) => canceled.details.push(detail),
            _ => {}
        }
        self
    }

    /// Adds a cause, at the end of the chain.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Failure>) -> Self {
        self.links.extend(cause.into().links);
        self
    }
}

/// Looking at failures.
impl Failure {
    /// The message of the failure itself, without its causes.
    pub fn message(&self) -> &str {
        &self.links[0].message
    }

    /// The failure and its causes, outermost first; never empty.
    pub fn links(&self) -> &[FailureLink] {
        &self.links
    }

    /// What caused the failure, if anything did.
    pub fn cause(&self) -> Option<Failure> {
        let links = self.links[1..].to_vec();
        (!links.is_empty()).then_some(Self { links })
    }

    /// Whether this is a cancellation, bare or as the cause of an activity's or child's failure.
    ///
    /// A workflow that returns such a failure after a request for its cancellation is canceled;
    /// with any other failure, or without a request, it is failed.
    pub fn is_cancellation(&self) -> bool {
        matches!(self.reason().info, FailureInfo::Canceled(_))
    }

    /// Whether a limit on time was exceeded, by a scope or by an activity.
    pub fn is_timeout(&self) -> bool {
        self.timeout().is_some()
    }

    /// Which limit on time was exceeded, if one was. That of a scope counts as start-to-close.
    pub fn timeout(&self) -> Option<TimeoutKind> {
        match &self.reason().info {
            FailureInfo::Timeout(timeout) => Some(timeout.kind),
            _ => None,
        }
    }

    /// Which activity failed, if one did. The failure's cause says how.
    pub fn activity(&self) -> Option<&ActivityFailure> {
        match &self.links[0].info {
            FailureInfo::Activity(activity) => Some(activity),
            _ => None,
        }
    }

    /// The error that user code raised, here or in the activity that failed.
    pub fn application_failure(&self) -> Option<&ApplicationFailure> {
        match &self.reason().info {
            FailureInfo::Application(application) => Some(application),
            _ => None,
        }
    }

    /// The type of the error that user code raised, here or in the activity that failed.
    pub fn failure_type(&self) -> Option<&str> {
        self.application_failure()
            .map(|application| application.failure_type.as_str())
    }

    /// The cancellation, bare or that of an activity.
    pub fn cancellation(&self) -> Option<&CanceledFailure> {
        match &self.reason().info {
            FailureInfo::Canceled(canceled) => Some(canceled),
            _ => None,
        }
    }

    /// Decodes the values that describe the failure: those of an application failure or a
    /// cancellation, or the last heartbeat's for a timeout. Several decode as a tuple, none as `()`
    /// or `None`.
    ///
    /// # Errors
    ///
    /// A failure of type `PayloadDecoding` if they are not of that type.
    pub fn details<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        payload::decode_all(self.detail_payloads(), "the failure's details")
    }

    fn detail_payloads(&self) -> &[Payload] {
        match &self.reason().info {
            FailureInfo::Application(application) => &application.details,
            FailureInfo::Canceled(canceled) => &canceled.details,
            FailureInfo::Timeout(timeout) => &timeout.last_heartbeat_details,
            _ => &[],
        }
    }

    /// The link that says what happened: the cause, if the failure itself only says to whom.
    fn reason(&self) -> &FailureLink {
        match (&self.links[0].info, self.links.get(1)) {
            (FailureInfo::Activity(_) | FailureInfo::ChildWorkflow(_), Some(cause)) => cause,
            _ => &self.links[0],
        }
    }
}

/// Crossing the border to the host.
impl Failure {
    /// Takes a failure that the host gave.
    pub(crate) fn from_links(links: types::Failure) -> Self {
        assert!(
            !links.is_empty(),
            "the contract says that a failure is never empty"
        );
        Self { links }
    }

    /// Gives the failure to the host.
    pub(crate) fn into_links(self) -> types::Failure {
        self.links
    }
}

fn application(failure_type: String) -> ApplicationFailure {
    ApplicationFailure {
        failure_type,
        non_retryable: false,
        details: Vec::new(),
        next_retry_delay: None,
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let name = short_name(std::any::type_name::<E>());
        let mut failure = Self::application(name, error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            failure = failure.caused_by(Self::application("", error.to_string()));
            source = error.source();
        }
        failure
    }
}

/// Shortens a type's name to what a person would write in a retry policy: `ParseIntError`, or
/// `io::Error` where the last part alone says nothing.
fn short_name(name: &str) -> String {
    let path = name.split('<').next().unwrap_or(name);
    let mut parts = path.rsplit("::");
    match parts.next() {
        Some("Error") => match parts.find(|part| *part != "error") {
            Some(module) => format!("{module}::Error"),
            None => "Error".to_owned(),
        },
        Some(last) => last.to_owned(),
        None => path.to_owned(),
    }
}

/// The messages of the whole chain, with the type of each application failure.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, link) in self.links.iter().enumerate() {
            if index > 0 {
                f.write_str(": ")?;
            }
            match &link.info {
                FailureInfo::Application(application) if !application.failure_type.is_empty() => {
                    write!(f, "{}: {}", application.failure_type, link.message)?;
                }
                FailureInfo::Activity(activity) => {
                    write!(f, "activity {}: {}", activity.activity_type, link.message)?;
                }
                _ => f.write_str(&link.message)?,
            }
        }
        Ok(())
    }
}

/// The same as `Display`: what a log line or a panic message should show.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({self})")
    }
}

#[cfg(test)]
mod tests;
