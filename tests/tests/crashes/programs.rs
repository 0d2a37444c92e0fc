//! Every program of the tests and examples, canceled before each event of its history, undisturbed
//! and with a crash after each commit.
//!
//! However it is canceled: the run closes, its compensations run once and in reverse, nothing starts
//! in a canceled scope, nothing follows the close, and its history replays.

use crate::support::each;
use sandglass_engine::{
    EventAttributes, HistoryEvent, Status, history, replay, shorthand, skeleton,
};
use sandglass_sandbox::{Sandbox, SandboxConfig, WorkflowComponent};
use sandglass_tests::sweep::programs::{
    ACTIVITIES, End, NOT_PLAYED, PROGRAMS, Program, STUBBORN, answer, component_of,
};
use sandglass_tests::sweep::stage::{self, MAIN, Part, Play, Played};
use sandglass_tests::sweep::{Random, invariants, is_full, normal, without_tasks};
use sandglass_tests::{compiled, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::{fs, panic};

/// Programs that are tried where not all are, and places of each.
const SAMPLE: (usize, usize) = (10, 1);

/// A component, for the stage and for replay.
#[derive(Clone)]
struct Loaded {
    bytes: Arc<Vec<u8>>,
    component: Arc<WorkflowComponent>,
}

fn loaded(folder: &'static str) -> Loaded {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    static ALL: Mutex<BTreeMap<&str, Loaded>> = Mutex::new(BTreeMap::new());
    let sandbox = SANDBOX.get_or_init(|| {
        let cache_dir = Some(compiled());
        Sandbox::new(SandboxConfig {
            cache_dir,
            ..SandboxConfig::default()
        })
        .unwrap()
    });
    let mut all = ALL.lock().unwrap();
    let load = || {
        let bytes = Arc::new(component_of(folder));
        let component = sandbox.load_workflow(&bytes).unwrap();
        Loaded { bytes, component }
    };
    all.entry(folder).or_insert_with(load).clone()
}

/// Where a program is canceled: as soon as its history has so many events.
#[derive(Debug, Clone, Copy)]
struct Place {
    program: &'static Program,
    events: Option<u64>,
}

impl Place {
    fn play(self, crash: bool) -> Played {
        let program = self.program;
        let loaded = loaded(program.folder);
        let play = Play {
            component: &loaded.bytes,
            workflow_type: program.workflow_type,
            arguments: program.arguments,
            signals: program.signals,
            activities: ACTIVITIES,
            stubborn: STUBBORN,
            // Attempts that let themselves be canceled and those that do not, in turns.
            answer: answer(self.events.is_none_or(|events| events % 2 == 0)),
            together: program.together,
            cancel_after: self.events,
            crash,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let played = runtime.block_on(stage::play(&play));
        for part in &played.parts {
            self.check(part, &loaded);
        }
        played
    }

    fn fail(self, part: &Part, reason: &str) -> ! {
        panic!(
            "{} canceled at {:?}: run {}: {reason}\n  {}",
            self.program.name(),
            self.events,
            part.workflow_id,
            shorthand(&events_of(part))
        )
    }

    /// What must hold of each history.
    fn check(self, part: &Part, loaded: &Loaded) {
        if let Err(reason) = invariants::check(&part.frames) {
            self.fail(part, &reason);
        }
        let silent = Arc::new(|_, _: &str, _: &str| {});
        let mut instance = loaded.component.instantiate(silent);
        if let Err(error) = replay(part.frames.clone(), Some(&mut instance)) {
            self.fail(part, &format!("it does not replay: {error}"));
        }
    }

    /// What a cancellation there comes to, undisturbed and with crashes.
    fn canceled(self) -> Tried {
        let calm = self.play(false);
        let crashed = self.play(true);
        for (calm, crashed) in calm.parts.iter().zip(&crashed.parts) {
            let (ours, theirs) = (events_of(calm), events_of(crashed));
            if self.form(&ours) != self.form(&theirs) {
                let reason = format!("with crashes it came to\n  {}", shorthand(&theirs));
                self.fail(calm, &reason);
            }
        }
        assert_eq!(calm.parts.len(), crashed.parts.len(), "{self:?}");
        // Whatever was new when the stage looked had been committed since the crash before.
        assert!(crashed.crashes + 1 >= crashed.lengths.len(), "{self:?}");
        // The run, and those that it continued as.
        let chain = || calm.parts.iter().filter(|part| part.workflow_id == MAIN);
        let main = chain().next_back().unwrap();
        let is_request = |part: &Part| skeleton(&events_of(part)).split(',').any(|w| w == "CR");
        if !chain().any(is_request) {
            self.fail(main, "it was not canceled");
        }
        match self.program.end {
            End::Closes if calm.stuck => self.fail(main, "it does not close"),
            // Where its main function had returned before, nothing can fail any more.
            End::Fails if !calm.stuck && !matches!(main.status, Status::Completed { .. }) => {
                self.fail(main, "it was to fail, and has closed");
            }
            _ => {}
        }
        Tried {
            crashes: crashed.crashes,
            canceled: matches!(main.status, Status::Canceled { .. }),
            completed: matches!(main.status, Status::Completed { .. }),
            runs: calm.parts.len() + crashed.parts.len(),
        }
    }

    /// The form in which two histories are compared.
    fn form(self, events: &[HistoryEvent]) -> Vec<String> {
        if !self.program.varies && self.program.end == End::Closes {
            // A host that stops between two local activities ends the workflow task they were in.
            let is_local = |event: &HistoryEvent| {
                matches!(&event.attributes, EventAttributes::MarkerRecorded { marker_name, .. }
                    if marker_name == "core_local_activity")
            };
            return match events.iter().any(is_local) {
                true => without_tasks(events),
                false => normal(events),
            };
        }
        let skeleton = skeleton(events);
        let mut words: Vec<String> = skeleton.split(',').map(str::to_owned).collect();
        if self.program.together {
            words.sort();
        }
        words
    }
}

struct Tried {
    crashes: usize,
    canceled: bool,
    completed: bool,
    runs: usize,
}

fn events_of(part: &Part) -> Vec<HistoryEvent> {
    history(part.frames.clone()).unwrap()
}

/// The places of a program at which something can come between: events of one commit become visible
/// together.
fn places(program: &'static Program) -> Vec<Place> {
    let start = Place {
        program,
        events: None,
    };
    let undisturbed = start.play(false);
    let mut lengths: BTreeSet<u64> = undisturbed.lengths.iter().copied().collect();
    lengths.pop_last(); // It has ended then.
    let place = |events| Place {
        program,
        events: Some(events),
    };
    lengths.into_iter().map(place).collect()
}

#[test]
fn every_program_is_canceled_before_each_event_with_and_without_crashes() {
    let mut random = Random::seeded();
    let mut programs: Vec<&'static Program> = PROGRAMS.iter().collect();
    if !is_full() {
        // A thousand activities take long, and are tried in full.
        programs.retain(|program| program.workflow_type != "join_all_1000");
        programs = random.sample(programs, SAMPLE.0);
    }
    let played = programs.len();
    let all: Vec<Vec<Place>> = each(programs, places);
    let there: usize = all.iter().map(Vec::len).sum();
    let chosen = all.into_iter().flat_map(|places| match is_full() {
        true => places,
        false => random.sample(places, SAMPLE.1),
    });
    // All are tried before the first that failed ends the test; what each said is printed.
    let tried = each(chosen.collect(), |place| {
        panic::catch_unwind(|| place.canceled())
    });
    let failed = tried.iter().filter(|tried| tried.is_err()).count();
    let tried: Vec<Tried> = tried.into_iter().flatten().collect();
    let count = |what: fn(&Tried) -> usize| tried.iter().map(what).sum::<usize>();
    println!(
        "cancel: {played} programs have {there} places to be canceled at; {} tried, each undisturbed \
         and with a crash after each commit: {} runs, {} crashes; {} ended as canceled, {} completed",
        tried.len(),
        count(|tried| tried.runs),
        count(|tried| tried.crashes),
        count(|tried| usize::from(tried.canceled)),
        count(|tried| usize::from(tried.completed)),
    );
    assert_eq!(failed, 0, "places failed: what is wrong with each is above");
    assert!(
        tried.iter().all(|tried| tried.crashes > 1),
        "hardly any crash"
    );
}

#[test]
fn every_guest_is_a_program_of_the_sweep() {
    let mut missing = Vec::new();
    for folder in ["examples", "tests/guests"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            let path = format!("{folder}/{}", name.to_str().unwrap());
            let is_crate = repository().join(&path).join("Cargo.toml").is_file();
            if !is_crate || NOT_PLAYED.iter().any(|(folder, _)| *folder == path) {
                continue;
            }
            let Some(known) = PROGRAMS.iter().find(|program| program.folder == path) else {
                missing.push(path);
                continue;
            };
            for name in loaded(known.folder).component.workflow_types() {
                let is_it =
                    |program: &&Program| program.folder == path && program.workflow_type == name;
                let full = format!("{path}::{name}");
                let is_played = PROGRAMS.iter().any(|program| is_it(&program));
                if !is_played && !NOT_PLAYED.iter().any(|(other, _)| *other == full) {
                    missing.push(full);
                }
            }
        }
    }
    assert!(
        missing.is_empty(),
        "not in tests/src/sweep/programs.rs: {missing:?}"
    );
}
