//! What must hold of every history, checked on its frames by a model of its own: scopes that start
//! nothing once they are canceled, compensations that run once and in reverse, nothing after the end.

use sandglass_engine::{
    ActivityCall, Answer, Attempts, Command, CompensateWhen, CompensationId, EventAttributes,
    EventId, Frame, GuestEvent, HistoryEvent, Input, Issued, Limits, OperationId, Outcome, Payload,
    Record, Run, ScopeId, ScopeKind, Status, TaskOutcome, TaskRecord, Timestamp, history,
};
use std::collections::{BTreeMap, BTreeSet};

/// Checks the frames of one run.
///
/// # Errors
/// What does not hold.
pub fn check(frames: &[Frame]) -> Result<(), String> {
    let events = history(frames.to_vec()).map_err(|error| error.to_string())?;
    for (event, id) in events.iter().zip(1..) {
        if event.event_id != EventId(id) {
            return Err(format!("event {} is at place {id}", event.event_id));
        }
    }
    let run = replayed(frames)?;
    ends(&events, run.0.status())?;
    run.1.compensations(&events)
}

/// A run ends with one event, and nothing follows it.
fn ends(events: &[HistoryEvent], status: &Status) -> Result<(), String> {
    let closes = |event: &HistoryEvent| {
        matches!(
            event.attributes,
            EventAttributes::WorkflowExecutionCompleted { .. }
                | EventAttributes::WorkflowExecutionFailed { .. }
                | EventAttributes::WorkflowExecutionCanceled { .. }
                | EventAttributes::WorkflowExecutionTerminated { .. }
                | EventAttributes::WorkflowExecutionTimedOut { .. }
                | EventAttributes::WorkflowExecutionContinuedAsNew { .. }
        )
    };
    let ends: Vec<usize> = (0..events.len())
        .filter(|place| closes(&events[*place]))
        .collect();
    match (&ends[..], status) {
        ([], Status::Running) => Ok(()),
        ([end], status) if *end + 1 == events.len() && *status != Status::Running => Ok(()),
        _ => Err(format!(
            "it is {status:?} and has ends at {ends:?} of {}",
            events.len()
        )),
    }
}

/// Runs the recorded commands again, and watches them.
fn replayed(frames: &[Frame]) -> Result<(Box<Run>, Model), String> {
    let mut run = Run::new(Limits::default());
    let mut model = Model::default();
    model
        .scopes
        .insert(ScopeId::ROOT, (ScopeId::ROOT, ScopeKind::Cancellable));
    for record in frames
        .iter()
        .flat_map(|frame| frame.records.iter().cloned())
    {
        match record {
            Record::Task(task) => run = model.task(run, task)?,
            record => {
                let inputs = record.inputs().map(|(at, input)| (at, input.clone()));
                let inputs: Vec<_> = inputs.collect();
                model.unsettled.extend(inputs.iter().filter_map(unsettled));
                let mut results = run.append_all(inputs).into_iter();
                if let Some(error) = results.find_map(Result::err) {
                    return Err(format!("a recorded input is refused: {error}"));
                }
            }
        }
    }
    Ok((run, model))
}

/// One registered compensation.
#[derive(Debug)]
struct Entry {
    id: CompensationId,
    undoes: Option<OperationId>,
    call: ActivityCall,
    always: bool,
    /// Of the history as it was then, the next event.
    registered_at: EventId,
}

/// What the commands so far have made, seen without the engine's eyes.
#[derive(Debug, Default)]
struct Model {
    scopes: BTreeMap<ScopeId, (ScopeId, ScopeKind)>,
    /// Scopes that must start nothing any more.
    dead: BTreeSet<ScopeId>,
    entries: Vec<Entry>,
    /// Scheduled events of activities of which nobody knows what an attempt has done.
    unsettled: BTreeSet<EventId>,
    /// Ids of the activities that the guest has asked for.
    asked: BTreeMap<String, OperationId>,
    /// Where the task under way begins in the history.
    now: EventId,
    failed: bool,
}

