//! How failures are made, converted and read.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn activity_failure(cause: Failure) -> Failure {
    let activity = ActivityFailure {
        scheduled_event_id: 5,
        started_event_id: 6,
        identity: "worker".into(),
        activity_type: "charge".into(),
        activity_id: "1".into(),
        retry_state: RetryState::CancelRequested,
    };
    Failure::of("activity failed", FailureInfo::Activity(activity)).caused_by(cause)
}

#[test]
fn a_standard_error_becomes_an_application_failure_with_its_sources() {
    #[derive(Debug)]
    struct Outer<T>(T);
    impl<T> fmt::Display for Outer<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no quantity")
        }
    }
    impl<T: std::error::Error + 'static> std::error::Error for Outer<T> {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let failure = Failure::from(Outer("x".parse::<u8>().unwrap_err()));
    assert_eq!(failure.failure_type(), Some("Outer"));
    assert_eq!(
        failure.to_string(),
        "Outer: no quantity: invalid digit found in string"
    );
    assert!(!failure.application_failure().unwrap().non_retryable);
    assert!(failure.cause().unwrap().cause().is_none());
}

#[test]
fn a_type_called_error_is_named_with_its_module() {
    let missing = std::fs::read("/nowhere/at/all").unwrap_err();
    assert_eq!(Failure::from(missing).failure_type(), Some("io::Error"));
    let json = serde_json::from_str::<u8>("x").unwrap_err();
    assert_eq!(
        Failure::from(json).failure_type(),
        Some("serde_json::Error")
    );
    assert_eq!(Failure::from(fmt::Error).failure_type(), Some("fmt::Error"));
}

#[test]
fn the_builder_sets_what_it_names() {
    let failure = Failure::application("OutOfStock", "none left")
        .non_retryable()
        .retry_after(Duration::from_secs(2))
        .with_details(&7);
    let application = failure.application_failure().unwrap();
    assert!(application.non_retryable);
    assert_eq!(application.next_retry_delay, Some(2_000));
    assert_eq!(failure.details::<u8>().unwrap(), 7);
}

#[test]
fn a_cancellation_counts_bare_and_as_the_cause_of_an_activity() {
    assert!(Failure::canceled("stop").is_cancellation());
    let activity = activity_failure(Failure::canceled("stop").with_details("half way"));
    assert!(activity.is_cancellation());
    assert_eq!(activity.details::<String>().unwrap(), "half way");
    assert_eq!(activity.activity().unwrap().activity_type, "charge");
}

#[test]
fn a_cancellation_deeper_in_the_chain_does_not_count() {
    let wrapped = Failure::application("Cleanup", "failed").caused_by(Failure::canceled("stop"));
    assert!(!wrapped.is_cancellation());
    let twice = activity_failure(Failure::application("E", "x").caused_by(Failure::canceled("")));
    assert!(!twice.is_cancellation());
    assert_eq!(twice.failure_type(), Some("E"));
}

#[test]
fn a_scope_that_took_too_long_is_no_cancellation() {
    let failure = Failure::timed_out(Duration::from_secs(1)).caused_by(Failure::canceled("late"));
    assert!(failure.is_timeout());
    assert!(!failure.is_cancellation());
    assert_eq!(
        failure.to_string(),
        "the scope was not done within 1s: late"
    );
}

#[test]
fn details_that_are_not_there_are_none() {
    assert_eq!(
        Failure::application("E", "x")
            .details::<Option<u8>>()
            .unwrap(),
        None
    );
    assert!(Failure::application("E", "x").details::<u8>().is_err());
}
