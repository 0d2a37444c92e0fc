//! Making a run: under the lock that keeps a workflow id to one open run.

use super::{Companion, StartOptions, fill_random, random_id};
use crate::{
    cell::{Delivery, Head, Letter, Mail, Phase, Posted, RunCell},
    clock::lock,
    error::{Error, StartError},
    host::Inner,
    recovery::row_of_new_run,
};
use sandglass_engine::{
    Chain, CronSchedule, Digest, EventId, IdReusePolicy, Input, Limits, Millis, Origin, RunSummary,
    Start, Timestamp,
};
use sandglass_store::{RunRow, RunStatus};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::oneshot;

/// What starting comes to under the lock.
pub(crate) enum Begun {
    /// A new run, or the current one of the chain that the same request began.
    Run(Arc<RunCell>, oneshot::Receiver<Result<Delivery, Error>>),
    /// The chain that the request began, by its first run, has ended already.
    Ended(String),
}

impl Companion {
    fn into_mail(self, at: Timestamp) -> Mail {
        Mail {
            at,
            letter: match self {
                Self::Signal(signal) => Letter::Input(Input::Signaled(signal)),
                Self::Update(update) => Letter::Update(Box::new(update), None),
            },
            ack: None,
            buffered: false,
            joined: true,
            settles: None,
        }
    }
}

impl Inner {
    /// Starts a run, unless the same request has started one; `parent` starts it as a child, and
    /// `companion` is recorded with its start.
    pub(crate) fn begin_run(
        &self,
        options: StartOptions,
        digest: Digest,
        parent: Option<Origin>,
        companion: Option<Companion>,
    ) -> Result<Begun, StartError> {
        if self.is_stopping() {
            return Err(Error::ShutDown.into());
        }
        let any_id = options.id_reuse == IdReusePolicy::AllowDuplicate;
        // Repeated requests wait for each other, so that the second finds what the first has done;
        // so do those to whom it matters how the last run has ended.
        let alone = options.request_id.is_some() || !any_id;
        let _one_at_a_time = alone.then(|| lock(&self.starting));
        let (sender, receiver) = oneshot::channel();
        if let Some(request_id) = &options.request_id
            && let Some(found) = self.started_by(&options.workflow_id, request_id)?
        {
            return Ok(match self.open_run_of(&options.workflow_id) {
                Some(cell) if cell.first_run_id == found => {
                    self.send(&cell, Letter::Barrier, Some(sender));
                    Begun::Run(cell, receiver)
                }
                _ => Begun::Ended(found),
            });
        }
        if !any_id {
            self.check_reuse(&options)?;
        }
        let now = self.clock.now();
        let start = Start {
            parent,
            ..new_start(options, digest, now, &self.config.limits)?
        };
        let head = new_head(row_of_new_run(self.new_key(), &start, now));
        let cell = Arc::new(RunCell::new(head, start.request_id.clone(), Phase::Idle));
        let workflow_id = start.workflow_id.clone();
        let start = Mail::input(now, Input::Started(Box::new(start)), Some(sender));
        let companion = companion.map(|companion| companion.into_mail(now));
        let mut runs = lock(&self.runs);
        if self.is_stopping() {
            return Err(Error::ShutDown.into());
        }
        let open = runs.by_workflow_id.get(&workflow_id);
        let made = || runs.resetting.get(&workflow_id).and_then(BTreeSet::first);
        if let Some(run_id) = open.map(|open| &open.run_id).or_else(made).cloned() {
            return Err(StartError::AlreadyStarted {
                workflow_id,
                run_id,
            });
        }
        runs.by_workflow_id.insert(workflow_id, Arc::clone(&cell));
        runs.by_key.insert(cell.key, Arc::clone(&cell));
        // While nobody else can find the run, so that its start is the first that it gets.
        let posted = cell.lock().post([start].into_iter().chain(companion));
        if posted == Posted::Queue {
            self.enqueue(Arc::clone(&cell));
        }
        drop(runs);
        Ok(Begun::Run(cell, receiver))
    }