impl Model {
    fn task(&mut self, mut run: Box<Run>, record: TaskRecord) -> Result<Box<Run>, String> {
        let (digest, commands, resolutions) = match record.outcome {
            TaskOutcome::Completed { digest, commands } => (digest, commands, Vec::new()),
            TaskOutcome::CompletedWithLocal {
                digest,
                commands,
                resolutions,
            } => (digest, commands, resolutions),
            TaskOutcome::Failed { cause, failure } => {
                run.restore_attempt(record.attempt);
                run.fail_task(record.started_at, cause, failure);
                return Ok(run);
            }
        };
        run.restore_attempt(record.attempt);
        self.now = run.next_event_id();
        let mut task = run.begin(record.started_at, digest);
        let mut commands = commands.into_iter().peekable();
        let mut resolutions = resolutions.into_iter();
        let mut delivery = 0;
        loop {
            let event = task.next().map_err(|failure| failure.to_string())?;
            let Some(event) = event else {
                match resolutions.next() {
                    Some(resolution) => task.resolve_local(resolution),
                    None => break,
                }
                continue;
            };
            self.event(&event);
            while let Some(Issued { command, .. }) =
                commands.next_if(|issued| issued.delivery == delivery)
            {
                self.before(&command)?;
                let answer = task.command(command.clone());
                self.after(command, &answer.map_err(|failure| failure.to_string())?)?;
            }
            delivery += 1;
        }
        if let Some(left) = commands.next() {
            return Err(format!("{left:?} is of an activation that there is not"));
        }
        // What nobody had begun is recorded as an input of its own.
        task.finish_with(|_| Attempts::Running)
            .map_err(|failure| failure.to_string())
    }

    fn event(&mut self, event: &GuestEvent) {
        match event {
            GuestEvent::CancelRequested(_) => self.kill(ScopeId::ROOT, false),
            GuestEvent::ScopeCanceled(scope, _) => self.kill(*scope, false),
            _ => {}
        }
    }

    /// Cancels or closes a scope: it starts nothing any more, and nor does what is below it but
    /// behind a shield or detached.
    fn kill(&mut self, scope: ScopeId, closed: bool) {
        let kind = self.scopes.get(&scope).map(|(_, kind)| *kind);
        if kind == Some(ScopeKind::Shielded) && !closed {
            return;
        }
        self.dead.insert(scope);
        let below = |(id, (parent, kind)): (&ScopeId, &(ScopeId, ScopeKind))| {
            let ends = *kind != ScopeKind::Detached && (closed || *kind != ScopeKind::Shielded);
            (*parent == scope && *id != scope && ends).then_some(*id)
        };
        let below: Vec<ScopeId> = self.scopes.iter().filter_map(below).collect();
        for scope in below {
            self.kill(scope, closed);
        }
    }

