//! What each effect does, and whom it tells.

use super::discard;
use crate::{
    cell::{Delivery, Letter, Mail, RunCell},
    error::{Error, StartError},
    host::Inner,
    recovery::decode_summary,
    start::{Begun, StartOptions},
};
use sandglass_engine::{
    CancelRequest, ChildCall, ChildClose, Digest, Effect, EventId, ExternalFailedCause, Input,
    InputError, Origin, ParentClosePolicy, Record, RunRef, Signal, StartChildFailedCause, Target,
};
use sandglass_store::{Reader, RunKey, RunRow, RunStatus};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// Who asks, where one run asks another. Temporal's history service, under its name there.
const IDENTITY: &str = "history-service";

/// The reason that the close policy gives a child.
const PARENT_CLOSED: &str = "by parent close policy";

const NOT_FOUND: Result<(), ExternalFailedCause> =
    Err(ExternalFailedCause::ExternalWorkflowExecutionNotFound);

/// One effect that is being applied.
struct Applying<'a> {
    host: &'a Arc<Inner>,
    source: RunKey,
    event_id: EventId,
}

/// A run as an effect finds it.
enum Found {
    Open(Arc<RunCell>),
    Closed(Box<RunRow>),
    Unknown,
}

/// Applies an effect and records its result, after which its row is gone.
pub(super) async fn apply(
    host: &Arc<Inner>,
    source: RunKey,
    event_id: EventId,
    effect: Effect,
) -> Result<(), Error> {
    let applying = Applying {
        host,
        source,
        event_id,
    };
    match effect {
        Effect::StartChild {
            parent,
            workflow_id,
            call,
            digest,
        } => {
            let result = applying.start(parent, workflow_id, *call, digest).await?;
            applying.tell_source(result).await
        }
        Effect::Cancel {
            source,
            target,
            child_only,
            reason,
        } => {
            let outcome = applying.cancel(source, &target, child_only, reason).await?;
            applying.tell_source(applying.resolved(outcome)).await
        }
        Effect::Signal {
            source: _,
            target,
            signal,
        } => {
            let outcome = applying.signal(&target, signal).await?;
            applying.tell_source(applying.resolved(outcome)).await
        }
        Effect::ChildClosed {
            parent,
            run_id,
            close,
        } => applying.tell_parent(&parent, run_id, close).await,
        Effect::ParentClosed {
            parent,
            workflow_id,
            policy,
        } => applying.parent_closed(parent, &workflow_id, policy).await,
        Effect::StartReset { workflow_id, reset } => {
            let new_run_id = reset.new_run_id.clone();
            match host.start_reset(&workflow_id, *reset).await {
                // Another run of the id was started meanwhile: it stays. Or the one whose history
                // it begins with was deleted.
                Err(
                    error @ (Error::Refused { .. } | Error::NotFound { .. } | Error::Deleted(_)),
                ) => {
                    tracing::error!(%error, "the run that a reset makes cannot be started");
                }
                started => started?,
            }
            discard(host, source, event_id).await?;
            host.reset_is_over(&workflow_id, &new_run_id);
            Ok(())
        }
        Effect::Deliver { input, .. } => applying.tell_source(*input).await,
    }
}

