//! Canceled after each event of its history, undisturbed and with crashes.

use crate::support::{each, swept};
use sandglass_engine::{EventId, Status, shorthand, skeleton};
use sandglass_tests::sweep::steps::{self, CrashAfter, Stepped};
use sandglass_tests::sweep::{Random, is_full, normal};
use std::collections::BTreeSet;

/// Places that are tried where not all are.
const SAMPLE: usize = 4;

fn run(cancel_after: Option<u64>, crash_after: CrashAfter) -> Stepped {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stepped = steps::run(swept(), cancel_after, crash_after);
    runtime.block_on(stepped).unwrap_or_else(|reason| {
        panic!("canceled after {cancel_after:?}, {crash_after:?}: {reason}")
    })
}

/// Compares the runs canceled at one place; how many times a host was dropped in them, and whether
/// they ended as canceled.
fn canceled_at(place: u64) -> (usize, bool) {
    let calm = run(Some(place), CrashAfter::Nothing);
    // Where a step fails while it is being canceled, the workflow goes on to its own end.
    let canceled = matches!(calm.status, Status::Canceled { .. });
    assert!(
        canceled || matches!(calm.status, Status::Completed { .. }),
        "canceled after event {place} it ended as {:?}: {}",
        calm.status,
        shorthand(&calm.events)
    );
    assert!(
        skeleton(&calm.events).contains("CR"),
        "{}",
        shorthand(&calm.events)
    );
    let crashed = [CrashAfter::OddCommits, CrashAfter::EvenCommits].map(|crash_after| {
        let crashed = run(Some(place), crash_after);
        let place = format!("canceled after event {place}, {crash_after:?}");
        assert_eq!(skeleton(&crashed.events), skeleton(&calm.events), "{place}");
        assert_eq!(normal(&crashed.events), normal(&calm.events), "{place}");
        crashed.crashes
    });
    (crashed.into_iter().sum(), canceled)
}

#[test]
fn a_cancellation_after_any_event_ends_alike_with_and_without_crashes() {
    let mut random = Random::seeded();
    let undisturbed = run(None, CrashAfter::Nothing);
    println!("stepped: {}", shorthand(&undisturbed.events));
    for crash_after in [CrashAfter::OddCommits, CrashAfter::EvenCommits] {
        let crashed = run(None, crash_after);
        assert_eq!(normal(&crashed.events), normal(&undisturbed.events));
    }
    let events = undisturbed.events.len() as u64;
    // Events of one commit become visible together: what is asked for between them comes after.
    let places: BTreeSet<u64> = (1..events)
        .filter_map(|event| steps::placed(&undisturbed.lengths, EventId(event)))
        .filter(|length| *length < events)
        .collect();
    let mut places: Vec<u64> = places.into_iter().collect();
    let all = places.len();
    if !is_full() {
        places = random.sample(places, SAMPLE);
    }
    let tried = places.len();
    let ends = each(places, canceled_at);
    let crashes: usize = ends.iter().map(|(crashes, _)| crashes).sum();
    let canceled = ends.iter().filter(|(_, canceled)| *canceled).count();
    assert!(
        !is_full() || canceled * 2 > tried,
        "{canceled} of {tried} ended as canceled"
    );
    println!(
        "cancel: {} events to be canceled after, at {all} places; {tried} places tried, each \
         undisturbed and with crashes after every commit: {crashes} crashes; {canceled} ended as \
         canceled",
        events - 1
    );
}
