//! What the attributes make of a function, as far as it can be seen without a host.
#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_guest::__private::bindings::activity::exports::sandglass::workflow::activity_handler::ActivityTask;
use sandglass_guest::__private::{Definition, attempt};
use sandglass_guest::{FailureInfo, FailureLink, Payload, decode, encode, prelude::*};

/// Counts from a number to 3, and says who asked.
#[activity(start_to_close = "10s", retry(maximum_attempts = 3))]
async fn count(mut from: u32, order: Order) -> Result<(u32, String), Failure> {
    while from < 3 {
        from += 1;
    }
    let info = activity::info();
    Ok((
        from,
        format!(
            "{} attempt {} of {}",
            order.name, info.attempt, info.idempotency_key
        ),
    ))
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Order {
    name: String,
}

/// Fails with an error of the standard library.
#[activity(name = "Parse number")]
async fn parse(text: String) -> Result<u8, std::num::ParseIntError> {
    text.parse()
}

/// Returns what an earlier attempt has left.
#[activity]
async fn resume() -> Result<Option<u32>, Failure> {
    Ok(activity::heartbeat_details())
}

/// Awaits what never comes.
#[activity]
async fn stuck() -> Result<(), Failure> {
    std::future::pending().await
}

/// An argument of the activity's own name must not get in its way.
#[activity]
async fn echo(echo: String) -> Result<String, Failure> {
    Ok(echo)
}

/// Is served by somebody else.
#[activity]
async fn elsewhere(order: Order) -> Result<(), Failure>;

/// Calls them all.
#[workflow]
async fn all(all: String) -> Result<u8, Failure> {
    let order = Order { name: all };
    echo(order.name.clone()).await?;
    stuck().detach();
    resume::call()
        .with(ActivityOptions::new().heartbeat(Duration::from_secs(1)))
        .start()
        .await?;
    let order = Order {
        name: count(1, order).await?.1,
    };
    elsewhere(order)
        .compensated_by(parse::call("1".to_owned()))
        .await?;
    parse("7".to_owned()).await
}

sandglass_guest::export! { workflows: [all], activities: [count, parse, resume, stuck, echo] }

fn task(activity_type: &str, arguments: Vec<Payload>) -> ActivityTask {
    ActivityTask {
        activity_type: activity_type.into(),
        arguments,
        header: Vec::new(),
        attempt: 2,
        idempotency_key: "run/5".into(),
        heartbeat_details: vec![encode(&42).unwrap()],
        workflow_id: "w".into(),
        run_id: "run".into(),
        activity_id: "1".into(),
        scheduled_at: 0,
        deadline: None,
        heartbeat_timeout: None,
    }
}

fn run(definition: Definition, arguments: Vec<Payload>) -> Result<Payload, Vec<FailureLink>> {
    attempt(&[definition], task(definition.name, arguments))
}

fn failure_type(links: &[FailureLink]) -> &str {
    match &links[0].info {
        FailureInfo::Application(application) => &application.failure_type,
        other => panic!("expected an application failure, got {other:?}"),
    }
}

#[test]
fn types_have_the_names_of_their_functions_unless_given_another() {
    assert_eq!(
        (count::NAME, parse::NAME, elsewhere::NAME),
        ("count", "Parse number", "elsewhere")
    );
    assert_eq!((all::NAME, all::__definition().name), ("all", "all"));
}

#[test]
fn an_attempt_runs_the_body_with_its_arguments() {
    let order = Order { name: "Ann".into() };
    let arguments = vec![encode(&1).unwrap(), encode(&order).unwrap()];
    let result = run(count::__definition(), arguments).unwrap();
    let (number, text): (u32, String) = decode(&result, "the result").unwrap();
    assert_eq!((number, text.as_str()), (3, "Ann attempt 2 of run/5"));
}

#[test]
fn an_attempt_is_given_the_details_of_the_one_before() {
    let result = run(resume::__definition(), Vec::new()).unwrap();
    assert_eq!(decode::<u32>(&result, "the result").unwrap(), 42);
}

#[test]
fn an_error_becomes_the_failure_of_the_attempt() {
    let links = run(parse::__definition(), vec![encode("x").unwrap()]).unwrap_err();
    assert_eq!(failure_type(&links), "ParseIntError");
}

#[test]
fn arguments_that_do_not_fit_are_refused_by_number_and_name() {
    let links = run(
        count::__definition(),
        vec![encode(&1).unwrap(), encode(&2).unwrap()],
    );
    let links = links.unwrap_err();
    assert_eq!(failure_type(&links), "PayloadDecoding");
    assert!(
        links[0]
            .message
            .starts_with("argument 2 (`order`) does not decode")
    );
}

#[test]
fn an_unknown_type_and_a_wait_without_end_are_failures() {
    let links = attempt(&[echo::__definition()], task("other", Vec::new())).unwrap_err();
    assert_eq!(failure_type(&links), "UnknownActivityType");
    let links = run(stuck::__definition(), Vec::new()).unwrap_err();
    assert_eq!(failure_type(&links), "Deadlock");
}

#[test]
#[should_panic(expected = "an activity was used outside a running workflow")]
fn an_activity_is_not_started_outside_a_workflow() {
    echo("x".to_owned()).detach();
}

#[test]
#[should_panic(expected = "activity::info was used outside an activity attempt")]
fn an_attempt_is_not_known_outside_one() {
    activity::info();
}
