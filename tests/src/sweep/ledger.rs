//! The activities of the swept workflow. Their effects are lines of a real file, one for each
//! idempotency key; another file has a line for each attempt that began.

use sandglass::{ActivityContext, AttemptState, crash};
use sandglass_engine::{EventAttributes, Failure, FailureInfo, HistoryEvent, Payload};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The activity types of the swept workflow.
pub const ACTIVITIES: [&str; 6] = ["reserve", "charge", "ship", "release", "refund", "recall"];

/// What the activities of one folder's runs have done.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    /// Whether an effect is there is looked up and decided by one attempt at a time.
    deciding: Mutex<()>,
}

impl Ledger {
    /// The ledger in a folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            deciding: Mutex::default(),
        }
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.lines().map(Into::into).collect()
    }

    /// The keys of all effects, in order, each as often as it is there.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        self.lines("effects")
    }

    /// The keys of all attempts that began, in order.
    #[must_use]
    pub fn attempts(&self) -> Vec<String> {
        self.lines("attempts")
    }

    /// What a client was told: `start`, `approve-1` and so on.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<String> {
        self.lines("acknowledged")
    }

    /// Notes that a client was answered.
    pub fn acknowledge(&self, what: &str) {
        self.note("acknowledged", what);
    }

    /// Adds a line with one write: a killed process leaves all of it or nothing.
    fn note(&self, file: &str, line: &str) {
        let path = self.folder.join(file);
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .expect("the folder of the ledger is writable");
        file.write_all(format!("{line}\n").as_bytes())
            .expect("there is room for a line");
    }

    /// One attempt, from its begin to its report.
    ///
    /// # Errors
    /// The failures of the swept workflow: `charge` fails once, `ship` refuses the order `bad`,
    /// and accepts cancellation.
    pub fn attempt(
        &self,
        context: &ActivityContext,
        arguments: &[Payload],
    ) -> Result<Payload, Failure> {
        let info = context.info();
        self.note("attempts", &info.idempotency_key);
        match info.activity_type.as_str() {
            "charge" if info.attempt == 1 => {
                return Err(Failure::application("Busy", "the bank is busy"));
            }
            "ship" => {
                for parcel in ["1", "2", "3"] {
                    let state = context.heartbeat(vec![Payload::json(parcel)]);
                    if let AttemptState::CancelRequested(_) = state {
                        return Err(context.canceled(Vec::new()));
                    }
                }
                if arguments.iter().any(|order| order.data == b"\"bad\"") {
                    return Err(refused());
                }
            }
            _ => {}
        }
        crash::point("effect.before");
        {
            let _one = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.effects().contains(&info.idempotency_key) {
                self.note("effects", &info.idempotency_key);
            }
        }
        crash::point("effect.after");
        Ok(Payload::null())
    }

    /// Checks that each completed activity's effect is there exactly once, and no other.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, run_id: &str, events: &[HistoryEvent]) -> Result<(), String> {
        let effects = self.effects();
        let once: BTreeSet<String> = effects.iter().cloned().collect();
        if once.len() != effects.len() {
            return Err(format!("an effect is there twice: {effects:?}"));
        }
        let completed = closed(run_id, events, |attributes| {
            matches!(attributes, EventAttributes::ActivityTaskCompleted { .. })
        });
        if completed != once {
            return Err(format!(
                "completed were {completed:?}, effects are {once:?}"
            ));
        }
        Ok(())
    }
}

/// The keys of the activities that have ended in a way that `which` wants.
#[must_use]
pub fn closed(
    run_id: &str,
    events: &[HistoryEvent],
    which: impl Fn(&EventAttributes) -> bool,
) -> BTreeSet<String> {
    let ended = events.iter().filter(|event| which(&event.attributes));
    let ids = ended.filter_map(|event| match event.attributes {
        EventAttributes::ActivityTaskCompleted {
            scheduled_event_id, ..
        }
        | EventAttributes::ActivityTaskFailed {
            scheduled_event_id, ..
        }
        | EventAttributes::ActivityTaskTimedOut {
            scheduled_event_id, ..
        }
        | EventAttributes::ActivityTaskCanceled {
            scheduled_event_id, ..
        } => Some(scheduled_event_id),
        _ => None,
    });
    ids.map(|id| format!("{run_id}/{id}")).collect()
}

fn refused() -> Failure {
    Failure::new(
        "the carrier refused it",
        FailureInfo::Application {
            failure_type: "Refused".into(),
            non_retryable: true,
            details: Vec::new(),
            next_retry_delay: None,
        },
    )
}