    /// Whether a run may be started although runs of its workflow id have ended.
    fn check_reuse(&self, options: &StartOptions) -> Result<(), StartError> {
        let workflow_id = &options.workflow_id;
        if self.open_run_of(workflow_id).is_some() {
            return Ok(()); // That is a matter of the conflict policy.
        }
        let Some(last) = self.read(|reader| reader.find(workflow_id, None))? else {
            return Ok(());
        };
        let failed_only = options.id_reuse == IdReusePolicy::AllowDuplicateFailedOnly;
        match last.status {
            RunStatus::Failed
            | RunStatus::Canceled
            | RunStatus::Terminated
            | RunStatus::TimedOut
                if failed_only =>
            {
                Ok(())
            }
            // It was started between the two looks.
            RunStatus::Running => Ok(()),
            _ => Err(StartError::IdUsed {
                workflow_id: workflow_id.clone(),
                run_id: last.run_id,
            }),
        }
    }

    /// The first run of the current chain of this workflow id, if this request started that.
    fn started_by(&self, workflow_id: &str, request_id: &str) -> Result<Option<String>, Error> {
        if let Some(cell) = self.open_run_of(workflow_id)
            && !cell.request_id.is_empty()
        {
            let same = cell.request_id == request_id;
            return Ok(same.then(|| cell.first_run_id.clone()));
        }
        let Some(row) = self.read(|reader| reader.find(workflow_id, None))? else {
            return Ok(None);
        };
        let same = self.request_of(&row)?.is_some_and(|id| id == request_id);
        Ok(same.then_some(row.first_run_id))
    }

    fn request_of(&self, row: &RunRow) -> Result<Option<String>, Error> {
        let frames = self.frames(row.key, &row.run_id)?;
        let first = frames.first().and_then(|frame| frame.records.first());
        Ok(match first.and_then(|record| record.inputs().next()) {
            Some((_, Input::Started(start))) => Some(start.request_id.clone()),
            _ => None,
        })
    }

    pub(crate) fn open_run_of(&self, workflow_id: &str) -> Option<Arc<RunCell>> {
        lock(&self.runs).by_workflow_id.get(workflow_id).cloned()
    }
}

fn new_start(
    options: StartOptions,
    digest: Digest,
    now: Timestamp,
    limits: &Limits,
) -> Result<Start, Error> {
    let mut seed = [0; 32];
    fill_random(&mut seed)?;
    let due = match &options.cron {
        // What is no schedule was refused before.
        Some(cron) => CronSchedule::parse(cron)
            .ok()
            .and_then(|schedule| schedule.next_after(now, now)),
        None => options.start_delay.map(|delay| now + Millis::from(delay)),
    };
    let first_task_backoff = due.map_or(Millis(0), |due| due.since(now));
    let execution_timeout = options.execution_timeout.map(Millis::from);
    let longest_task = Millis(limits.workflow_task_timeout_max as u64);
    Ok(Start {
        workflow_id: options.workflow_id,
        run_id: random_id()?,
        workflow_type: options.workflow_type,
        task_queue: options.task_queue,
        arguments: options.arguments,
        header: options.header,
        identity: options.identity,
        request_id: match options.request_id {
            Some(request_id) => request_id,
            None => random_id()?,
        },
        digest,
        seed,
        run_timeout: options.run_timeout.map(Millis::from),
        parent: None,
        chain: Chain {
            retry: options.retry,
            cron: options.cron,
            execution_timeout,
            expires_at: execution_timeout.map(|limit| now + first_task_backoff + limit),
            first_task_backoff,
            ..Chain::default()
        },
        memo: options.memo,
        search_attributes: options.search_attributes,
        task_timeout: options
            .task_timeout
            .map(|limit| Millis::from(limit).min(longest_task)),
    })
}

/// What is known of a run of which nothing is committed.
fn new_head(row: RunRow) -> Head {
    Head {
        row,
        summary: RunSummary {
            next_event_id: EventId(1),
            ..RunSummary::default()
        },
        next_seq: 1,
    }
}
