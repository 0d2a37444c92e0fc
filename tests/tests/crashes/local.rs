//! Killed while a local activity is made, and around it: it is made again only if its result was
//! not stored, and its effect is there once.

use crate::{
    kills::kill_in,
    support::{Case, difference, each},
};
use sandglass::crash::Phase;
use sandglass_tests::sweep::{Random, is_full, without_tasks};
use std::collections::BTreeMap;

/// Rounds of three local activities each.
const ROUNDS: usize = 2;

/// Places that are tried beside those inside of an attempt, where not all are.
const SAMPLE: usize = 6;

/// What must be so at the end, whatever happened.
#[derive(Debug, PartialEq)]
struct End {
    /// Without the workflow tasks: a client that asks again after a crash whether the run was
    /// started ends the task that hosts local activities, which then go on in the next one.
    history: Vec<String>,
    /// Without the run ids.
    effects: Vec<String>,
}

fn end(case: &Case) -> End {
    let stored = case.stored().unwrap().unwrap();
    let effects = case.ledger().effects();
    let own = |key: &String| {
        let (run_id, own) = key.split_once('/').unwrap();
        assert_eq!(run_id, stored.run_id);
        own.to_owned()
    };
    End {
        history: without_tasks(&stored.events),
        effects: effects.iter().map(own).collect(),
    }
}

/// How often each attempt's key is there.
fn attempts(case: &Case) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for key in case.ledger().attempts() {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

fn undisturbed(evict: bool) -> (End, BTreeMap<String, u64>, BTreeMap<String, usize>) {
    let case = Case::near(ROUNDS, evict);
    assert!(case.run(Some("list")).unwrap().success());
    let end = end(&case);
    assert_eq!(end.effects.len(), 3 * ROUNDS, "{end:?}");
    (end, case.counts(), attempts(&case))
}

#[test]
fn a_crash_around_a_local_activity_changes_nothing() {
    let mut random = Random::seeded();
    for evict in [false, true] {
        let (expected, counts, _) = undisturbed(evict);
        let all = counts.iter().flat_map(|(name, count)| {
            (1..=*count).map(move |occurrence| format!("{name}:{occurrence}"))
        });
        let (inside, around): (Vec<_>, Vec<_>) =
            all.partition(|place| place.starts_with("effect."));
        assert_eq!(inside.len(), 2 * 3 * ROUNDS, "before and after each effect");
        let count = if is_full() { usize::MAX } else { SAMPLE };
        let places = [inside, random.sample(around, count)].concat();
        let died = each(places, |place| {
            let case = Case::near(ROUNDS, evict);
            // Places where commits are joined in another way are not always reached.
            let died = !case.run(Some(&place))?.success();
            let in_flight = place.starts_with("effect.");
            if in_flight && !died {
                return Err(format!("{place} was not reached"));
            }
            let begun = case.ledger().attempts();
            case.finish()?;
            let end = end(&case);
            if end != expected {
                let history = difference(&expected.history, &end.history);
                return Err(format!("{place}: {:?}, {history}", end.effects));
            }
            // What was in flight is made again, under its key.
            let again = begun.last().is_none_or(|key| {
                let later = &case.ledger().attempts()[begun.len()..];
                later.contains(key)
            });
            if in_flight && !again {
                return Err(format!("{place}: the attempt was not made again"));
            }
            Ok(died)
        });
        let died: Result<Vec<bool>, String> = died.into_iter().collect();
        let died = died.unwrap_or_else(|reason| panic!("{reason}"));
        let count = died.iter().filter(|died| **died).count();
        println!("local (evict: {evict}): {count} crashes of {}", died.len());
    }
}

#[test]
fn a_kill_from_outside_during_a_local_activity_changes_nothing() {
    let (expected, _, once) = undisturbed(false);
    let mut killed = 0;
    for _ in 0..20 {
        let case = Case::near(ROUNDS, false);
        killed += usize::from(kill_in(&case, &mut case.spawn(None), Phase::Activity));
        case.finish().unwrap();
        assert_eq!(end(&case), expected);
        assert_eq!(attempts(&case).len(), once.len());
        if killed == 2 {
            return;
        }
    }
    assert!(killed > 0, "no kill fell into an attempt");
}
