//! Requests to a run: cancel, terminate, signal.
//!
//! The store's owner is asked, if there is one. Else the request is recorded here, and delivered
//! when a host opens the store.

use super::stored;
use crate::{
    args::{CancelArgs, ChainArgs, DbArgs, OutputForm, SignalArgs, TargetArgs, TerminateArgs},
    exit::{Exit, OrStop, Outcome, Stop},
    outcome, output, payload,
    run::{IDENTITY, stop},
};
use sandglass::{
    CancelOptions, CancelResponse, Disposition, Error, ForceOptions, TerminateOptions, offline,
    remote::Client,
};
use sandglass_engine::{Signal, Status};
use sandglass_store::RunStatus;
use serde_json::{Value, json};

/// How often a request is made again because the owner went away.
const TRIES: u32 = 3;

pub(super) fn cancel(args: &CancelArgs, form: OutputForm) -> Outcome {
    if let Some(scope) = args.scope {
        return super::operate::cancel_scope(args, scope, form);
    }
    let mut target = Target::of_chain(&args.target, &args.chain)?;
    let response = target.cancel(args).map_err(stop)?;
    let (word, text) = match &response.disposition {
        Disposition::Recorded if args.force || args.kill => {
            ("recorded", "closed by force".to_owned())
        }
        Disposition::Recorded => ("recorded", "cancellation requested".to_owned()),
        Disposition::AlreadyRequested => (
            "already_requested",
            "cancellation was requested before".to_owned(),
        ),
        Disposition::AlreadyClosed(status) => (
            "already_closed",
            format!(
                "had ended already: {}{}",
                outcome::word(status),
                killed(response.killed)
            ),
        ),
    };
    let closed = match response.disposition {
        Disposition::AlreadyClosed(status) => Some(status),
        _ if args.wait => Some(target.wait()?),
        _ => None,
    };
    let mut fields = json!({
        "disposition": word,
        "repeats": response.repeats,
        "killed_attempts": response.killed,
    });
    if let (Some(status), Value::Object(map)) = (&closed, &mut fields) {
        map.insert("status".into(), outcome::word(status).into());
    }
    target.answer(&text, fields, form)?;
    match closed {
        Some(_) if args.fail_if_closed && word == "already_closed" => Ok(Exit::Failed),
        Some(status) if args.wait => {
            output::note(&format!(
                "workflow {} {}",
                target.id,
                outcome::word(&status)
            ));
            Ok(outcome::exit(&status))
        }
        None => {
            target.note_later();
            Ok(Exit::Completed)
        }
        Some(_) => Ok(Exit::Completed),
    }
}

/// What a kill has done to a run that had ended.
fn killed(attempts: u64) -> String {
    match attempts {
        0 => String::new(),
        1 => "; 1 attempt that was left over is killed".into(),
        more => format!("; {more} attempts that were left over are killed"),
    }
}

pub(super) fn terminate(args: &TerminateArgs, form: OutputForm) -> Outcome {
    let mut target = Target::of_chain(&args.target, &args.chain)?;
    target
        .terminate(&args.reason)
        .map_err(closed_is_not_found)?;
    target.answer("terminated", json!({ "disposition": "terminated" }), form)?;
    Ok(Exit::Completed)
}

pub(super) fn signal(args: &SignalArgs, form: OutputForm) -> Outcome {
    let signal = Signal {
        name: args.name.clone(),
        arguments: payload::read(&args.input).or_usage()?,
        identity: IDENTITY.into(),
        ..Signal::default()
    };
    let mut target = Target::find(&args.target)?;
    target.signal(&signal).map_err(closed_is_not_found)?;
    let text = format!("signal {} sent", args.name);
    target.answer(&text, json!({ "disposition": "recorded" }), form)?;
    target.note_later();
    Ok(Exit::Completed)
}

/// As in Temporal's API, where a closed run cannot be found by these requests any more.
pub(super) fn closed_is_not_found(error: Error) -> Stop {
    match error {
        error @ Error::Closed { .. } => Stop::failed(anyhow::anyhow!("NotFound: {error}")),
        error => stop(error),
    }
}

/// A run that exists, and who to ask about it.
pub(super) struct Target<'a> {
    db: &'a DbArgs,
    pub(super) id: String,
    /// The run that was found first: a newer one of the id is not meant.
    run_id: String,
    owner: Option<Client>,
}

impl<'a> Target<'a> {
    /// The current run of a chain, if one is named (R4). If none is open, the last one answers.
    fn of_chain(args: &'a TargetArgs, chain: &ChainArgs) -> Result<Self, Stop> {
        let Some(first) = &chain.first_execution_run_id else {
            return Self::find(args);
        };
        let reader = stored::open(&args.db.db)?;
        let row = stored::find(&reader, args.id(), None)?;
        if row.status == RunStatus::Running && row.first_run_id != *first {
            return Err(stored::not_found(&args.db.db, args.id(), Some(first)));
        }
        Ok(Self {
            db: &args.db,
            id: row.workflow_id,
            run_id: row.run_id,
            owner: Client::connect(&args.db.db).map_err(stop)?,
        })
    }