impl Applying<'_> {
    fn resolved(&self, outcome: Result<(), ExternalFailedCause>) -> Input {
        Input::ExternalResolved {
            initiated_event_id: self.event_id,
            outcome,
        }
    }

    /// Records the result in the source, together with the deletion of the row.
    async fn tell_source(&self, input: Input) -> Result<(), Error> {
        match self.host.open_run(self.source) {
            Some(cell) => self.settle(&cell, vec![input]).await,
            // It has ended, and does not wait any more.
            None => discard(self.host, self.source, self.event_id).await,
        }
    }

    /// Posts inputs of which the last one deletes the row with its commit; if that is not recorded,
    /// the row is deleted alone.
    async fn settle(&self, cell: &Arc<RunCell>, inputs: Vec<Input>) -> Result<(), Error> {
        match self.post_settling(cell, inputs).await? {
            Delivery::Recorded => Ok(()),
            // It was recorded before a crash, or the run has ended.
            Delivery::Refused(..) => discard(self.host, self.source, self.event_id).await,
        }
    }

    async fn post_settling(
        &self,
        cell: &Arc<RunCell>,
        inputs: Vec<Input>,
    ) -> Result<Delivery, Error> {
        let (sender, receiver) = oneshot::channel();
        let now = self.host.clock.now();
        let mut mails: Vec<Mail> = inputs
            .into_iter()
            .map(|input| Mail::input(now, input, None))
            .collect();
        if let Some(last) = mails.last_mut() {
            last.ack = Some(sender);
            last.settles = Some((self.source, self.event_id));
        }
        self.host.post_all(cell, mails);
        receiver.await.map_err(|_| self.host.gone())?
    }

    /// Sends an input and waits for its commit.
    async fn send(&self, cell: &Arc<RunCell>, input: Input) -> Result<Delivery, Error> {
        let (sender, receiver) = oneshot::channel();
        self.host.send(cell, Letter::Input(input), Some(sender));
        receiver.await.map_err(|_| self.host.gone())?
    }

    fn find(&self, target: &Target) -> Result<Found, Error> {
        let wanted = target.run_id.as_deref();
        let open = |cell: &Arc<RunCell>| wanted.is_none_or(|run_id| run_id == cell.run_id);
        if let Some(cell) = self.host.open_run_of(&target.workflow_id).filter(open) {
            return Ok(Found::Open(cell));
        }
        let row = self
            .host
            .read(|reader| reader.find(&target.workflow_id, wanted))?;
        Ok(match row {
            None => Found::Unknown,
            Some(row) if row.status != RunStatus::Running => Found::Closed(Box::new(row)),
            // It was started, or has ended, between the two looks.
            Some(row) => match self.host.open_run(row.key) {
                Some(cell) => Found::Open(cell),
                None => Found::Closed(Box::new(row)),
            },
        })
    }

    async fn start(
        &self,
        parent: Origin,
        workflow_id: String,
        call: ChildCall,
        digest: Digest,
    ) -> Result<Input, Error> {
        let initiated_event_id = self.event_id;
        let failed = |cause| Input::ChildStartFailed {
            initiated_event_id,
            cause,
        };
        let host = self.host;
        let own = host.components.get(host, digest)?;
        let digest = if own.workflow_types().contains(&call.workflow_type) {
            digest
        } else if let Ok(digest) = host.components.with_type(&call.workflow_type) {
            digest
        } else {
            return Ok(failed(StartChildFailedCause::WorkflowTypeNotFound));
        };
        let options = StartOptions {
            arguments: call.arguments,
            header: call.header,
            task_queue: call.task_queue.unwrap_or_default(),
            identity: parent.run.workflow_id.clone(),
            // Started again after a crash, it is the same request (R39).
            request_id: Some(format!("{}/{}", parent.run.run_id, self.event_id)),
            run_timeout: call.run_timeout.map(Duration::from),
            execution_timeout: call.execution_timeout.map(Duration::from),
            retry: call.retry,
            cron: call.cron,
            id_reuse: call.id_reuse,
            memo: call.memo,
            search_attributes: call.search_attributes,
            ..StartOptions::new(call.workflow_type, workflow_id)
        };
        let begun = {
            // It may have been removed since it was found.
            let _settled = host.components.settled().await;
            host.components.get(host, digest)?;
            host.begin_run(options, digest, Some(parent), None)
        };
        let run_id = match begun {
            Ok(Begun::Ended(run_id)) => run_id,
            Ok(Begun::Run(cell, started)) => {
                started.await.map_err(|_| host.gone())??;
                cell.first_run_id.clone()
            }
            Err(StartError::AlreadyStarted { .. } | StartError::IdUsed { .. }) => {
                return Ok(failed(StartChildFailedCause::WorkflowAlreadyExists));
            }
            Err(StartError::Host(error)) => return Err(error),
            Err(error) => return Err(Error::system("start a child workflow", error)),
        };
        Ok(Input::ChildStarted {
            initiated_event_id,
            run_id,
        })
    }

    async fn cancel(
        &self,
        source: Origin,
        target: &Target,
        child_only: bool,
        reason: String,
    ) -> Result<Result<(), ExternalFailedCause>, Error> {
        if target.workflow_id == source.run.workflow_id {
            return Ok(NOT_FOUND);
        }
        // As it is stored: the source may have ended in the task that asked.
        let lineage = match child_only {
            true => self.lineage()?,
            false => Lineage::new(),
        };
        let is_child = |parent: Option<&Origin>| {
            // A child that the source had before it was reset is its own as well.
            let is_own = |parent: &Origin| parent.run == source.run || is_in(&lineage, parent);
            !child_only || parent.is_some_and(is_own)
        };
        let request = CancelRequest {
            reason,
            identity: IDENTITY.into(),
            request_id: format!("{}/{}", source.run.run_id, self.event_id),
            origin: Some(source.clone()),
            ..CancelRequest::default()
        };
        loop {
            self.host.until_reset(&target.workflow_id).await?;
            let cell = match self.find(target)? {
                Found::Open(cell) if is_child(parent_of(&cell).as_ref()) => cell,
                Found::Closed(row) => {
                    let file = self.host.read(|reader| Ok(reader.file().to_owned()))?;
                    let summary = decode_summary(&file, &row)?;
                    // One that has ended needs no cancellation any more (R24).
                    let known = is_child(summary.parent.as_ref());
                    return Ok(if known { Ok(()) } else { NOT_FOUND });
                }
                Found::Open(_) | Found::Unknown => return Ok(NOT_FOUND),
            };
            let input = Input::CancelRequested(request.clone());
            match self.send(&cell, input).await? {
                // It has ended, and another may follow (R27).
                Delivery::Refused(InputError::Closed, _) => tokio::task::yield_now().await,
                // Requested now or before.
                _ => return Ok(Ok(())),
            }
        }
    }

    /// The runs whose history the source began with.
    fn lineage(&self) -> Result<Lineage, Error> {
        let stored = |reader: &dyn Reader| Ok((reader.file().to_owned(), reader.run(self.source)?));
        let (file, row) = self.host.read(stored)?;
        let summary = row.map(|row| decode_summary(&file, &row)).transpose()?;
        Ok(summary.unwrap_or_default().lineage)
    }

    async fn signal(
        &self,
        target: &Target,
        signal: Signal,
    ) -> Result<Result<(), ExternalFailedCause>, Error> {
        let request_id = signal.request_id.clone();
        let closed = loop {
            self.host.until_reset(&target.workflow_id).await?;
            let cell = match self.find(target)? {
                Found::Unknown => return Ok(NOT_FOUND),
                Found::Closed(row) => break (row.key, row.run_id.clone()),
                Found::Open(cell) => cell,
            };
            match self.send(&cell, Input::Signaled(signal.clone())).await? {
                Delivery::Recorded | Delivery::Refused(InputError::Duplicate, _) => {
                    return Ok(Ok(()));
                }
                Delivery::Refused(InputError::TooManySignals(_), _) => {
                    return Ok(Err(ExternalFailedCause::SignalCountLimitExceeded));
                }
                // It has ended, and another may follow.
                Delivery::Refused(..) => tokio::task::yield_now().await,
            }
        };
        // It may have been recorded before a crash, and the run has ended since.
        let frames = self.host.frames(closed.0, &closed.1)?;
        let records = frames.iter().flat_map(|frame| &frame.records);
        let mut inputs = records.flat_map(Record::inputs);
        let recorded = inputs.any(|(_, input)| match input {
            Input::Signaled(signal) => signal.request_id == request_id,
            _ => false,
        });
        Ok(if recorded { Ok(()) } else { NOT_FOUND })
    }

    async fn tell_parent(
        &self,
        parent: &Origin,
        run_id: String,
        close: ChildClose,
    ) -> Result<(), Error> {
        let initiated_event_id = parent.initiated_event_id;
        // The news of the start may still be on its way; then it is refused as a duplicate.
        let started = Input::ChildStarted {
            initiated_event_id,
            run_id,
        };
        let closed = Input::ChildClosed {
            initiated_event_id,
            close,
        };
        // The parent may be reset meanwhile: then the run that is made of it is told.
        loop {
            self.host.until_reset(&parent.run.workflow_id).await?;
            let open = self.host.open_run_of(&parent.run.workflow_id);
            let Some(cell) = open.filter(|cell| was_once(cell, parent)) else {
                if self.host.is_being_reset(&parent.run.workflow_id) {
                    continue;
                }
                return discard(self.host, self.source, self.event_id).await;
            };
            let inputs = vec![started.clone(), closed.clone()];
            match self.post_settling(&cell, inputs).await? {
                Delivery::Recorded => return Ok(()),
                Delivery::Refused(InputError::Closed, _) => tokio::task::yield_now().await,
                // It was recorded before a crash.
                Delivery::Refused(..) => {
                    return discard(self.host, self.source, self.event_id).await;
                }
            }
        }
    }

    async fn parent_closed(
        &self,
        parent: Origin,
        workflow_id: &str,
        policy: ParentClosePolicy,
    ) -> Result<(), Error> {
        let input = match policy {
            ParentClosePolicy::Abandon => {
                return discard(self.host, self.source, self.event_id).await;
            }
            ParentClosePolicy::Terminate => Input::Terminated {
                reason: PARENT_CLOSED.into(),
                identity: IDENTITY.into(),
                details: Vec::new(),
                request_id: String::new(),
            },
            ParentClosePolicy::RequestCancel => {
                let run: RunRef = parent.run.clone();
                Input::CancelRequested(CancelRequest {
                    reason: PARENT_CLOSED.into(),
                    identity: IDENTITY.into(),
                    request_id: format!("{}/{}", run.run_id, self.event_id),
                    origin: Some(Origin {
                        run,
                        initiated_event_id: EventId(0),
                    }),
                    ..CancelRequest::default()
                })
            }
        };
        // The current run of the child's chain (R27); one that ends meanwhile may have a successor.
        loop {
            self.host.until_reset(workflow_id).await?;
            let open = self.host.open_run_of(workflow_id);
            let is_child = |cell: &Arc<RunCell>| {
                parent_of(cell).is_some_and(|origin| origin.run == parent.run)
            };
            let Some(child) = open.filter(is_child) else {
                return discard(self.host, self.source, self.event_id).await;
            };
            match self.post_settling(&child, vec![input.clone()]).await? {
                Delivery::Recorded => return Ok(()),
                Delivery::Refused(InputError::Closed, _) => tokio::task::yield_now().await,
                Delivery::Refused(..) => {
                    return discard(self.host, self.source, self.event_id).await;
                }
            }
        }
    }
}

/// The parent of an open run.
fn parent_of(cell: &RunCell) -> Option<Origin> {
    cell.lock().head.summary.parent.clone()
}

/// Whether a run is this one, or began with its history up to after the event that is meant (R17).
fn was_once(cell: &RunCell, origin: &Origin) -> bool {
    cell.run_id == origin.run.run_id || is_in(&cell.lock().head.summary.lineage, origin)
}

/// The runs whose history a run began with, each with the event up to before which it did.
type Lineage = Vec<(EventId, String)>;

fn is_in(lineage: &Lineage, origin: &Origin) -> bool {
    lineage
        .iter()
        .any(|(until, run_id)| *run_id == origin.run.run_id && origin.initiated_event_id < *until)
}
