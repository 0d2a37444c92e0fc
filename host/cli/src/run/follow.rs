//! Follows one run to its end: shows its events, warns about what keeps it, passes Ctrl-C on.

use super::{
    IDENTITY,
    signals::{Request, Signals},
    stop,
};
use crate::{
    description,
    exit::{Exit, Stop},
    history, outcome,
    output::{self, note},
    terminal,
    time::length,
};
use sandglass::{
    ActivityDescription, CancelOptions, Disposition, Error, Host, RunDescription, RunHandle,
    TaskDescription,
};
use sandglass_engine::{EventId, Failure, Millis, Status, Timestamp};
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// An activity that has no worker for this long is warned about.
const UNSERVED: Millis = Millis(2000);

/// Attempts of one workflow task after which the host gives up. By then a try is a long wait off,
/// so a run that is taken up after that many gets one more.
const TASK_ATTEMPTS_MAX: u32 = 5;

/// How long the store may fail before the host gives up.
const TROUBLE_MAX: Duration = Duration::from_secs(5);

/// Reading the history may take at most one part in this many of the time.
const READING_SHARE: u32 = 10;

/// Lines of the live view about what the run waits for.
const VIEW_LINES: usize = 12;

/// How following ended.
#[derive(Debug)]
pub(super) enum Over {
    /// The run has ended like this.
    Ended(Box<RunDescription>),
    /// The host stops; the run has not ended.
    StaysOpen {
        /// Its workflow id.
        id: String,
        /// Why the host stops.
        why: String,
        /// The store failed it.
        trouble: bool,
    },
}

/// What is known of a run before it is followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// How many events it has.
    pub(crate) events: u64,
    /// Which attempt of its workflow task is next, from 1.
    pub(crate) task_attempt: u32,
}

impl Known {
    /// Of a new run.
    pub(crate) const NEW: Self = Self {
        events: 0,
        task_attempt: 1,
    };
}

/// What is known of the run that is followed.
pub(super) struct Follower<'a> {
    host: &'a Host,
    run: &'a RunHandle,
    /// No activity component was given.
    no_activities: bool,
    /// Events that were shown.
    shown: u64,
    /// No reading of the history before this moment.
    read_again: Instant,
    warned: HashSet<(String, String)>,
    /// Activity types that were warned about because they give no sign of life.
    silent: HashSet<String>,
    /// The attempt of the workflow task that this host began with: earlier ones failed on others.
    first_attempt: u32,
    /// Failed attempts that were told of, of activities by their scheduled events.
    told: HashMap<EventId, u32>,
    /// Since when the store has been failing the run, and how many events there were then.
    trouble: Option<(Instant, u64)>,
    interrupts: u32,
}

impl<'a> Follower<'a> {
    /// Follows `run`. `no_activities`: no component was given that could serve its activities.
    pub(super) fn new(
        host: &'a Host,
        run: &'a RunHandle,
        known: Known,
        no_activities: bool,
    ) -> Self {
        Self {
            host,
            run,
            no_activities,
            shown: known.events,
            read_again: Instant::now(),
            warned: HashSet::new(),
            silent: HashSet::new(),
            first_attempt: known.task_attempt,
            told: HashMap::new(),
            trouble: None,
            interrupts: 0,
        }
    }

    /// How a run that has ended stands, after its last events.
    async fn last_look(&mut self) -> Result<RunDescription, Stop> {
        self.show_events().await?;
        self.run.describe().await.map_err(gone)
    }

