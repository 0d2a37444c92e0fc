//! Killed at every named point, each time that the undisturbed run comes by.

use crate::support::{Case, Undisturbed, each};
use sandglass::crash::Phase;
use sandglass_tests::sweep::{Random, is_full};
use std::collections::BTreeMap;

/// Points that are tried of each evict mode where not all are.
const SAMPLE: usize = 12;

/// Points that only a host on a store with something in it comes by.
const AT_RECOVERY: [&str; 5] = [
    "note.before",
    "note.after",
    "recovery.before",
    "recovery.after",
    "replay.before",
];

/// What became of one case.
enum Became {
    /// It died there, and everything held afterwards.
    Passed,
    /// The process came to its end before the place with this index: how inputs are joined in
    /// commits depends on time.
    NotReached(usize),
    Failed(String),
}

/// Dies at the first place in a first process, at the others each in the next one, and is then run
/// to its end.
fn crashed_at(undisturbed: &Undisturbed, evict: bool, places: &[String]) -> Became {
    let case = Case::new(1, evict);
    let attempt = || {
        let mut deaths = Vec::new();
        for (index, place) in places.iter().enumerate() {
            if case.run(Some(place))?.success() {
                return Ok::<_, String>(Some(index));
            }
            deaths.push(case.dead()?);
        }
        case.finish()?;
        case.check(&undisturbed.history, &deaths)?;
        Ok(None)
    };
    match attempt() {
        Ok(None) => Became::Passed,
        Ok(Some(index)) => Became::NotReached(index),
        Err(reason) => Became::Failed(format!("{places:?} (evict: {evict}): {reason}")),
    }
}

/// The place at another occurrence: `commit.before:5@30000` for `commit.before:10@30000` and a half.
fn moved(place: &str, occurrence: impl FnOnce(u64) -> u64) -> Option<String> {
    let (name, rest) = place.split_once(':')?;
    let digits = rest.find(['@', '+']).unwrap_or(rest.len());
    let next = occurrence(rest[..digits].parse().ok()?);
    (next > 0).then(|| format!("{name}:{next}{}", &rest[digits..]))
}

/// Most times that a place gives way to another.
const MOVES_MAX: usize = 5;

/// Dies at these places, each in its process. What came by too rarely in one process may come by in
/// the next one. Of a sample each must count: a place that is never come by gives way to an earlier
/// one, and where the next process does not come by its own, too little had happened before: then
/// the first one dies later.
fn crashed(undisturbed: &Undisturbed, evict: bool, mut places: Vec<String>) -> (String, Became) {
    let last = places.last().expect("there is a place to die at");
    let name = last.split_once(':').unwrap().0.to_owned();
    let mut became = Became::NotReached(0);
    for _ in 0..=MOVES_MAX {
        for _ in 0..3 {
            became = crashed_at(undisturbed, evict, &places);
            if !matches!(became, Became::NotReached(_)) {
                return (name, became);
            }
        }
        let instead = match became {
            Became::NotReached(0) => moved(&places[0], |occurrence| occurrence / 2),
            _ => moved(&places[0], |occurrence| occurrence * 2 + 1),
        };
        match instead {
            Some(place) if !is_full() => {
                println!("  {places:?} was not reached, {place} in place of the first");
                places[0] = place;
            }
            _ => break,
        }
    }
    (name, became)
}

