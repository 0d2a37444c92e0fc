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
/// Each takes two commits or more, and all lives of the host together make at most thirty.
const ROUNDS: usize = 16;

/// Kills a run's host after one of its next commits, again and again.
fn killed(guest: &'static str, lives: &[u64]) -> Result<(), String> {
    let case = Case::observe(guest, ROUNDS);
    let mut deaths = Vec::new();
    for commits in lives {
        if case
            .run(Some(&format!("commit.after:{commits}")))?
            .success()
        {
            return Err(format!(
                "{guest}: ended before kill {} of {KILLS}: {}",
                deaths.len() + 1,
                sandglass_engine::shorthand(&case.stored()?.map_or(Vec::new(), |run| run.events))
            ));
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
    // A life of one commit only takes the run up, and an attempt that three of them find in flight
    // counts as a failed one (`HostLost`).
    let lives = || {
        (0..KILLS)
            .map(|_| 2 + random.below(3) as u64)
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
