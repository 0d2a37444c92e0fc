//! Updates: from the request to the run's answer.
//!
//! An update is validated on a side instance and recorded only if the run is then still where it
//! was; else it is validated again. One at a time in a run, so that they do not hold each other up.
//! What becomes of it is seen in the commits of the run.

use crate::{
    bounds,
    cell::{Delivery, Letter, RunCell},
    clock::lock,
    error::Error,
    handle::{Found, RunHandle},
    host::Inner,
    message::MessageError,
    query::TIMEOUT,
    side::{self, Sight},
    start::random_id,
};
use sandglass_engine::{
    EventAttributes, Failure, HistoryEvent, InputError, Payload, Status, Update, UpdateProgress,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;

/// A request that a run's code answers and may act on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UpdateOptions {
    /// Which handler of the run's code it is for.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Headers.
    pub header: Vec<(String, Payload)>,
    /// Its id; made up if there is none. Asked again with the same id, it is the same update.
    pub update_id: Option<String>,
    /// Who asks.
    pub identity: String,
    /// How far it must have come before the answer is given.
    pub wait_for: UpdateStage,
    /// How long to wait for that. Default: 10 s. The update goes on afterwards.
    pub timeout: Option<Duration>,
}

/// How far an update has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateStage {
    /// The host has it. A crash of the host forgets it.
    Admitted,
    /// The run's code has it: it is on disk.
    Accepted,
    /// The run's code has answered it.
    #[default]
    Completed,
}

/// What has become of an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateResponse {
    /// Its id.
    pub update_id: String,
    /// The run that it is for.
    pub run_id: String,
    /// How far it has come.
    pub stage: UpdateStage,
    /// The answer of the run's code, once it is completed.
    pub outcome: Option<Result<Payload, Failure>>,
}

impl UpdateOptions {
    /// An update without arguments that is waited for to the end.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds an argument that is a JSON text.
    #[must_use]
    pub fn json(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(Payload::json(text));
        self
    }

    /// Sets its id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.update_id = Some(id.into());
        self
    }
}

/// What is known of an update.
#[derive(Debug, Clone)]
enum News {
    Admitted,
    Accepted,
    Completed(Result<Payload, Failure>),
    /// It has not come into the history.
    Refused(MessageError),
}

type Slot = Arc<watch::Sender<News>>;

/// The updates of an open run that have not ended.
#[derive(Default)]
pub(crate) struct Updates {
    slots: Mutex<BTreeMap<String, Slot>>,
    /// Held by the one that is being validated.
    turn: tokio::sync::Mutex<()>,
}

impl Updates {
    /// A commit has told of an update.
    pub(crate) fn note(&self, id: &str, progress: UpdateProgress) {
        let news = match progress {
            UpdateProgress::Admitted => return,
            UpdateProgress::Accepted { .. } => News::Accepted,
            UpdateProgress::Completed { outcome } => {
                return self.end(id, News::Completed(outcome));
            }
        };
        if let Some(slot) = lock(&self.slots).get(id) {
            slot.send_replace(news);
        }
    }

    /// Nothing more will become of an update.
    fn end(&self, id: &str, news: News) {
        if let Some(slot) = lock(&self.slots).remove(id) {
            slot.send_replace(news);
        }
    }

    /// The run has ended.
    pub(crate) fn close(&self) {
        for (_, slot) in std::mem::take(&mut *lock(&self.slots)) {
            slot.send_modify(|news| {
                *news = match news {
                    News::Accepted => News::Completed(Err(unanswered())),
                    _ => News::Refused(MessageError::Aborted),
                };
            });
        }
    }
}

/// What the caller of an update gets that the run's end left unanswered.
fn unanswered() -> Failure {
    let message = "the run ended before it answered the update";
    Failure::application("AcceptedUpdateCompletedWorkflow", message)
}

/// What a history tells of an update.
fn recorded(events: &[HistoryEvent], id: &str, status: &Status) -> Option<News> {
    let news = events
        .iter()
        .rev()
        .find_map(|event| match &event.attributes {
            EventAttributes::WorkflowExecutionUpdateCompleted {
                update_id, outcome, ..
            } if update_id == id => Some(News::Completed(outcome.clone())),
            EventAttributes::WorkflowExecutionUpdateAccepted { update, .. } if update.id == id => {
                Some(News::Accepted)
            }
            _ => None,
        })?;
    Some(match news {
        News::Accepted if *status != Status::Running => News::Completed(Err(unanswered())),
        news => news,
    })
}

