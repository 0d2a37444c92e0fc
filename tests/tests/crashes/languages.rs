//! Killed ten times, a run whose commands depend on all that its language might do differently in
//! another process goes on where it was: the order of collections, random numbers, dates, JSON,
//! floating point.

use crate::support::{Case, each};
use sandglass_tests::sweep::Random;

/// The guests that have the workflow `observe`.
const GUESTS: [&str; 4] = [
    "scenarios-python",
    "scenarios-js",
    "scenarios-spidermonkey",
    "scenarios-go",
];
const KILLS: usize = 10;
/// Each has three workflow tasks or more, and each life of the host makes at most three commits.
const ROUNDS: usize = 12;

/// Kills a run's host after one of its next commits, again and again.
fn killed(guest: &'static str, lives: &[u64]) -> Result<(), String> {
    let case = Case::observe(guest, ROUNDS);
    let mut deaths = Vec::new();
    for commits in lives {
        if case
            .run(Some(&format!("commit.after:{commits}")))?
            .success()
        {
            return Err(format!("{guest}: it has ended before the last kill"));
        }
        deaths.push(case.stored()?.map_or(0, |run| run.events.len()));
    }
    case.finish()?;
    let events = case.stored()?.ok_or("nothing is stored")?.events;
    println!("{guest}: killed at events {deaths:?} of {}", events.len());
    let types: Vec<_> = events
        .iter()
        .map(|event| event.attributes.event_type())
        .collect();
    let completed = types.last() == Some(&"WorkflowExecutionCompleted");
    // Code that does something else in its replay fails the workflow task.
    match completed && !types.contains(&"WorkflowTaskFailed") {
        true => Ok(()),
        false => Err(format!("{guest}: {}", sandglass_engine::shorthand(&events))),
    }
}

#[test]
fn ten_kills_change_nothing_in_any_language() {
    let mut random = Random::seeded();
    let lives = || {
        (0..KILLS)
            .map(|_| 1 + random.below(3) as u64)
            .collect::<Vec<_>>()
    };
    let cases: Vec<_> = GUESTS
        .into_iter()
        .zip(std::iter::repeat_with(lives))
        .collect();
    for result in each(cases, |(guest, lives)| killed(guest, &lives)) {
        result.unwrap();
    }
}
