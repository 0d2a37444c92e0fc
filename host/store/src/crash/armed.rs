//! The counting and dying half of crash points, which only test builds have.

use super::Phase;
use std::{
    collections::BTreeMap,
    env,
    fs::File,
    os::unix::fs::FileExt as _,
    process,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Where to die, and how long after.
struct Death {
    point: String,
    occurrence: u64,
    after: Duration,
    /// Whether the thread that came there waits there.
    held: bool,
}

struct Points {
    death: Option<Death>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// `None` unless the environment asks for it: then a point costs one atomic load.
static POINTS: LazyLock<Option<Points>> = LazyLock::new(|| {
    let wanted = env::var("SANDGLASS_CRASH_AT").ok()?;
    Some(Points {
        death: (wanted != "list").then(|| {
            death(&wanted)
                .unwrap_or_else(|| panic!("SANDGLASS_CRASH_AT is {wanted:?}; see crash.rs"))
        }),
        counts: Mutex::default(),
    })
});

fn death(wanted: &str) -> Option<Death> {
    let (point, when) = wanted.rsplit_once(':')?;
    let (occurrence, micros) = when.split_once(['+', '@']).unwrap_or((when, "0"));
    Some(Death {
        point: point.into(),
        occurrence: occurrence.parse().ok()?,
        after: Duration::from_micros(micros.parse().ok()?),
        held: when.contains('@'),
    })
}

pub(super) fn point(name: &'static str) {
    let Some(points) = &*POINTS else { return };
    // Held until the death, so that no other thread is counted after it.
    let mut counts = points.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(name).or_default();
    *count += 1;
    match &points.death {
        Some(death) if death.point == name && death.occurrence == *count => {
            if death.after.is_zero() {
                process::abort();
            }
            let after = death.after;
            if death.held {
                drop(counts);
                thread::sleep(after);
                process::abort();
            }
            thread::spawn(move || {
                thread::sleep(after);
                process::abort();
            });
        }
        _ => {}
    }
}

/// How often each point was reached so far, by name. Empty unless the environment asks for counts.
#[must_use]
pub fn counts() -> BTreeMap<&'static str, u64> {
    let counts = POINTS.as_ref().map(|points| &points.counts);
    counts
        .map(|counts| {
            counts
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
        .unwrap_or_default()
}

/// How many threads are in each phase, and the file that shows it.
struct Phases {
    file: File,
    threads: Mutex<[u8; Phase::ALL.len()]>,
}

static PHASES: LazyLock<Option<Phases>> = LazyLock::new(|| {
    let path = env::var_os("SANDGLASS_CRASH_PHASES")?;
    let file = File::create(&path)
        .unwrap_or_else(|error| panic!("SANDGLASS_CRASH_PHASES={}: {error}", path.display()));
    Some(Phases {
        file,
        threads: Mutex::default(),
    })
});

pub(super) fn enter(phase: Phase) {
    change(phase, |threads| threads.saturating_add(1));
}

pub(super) fn leave(phase: Phase) {
    change(phase, |threads| threads.saturating_sub(1));
}

fn change(phase: Phase, change: impl FnOnce(u8) -> u8) {
    let Some(phases) = &*PHASES else { return };
    let mut threads = phases
        .threads
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let place = phase as usize;
    threads[place] = change(threads[place]);
    phases
        .file
        .write_all_at(&[threads[place]], place as u64)
        .expect("the file of phases was just made and is one byte for each phase");
}