impl RunHandle {
    /// Asks the run's code to do something, and waits until it has come as far as
    /// [`UpdateOptions::wait_for`].
    ///
    /// The code's validator is asked first; what it refuses leaves no trace. An accepted update is
    /// on disk and survives a restart of the host, as does its answer: asked again with the same
    /// id, the first answer is given, also when the run has ended.
    ///
    /// # Errors
    /// [`MessageError::Failed`] if the code refuses it, [`MessageError::Aborted`] if the run ends
    /// before it accepts it, [`MessageError::Exhausted`] if it has too many,
    /// [`MessageError::Failing`], [`MessageError::Trapped`], [`MessageError::DeadlineExceeded`], or
    /// that there is no such open run. A failure that the code answers an accepted update with is
    /// an outcome and no error.
    pub async fn update(&self, options: UpdateOptions) -> Result<UpdateResponse, MessageError> {
        let host = self.host();
        host.check_size("the arguments", &options.arguments)?;
        host.check_header(&options.header)?;
        let UpdateOptions {
            name,
            arguments,
            header,
            update_id,
            identity,
            wait_for,
            timeout,
        } = options;
        let id = match update_id {
            Some(id) => id,
            None => random_id()?,
        };
        let update = Update {
            id,
            name,
            arguments,
            header,
            identity,
        };
        bounds::of_update(&update)?;
        let (inner, handle) = (Arc::clone(host), self.clone());
        side::within(host, timeout.unwrap_or(TIMEOUT), async move {
            let (news, run_id) = match handle.find()? {
                Found::Closed(row) => {
                    let status = crate::describe::summary_of(&row)?.status;
                    let events = handle.history_of(row.key, &row.run_id)?;
                    let found = recorded(&events, &update.id, &status);
                    let closed = || handle.closed(status);
                    (found.ok_or_else(closed)?, row.run_id.clone())
                }
                Found::Open(cell) => {
                    let slot = admit(&inner, &handle, &cell, &update)?;
                    (wait(&cell, &slot, wait_for).await?, cell.run_id.clone())
                }
            };
            response(update.id, run_id, news)
        })
        .await
    }

    /// How far an update has come that was asked for before. Waits as [`RunHandle::update`] does.
    /// `None`: the run has none of this id.
    ///
    /// # Errors
    /// As [`RunHandle::update`].
    pub async fn poll_update(
        &self,
        update_id: &str,
        wait_for: UpdateStage,
        timeout: Option<Duration>,
    ) -> Result<Option<UpdateResponse>, MessageError> {
        let (id, handle) = (update_id.to_owned(), self.clone());
        side::within(self.host(), timeout.unwrap_or(TIMEOUT), async move {
            let (news, run_id) = match handle.find()? {
                Found::Closed(row) => {
                    let status = crate::describe::summary_of(&row)?.status;
                    let events = handle.history_of(row.key, &row.run_id)?;
                    (recorded(&events, &id, &status), row.run_id.clone())
                }
                Found::Open(cell) => {
                    let news = match existing(handle.host(), &handle, &cell, &id)? {
                        Some(slot) => Some(wait(&cell, &slot, wait_for).await?),
                        None => None,
                    };
                    (news, cell.run_id.clone())
                }
            };
            news.map(|news| response(id, run_id, news)).transpose()
        })
        .await
    }
}

/// What is answered of an update.
fn response(update_id: String, run_id: String, news: News) -> Result<UpdateResponse, MessageError> {
    let (stage, outcome) = match news {
        News::Admitted => (UpdateStage::Admitted, None),
        News::Accepted => (UpdateStage::Accepted, None),
        News::Completed(outcome) => (UpdateStage::Completed, Some(outcome)),
        News::Refused(error) => return Err(error),
    };
    Ok(UpdateResponse {
        update_id,
        run_id,
        stage,
        outcome,
    })
}

/// The update of this id, if there is one.
fn existing(
    host: &Inner,
    handle: &RunHandle,
    cell: &RunCell,
    id: &str,
) -> Result<Option<Slot>, MessageError> {
    if let Some(slot) = lock(&cell.updates.slots).get(id) {
        return Ok(Some(Arc::clone(slot)));
    }
    let before = cell.lock().head.summary.updates.total;
    // It may be one of before a restart, or one that has ended.
    let known = match before {
        0 => None,
        _ => {
            let events = handle.history_of(cell.key, &cell.run_id)?;
            recorded(&events, id, &Status::Running)
        }
    };
    let Some(known) = known else {
        return Ok(None);
    };
    let has_ended = matches!(known, News::Completed(_));
    let slot = Arc::new(watch::Sender::new(known));
    if has_ended {
        return Ok(Some(slot));
    }
    let slot = {
        let mut slots = lock(&cell.updates.slots);
        Arc::clone(slots.entry(id.to_owned()).or_insert(slot))
    };
    look_again(host, cell, id)?;
    Ok(Some(slot))
}

