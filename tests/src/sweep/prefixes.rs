//! Every prefix of the committed frames of a history: what a host finds in a store that was cut
//! there, and what becomes of it when the rest happens again.
//!
//! The rows beside the frames are made from the history. Then a host opens that store; everything
//! that the rest of the record says reached the run is done again, at the same place and time:
//! signals, cancellation, timers, ends of activities. The outcome must be the same.

mod player;
mod store;

use super::{Random, is_full, normal, without_tasks};
use sandglass_engine::{
    Digest, EventAttributes, Frame, HistoryEvent, Input, Record, TaskOutcome, history, skeleton,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

/// Of histories that are longer than this only a sample is tried, and only where all prefixes of
/// the others are: each takes as long as they do.
const EVENTS_MAX: usize = 500;

/// Prefixes that are tried of one history where not all are.
const SAMPLE: usize = 1;

/// What the tests of this process have shown so far.
#[derive(Default)]
struct Shown {
    /// Bytes of the components that histories ran with.
    components: HashMap<Digest, Vec<u8>>,
    /// Histories that were checked: two that are the same are checked once.
    histories: BTreeSet<String>,
    prefixes: usize,
    random: Option<Random>,
}

fn shown() -> MutexGuard<'static, Shown> {
    static SHOWN: OnceLock<Mutex<Shown>> = OnceLock::new();
    let shown = SHOWN.get_or_init(Mutex::default);
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers a component that histories will be of.
pub fn remember(digest: Digest, bytes: &[u8]) {
    shown().components.insert(digest, bytes.to_vec());
}

/// The components that the workflow tasks of these frames ran with.
fn digests(frames: &[Frame]) -> impl Iterator<Item = Digest> + '_ {
    let records = frames.iter().flat_map(|frame| &frame.records);
    records.filter_map(|record| match record {
        Record::Task(task) => task.outcome.completed().map(|(digest, _)| digest),
        Record::Input { .. } | Record::Inputs(_) => None,
    })
}

/// The form in which the outcome is compared. Where it depends on when something came, it is
/// compared without the events of workflow tasks: of tasks that failed only some attempts are
/// recorded, and what came while a task ran was recorded together and comes one after another now.
fn outcome(events: &[HistoryEvent], frames: &[Frame]) -> Vec<String> {
    let depends = |record: &Record| match record {
        Record::Task(task) => matches!(task.outcome, TaskOutcome::Failed { .. }),
        Record::Inputs(_) => true,
        Record::Input { .. } => false,
    };
    let mut records = frames.iter().flat_map(|frame| &frame.records);
    if is_told_by_another(frames) {
        return vec![skeleton(events)];
    }
    if records.any(depends) {
        return without_tasks(events);
    }
    normal(events)
}

/// Whether a history can be continued from the frames of its run alone: it starts, signals and
/// cancels no other run, has no local activities, and is not one of a chain. Those that do are
/// recovered from each commit by the scenarios with a host for each commit, and by the cancel sweep, where all runs of a store
/// are as they were together.
fn is_alone(frames: &[Frame], events: &[HistoryEvent]) -> bool {
    let of_others = |event: &HistoryEvent| {
        let name = event.attributes.event_type();
        // How a local activity ended is no input that could be played: the task itself has it.
        let is_local = matches!(&event.attributes, EventAttributes::MarkerRecorded { marker_name, .. }
            if marker_name == "core_local_activity");
        let continues = name.contains("ContinuedAsNew");
        is_local || continues || name.contains("Child") || name.contains("External")
    };
    // A run that follows another, or may be followed, has its chain in the store with it; so has one
    // that a reset made.
    let is_chained = |input: &Input| match input {
        Input::Started(start) => start.chain != sandglass_engine::Chain::default(),
        Input::Reset(_) => true,
        _ => false,
    };
    let records = frames.iter().flat_map(|frame| &frame.records);
    let mut inputs = records.flat_map(Record::inputs);
    !events.iter().any(of_others) && !inputs.any(|(_, input)| is_chained(input))
}

/// Whether another run has started or canceled this one. Here a client does, so that the events do
/// not say who.
fn is_told_by_another(frames: &[Frame]) -> bool {
    let records = frames.iter().flat_map(|frame| &frame.records);
    records
        .flat_map(Record::inputs)
        .any(|(_, input)| match input {
            Input::Started(start) => start.parent.is_some(),
            Input::CancelRequested(request) => request.origin.is_some(),
            _ => false,
        })
}

/// What makes two histories the same here: the component, the events, and which of them came in one
/// frame.
fn kind(frames: &[Frame], events: &[HistoryEvent]) -> String {
    let ends: Vec<u64> = frames.iter().map(|frame| frame.next_event_id.0).collect();
    let Some(EventAttributes::WorkflowExecutionStarted(start)) =
        events.first().map(|event| &event.attributes)
    else {
        panic!("a history begins with a start");
    };
    let events = sandglass_engine::shorthand(events);
    format!("{} {} {events} {ends:?}", start.digest, start.workflow_type)
}

/// Continues a history from each prefix of its frames, or from a sample of them.
///
/// # Panics
/// If the outcome is another; the message has the prefix and both histories.
pub async fn check(frames: &[Frame]) {
    let recorded = history(frames.to_vec()).expect("the history was just read");
    if !is_alone(frames, &recorded) {
        println!(
            "left out, as it takes more than its run: {}",
            skeleton(&recorded)
        );
        return;
    }
    let expected = outcome(&recorded, frames);
    let (components, prefixes) = {
        let mut shown = shown();
        if !shown.histories.insert(kind(frames, &recorded)) {
            return;
        }
        let all = (1..=frames.len()).collect();
        let count = match (is_full(), recorded.len() <= EVENTS_MAX) {
            (true, true) => frames.len(),
            (true, false) | (false, true) => SAMPLE,
            (false, false) => 0,
        };
        let random = shown.random.get_or_insert_with(Random::seeded);
        let chosen = random.sample(all, count);
        shown.prefixes += chosen.len();
        (shown.components.clone(), chosen)
    };
    for prefix in &prefixes {
        let events = player::play(frames, *prefix, &components).await;
        assert_eq!(
            outcome(&events, frames),
            expected,
            "continued after {prefix} of {} frames, {} came to\n  {}\nand not to\n  {}",
            frames.len(),
            recorded.len(),
            sandglass_engine::shorthand(&events),
            sandglass_engine::shorthand(&recorded),
        );
    }
    let shown = shown();
    println!(
        "prefixes: {} of {} frames of {}; so far {} histories, {} prefixes",
        prefixes.len(),
        frames.len(),
        skeleton(&recorded).chars().take(60).collect::<String>(),
        shown.histories.len(),
        shown.prefixes,
    );
}
