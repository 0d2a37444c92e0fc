//! The language of filters: what is read as what, what is refused, and that no text breaks it.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::{
    eval::{Candidate, check, holds},
    filter,
    parse::parse,
};
use sandglass::RunListing;
use sandglass::store::RunStatus;
use sandglass_engine::{CancelState, SearchValue, Status, Timestamp};

fn listing() -> RunListing {
    let attributes = [
        ("Customer", SearchValue::Keyword("acme".into())),
        ("Amount", SearchValue::Int(7)),
        ("Rate", SearchValue::Double(0.5)),
        ("Urgent", SearchValue::Bool(true)),
        (
            "Tags",
            SearchValue::KeywordList(vec!["a".into(), "b c".into()]),
        ),
        ("Note", SearchValue::Text("Two words".into())),
        ("Due", SearchValue::Datetime(Timestamp(1_700_000_000_000))),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_payload()));
    RunListing {
        workflow_id: "order-17".into(),
        run_id: "r".into(),
        workflow_type: "order".into(),
        status: Status::Running,
        started_at: Timestamp::from_rfc3339("2026-03-01T12:00:00Z").unwrap(),
        closed_at: None,
        cancel_state: CancelState::None,
        undeliverable: None,
        uncompensated: Vec::new(),
        memo: Default::default(),
        search_attributes: attributes.into(),
        paused: false,
        history_length: 9,
        first_run_id: "r".into(),
        parent: None,
    }
}

fn matches(text: &str) -> bool {
    let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let condition = query.condition.unwrap();
    check(&condition).unwrap_or_else(|error| panic!("{text}: {error}"));
    let listing = listing();
    let candidate = Candidate {
        listing: &listing,
        task_queue: "q",
        execution_time: listing.started_at,
    };
    holds(&condition, &candidate) == Some(true)
}

#[test]
fn conditions_hold_or_do_not() {
    for text in [
        r#"WorkflowId = "order-17""#,
        "WorkflowId='order-17' and TaskQueue=\"q\"",
        "`WorkflowType` != 'x'",
        "WorkflowType <> 'x'",
        "WorkflowId STARTS_WITH 'order-'",
        "WorkflowId NOT STARTS_WITH 'x'",
        "ExecutionStatus IN ('Failed', 'Running')",
        "ExecutionStatus NOT IN ('Failed')",
        "NOT ExecutionStatus = 'Failed'",
        "StartTime >= '2026-03-01T12:00:00Z' AND StartTime < \"2026-03-01T14:00:00+01:00\"",
        "StartTime BETWEEN '2026-01-01T00:00:00Z' AND '2027-01-01T00:00:00Z'",
        "CloseTime IS NULL AND StartTime IS NOT NULL",
        "WorkflowId = 'x' OR WorkflowId = 'y' OR (RunId = 'r' AND HistoryLength > 8)",
        "Customer = 'acme' AND Amount >= 7 AND Amount < 7.5 AND Rate = 0.5 AND Urgent = true",
        "Tags = 'b c' AND Tags != 'c' AND Tags IN ('x', 'a')",
        "Note = 'WORDS'",
        "Due > '2023-01-01T00:00:00Z' AND Due = 1700000000000000000",
        "StartTime > 0 ORDER BY StartTime DESC, WorkflowId",
    ] {
        assert!(matches(text), "{text}");
    }
    for text in [
        "WorkflowId = 'order'",
        "CloseTime > '2020-01-01T00:00:00Z'",
        // Of what is not there nothing is true, its contrary neither.
        "Missing = 'x'",
        "NOT Missing = 'x'",
        "Missing != 'x'",
        "Amount = 'seven'",
        "Note = 'other'",
        "WorkflowId = 'order-17' AND (RunId = 'x' OR RunId = 'y')",
    ] {
        assert!(!matches(text), "{text}");
    }
}