/// Tries all places and fails with all that went wrong, if anything did.
fn sweep(undisturbed: &Undisturbed, evict: bool, all: Vec<Vec<String>>) {
    let mut report: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let (mut failures, mut passed, mut missed) = (Vec::new(), 0_u32, 0_u32);
    for (name, became) in each(all, |places| crashed(undisturbed, evict, places)) {
        let counts = report.entry(name).or_default();
        match became {
            Became::Passed => (counts.0, passed) = (counts.0 + 1, passed + 1),
            Became::NotReached(_) => (counts.1, missed) = (counts.1 + 1, missed + 1),
            Became::Failed(reason) => failures.push(reason),
        }
    }
    for (name, (died, missed)) in &report {
        println!("  {name:<20} died {died:>3}, not reached {missed}");
    }
    println!(
        "points (evict: {evict}): {} points, {passed} crashes and recoveries, {missed} not reached, {} failed",
        report.len(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    // On a busy machine commits grow together; the last ones are then not reached.
    assert!(
        missed * 10 <= passed,
        "{missed} places of {passed} were not reached"
    );
}

fn places(counts: &BTreeMap<String, u64>) -> Vec<Vec<String>> {
    let of = |(name, count): (&String, &u64)| {
        (1..=*count)
            .map(|occurrence| vec![format!("{name}:{occurrence}")])
            .collect::<Vec<_>>()
    };
    counts.iter().flat_map(of).collect()
}

#[test]
fn a_crash_at_any_point_changes_nothing() {
    let mut random = Random::seeded();
    for evict in [false, true] {
        let undisturbed = Undisturbed::run(1, evict);
        for name in [
            "activity",
            "answer",
            "checkpoint",
            "commit",
            "component",
            "dispatch",
            "effect",
            "note",
            "recovery",
            "report",
            "socket",
            "task",
            "timer",
        ] {
            let both = [format!("{name}.before"), format!("{name}.after")];
            let reached = both
                .iter()
                .any(|point| undisturbed.counts.contains_key(point));
            assert!(reached || name == "activity", "{name} is never reached");
        }
        let mut all = places(&undisturbed.counts);
        println!(
            "{} points, reached {} times in all",
            undisturbed.counts.len(),
            all.len()
        );
        if !is_full() {
            all = random.sample(all, SAMPLE);
        }
        sweep(&undisturbed, evict, all);
    }
}

#[test]
fn nothing_is_told_or_done_before_its_commit() {
    let mut random = Random::seeded();
    let undisturbed = Undisturbed::run(1, false);
    // The writer is held for long enough that whatever did not wait for it shows.
    let held = places(&undisturbed.counts)
        .into_iter()
        .flatten()
        .filter(|place| place.starts_with("commit.before") || place.starts_with("commit.written"))
        .map(|place| vec![format!("{place}@30000")]);
    let count = if is_full() { usize::MAX } else { 5 };
    sweep(&undisturbed, false, random.sample(held.collect(), count));
}

#[test]
fn a_second_crash_while_the_first_is_mended_changes_nothing() {
    let mut random = Random::seeded();
    let undisturbed = Undisturbed::run(1, false);
    let all = places(&undisturbed.counts);
    let of_commits = all.into_iter().flatten().filter(|place| {
        place.starts_with("commit.") || place.starts_with("report.") || place.starts_with("task.")
    });
    let twice = of_commits
        .flat_map(|first| AT_RECOVERY.map(|second| vec![first.clone(), format!("{second}:1")]));
    let twice = twice.filter(|places| {
        // Only a run that has begun is replayed.
        let begun = places[0].split_once(':').is_some_and(|(_, n)| n != "1");
        begun || !places[1].starts_with("replay")
    });
    let count = if is_full() { 60 } else { 4 };
    sweep(&undisturbed, false, random.sample(twice.collect(), count));
}

#[test]
fn a_crash_in_the_middle_of_a_checkpoint_or_a_commit_changes_nothing() {
    let mut random = Random::seeded();
    let undisturbed = Undisturbed::run(1, false);
    let (mut inside, mut all) = (0, 0);
    for (point, phase) in [
        ("checkpoint.before:1", Phase::Checkpoint),
        ("commit.written:5", Phase::Commit),
    ] {
        let delays = (1..=if is_full() { 40 } else { 3 }).map(|_| random.below(1500) + 1);
        let crashes = each(delays.collect(), |micros| {
            let case = Case::new(1, false);
            let died = case.run(Some(&format!("{point}+{micros}")))?;
            assert!(!died.success(), "it dies wherever it is by then");
            let inside = case.phases().contains(&phase);
            let death = case.dead()?;
            case.finish()?;
            case.check(&undisturbed.history, &[death])?;
            Ok::<_, String>(inside)
        });
        for crash in crashes {
            inside += usize::from(crash.unwrap());
            all += 1;
        }
    }
    println!(
        "points: {all} crashes shortly after a checkpoint or a sync began, {inside} inside it"
    );
    assert!(!is_full() || inside > 0, "none of {all} crashes was inside");
}
