//! One run of the swept workflow in processes of its own, and what must hold after its end.

use sandglass::store::{Reader as _, SqliteStore, crash::Phase};
use sandglass_engine::{EventAttributes, Frame, HistoryEvent, decode, history};
use sandglass_tests::sweep::{Ledger, closed, normal};
use sandglass_tests::{compiled, component, component_file};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a process may run before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The component of most cases.
pub(crate) fn swept() -> &'static Arc<Vec<u8>> {
    static BYTES: OnceLock<Arc<Vec<u8>>> = OnceLock::new();
    BYTES.get_or_init(|| Arc::new(component("tests/guests/sweep", "guest-sweep.wasm")))
}

/// One run, in one folder, in as many processes as it takes.
pub(crate) struct Case {
    folder: TempDir,
    pairs: usize,
    evict: bool,
    play: Play,
}

/// What a case's run is.
#[derive(Clone, Copy)]
enum Play {
    /// The workflow `saga` of `tests/guests/sweep`.
    Saga,
    /// The workflow `near` beside it, whose activities are local ones.
    Near,
    /// The workflow `observe` of this guest.
    Observe(&'static str),
}

/// The run as its store has it.
pub(crate) struct Stored {
    pub(crate) run_id: String,
    pub(crate) events: Vec<HistoryEvent>,
}

impl Case {
    /// `pairs`: how much the run has to do; `evict`: whether each workflow task begins with a replay.
    pub(crate) fn new(pairs: usize, evict: bool) -> Self {
        let folder = TempDir::new().unwrap();
        Self {
            folder,
            pairs,
            evict,
            play: Play::Saga,
        }
    }

    /// The same with local activities: the workflow `near`, with this many rounds.
    pub(crate) fn near(rounds: usize, evict: bool) -> Self {
        Self {
            play: Play::Near,
            ..Self::new(rounds, evict)
        }
    }

