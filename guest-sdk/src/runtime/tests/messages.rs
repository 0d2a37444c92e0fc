//! Queries, updates, patches and attributes.

use std::cell::Cell;

use sandglass_guest_bindings::workflow::exports::sandglass::workflow::guest::Update;

use super::*;
use crate::attributes;

fn asked(name: &str, arguments: &[Payload]) -> Result<String, String> {
    match answer_query(name, arguments) {
        Ok(value) => Ok(String::from_utf8(value.data).unwrap()),
        Err(links) => Err(links[0].message.clone()),
    }
}

fn request(id: &str, name: &str, value: u32) -> Update {
    Update {
        id: id.into(),
        name: name.into(),
        arguments: vec![encode(&value).unwrap()],
        header: Vec::new(),
        requester: String::new(),
    }
}

fn update_with(id: &str, name: &str, value: u32) -> Vec<String> {
    send(Event::UpdateRequested(request(id, name, value)))
}

/// Counts up to 10 by `add`, each addition after a timer; `total` asks.
async fn counter() -> Result<u32, Failure> {
    let total = Rc::new(Cell::new(0));
    query("total", {
        let total = Rc::clone(&total);
        move |()| Ok(total.get())
    });
    query("times", {
        let total = Rc::clone(&total);
        move |(factor, offset): (u32, u32)| Ok(total.get() * factor + offset)
    });
    query("starts", |()| {
        drop(minute());
        Ok(())
    });
    update("add", {
        let total = Rc::clone(&total);
        move |more: u32| {
            let total = Rc::clone(&total);
            async move {
                minute().await?;
                total.set(total.get() + more);
                Ok(total.get())
            }
        }
    })
    .validated(|more: &u32| match more {
        0 => Err(Failure::application("Nothing", "nothing to add")),
        _ => Ok(()),
    });
    wait_until(|| total.get() >= 10).await?;
    wait_until(all_handlers_finished).await?;
    Ok(total.get())
}

#[test]
fn queries_look_at_the_state_also_after_the_end() {
    start(counter);
    assert_eq!(asked("total", &[]), Ok("0".into()));
    update_with("u1", "add", 12);
    assert_eq!(asked("total", &[]), Ok("0".into()));
    let asked_for = fired(2);
    let answer_and_end = asked_for.iter().map(String::as_str);
    let answer_and_end: Vec<_> = answer_and_end
        .filter(|line| !line.contains("wait"))
        .collect();
    assert_eq!(answer_and_end, ["update u1: 12", "completed 12"]);
    assert_eq!(asked("total", &[]), Ok("12".into()));
    let both = [encode(&2).unwrap(), encode(&1).unwrap()];
    assert_eq!(asked("times", &both), Ok("25".into()));
}

#[test]
fn an_unknown_query_names_those_that_there_are() {
    start(counter);
    let unknown = asked("status", &[]).unwrap_err();
    assert_eq!(
        unknown,
        "no query `status`; there are: `starts`, `times`, `total`"
    );
    let unlike = asked("total", &[encode(&"x").unwrap()]).unwrap_err();
    assert!(unlike.contains("the argument of query `total`"), "{unlike}");
    start(|| async { minute().await });
    let none = asked("status", &[]).unwrap_err();
    assert_eq!(none, "no query `status`; there are none");
}

#[test]
#[should_panic(expected = "a command where it may only look")]
fn a_query_that_starts_something_is_one_too_many() {
    start(counter);
    fake::look();
    drop(asked("starts", &[]));
}

#[test]
fn a_validator_is_asked_before_and_its_refusal_changes_nothing() {
    start(counter);
    let refused = validate_update(&request("u1", "add", 0)).unwrap_err();
    assert_eq!(refused[0].message, "nothing to add");
    validate_update(&request("u2", "add", 1)).unwrap();
    let unknown = validate_update(&request("u3", "sub", 1)).unwrap_err();
    assert_eq!(unknown[0].message, "no update `sub`; there are: `add`");
    let mut unlike = request("u4", "add", 1);
    unlike.arguments = vec![encode(&"x").unwrap()];
    assert!(validate_update(&unlike).is_err());
    assert!(take().is_empty(), "nothing was asked of the host");
}

#[test]
fn handlers_run_beside_each_other_and_their_answers_have_the_right_ids() {
    start(counter);
    assert_eq!(update_with("u1", "add", 1), ["2 timer 60000 in 0"]);
    assert_eq!(update_with("u2", "add", 2), ["3 timer 60000 in 0"]);
    assert_eq!(fired(3), ["update u2: 2"]);
    assert_eq!(fired(2), ["update u1: 3"]);
    assert_eq!(update_with("u3", "sub", 2).len(), 1, "refused at once");
}

#[test]
fn updates_before_the_start_wait_for_their_handler() {
    fresh();
    assert!(update_with("early", "add", 3).is_empty());
    assert!(update_with("refused", "add", 0).is_empty());
    assert!(update_with("unknown", "sub", 0).is_empty());
    let asked_for = begin_run(counter);
    assert_eq!(
        asked_for,
        [
            "1 wait condition in 0",
            "2 timer 60000 in 0",
            "update refused failed: nothing to add",
            "update unknown failed: no update `sub`; there are: `add`",
        ]
    );
    assert_eq!(fired(2), ["update early: 3"]);
}

#[test]
fn what_a_handler_waits_for_is_canceled_with_the_run() {
    start(counter);
    update_with("u1", "add", 1);
    cancel_run();
    let outcome = Err(fake::canceled());
    let operation = 2;
    let answered = send(Event::TimerFired(Resolution { operation, outcome }));
    assert_eq!(answered, ["update u1 failed: canceled"]);
}

#[test]
fn patches_and_attributes_are_the_hosts() {
    let asked_for = start(|| async {
        if patched("p1") && !patched("unknown to this run") {
            deprecate_patch("p2");
        }
        attributes::set_memo("note", &"n")?;
        let note: Option<String> = attributes::memo("note")?;
        attributes::remove_memo("note");
        assert_eq!(attributes::memo::<String>("note")?, None);
        attributes::set_search("Customer", "c1");
        let total = attributes::search("Total");
        assert_eq!(total, Some(attributes::SearchValue::Int(5)));
        Ok(note)
    });
    assert_eq!(
        asked_for,
        [
            "patch p1",
            "patch unknown to this run",
            "deprecated patch p2",
            "memo note: \"n\"",
            "memo note: ",
            "search attributes [(\"Customer\", Some(SearchValue::Keyword(\"c1\")))]",
            "completed \"n\"",
        ]
    );
}