/// The update of this id, as it stands; a new one is set going.
fn admit(
    host: &Arc<Inner>,
    handle: &RunHandle,
    cell: &Arc<RunCell>,
    update: &Update,
) -> Result<Slot, MessageError> {
    if let Some(slot) = existing(host, handle, cell, &update.id)? {
        return Ok(slot);
    }
    let mut slots = lock(&cell.updates.slots);
    let limit = host.config.limits.updates_in_flight;
    if let Some(slot) = slots.get(&update.id) {
        return Ok(Arc::clone(slot));
    }
    if slots.len() >= limit {
        return Err(exhausted(&InputError::TooManyUpdatesInFlight(limit)));
    }
    let slot = Arc::new(watch::Sender::new(News::Admitted));
    slots.insert(update.id.clone(), Arc::clone(&slot));
    drop(slots);
    let (host, cell, update) = (Arc::clone(host), Arc::clone(cell), update.clone());
    host.tokio.clone().spawn(async move {
        if let Err(error) = bring(&host, &cell, &update).await {
            cell.updates.end(&update.id, News::Refused(error));
        }
    });
    Ok(slot)
}

/// Ends an update that has ended since the history was read: no commit will tell of it any more.
fn look_again(host: &Inner, cell: &RunCell, id: &str) -> Result<(), MessageError> {
    let status = cell.lock().head.summary.status.clone();
    let frames = host.frames(cell.key, &cell.run_id)?;
    let events = sandglass_engine::history(frames).map_err(|error| Error::Damaged {
        run_id: cell.run_id.clone(),
        reason: error.to_string(),
    })?;
    if let Some(news @ News::Completed(_)) = recorded(&events, id, &status) {
        cell.updates.end(id, news);
    }
    Ok(())
}

fn exhausted(error: &InputError) -> MessageError {
    MessageError::Exhausted(error.to_string())
}

/// Has an update validated and recorded.
async fn bring(
    host: &Arc<Inner>,
    cell: &Arc<RunCell>,
    update: &Update,
) -> Result<(), MessageError> {
    let _turn = cell.updates.turn.lock().await;
    // Before the first workflow task there is no code yet that could be asked (R6).
    let mut begun = cell.lock().head.summary.begun;
    loop {
        let seen = if begun {
            let (sight, status) = Sight::settled(cell).await?;
            if status != Status::Running {
                return Err(MessageError::Aborted);
            }
            let asked = update.clone();
            let look = side::look(host, sight, cell.run_id.clone(), move |instance, task| {
                instance.validate_update(&asked, task)
            });
            let (at, verdict) = look.await?;
            verdict.map_err(MessageError::Failed)?;
            Some(at)
        } else {
            if let Some(error) = side::failing(&cell.lock().head.summary) {
                return Err(error);
            }
            None
        };
        let letter = Letter::Update(Box::new(update.clone()), seen);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        host.send(cell, letter, Some(sender));
        match receiver.await.map_err(|_| host.gone())?? {
            Delivery::Recorded => return Ok(()),
            // The same update is recorded already: its news will come, or has come.
            Delivery::Refused(InputError::Duplicate, _) => {
                return look_again(host, cell, &update.id);
            }
            Delivery::Refused(InputError::Moved, _) => begun = true,
            Delivery::Refused(InputError::Closed, _) => return Err(MessageError::Aborted),
            Delivery::Refused(error, _) => return Err(exhausted(&error)),
        }
    }
}

/// Waits until an update has come so far, or will not.
async fn wait(cell: &RunCell, slot: &Slot, stage: UpdateStage) -> Result<News, MessageError> {
    let mut news = slot.subscribe();
    let reached = move |news: &News| match news {
        News::Admitted => stage == UpdateStage::Admitted,
        News::Accepted => stage <= UpdateStage::Accepted,
        News::Completed(_) | News::Refused(_) => true,
    };
    tokio::select! {
        biased;
        news = news.wait_for(reached) => match news {
            Ok(news) => Ok(news.clone()),
            Err(_) => Err(Error::ShutDown.into()),
        },
        () = cell.given_up() => Err(Error::ShutDown.into()),
    }
}
