//! One open run in memory: what waits for it, what it waits for, and who is working on it.
//!
//! The phases go Idle, Queued, Running, Committing and back: one thread at a time works on a run,
//! and a run has at most one uncommitted frame. Everything but the resident guest survives
//! eviction.

use crate::{
    activity::{Slot, local::LocalSlot},
    clock::lock,
    component::{GuestInstance, Interrupt},
    error::Error,
    task::{computing::Computing, hosting::Hosting},
    update::Updates,
    writer::Token,
};
use sandglass_engine::{
    Digest, EventId, Input, InputError, OperationId, Payload, Run, RunSummary, Status, Task,
    Timestamp, Update, encode,
};
use sandglass_store::{RunKey, RunRow};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::{oneshot, watch};

/// One open run.
pub(crate) struct RunCell {
    pub(crate) key: RunKey,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    /// The first run of its chain.
    pub(crate) first_run_id: String,
    pub(crate) workflow_type: String,
    pub(crate) request_id: String,
    pub(crate) progress: watch::Sender<Progress>,
    /// Whether the progress is final: who waits for that alone is not woken at each commit.
    over: watch::Sender<bool>,
    pub(crate) updates: Updates,
    state: Mutex<CellState>,
}

/// How far the committed history of a run has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Progress {
    pub(crate) next_event_id: EventId,
    /// Set when the run has ended.
    pub(crate) closed: Option<Status>,
    /// The run that follows it.
    pub(crate) successor: Option<String>,
    /// The run could not even be started: the commit failed.
    pub(crate) lost: Option<String>,
    /// The host has stopped: nothing comes after this.
    pub(crate) stopped: bool,
}

impl Progress {
    /// Whether it stays as it is.
    pub(crate) fn is_final(&self) -> bool {
        self.closed.is_some() || self.lost.is_some() || self.stopped
    }
}

/// Who is working on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody.
    Idle,
    /// It waits for a thread of the pool.
    Queued,
    /// A thread of the pool.
    Running,
    /// Nobody: its workflow task waits for local activities.
    Waiting,
    /// The writer.
    Committing,
    /// Nobody any more.
    Closed,
}

pub(crate) struct CellState {
    pub(crate) phase: Phase,
    pub(crate) mailbox: Vec<Mail>,
    pub(crate) resident: Option<Resident>,
    pub(crate) head: Arc<Head>,
    pub(crate) activities: BTreeMap<EventId, Slot>,
    /// Local activities that have not ended, or whose end is not committed.
    pub(crate) locals: BTreeMap<OperationId, LocalSlot>,
    /// How many of them have ended so far.
    pub(crate) locals_ended: u64,
    /// The workflow task that waits for them.
    pub(crate) hosting: Option<Box<Hosting>>,
    pub(crate) timers: BTreeMap<EventId, Timestamp>,
    /// The step that a thread is at.
    pub(crate) step: Option<Token>,
    /// The guest that computes in it.
    pub(crate) computing: Option<Computing>,
    /// When a workflow task began that is to be given up: its guest is not waited for.
    pub(crate) taken_over: Option<Timestamp>,
    /// What ends the running delivery, while there is one.
    pub(crate) interrupt: Option<Interrupt>,
    /// A terminate or timeout waits in the mailbox: the running task is to be abandoned.
    pub(crate) force: bool,
    /// No workflow task before this time, unless an input arrives.
    pub(crate) retry_at: Option<Timestamp>,
    /// Times in a row that the store failed this run.
    pub(crate) store_failures: u32,
    /// Another try is planned.
    pub(crate) store_retry: bool,
    /// What keeps the run from going on, for people.
    pub(crate) trouble: Option<String>,
    /// It was warned of the size of its history.
    pub(crate) history_warned: bool,
    /// Cancel requests after the first that are recorded, or about to be.
    pub(crate) repeats: u64,
    /// A request to cancel that arrived during a workflow task and is on disk, beside the history.
    pub(crate) cancel_kept: Option<Input>,
    /// How many requests after that have been stored beside the history.
    pub(crate) repeats_kept: u64,
    /// Who waits until the rows of activities are stored as they are now.
    pub(crate) row_acks: Vec<Ack>,
    /// Rows of activities are with the writer as they were before the workflow task that runs: none
    /// of them is stored meanwhile, or an older one might come after a newer one.
    pub(crate) rows_offered: bool,
}