    fn before(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::ScheduleActivity { scope, .. }
            | Command::ScheduleLocalActivity { scope, .. }
            | Command::StartTimer { scope, .. }
            | Command::OpenWait { scope, .. }
            | Command::StartChild { scope, .. }
            | Command::SignalExternal { scope, .. }
            | Command::CancelExternal { scope, .. }
                if self.dead.contains(scope) =>
            {
                Err(format!("{command:?} starts in a scope that was canceled"))
            }
            Command::CancelScope { scope, .. } => {
                self.kill(*scope, false);
                Ok(())
            }
            Command::CloseScope { scope } => {
                self.kill(*scope, true);
                Ok(())
            }
            Command::Complete { outcome } => {
                self.failed = matches!(outcome, Outcome::Failed(_));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn after(&mut self, command: Command, answer: &Answer) -> Result<(), String> {
        match (command, answer) {
            (Command::OpenScope { parent, kind }, Answer::Scope(scope)) => {
                self.scopes.insert(*scope, (parent, kind));
                let of_parent = matches!(kind, ScopeKind::Cancellable | ScopeKind::Timeout(_));
                if of_parent && self.dead.contains(&parent) {
                    self.dead.insert(*scope);
                }
            }
            (Command::ScheduleActivity { call, .. }, Answer::Operation(operation)) => {
                let id = call.activity_id.unwrap_or_else(|| operation.to_string());
                self.asked.insert(id, *operation);
            }
            (
                Command::PushCompensation {
                    undoes, call, when, ..
                },
                Answer::Compensation(id),
            ) => self.entries.push(Entry {
                id: *id,
                undoes,
                call,
                always: when == CompensateWhen::Always,
                registered_at: self.now,
            }),
            (
                Command::SetCompensationArguments {
                    compensation,
                    arguments,
                },
                _,
            ) => {
                let entry = self
                    .entries
                    .iter_mut()
                    .find(|entry| entry.id == compensation);
                if let Some(entry) = entry {
                    entry.call.arguments = arguments;
                }
            }
            (command, Answer::Refused(failure)) => {
                return Err(format!(
                    "{command:?} was recorded and is refused: {failure}"
                ));
            }
            _ => {}
        }
        Ok(())
    }

    /// Each ran at most once; after a failed end all that had an effect ran, newest first.
    fn compensations(mut self, events: &[HistoryEvent]) -> Result<(), String> {
        let ran = self.ran(events)?;
        let ended = ends_of(events, &self.asked, &self.unsettled);
        for entry in &self.entries {
            let end = entry.undoes.and_then(|operation| ended.get(&operation));
            let void = entry.undoes.is_some() && end != Some(&true) && end.is_some();
            if void && !entry.always && ran.contains_key(&entry.id) {
                return Err(format!("{entry:?} ran although there was nothing to undo"));
            }
        }
        for (older, at) in &ran {
            // A newer one may follow only if it was registered since: its work came later.
            let mut entries = self.entries.iter().filter(|entry| entry.id > *older);
            let late = entries.find(|newer| {
                newer.registered_at < *at && ran.get(&newer.id).is_some_and(|later| later > at)
            });
            if let Some(newer) = late {
                return Err(format!("{newer:?} ran after {older:?}: {ran:?}"));
            }
        }
        let by_force = events.iter().any(|event| {
            matches!(
                event.attributes,
                EventAttributes::WorkflowExecutionTerminated { .. }
                    | EventAttributes::WorkflowExecutionTimedOut { .. }
                    | EventAttributes::WorkflowExecutionForceCancelRequested(_)
            )
        });
        if !self.failed || by_force {
            return Ok(());
        }
        self.entries.retain(|entry| {
            let effective = |operation| ended.get(&operation).is_some_and(|effective| *effective);
            entry.undoes.is_none_or(effective) && !ran.contains_key(&entry.id)
        });
        match self.entries.first() {
            Some(entry) => Err(format!("{entry:?} did not run")),
            None => Ok(()),
        }
    }

    /// The compensations that were sent, and when: activities that the guest has not asked for.
    fn ran(&self, events: &[HistoryEvent]) -> Result<BTreeMap<CompensationId, EventId>, String> {
        let mut ran = BTreeMap::new();
        for event in events {
            let EventAttributes::ActivityTaskScheduled {
                activity_id, call, ..
            } = &event.attributes
            else {
                continue;
            };
            if self.asked.contains_key(activity_id) {
                continue;
            }
            let same = |arguments: &[Payload]| arguments == &call.arguments[..];
            let mut entries = self.entries.iter().rev();
            let found = entries.find(|entry| {
                entry.call.activity_type == call.activity_type
                    && same(&entry.call.arguments)
                    && !ran.contains_key(&entry.id)
            });
            match found {
                Some(entry) => drop(ran.insert(entry.id, event.event_id)),
                None => {
                    return Err(format!(
                        "{} was not registered, or ran twice",
                        call.activity_type
                    ));
                }
            }
        }
        Ok(ran)
    }
}

/// The activity that an input ends, if nobody knows what an attempt of it has done.
fn unsettled((_, input): &(Timestamp, Input)) -> Option<EventId> {
    match input {
        Input::ActivityClosed {
            scheduled_event_id,
            unsettled: true,
            ..
        } => Some(*scheduled_event_id),
        _ => None,
    }
}

/// How the guest's activities ended: whether with an effect.
fn ends_of(
    events: &[HistoryEvent],
    asked: &BTreeMap<String, OperationId>,
    unsettled: &BTreeSet<EventId>,
) -> BTreeMap<OperationId, bool> {
    let mut scheduled = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for event in events {
        let (id, effective) = match &event.attributes {
            EventAttributes::ActivityTaskScheduled { activity_id, .. } => {
                if let Some(operation) = asked.get(activity_id) {
                    scheduled.insert(event.event_id, *operation);
                }
                continue;
            }
            EventAttributes::ActivityTaskCompleted {
                scheduled_event_id, ..
            }
            | EventAttributes::ActivityTaskTimedOut {
                scheduled_event_id, ..
            }
            // Nobody knows what it did.
            | EventAttributes::ActivityCancelWaitTimedOut {
                scheduled_event_id, ..
            } => (scheduled_event_id, true),
            EventAttributes::ActivityTaskFailed {
                scheduled_event_id, ..
            }
            | EventAttributes::ActivityTaskCanceled {
                scheduled_event_id, ..
            } => (
                scheduled_event_id,
                unsettled.contains(scheduled_event_id),
            ),
            _ => continue,
        };
        if let Some(operation) = scheduled.get(id) {
            ended.insert(*operation, effective);
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two activities, `a` and then `b`, each with its compensation, and a failed end.
    fn failed() -> Model {
        let both = [(1_u32, "a"), (2, "b")];
        let entries = both.map(|(number, name)| Entry {
            id: CompensationId(number),
            undoes: Some(OperationId(u64::from(number))),
            call: call(&format!("undo {name}")),
            always: false,
            registered_at: EventId(1),
        });
        Model {
            entries: entries.into(),
            asked: both
                .map(|(number, name)| (name.to_owned(), OperationId(u64::from(number))))
                .into(),
            failed: true,
            ..Model::default()
        }
    }

    fn call(name: &str) -> ActivityCall {
        ActivityCall {
            activity_type: name.into(),
            ..ActivityCall::default()
        }
    }

    /// The events of activities, one after another. What ends with `!` was waited for in vain, with
    /// `?` it had no effect.
    fn events(names: &[&str]) -> Vec<HistoryEvent> {
        let mut all = Vec::new();
        for name in names {
            let bare = name.trim_end_matches(['?', '!']);
            let scheduled_event_id = EventId(all.len() as u64 + 1);
            all.push(EventAttributes::ActivityTaskScheduled {
                activity_id: bare.into(),
                call: Box::new(call(bare)),
                workflow_task_completed_event_id: EventId(0),
            });
            all.push(match &name[bare.len()..] {
                "?" => EventAttributes::ActivityTaskCanceled {
                    details: Vec::new(),
                    latest_cancel_requested_event_id: EventId(0),
                    scheduled_event_id,
                    started_event_id: EventId(0),
                    identity: String::new(),
                },
                "!" => EventAttributes::ActivityCancelWaitTimedOut {
                    scheduled_event_id,
                    cancel_requested_event_id: EventId(0),
                },
                _ => EventAttributes::ActivityTaskCompleted {
                    result: Payload::null(),
                    scheduled_event_id,
                    started_event_id: EventId(0),
                },
            });
        }
        let event = |(attributes, id)| HistoryEvent {
            event_id: EventId(id),
            event_time: Timestamp(0),
            attributes,
        };
        all.into_iter().zip(1..).map(event).collect()
    }

    #[test]
    fn compensations_that_are_missing_doubled_or_in_the_wrong_order_are_found() {
        for (names, wrong) in [
            (&["a", "b", "undo b", "undo a"][..], None),
            (&["a", "b?", "undo a"], None),
            (&["a", "b!", "undo b", "undo a"], None),
            (&["a", "b!", "undo a"], Some("did not run")),
            (&["a", "b", "undo b"], Some("did not run")),
            (&["a", "b", "undo a", "undo b"], Some("ran after")),
            (&["a", "b", "undo b", "undo a", "undo a"], Some("ran twice")),
            (&["a", "b?", "undo b", "undo a"], Some("nothing to undo")),
        ] {
            let found = failed().compensations(&events(names)).err();
            let is_right = match (&found, wrong) {
                (Some(found), Some(wrong)) => found.contains(wrong),
                (found, wrong) => found.is_none() && wrong.is_none(),
            };
            assert!(is_right, "{names:?}: {found:?}, not {wrong:?}");
        }
    }

    #[test]
    fn what_starts_in_a_canceled_scope_is_found() {
        let mut model = Model::default();
        let inner = [
            (ScopeId(1), ScopeId::ROOT, ScopeKind::Cancellable, true),
            (ScopeId(2), ScopeId(1), ScopeKind::Shielded, false),
            (ScopeId(3), ScopeId(1), ScopeKind::Detached, false),
        ];
        for (scope, parent, kind, _) in inner {
            model.scopes.insert(scope, (parent, kind));
        }
        model.kill(ScopeId::ROOT, false);
        for (scope, .., dead) in inner {
            let starts = Command::OpenWait {
                scope,
                label: String::new(),
            };
            assert_eq!(model.before(&starts).is_err(), dead, "{scope:?}");
        }
    }
}