    pub(super) fn find(args: &'a TargetArgs) -> Result<Self, Stop> {
        let row = {
            let reader = stored::open(&args.db.db)?;
            stored::find(&reader, args.id(), args.run_id.as_deref())?
        };
        let owner = Client::connect(&args.db.db).map_err(stop)?;
        Ok(Self {
            db: &args.db,
            id: row.workflow_id,
            run_id: row.run_id,
            owner,
        })
    }

    fn cancel(&mut self, args: &CancelArgs) -> Result<CancelResponse, Error> {
        if args.force || args.kill {
            return self.force(&args.reason, args.kill);
        }
        let options = CancelOptions {
            identity: IDENTITY.into(),
            deadline: args.grace,
            escalation: args.then.map(Into::into),
            ..CancelOptions::reason(&args.reason)
        };
        self.ask(
            true,
            |owner, id, run_id| owner.cancel(id, Some(run_id), options.clone()),
            |db, id, run_id| offline::cancel(&db.db, id, Some(run_id), options.clone()),
        )
    }

    fn force(&mut self, reason: &str, kill: bool) -> Result<CancelResponse, Error> {
        let options = ForceOptions {
            reason: reason.into(),
            identity: IDENTITY.into(),
            kill,
            ..ForceOptions::default()
        };
        self.ask(
            true,
            |owner, id, run_id| owner.force(id, Some(run_id), options.clone()),
            |db, id, run_id| offline::force(&db.db, id, Some(run_id), options.clone()),
        )
    }

    fn terminate(&mut self, why: &str) -> Result<(), Error> {
        let options = TerminateOptions {
            reason: why.into(),
            identity: IDENTITY.into(),
            // Asked again because the owner went away before it could answer, it is the same.
            request_id: Some(super::operate::request_id()),
            ..TerminateOptions::default()
        };
        self.ask(
            true,
            |owner, id, run_id| owner.terminate(id, Some(run_id), options.clone()),
            |db, id, run_id| offline::terminate(&db.db, id, Some(run_id), options.clone()),
        )
    }

    fn signal(&mut self, signal: &Signal) -> Result<(), Error> {
        self.ask(
            false,
            |owner, id, run_id| owner.signal(id, Some(run_id), signal.clone()),
            |db, id, run_id| offline::signal(&db.db, id, Some(run_id), signal.clone()),
        )
    }

    /// Asks the owner, or does it here if there is none; again if the owner stops meanwhile.
    /// `repeatable`: a request whose answer was lost may be made twice.
    pub(super) fn ask<T>(
        &mut self,
        repeatable: bool,
        remote: impl Fn(&mut Client, &str, &str) -> Result<T, Error>,
        local: impl Fn(&DbArgs, &str, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            let done = match &mut self.owner {
                Some(owner) => remote(owner, &self.id, &self.run_id),
                None => local(self.db, &self.id, &self.run_id),
            };
            let again = match &done {
                Err(Error::ShutDown) => true,
                Err(Error::System { .. }) => repeatable && self.owner.is_some(),
                Err(Error::Store(error)) => {
                    matches!(**error, sandglass_store::Error::Owned { .. })
                }
                _ => false,
            };
            if !again || tries == TRIES {
                return done;
            }
            tries += 1;
            self.owner = None;
            self.owner = Client::connect(&self.db.db)?;
        }
    }

    /// Waits until the run has ended.
    fn wait(&mut self) -> Result<Status, Stop> {
        while let Some(owner) = &mut self.owner {
            match owner.result(&self.id, Some(&self.run_id)) {
                // It stops, perhaps because the run has ended.
                Err(Error::ShutDown | Error::System { .. }) => {}
                status => return status.map_err(stop),
            }
            let reader = stored::open(&self.db.db)?;
            let row = stored::find(&reader, &self.id, Some(&self.run_id))?;
            let status = stored::describe(&reader, &row)?.status;
            if status != Status::Running {
                return Ok(status);
            }
            self.owner = None;
            self.owner = Client::connect(&self.db.db).map_err(stop)?;
        }
        Err(Stop::host(anyhow::anyhow!(
            "the request is recorded, but no host runs on {}: there is nothing to wait for",
            self.db.db.display()
        )))
    }

    /// Says what was done.
    pub(super) fn answer(&self, text: &str, fields: Value, form: OutputForm) -> Result<(), Stop> {
        let mut document = json!({
            "workflow_id": self.id,
            "run_id": self.run_id,
            "host": self.owner.as_ref().map(|client| client.owner().pid),
        });
        if let (Value::Object(map), Value::Object(fields)) = (&mut document, fields) {
            map.extend(fields);
        }
        match form {
            OutputForm::Json => output::print_json(&document),
            OutputForm::Text => output::print(&format!("workflow {}: {text}\n", self.id)),
        }
    }

    /// Says that nobody is there to act on the request yet.
    pub(super) fn note_later(&self) {
        if self.owner.is_none() {
            output::note("no host runs on this store: it is delivered when one opens it");
        }
    }
}