/// What is committed of a run, as far as later frames need it.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) row: RunRow,
    pub(crate) summary: RunSummary,
    /// Sequence number of the next frame, from 1; 0 for a run taken up from the store and not yet
    /// rebuilt.
    pub(crate) next_seq: u64,
}

impl Head {
    /// Requests to cancel the run have come so often after the first.
    pub(crate) fn count_repeats(&mut self, repeats: u64) {
        if self.summary.cancel_repeats != repeats {
            self.summary.cancel_repeats = repeats;
            self.row.summary = encode(&self.summary);
        }
    }
}

/// A run's state with its guest, as of its last frame.
pub(crate) struct Resident {
    pub(crate) run: Box<Run>,
    pub(crate) instance: Box<dyn GuestInstance>,
}

/// Something that waits for a run.
pub(crate) struct Mail {
    pub(crate) at: Timestamp,
    pub(crate) letter: Letter,
    pub(crate) ack: Option<Ack>,
    /// It arrived while a workflow task was running.
    pub(crate) buffered: bool,
    /// It came together with the mail before it: a signal with a start.
    pub(crate) joined: bool,
    /// The row of the outbox that the commit of this deletes.
    pub(crate) settles: Option<(RunKey, EventId)>,
}

pub(crate) enum Letter {
    /// An input to record.
    Input(Input),
    /// Nothing to record: acknowledged when all before it is committed.
    Barrier,
    /// Go on with this component.
    Repin(Digest),
    /// An update, to be recorded if the next event still has the id that it had when the update was
    /// validated; without one, if no workflow task has completed.
    Update(Box<Update>, Option<EventId>),
}

/// Where the answer to a mail goes, after the commit.
pub(crate) type Ack = oneshot::Sender<Result<Delivery, Error>>;

/// What became of an input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Delivery {
    Recorded,
    /// Not recorded, for this reason, with the status of the run then.
    Refused(InputError, Status),
}

/// What posting a mail asks the caller to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Posted {
    /// Put the run in the queue.
    Queue,
    /// Nothing: somebody is at it and will see the mail.
    Waiting,
}

impl Mail {
    pub(crate) fn input(at: Timestamp, input: Input, ack: Option<Ack>) -> Self {
        Self {
            at,
            letter: Letter::Input(input),
            ack,
            buffered: false,
            joined: false,
            settles: None,
        }
    }

    pub(crate) fn refuse(self, error: InputError, status: Status) {
        if let Some(ack) = self.ack {
            // Whoever asked may have gone away.
            drop(ack.send(Ok(Delivery::Refused(error, status))));
        }
    }

    /// Answers a mail to a run that nobody works on any more. One that has not ended was lost, or
    /// its host has stopped.
    fn refuse_closed(self, status: &Status, trouble: Option<&str>) {
        if *status != Status::Running {
            self.refuse(InputError::Closed, status.clone());
        } else if let Some(ack) = self.ack {
            let error = match trouble {
                Some(trouble) => Error::system("start the run", trouble),
                None => Error::ShutDown,
            };
            // Whoever asked may have gone away.
            drop(ack.send(Err(error)));
        }
    }

    /// Whether it ends the run at once, without its guest.
    pub(crate) fn is_forced(&self) -> bool {
        matches!(
            self.letter,
            Letter::Input(
                Input::Terminated { .. }
                    | Input::TimedOut
                    | Input::Forced(_)
                    | Input::Superseded(_)
            )
        )
    }

    /// Whether the workflow task does not wait for local activities any longer because of it.
    pub(crate) fn ends_hosting(&self, task: &Task) -> bool {
        match &self.letter {
            Letter::Input(Input::CancelRequested(_)) => !task.cancel_requested(),
            Letter::Input(_) | Letter::Update(..) => false,
            Letter::Barrier | Letter::Repin(_) => true,
        }
    }