#[test]
fn quotes_and_escapes_are_part_of_the_language() {
    for text in [
        r#"Customer = "ac\me""#,
        "Customer IN (\"acme\")",
        "Customer = 'acme' AND Missing IS NULL",
    ] {
        assert!(matches(text), "{text}");
    }
    let query = parse(r#"A = 'it''s' AND B = "\"" AND C = 'é'"#).unwrap();
    let text = format!("{query:?}");
    assert!(text.contains(r#"Text("it's")"#), "{text}");
    assert!(text.contains(r#"Text("\"")"#), "{text}");
    assert!(text.contains("é"), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (text, reason) in [
        ("bad ~ 3", "unexpected '~' at position 4"),
        ("WorkflowId =", "expected a value at position 12"),
        ("WorkflowId", "expected a comparison at position 10"),
        ("WorkflowId = 'x", "a text that begins with ' does not end"),
        (
            "(WorkflowId = 'x'",
            "expected a closing parenthesis at position 17",
        ),
        ("WorkflowId = 'x' 'y'", "expected the end at position 17"),
        ("AND = 'x'", "expected a search attribute at position 0"),
        ("A = 1x", "\"1x\" at position 4 is not a number"),
        (
            "GROUP BY WorkflowId",
            "GROUP BY WorkflowId is not supported, only ExecutionStatus",
        ),
    ] {
        assert_eq!(parse(text), Err(reason.to_owned()), "{text}");
    }
    for text in [
        "StartTime > 'yesterday'",
        "ExecutionStatus = 'Done'",
        "WorkflowId = 7",
        "BuildIds IS NULL",
        "HistoryLength STARTS_WITH 7",
    ] {
        let query = parse(text).unwrap();
        assert!(check(&query.condition.unwrap()).is_err(), "{text}");
    }
}

#[test]
fn a_count_can_be_grouped_by_status() {
    assert!(parse("GROUP BY ExecutionStatus").unwrap().by_status);
    let query = parse("WorkflowType = 'x' group by ExecutionStatus").unwrap();
    assert!(query.by_status && query.condition.is_some());
    assert_eq!(parse("").unwrap(), parse(" \n").unwrap());
}

#[test]
fn the_store_selects_by_what_must_hold_in_any_case() {
    let of = |text| filter(parse(text).unwrap().condition.as_ref());
    let both = of("WorkflowId = 'x' AND ExecutionStatus = 'Paused' AND StartTime > 5000000");
    assert_eq!(both.workflow_id.as_deref(), Some("x"));
    assert_eq!(both.status, Some(RunStatus::Running));
    assert_eq!(both.started_from, Some(Timestamp(5)));
    assert_eq!(
        of("WorkflowId = 'x' OR WorkflowType = 'y'"),
        Default::default()
    );
    assert_eq!(of("NOT WorkflowId = 'x'"), Default::default());
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["(", "NOT "] {
        let text = format!("{}A = 1", open.repeat(10_000));
        assert_eq!(
            parse(&text),
            Err("conditions are nested deeper than 64".into())
        );
    }
}

const PIECES: &[&str] = &[
    "WorkflowId",
    "StartTime",
    "ExecutionStatus",
    "Custom",
    "=",
    "!=",
    "<",
    ">=",
    "<>",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "IS",
    "NULL",
    "STARTS_WITH",
    "(",
    ")",
    ",",
    "'x'",
    "\"y\"",
    "'Running'",
    "'2026-03-01T12:00:00Z'",
    "7",
    "-1.5",
    "1e400",
    "true",
    "`",
    "'",
    "\\",
    "é",
    "\u{1F600}",
    "ORDER BY",
    "GROUP BY",
    "ASC",
    "\0",
    "~",
];

/// Pieces of the language in any order, and any characters: each text is read or refused.
#[test]
fn no_text_breaks_it() {
    let seed = std::process::id();
    println!("seed {seed}");
    let mut state = u64::from(seed) << 1 | 1;
    let mut random = move |below: usize| {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    };
    let listing = listing();
    let candidate = Candidate {
        listing: &listing,
        task_queue: "q",
        execution_time: listing.started_at,
    };
    let mut read = 0;
    for _ in 0..200_000 {
        let length = 1 + random(8);
        let text: String = (0..length)
            .map(|_| format!("{}{}", PIECES[random(PIECES.len())], [" ", ""][random(2)]))
            .collect();
        let Ok(query) = parse(&text) else {
            continue;
        };
        read += 1;
        let _selected = filter(query.condition.as_ref());
        if let Some(condition) = query.condition.filter(|found| check(found).is_ok()) {
            let _holds = holds(&condition, &candidate);
        }
    }
    assert!(read > 100, "only {read} texts were read");
}

#[test]
fn how_far_a_cancellation_has_come_can_be_asked_for() {
    let mut run = listing();
    run.cancel_state = CancelState::Requested;
    let is_listed = |text: &str| {
        let query = parse(text).unwrap();
        let candidate = Candidate {
            listing: &run,
            task_queue: "q",
            execution_time: run.started_at,
        };
        holds(&query.condition.unwrap(), &candidate)
    };
    assert_eq!(is_listed("CancelState = 'requested'"), Some(true));
    assert_eq!(is_listed("CancelState != 'none'"), Some(true));
    assert_eq!(
        is_listed("CancelState IN ('delivered', 'none')"),
        Some(false)
    );
    // Those of Temporal's that the host itself sets are as custom ones.
    for kept in ["TemporalChangeVersion", "TemporalReportedProblems"] {
        let query = parse(&format!("{kept} = 'x'")).unwrap();
        assert_eq!(check(&query.condition.unwrap()), Ok(()), "{kept}");
    }
    for (text, reason) in [
        (
            "CancelState = 'soon'",
            "CancelState \"soon\" is none of none, requested, ",
        ),
        ("CancelState = 7", "CancelState is compared with a text"),
        (
            "HistoryLength = 'abc'",
            "HistoryLength is compared with a number",
        ),
        (
            "cancelstate = 'none'",
            "there is no search attribute cancelstate: CancelState is meant",
        ),
        (
            "BatcherUser = 'x'",
            "search attribute BatcherUser is not kept here",
        ),
    ] {
        let refused = check(&parse(text).unwrap().condition.unwrap()).unwrap_err();
        assert!(refused.starts_with(reason), "{refused}");
    }
}
