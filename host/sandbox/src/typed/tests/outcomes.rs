//! Which `err` a failure is, and which failure an `err`.

use super::{
    super::outcome::{answers, carried, failure_of},
    Wit, option, plain, record, text, variant,
};
use sandglass_engine::{
    CancelCause, CancelInfo, EventId, Failure, FailureInfo, Payload, RetryState, TimeoutKind,
    Timestamp,
};
use wasmtime::component::Val;

fn case(name: &str, value: Option<Val>) -> Val {
    Val::Variant(name.into(), value.map(Box::new))
}

/// As an activity ends with it.
fn of_activity(cause: Failure) -> Failure {
    let info = FailureInfo::Activity {
        scheduled_event_id: EventId(5),
        started_event_id: EventId(6),
        identity: String::new(),
        activity_type: "shop:payments/cards.charge".into(),
        activity_id: "1".into(),
        retry_state: RetryState::MaximumAttemptsReached,
    };
    Failure::new("", info).caused_by(cause)
}

fn canceled(reason: &str) -> Failure {
    let request = CancelInfo {
        cause: CancelCause::Requested,
        reason: reason.into(),
        requester: "op".into(),
        at: Timestamp(1),
        deadline: None,
    };
    let info = FailureInfo::Canceled {
        details: Vec::new(),
        identity: String::new(),
        settled: true,
        request: Some(request),
    };
    Failure::new("", info)
}

fn timeout() -> Failure {
    let info = FailureInfo::Timeout {
        kind: TimeoutKind::StartToClose,
        last_heartbeat_details: Vec::new(),
    };
    Failure::new("", info)
}

fn all_cases() -> Wit {
    variant(&[
        ("declined", Some(plain("string"))),
        ("over-limit", Some(record(&[("limit", plain("u32"))]))),
        ("timeout", None),
        ("canceled", Some(plain("string"))),
        ("other", Some(plain("string"))),
    ])
}

#[test]
fn what_an_err_becomes_is_carried_back() {
    let e = all_cases().load();
    let limit = Val::Record(vec![("limit".into(), Val::U32(7))]);
    let values = [
        (
            case("declined", Some(text("no funds"))),
            "declined",
            "no funds",
        ),
        (
            case("over-limit", Some(limit)),
            "over-limit",
            "{\"over-limit\":{\"limit\":7}}",
        ),
        (case("timeout", None), "timeout", "timeout"),
    ];
    for (value, name, message) in values {
        let failure = failure_of(Some(&value), Some(&e));
        assert_eq!(failure.type_name(), name);
        assert_eq!(failure.message, message);
        let back = carried(&of_activity(failure), Some(&e));
        assert_eq!(back, Some(Some(value)));
    }
    let gone = failure_of(Some(&case("canceled", Some(text("r1")))), Some(&e));
    assert!(gone.is_cancellation());
    for (wit, value) in [
        (plain("string"), text("no")),
        (plain("u8"), Val::U8(3)),
        (option(plain("u8")), Val::Option(None)),
    ] {
        let e = wit.load();
        let failure = failure_of(Some(&value), Some(&e));
        assert_eq!(failure.type_name(), "error");
        assert_eq!(carried(&of_activity(failure), Some(&e)), Some(Some(value)));
    }
}

#[test]
fn a_failure_is_carried_by_the_first_that_fits() {
    let declined = || Failure::application("Declined", "no funds");
    let over = Failure {
        info: FailureInfo::Application {
            failure_type: "OverLimit".into(),
            non_retryable: true,
            details: vec![Payload::json("{\"limit\": 7}")],
            next_retry_delay: None,
        },
        ..Failure::application("", "too much")
    };
    let limit = Val::Record(vec![("limit".into(), Val::U32(7))]);
    let other = |text: &str| Some(Some(case("other", Some(Val::String(text.into())))));
    let e = all_cases().load();
    let carry = |cause: Failure| carried(&of_activity(cause), Some(&e));
    assert_eq!(
        carry(declined()),
        Some(Some(case("declined", Some(text("no funds")))))
    );
    assert_eq!(carry(over), Some(Some(case("over-limit", Some(limit)))));
    assert_eq!(carry(timeout()), Some(Some(case("timeout", None))));
    assert_eq!(
        carry(canceled("r1")),
        Some(Some(case("canceled", Some(text("r1")))))
    );
    assert_eq!(
        carry(Failure::application("Lost", "the post")),
        other("Lost: the post")
    );
    // What is not in detail as its case has it is told in words.
    assert_eq!(
        carry(Failure::application("OverLimit", "much")),
        other("OverLimit: much")
    );

    let string = plain("string").load();
    let words = carried(&of_activity(declined()), Some(&string));
    assert_eq!(words, Some(Some(text("Declined: no funds"))));
    let code = plain("u32").load();
    assert_eq!(carried(&of_activity(declined()), Some(&code)), None);
    assert_eq!(carried(&of_activity(declined()), None), Some(None));
}

#[test]
fn nobody_takes_a_cancellation_for_an_answer() {
    let without = variant(&[("other", Some(plain("string")))]).load();
    for e in [Some(&plain("string").load()), Some(&without), None] {
        assert_eq!(carried(&of_activity(canceled("r1")), e), None);
        assert_eq!(carried(&canceled("r1"), e), None);
    }
}

#[test]
fn declared_errors_are_answers() {
    let e = |wit: Wit| Some(Some(wit.load()));
    let cases = ["declined", "over-limit", "timeout", "other"].map(String::from);
    assert_eq!(answers(e(all_cases()).as_ref()), cases);
    assert_eq!(answers(e(plain("string")).as_ref()), ["error"]);
    assert_eq!(answers(Some(&None)), ["error"]);
    assert!(answers(None).is_empty());
}

/// Only a cancellation is told as one, whatever a failure calls itself.
#[test]
fn nothing_else_is_told_as_a_cancellation() {
    let e = all_cases().load();
    let fails = |failure_type: &str, details: Vec<Payload>| {
        let info = FailureInfo::Application {
            failure_type: failure_type.into(),
            non_retryable: false,
            details,
            next_retry_delay: None,
        };
        of_activity(Failure::new("no", info))
    };
    for failure in [
        fails("Canceled", Vec::new()),
        fails("Odd", vec![Payload::json("{\"canceled\":\"x\"}")]),
    ] {
        let told = carried(&failure, Some(&e)).flatten();
        assert!(
            matches!(&told, Some(Val::Variant(case, _)) if case == "other"),
            "{told:?}"
        );
    }
}
