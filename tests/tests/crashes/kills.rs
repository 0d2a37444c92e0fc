//! Killed from outside with SIGKILL, at moments spread over the processor time of a run, and then in
//! each phase that no such moment fell into.

use crate::support::{Case, PATIENCE, Undisturbed};
use sandglass::store::crash::Phase;
use sandglass_tests::sweep::{Random, is_full};
use std::collections::BTreeMap;
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

/// How much a run has to do: its processor time must be long beside the kernel's clock.
const PAIRS: usize = 8;

/// How often a phase is hunted for that no kill fell into.
const HUNTS: usize = 200;

/// Processor time of a process so far, in the kernel's ticks of 10 ms. `None`: it has ended.
fn cpu_ticks(child: &Child) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    if fields.first() == Some(&"Z") {
        return None;
    }
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// Waits until something is so, looking again and again. Whether the process still runs then.
fn until(child: &mut Child, pause: Duration, mut is_so: impl FnMut(&Child) -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if is_so(child) {
            return true;
        }
        assert!(begun.elapsed() < PATIENCE, "the process goes on for ever");
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
    }
}

/// Kills after this much processor time. The kernel's clock is coarse: within its tick the moment
/// is drawn. Whether the process was still there.
fn kill_after(child: &mut Child, ticks: u64, within: Duration) -> bool {
    let millisecond = Duration::from_millis(1);
    let there = until(child, millisecond, |child| {
        cpu_ticks(child).is_none_or(|spent| spent >= ticks)
    });
    std::thread::sleep(within);
    there && end(child)
}

/// Kills; whether that was what ended it.
fn end(child: &mut Child) -> bool {
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Kills as soon as the process is seen in this phase.
pub(crate) fn kill_in(case: &Case, child: &mut Child, phase: Phase) -> bool {
    let file = case.phases_file();
    until(child, Duration::ZERO, |_| {
        let threads = fs::read(&file).unwrap_or_default();
        threads
            .get(phase as usize)
            .is_some_and(|threads| *threads > 0)
    }) && end(child)
}

/// Hits by phase, in the order in which they are told.
struct Hits(BTreeMap<String, usize>);

impl Hits {
    fn new() -> Self {
        let names = Phase::ALL.map(|phase| format!("{phase:?}").to_lowercase());
        let all = names.into_iter().chain(["idle".to_owned()]);
        Self(all.map(|name| (name, 0)).collect())
    }

    fn add(&mut self, phases: &[Phase]) {
        let names = phases
            .iter()
            .map(|phase| format!("{phase:?}").to_lowercase());
        let idle = phases.is_empty().then(|| "idle".to_owned());
        for name in names.chain(idle) {
            *self.0.entry(name).or_default() += 1;
        }
    }

    fn of(&self, phase: Phase) -> usize {
        self.0[&format!("{phase:?}").to_lowercase()]
    }
}

/// Processor time of a run that nothing disturbs, in ticks.
fn undisturbed_ticks() -> u64 {
    let case = Case::new(PAIRS, false);
    let mut child = case.spawn(None);
    let mut spent = 0;
    until(&mut child, Duration::from_millis(1), |child| {
        spent = cpu_ticks(child).unwrap_or(spent);
        false
    });
    spent.max(1)
}

#[test]
fn kills_spread_over_the_run_change_nothing() {
    let mut random = Random::seeded();
    let undisturbed = Undisturbed::run(PAIRS, false);
    let ticks = undisturbed_ticks();
    let wanted = if is_full() { 100 } else { 8 };
    let (mut hits, mut kills, mut cases) = (Hits::new(), 0, 0);
    while kills < wanted {
        let case = Case::new(PAIRS, cases % 2 == 1);
        cases += 1;
        let mut deaths = Vec::new();
        // Two of each run: the second meets what only a host that takes up a run does.
        for _ in 0..2 {
            let place = ticks * kills as u64 / wanted as u64;
            let within = Duration::from_micros(random.below(10_000) as u64);
            if !kill_after(&mut case.spawn(None), place, within) {
                break;
            }
            hits.add(&case.phases());
            deaths.push(case.dead().unwrap());
            kills += 1;
        }
        // A run that was over before its moment came counts for nothing, and the next is tried
        // earlier.
        if deaths.is_empty() {
            let early = Case::new(PAIRS, false);
            let place = random.below(usize::try_from(ticks).unwrap()) as u64 / 2;
            if kill_after(&mut early.spawn(None), place, Duration::ZERO) {
                hits.add(&early.phases());
                let death = early.dead().unwrap();
                early.finish().unwrap();
                early.check(&undisturbed.history, &[death]).unwrap();
                kills += 1;
            }
        }
        case.finish().unwrap();
        case.check(&undisturbed.history, &deaths).unwrap();
    }
    println!(
        "kills: {kills} in {cases} runs, spread over {} ms of processor time",
        ticks * 10
    );
    println!("  hits per phase: {:?}", hits.0);
    if is_full() {
        hunt(&undisturbed, &mut hits);
    }
}

/// Kills in each phase that was not hit, or only seldom.
fn hunt(undisturbed: &Undisturbed, hits: &mut Hits) {
    let mut hunts = 0;
    for phase in Phase::ALL {
        while hits.of(phase) < 3 {
            hunts += 1;
            assert!(hunts <= HUNTS, "{phase:?} was not hit: {:?}", hits.0);
            let case = Case::new(PAIRS, true);
            let mut deaths = Vec::new();
            // Some phases are only in a host that takes up a run: the first kill makes one.
            if matches!(phase, Phase::Replay | Phase::Recovery) {
                kill_in(&case, &mut case.spawn(None), Phase::Activity);
                deaths.push(case.dead().unwrap());
            }
            if kill_in(&case, &mut case.spawn(None), phase) {
                hits.add(&case.phases());
                deaths.push(case.dead().unwrap());
            }
            case.finish().unwrap();
            case.check(&undisturbed.history, &deaths).unwrap();
        }
    }
    println!(
        "  and {hunts} aimed at phases that few or none fell into: {:?}",
        hits.0
    );
    for (phase, count) in &hits.0 {
        assert!(*count > 0, "no kill fell into the phase {phase}");
    }
}
