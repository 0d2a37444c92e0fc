//! Requests to a run: cancel, terminate, signal.
//!
//! The store's owner is asked, if there is one. Else the request is recorded here, and delivered
//! when a host opens the store.

use super::{place::Place, stored};
use crate::{
    args::{CancelArgs, OutputForm, PlaceArgs, SignalArgs, TargetArgs, TerminateArgs},
    exit::{Exit, OrStop, Outcome, Stop},
    outcome, output,
    run::{IDENTITY, stop},
};
use sandglass::{
    CancelOptions, CancelResponse, Disposition, Error, ForceOptions, MessageError,
    TerminateOptions, offline, remote::Client,
};
use sandglass_engine::{EventId, Signal, Status};
use serde_json::{Value, json};
use std::{path::Path, thread, time::Duration};

/// How often a request is made again because the owner went away.
const TRIES: u32 = 3;

/// How often it is looked whether a store without a host has got one.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(super) fn cancel(args: &CancelArgs, form: OutputForm) -> Outcome {
    if let Some(scope) = args.scope {
        return super::operate::cancel_scope(args, scope, form);
    }
    let mut target = Target::find(&args.target, args.chain.first_execution_run_id.as_deref())?;
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
                status.name(),
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
        map.insert("status".into(), status.name().into());
    }
    target.answer(&text, fields, form)?;
    match closed {
        Some(_) if args.fail_if_closed && word == "already_closed" => Ok(Exit::Failed),
        Some(status) if args.wait => {
            output::note(&format!("workflow {} {}", target.id, status.name()));
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
    let mut target = Target::find(&args.target, args.chain.first_execution_run_id.as_deref())?;
    target
        .terminate(&args.reason)
        .map_err(closed_is_not_found)?;
    target.answer("terminated", json!({ "disposition": "terminated" }), form)?;
    Ok(Exit::Completed)
}

pub(super) fn signal(args: &SignalArgs, form: OutputForm) -> Outcome {
    let signal = Signal {
        name: args.name.clone(),
        arguments: args.input.read().or_usage()?,
        header: args.headers.all(),
        identity: IDENTITY.into(),
        request_id: super::operate::request_id(),
    };
    let mut target = Target::find(&args.target, None)?;
    target.signal(&signal).map_err(closed_is_not_found)?;
    let text = format!("signal {} sent", args.name);
    target.answer(&text, json!({ "disposition": "recorded" }), form)?;
    target.note_later();
    Ok(Exit::Completed)
}

/// Waits until a run has ended, and shows how.
pub(super) fn result(args: &TargetArgs, form: OutputForm) -> Outcome {
    let mut target = Target::find(args, None)?;
    let status = target.wait()?;
    let mut document = json!({
        "workflow_id": target.id,
        "run_id": target.found,
        "status": status.name(),
    });
    if let Value::Object(map) = &mut document {
        map.extend(outcome::fields(&status));
    }
    match form {
        OutputForm::Json => output::print_json(&document)?,
        OutputForm::Text => {
            let text = outcome::text(&status).map_or_else(String::new, |(_, text)| text);
            output::print(&format!("{}: {text}\n", status.name()))?;
        }
    }
    Ok(outcome::exit(&status))
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
    place: &'a PlaceArgs,
    pub(super) id: String,
    /// The run that was found: what people are told.
    pub(super) found: String,
    /// The run that was asked for, if one was.
    run_id: Option<String>,
    /// Else the chain that is meant: what is asked concerns its current run, whichever that is by
    /// then, and no newer chain of the id (R4).
    first_run_id: Option<String>,
    owner: Option<Client>,
}

/// The error of the host in what a request came to, if it is one.
pub(super) trait OfHost: From<Error> {
    fn of_host(&self) -> Option<&Error>;
}

impl OfHost for Error {
    fn of_host(&self) -> Option<&Error> {
        Some(self)
    }
}

impl OfHost for MessageError {
    fn of_host(&self) -> Option<&Error> {
        match self {
            Self::Host(error) => Some(error),
            _ => None,
        }
    }
}

impl<'a> Target<'a> {
    /// The run, the newest one of the id, or the current one of a chain. If no run of the chain is
    /// open, the last run of the id answers.
    pub(super) fn find(args: &'a TargetArgs, chain: Option<&str>) -> Result<Self, Stop> {
        let asked = args.run_id.clone().filter(|_| chain.is_none());
        let row = Place::open(&args.place)?.find(args.id(), asked.as_deref())?;
        if row.is_open && chain.is_some_and(|first| first != row.first_run_id) {
            return Err(stored::not_found(&args.place.name(), args.id(), chain));
        }
        let chain = chain.map_or(row.first_run_id, Into::into);
        let mut target = Self {
            place: &args.place,
            id: row.workflow_id,
            found: row.run_id,
            first_run_id: asked.is_none().then_some(chain),
            run_id: asked,
            owner: None,
        };
        target.connect().map_err(stop)?;
        Ok(target)
    }

    /// As [`Target::find`], for what must not reach another run if it is asked for again.
    pub(super) fn exactly(args: &'a TargetArgs) -> Result<Self, Stop> {
        let mut target = Self::find(args, None)?;
        target.run_id = Some(target.found.clone());
        target.first_run_id = None;
        target.connect().map_err(stop)?;
        Ok(target)
    }

    fn connect(&mut self) -> Result<(), Error> {
        self.owner = None;
        let owner = self.place.client()?;
        self.owner = owner.map(|owner| owner.chained(self.first_run_id.clone()));
        Ok(())
    }

    fn cancel(&mut self, args: &CancelArgs) -> Result<CancelResponse, Error> {
        if args.force || args.kill {
            return self.force(&args.reason, args.kill);
        }
        let options = CancelOptions {
            identity: IDENTITY.into(),
            request_id: Some(super::operate::request_id()),
            deadline: args.grace,
            escalation: args.then.map(Into::into),
            ..CancelOptions::reason(&args.reason)
        };
        self.ask(
            true,
            |owner, id, run_id| owner.cancel(id, run_id, options.clone()),
            |db, id, run_id| offline::cancel(db, id, run_id, options.clone()),
        )
    }

    fn force(&mut self, reason: &str, kill: bool) -> Result<CancelResponse, Error> {
        let options = ForceOptions {
            reason: reason.into(),
            identity: IDENTITY.into(),
            kill,
            request_id: Some(super::operate::request_id()),
        };
        self.ask(
            true,
            |owner, id, run_id| owner.force(id, run_id, options.clone()),
            |db, id, run_id| offline::force(db, id, run_id, options.clone()),
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
            |owner, id, run_id| owner.terminate(id, run_id, options.clone()),
            |db, id, run_id| offline::terminate(db, id, run_id, options.clone()),
        )
    }

    fn signal(&mut self, signal: &Signal) -> Result<(), Error> {
        self.ask(
            true,
            |owner, id, run_id| owner.signal(id, run_id, signal.clone()),
            |db, id, run_id| offline::signal(db, id, run_id, signal.clone()),
        )
    }

    /// Asks the owner, or does it here if there is none; again if the owner stops meanwhile.
    /// `repeatable`: a request whose answer was lost may be made twice.
    pub(super) fn ask<T, E: OfHost>(
        &mut self,
        repeatable: bool,
        remote: impl Fn(&mut Client, &str, Option<&str>) -> Result<T, E>,
        local: impl Fn(&Path, &str, Option<&str>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tries = 1;
        loop {
            let done = match &mut self.owner {
                Some(owner) => remote(owner, &self.id, self.run_id.as_deref()),
                None => local(self.place.file(), &self.id, self.run_id.as_deref()),
            };
            let again = match done.as_ref().err().and_then(OfHost::of_host) {
                Some(Error::ShutDown) => true,
                Some(Error::System { .. }) => repeatable && self.owner.is_some(),
                Some(Error::Store(error)) => {
                    matches!(**error, sandglass_store::Error::Owned { .. })
                }
                _ => false,
            };
            if !again || tries == TRIES {
                return done;
            }
            tries += 1;
            self.connect()?;
        }
    }

    /// Waits until the run has ended, and those that follow it. The last of them is then the one
    /// that was found.
    pub(super) fn wait(&mut self) -> Result<Status, Stop> {
        loop {
            let run = Place::open(self.place)?.describe(&self.id, Some(&self.found))?;
            match run.chain.successor {
                Some(next) => {
                    self.found = next;
                    continue;
                }
                None if run.status != Status::Running => return Ok(run.status),
                None => {}
            }
            let Some(owner) = &mut self.owner else {
                return Err(Stop::host(anyhow::anyhow!(
                    "the run is open, but no host runs on {}: there is nothing to wait for",
                    self.place.name()
                )));
            };
            match owner.result(&self.id, Some(&self.found)) {
                // How the run itself ended, and which is the last, is looked at anew. If the owner
                // has stopped, perhaps because the run has ended, that too.
                Ok(_) | Err(Error::ShutDown | Error::System { .. }) => {}
                Err(error) => return Err(stop(error)),
            }
            self.connect().map_err(stop)?;
        }
    }

    /// Waits until the run that was found has an event after this one, or has ended; a moment if
    /// no host runs it.
    pub(super) fn wait_after(&mut self, event_id: EventId) -> Result<(), Stop> {
        let Some(owner) = &mut self.owner else {
            thread::sleep(LOOK_AGAIN);
            return self.connect().map_err(stop);
        };
        match owner.wait_after(&self.id, Some(&self.found), event_id) {
            Ok(()) => Ok(()),
            // Nothing has come so far, or the host has gone away: it is looked at anew.
            Err(Error::ShutDown | Error::System { .. }) => self.connect().map_err(stop),
            Err(error) => Err(stop(error)),
        }
    }

    /// Says what was done.
    pub(super) fn answer(&self, text: &str, fields: Value, form: OutputForm) -> Result<(), Stop> {
        let mut document = json!({
            "workflow_id": self.id,
            "run_id": self.found,
            "host": self.owner.as_ref().map(|client| client.owner().map(|owner| owner.pid)),
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