    /// The same with the workflow `observe` of a guest, with this many rounds.
    pub(crate) fn observe(guest: &'static str, rounds: usize) -> Self {
        Self {
            play: Play::Observe(guest),
            ..Self::new(rounds, false)
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a host on the run. `crash_at` is what `SANDGLASS_CRASH_AT` says.
    pub(crate) fn spawn(&self, crash_at: Option<&str>) -> Child {
        let (guest, workflow_type) = match self.play {
            Play::Saga => ("sweep", "saga"),
            Play::Near => ("sweep", "near"),
            Play::Observe(guest) => (guest, "observe"),
        };
        let (folder, file) = (
            format!("tests/guests/{guest}"),
            format!("guest-{guest}.wasm"),
        );
        let component = component_file(&folder, &file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sweep-host"));
        command
            .arg(self.folder.path())
            .arg(component)
            .arg(compiled())
            .args([workflow_type, &self.pairs.to_string()])
            .args(self.evict.then_some("evict"))
            .env("SANDGLASS_CRASH_PHASES", self.path("phases"))
            .env_remove("SANDGLASS_CRASH_AT")
            .envs(crash_at.map(|at| ("SANDGLASS_CRASH_AT", at)))
            .stdout(File::create(self.path("counts")).unwrap())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(self.path("log"))
                    .unwrap(),
            )
            .stdin(Stdio::null());
        command.spawn().unwrap()
    }

    /// Starts a host and waits for its end, which is that of the run, or a crash.
    pub(crate) fn run(&self, crash_at: Option<&str>) -> Result<ExitStatus, String> {
        let mut child = self.spawn(crash_at);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("the run does not end: {}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if status.success() || status.signal().is_some() {
            return Ok(status);
        }
        Err(format!("the host failed ({status}): {}", self.log()))
    }

    /// Runs it to its end, undisturbed.
    pub(crate) fn finish(&self) -> Result<(), String> {
        let status = self.run(None)?;
        if !status.success() {
            return Err(format!("the host ended by {status}: {}", self.log()));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// How often each crash point was reached by the last process, which ended by itself.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.path("counts")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The phases that the last process was in when it was killed. None: it was idle, or starting.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let threads = fs::read(self.path("phases")).unwrap_or_default();
        let busy = Phase::ALL.into_iter().zip(threads);
        busy.filter(|(_, threads)| *threads > 0)
            .map(|(phase, _)| phase)
            .collect()
    }

    pub(crate) fn phases_file(&self) -> PathBuf {
        self.path("phases")
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.folder.path())
    }

    /// The run, if the store has it.
    pub(crate) fn stored(&self) -> Result<Option<Stored>, String> {
        let store = self.path("store.db");
        let read = || {
            let reader = SqliteStore::open_read_only(&store)?;
            let Some(row) = reader.find("sweep", None)? else {
                return Ok(None);
            };
            Ok(Some((row.run_id, reader.frames(row.key)?)))
        };
        let found: Result<_, sandglass::store::Error> = read();
        let (run_id, frames) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            // A process that was killed before it had made the store has left none, or an empty one.
            Err(_) if !store.exists() => return Ok(None),
            Err(sandglass::store::Error::NotAStore { .. }) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let frames: Result<Vec<Frame>, _> = frames.iter().map(|bytes| decode(bytes)).collect();
        let events = history(frames.map_err(|error| error.to_string())?);
        let events = events.map_err(|error| error.to_string())?;
        Ok(Some(Stored { run_id, events }))
    }

    /// What must hold while the process is dead: whatever was acknowledged is there. Returns what
    /// must hold later on.
    pub(crate) fn dead(&self) -> Result<Dead, String> {
        let ledger = self.ledger();
        let acknowledged = ledger.acknowledged();
        let attempts = ledger.attempts().len();
        let Some(Stored { run_id, events }) = self.stored()? else {
            return match acknowledged.is_empty() {
                true => Ok(Dead {
                    attempts,
                    closed: BTreeSet::new(),
                }),
                false => Err(format!(
                    "acknowledged was {acknowledged:?}, stored is nothing"
                )),
            };
        };
        for what in acknowledged.iter().filter(|what| *what != "start") {
            let is_it = |event: &HistoryEvent| {
                matches!(&event.attributes, EventAttributes::WorkflowExecutionSignaled(signal)
                    if signal.request_id == **what)
            };
            if !events.iter().any(is_it) {
                return Err(format!("{what} was acknowledged and is lost"));
            }
        }
        Ok(Dead {
            attempts,
            closed: closed(&run_id, &events, |_| true),
        })
    }

    /// What must hold at the end.
    pub(crate) fn check(&self, undisturbed: &[String], deaths: &[Dead]) -> Result<(), String> {
        let stored = self.stored()?.ok_or("nothing is stored")?;
        let events = normal(&stored.events);
        if events != undisturbed {
            return Err(format!(
                "the history is not the undisturbed one:\n  {}\n{}",
                sandglass_engine::shorthand(&stored.events),
                difference(undisturbed, &events)
            ));
        }
        let ledger = self.ledger();
        ledger.check(&stored.run_id, &stored.events)?;
        let attempts = ledger.attempts();
        for death in deaths {
            let later = &attempts[death.attempts..];
            if let Some(again) = later.iter().find(|key| death.closed.contains(*key)) {
                return Err(format!("{again} had ended and was attempted again"));
            }
        }
        Ok(())
    }
}

/// What was so when a process had died.
pub(crate) struct Dead {
    /// Attempts that had begun.
    attempts: usize,
    /// Activities whose end was recorded.
    closed: BTreeSet<String>,
}

pub(crate) fn difference(expected: &[String], found: &[String]) -> String {
    let pairs = expected.iter().zip(found);
    let first = pairs.clone().find(|(expected, found)| expected != found);
    match first {
        Some((expected, found)) => format!("expected {expected}\nfound    {found}"),
        None => format!("{} events and not {}", found.len(), expected.len()),
    }
}

/// The history of a run that nothing disturbed, and how often it reached each crash point.
pub(crate) struct Undisturbed {
    pub(crate) history: Vec<String>,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Undisturbed {
    pub(crate) fn run(pairs: usize, evict: bool) -> Self {
        let case = Case::new(pairs, evict);
        let status = case.run(Some("list")).unwrap();
        assert!(status.success(), "{}", case.log());
        let stored = case.stored().unwrap().unwrap();
        case.ledger().check(&stored.run_id, &stored.events).unwrap();
        println!(
            "undisturbed: {}",
            sandglass_engine::shorthand(&stored.events)
        );
        Self {
            history: normal(&stored.events),
            counts: case.counts(),
        }
    }
}

/// Does something for each of `all`, as many at a time as there are cores.
pub(crate) fn each<T: Send, R: Send>(all: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let left = std::sync::Mutex::new(all.into_iter().enumerate());
    let done = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((place, one)) = next else { break };
                    let result = work(one);
                    done.lock().unwrap().push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