    /// Returns when the run has ended or the host cannot go on.
    ///
    /// # Errors
    /// The store or the host failed. The run stays open.
    pub(super) async fn follow(mut self, signals: &mut Signals) -> Result<Over, Stop> {
        let result = self.run.wait_closed();
        tokio::pin!(result);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = &mut result => {
                    let status = ended.map_err(stop)?;
                    terminal::draw(Vec::new());
                    return match self.last_look().await {
                        Err(stop) if stop.exit == Exit::Terminated => Err(deleted(&status)),
                        looked => looked.map(|run| Over::Ended(Box::new(run))),
                    };
                }
                request = signals.next() => {
                    if let Some(over) = self.asked(request) {
                        return Ok(over);
                    }
                }
                _ = looks.tick() => {
                    if let Some(over) = self.look().await? {
                        return Ok(over);
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Result<Option<Over>, Stop> {
        let mut run = self.run.describe().await.map_err(gone)?;
        if run.history_length > self.shown && Instant::now() >= self.read_again {
            self.show_events().await?;
            run = self.run.describe().await.map_err(gone)?;
        }
        self.warn_unserved();
        self.warn_silent(&run);
        let now = self.host.now();
        if terminal::is_live() {
            terminal::draw(view(&run, now));
        } else {
            self.tell_failed_attempts(&run, now);
        }
        if let Some(why) = self.in_trouble(&run) {
            return Ok(Some(self.stays_open(why, true)));
        }
        Ok(self.failing(&run).map(|why| self.stays_open(why, false)))
    }

    /// Tells of each attempt of an activity that failed, where no live view does.
    fn tell_failed_attempts(&mut self, run: &RunDescription, now: Timestamp) {
        for activity in &run.activities {
            let failed = activity.attempt.saturating_sub(1);
            let told = self.told.get(&activity.scheduled_event_id).copied();
            let told = told.unwrap_or(0);
            if let Some(failure) = activity.last_failure.as_ref().filter(|_| failed > told) {
                self.told.insert(activity.scheduled_event_id, failed);
                note(&failed_attempts(activity, told + 1, failure, now));
            }
        }
    }

    /// Shows the events that are new, but not those of the mechanics of workflow tasks.
    async fn show_events(&mut self) -> Result<(), Stop> {
        let began = Instant::now();
        let events = self.run.history().await.map_err(gone)?;
        let start = events
            .first()
            .map(|event| event.event_time)
            .unwrap_or_default();
        let shown = usize::try_from(self.shown).unwrap_or(usize::MAX);
        let new = events.iter().skip(shown);
        let told = new.filter(|event| !history::is_mechanics(&event.attributes));
        output::notes(told.map(|event| history::line(event, start, &events)));
        self.shown = events.len() as u64;
        // A long history is read as a whole each time: not so often that the run is slowed down.
        self.read_again = Instant::now() + began.elapsed() * READING_SHARE;
        Ok(())
    }

    /// Warns once of each type of activities whose attempts could be stuck without a sign (S57).
    fn warn_silent(&mut self, run: &RunDescription) {
        for activity in run.activities.iter().filter(|one| one.lacks_heartbeat) {
            if self.silent.insert(activity.activity_type.clone()) {
                note(&format!(
                    "warning: activity {}: {}",
                    activity.activity_type,
                    description::LACKS_HEARTBEAT
                ));
            }
        }
    }

    /// Warns once about each activity type that nobody serves.
    fn warn_unserved(&mut self) {
        let now = self.host.now();
        for waiting in self.host.unserved() {
            let ours = waiting.workflow_id == self.run.workflow_id();
            if !ours || now.since(waiting.since) < UNSERVED {
                continue;
            }
            let queue = if waiting.task_queue.is_empty() {
                "default"
            } else {
                &waiting.task_queue
            };
            let key = (waiting.activity_type.clone(), queue.to_owned());
            if self.warned.insert(key) {
                note(&unserved(
                    &waiting.activity_type,
                    queue,
                    &self.host.activity_types(),
                    self.no_activities,
                ));
            }
        }
    }

    /// How the store fails the run, if it has for long.
    fn in_trouble(&mut self, run: &RunDescription) -> Option<String> {
        // Between two tries a run has no trouble for a moment; only an event more ends it.
        if self
            .trouble
            .as_ref()
            .is_some_and(|(_, events)| run.history_length > *events)
        {
            self.trouble = None;
        }
        let trouble = run.trouble.as_ref()?;
        let now = (Instant::now(), run.history_length);
        let (since, _) = self.trouble.get_or_insert(now);
        (since.elapsed() >= TROUBLE_MAX).then(|| trouble.clone())
    }

    /// How its workflow task fails again and again, if it does on this host.
    fn failing(&mut self, run: &RunDescription) -> Option<String> {
        let attempt = run.task.as_ref().map_or(1, |task| task.attempt);
        // A lower one is of another task, of which this host has seen every attempt.
        self.first_attempt = self.first_attempt.min(attempt);
        let is_over = attempt > TASK_ATTEMPTS_MAX && attempt > self.first_attempt;
        run.task.as_ref().filter(|_| is_over).and_then(failures)
    }

    fn stays_open(&self, why: impl Into<String>, trouble: bool) -> Over {
        Over::StaysOpen {
            id: self.run.workflow_id().to_owned(),
            why: why.into(),
            trouble,
        }
    }

    /// Passes on what somebody asks for. Does not wait: the run's code may be busy.
    fn asked(&mut self, request: Request) -> Option<Over> {
        if request == Request::Stop {
            return Some(self.stays_open("asked to stop", false));
        }
        self.interrupts += 1;
        let run = self.run.clone();
        match self.interrupts {
            1 => {
                note("canceling: the workflow may clean up; Ctrl-C again terminates it");
                tokio::spawn(async move { cancel(&run).await });
            }
            2 => {
                note("terminating");
                tokio::spawn(async move {
                    // An error means that the run has ended by itself meanwhile.
                    let _ended = run.terminate("interrupted twice", IDENTITY).await;
                });
            }
            _ => return Some(self.stays_open("interrupted a third time", false)),
        }
        None
    }
}

async fn cancel(run: &RunHandle) {
    let options = CancelOptions {
        identity: IDENTITY.into(),
        ..CancelOptions::reason("interrupt")
    };
    match run.cancel(options).await {
        Ok(response) if response.disposition == Disposition::AlreadyRequested => {
            note("cancellation was requested before");
        }
        Ok(_) => {}
        Err(error) => note(&format!("error: cannot cancel: {error}")),
    }
}

/// All there is to say about a workflow task that failed.
fn failures(task: &TaskDescription) -> Option<String> {
    let (cause, failure) = task.last_failure.as_ref()?;
    let times = task.attempt.saturating_sub(1);
    let mut text = format!("its workflow task failed {times} times, {cause:?}: {failure}");
    if !failure.stack_trace.is_empty() {
        text += &format!("\n{}\n", failure.stack_trace.trim_end());
    }
    Some(text)
}

/// The attempts of an activity from `first` on have failed.
fn failed_attempts(
    activity: &ActivityDescription,
    first: u32,
    failure: &Failure,
    now: Timestamp,
) -> String {
    let next = activity.attempt;
    let which = match next - 1 {
        last if last > first => format!("attempts {first} to {last}"),
        last => format!("attempt {last}"),
    };
    let due = activity.next_attempt_at.filter(|at| *at > now);
    let then = due.map_or("now".into(), |at| format!("in {}", length(at.since(now))));
    let (name, id) = (&activity.activity_type, &activity.activity_id);
    let failure = output::shorten(&output::one_line(&failure.to_string()), 400);
    format!("activity {name} [{id}] {which} failed: {failure}; attempt {next} {then}")
}

fn unserved(activity_type: &str, queue: &str, served: &[String], none_given: bool) -> String {
    let mut text =
        format!("warning: no worker serves the activity '{activity_type}' on queue {queue}; ");
    text += &match served {
        [] => "no activity is registered".into(),
        served => format!("registered are {}", served.join(", ")),
    };
    if none_given {
        text += "; give its component with --activities";
    }
    text
}

/// The live view.
fn view(run: &RunDescription, now: Timestamp) -> Vec<String> {
    let mut lines = vec![format!(
        "── {}  {}  {}  {} events",
        run.workflow_id,
        description::status_text(run),
        length(now.since(run.started_at)),
        run.history_length
    )];
    // Only what is shown is put into words: a run may wait for thousands.
    let mut waiting = description::waiting(run, now);
    for (label, text) in waiting.by_ref().take(VIEW_LINES) {
        let text = output::shorten(&output::one_line(&text), 400);
        lines.push(format!("  {label} {text}"));
    }
    let more = waiting.count();
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines
}

/// A run that has ended, and was deleted before it was looked at.
fn deleted(status: &Status) -> Stop {
    let name = status.name();
    Stop {
        exit: outcome::exit(status),
        error: anyhow::anyhow!("the run has ended as {name} and was deleted at once"),
    }
}

/// A run that was there and is not any more was deleted, which has terminated it before.
fn gone(error: Error) -> Stop {
    match error {
        Error::NotFound { .. } | Error::Deleted(_) => Stop {
            exit: Exit::Terminated,
            error: anyhow::anyhow!("the run was terminated and deleted: {error}"),
        },
        other => stop(other),
    }
}