    /// How long it is, as it is stored.
    pub(crate) fn bytes(&self) -> usize {
        match &self.letter {
            Letter::Input(input) => encode(input).len(),
            Letter::Update(update, _) => update.arguments.iter().map(Payload::size).sum(),
            Letter::Barrier | Letter::Repin(_) => 0,
        }
    }

    /// The activity whose end it brings.
    pub(crate) fn closes(&self) -> Option<EventId> {
        match self.letter {
            Letter::Input(Input::ActivityClosed {
                scheduled_event_id, ..
            }) => Some(scheduled_event_id),
            _ => None,
        }
    }

    /// Whether it brings the end of an activity or child.
    fn is_close(&self) -> bool {
        self.closes().is_some() || matches!(self.letter, Letter::Input(Input::ChildClosed { .. }))
    }
}

impl RunCell {
    pub(crate) fn new(head: Head, request_id: String, phase: Phase) -> Self {
        let progress = Progress {
            next_event_id: head.summary.next_event_id,
            ..Progress::default()
        };
        let repeats = head.summary.cancel_repeats;
        Self {
            key: head.row.key,
            workflow_id: head.row.workflow_id.clone(),
            run_id: head.row.run_id.clone(),
            first_run_id: head.row.first_run_id.clone(),
            workflow_type: head.row.workflow_type.clone(),
            request_id,
            progress: watch::Sender::new(progress),
            over: watch::Sender::new(false),
            updates: Updates::default(),
            state: Mutex::new(CellState {
                phase,
                mailbox: Vec::new(),
                resident: None,
                head: Arc::new(head),
                activities: BTreeMap::new(),
                locals: BTreeMap::new(),
                locals_ended: 0,
                hosting: None,
                timers: BTreeMap::new(),
                step: None,
                computing: None,
                taken_over: None,
                interrupt: None,
                force: false,
                retry_at: None,
                store_failures: 0,
                store_retry: false,
                trouble: None,
                history_warned: false,
                repeats,
                cancel_kept: None,
                repeats_kept: 0,
                row_acks: Vec::new(),
                rows_offered: false,
            }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, CellState> {
        lock(&self.state)
    }

    /// Tells those who follow the run how far it has come, if that has changed.
    pub(crate) fn tell_progress(&self, change: impl FnOnce(&mut Progress) -> bool) {
        self.progress.send_if_modified(change);
        if self.progress.borrow().is_final() {
            self.over.send_replace(true);
        }
    }

    /// Becomes true once the run's progress is final.
    pub(crate) fn over(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// Waits until nobody will work on the run any more, though it has not ended: its host has
    /// stopped, or it could not be started.
    pub(crate) async fn given_up(&self) {
        let mut over = self.over();
        // The sender lives as long as the run.
        drop(over.wait_for(|over| *over).await);
        if self.progress.borrow().closed.is_some() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(test)]
    pub(crate) fn try_lock(&self) -> std::sync::TryLockResult<MutexGuard<'_, CellState>> {
        self.state.try_lock()
    }
}

impl CellState {
    /// Puts mails in the mailbox. After the run's end they are refused.
    pub(crate) fn post(&mut self, mails: impl IntoIterator<Item = Mail>) -> Posted {
        for mut mail in mails {
            if self.phase == Phase::Closed {
                mail.refuse_closed(&self.head.summary.status, self.trouble.as_deref());
                continue;
            }
            if let Some(hosting) = &mut self.hosting {
                hosting.count(&mail);
            }
            mail.buffered = self.phase == Phase::Running || self.hosting.is_some();
            if mail.is_forced() {
                self.force = true;
                if let Some(interrupt) = &self.interrupt {
                    interrupt();
                }
            }
            self.mailbox.push(mail);
        }
        match self.phase {
            // When its time has passed is the timers' matter.
            Phase::Waiting => self.take_up_if_due(Timestamp(0)),
            Phase::Running => self.take_over(),
            _ => self.wake(),
        }
    }

    /// Queues the run if its workflow task waits for local activities and has something to do.
    pub(crate) fn take_up_if_due(&mut self, now: Timestamp) -> Posted {
        let is_due = |hosting: &Hosting| hosting.is_due(self, now);
        if self.phase == Phase::Waiting && self.hosting.as_deref().is_some_and(is_due) {
            self.phase = Phase::Queued;
            return Posted::Queue;
        }
        Posted::Waiting
    }

    /// The host has stopped: nobody will read the mail that waits, nor any that comes, nor store
    /// rows.
    pub(crate) fn abandon(&mut self) -> Vec<Mail> {
        self.phase = Phase::Closed;
        self.trouble = None;
        self.row_acks.clear();
        std::mem::take(&mut self.mailbox)
    }

    /// Queues the run if nobody is at it.
    pub(crate) fn wake(&mut self) -> Posted {
        if self.phase == Phase::Idle {
            self.phase = Phase::Queued;
            return Posted::Queue;
        }
        Posted::Waiting
    }

    /// Takes the mails in the order in which they are to be recorded: as they arrived, but of
    /// those that arrived during a task, which are before all others, the ends of activities come
    /// last (semantics A3 b), and what ends the run by force comes after everything.
    pub(crate) fn take_mail(&mut self) -> Vec<Mail> {
        self.force = false;
        let mut mails = std::mem::take(&mut self.mailbox);
        mails.sort_by_key(|mail| match (mail.is_forced(), mail.buffered) {
            (true, _) => 3,
            (false, false) => 2,
            (false, true) => u8::from(mail.is_close()),
        });
        mails
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandglass_engine::{ActivityClose, Payload, Signal};
    use tokio::sync::oneshot::error::TryRecvError;

    fn mail(input: Input, buffered: bool) -> Mail {
        Mail {
            buffered,
            ..Mail::input(Timestamp(0), input, None)
        }
    }

    fn close(id: u64) -> Input {
        Input::ActivityClosed {
            scheduled_event_id: EventId(id),
            started: None,
            close: ActivityClose::Completed(Payload::null()),
            unsettled: false,
        }
    }

    fn names(state: &mut CellState) -> Vec<String> {
        let name = |mail: Mail| match mail.letter {
            Letter::Input(Input::Signaled(signal)) => signal.name,
            Letter::Input(Input::ActivityClosed {
                scheduled_event_id, ..
            }) => {
                format!("close {scheduled_event_id}")
            }
            Letter::Input(Input::TimedOut) => "timed out".into(),
            _ => "other".into(),
        };
        state.take_mail().into_iter().map(name).collect()
    }

    fn signal(name: &str) -> Input {
        Input::Signaled(Signal {
            name: name.into(),
            ..Signal::default()
        })
    }

    fn state() -> RunCell {
        let head = Head {
            row: crate::recovery::row_of_new_run(RunKey(1), &Default::default(), Timestamp(0)),
            summary: RunSummary::default(),
            next_seq: 1,
        };
        RunCell::new(head, String::new(), Phase::Idle)
    }

    #[test]
    fn closes_that_arrive_during_a_task_come_last() {
        let cell = state();
        let mut state = cell.lock();
        state.mailbox.push(mail(close(5), true));
        state.mailbox.push(mail(Input::TimedOut, true));
        state.mailbox.push(mail(signal("a"), true));
        state.mailbox.push(mail(signal("b"), false));
        assert_eq!(names(&mut state), ["a", "close 5", "b", "timed out"]);
    }

    #[test]
    fn otherwise_the_order_of_arrival_holds() {
        let cell = state();
        let mut state = cell.lock();
        state.mailbox.push(mail(close(5), false));
        state.mailbox.push(mail(signal("a"), false));
        assert_eq!(names(&mut state), ["close 5", "a"]);
    }

    #[test]
    fn whoever_waits_for_a_row_hears_that_the_host_has_stopped() {
        let cell = state();
        let (ack, mut answer) = oneshot::channel();
        cell.lock().row_acks.push(ack);
        cell.lock().abandon();
        assert_eq!(answer.try_recv().err(), Some(TryRecvError::Closed));
    }

    #[test]
    fn a_run_is_queued_once() {
        let cell = state();
        let mut state = cell.lock();
        assert_eq!(state.post([mail(signal("a"), false)]), Posted::Queue);
        assert_eq!(state.post([mail(signal("b"), false)]), Posted::Waiting);
    }
}
