//! Updates, patches, memo and search attributes: what a task does with them.

use super::{Planned, Task};
use crate::{
    Answer, Command, EventAttributes, EventId, Failure, Fields, GuestEvent, Limits, Payload,
    SearchValue, TaskFailedCause, TaskFailure, Update, UpdateProgress, frame::Issued,
};
use std::collections::{BTreeMap, BTreeSet};

/// The marker of a patch, as Temporal's SDKs name it, and the key of its details.
const PATCH_MARKER: &str = "core_patch";
const PATCH_DETAILS: &str = "patch-data";

/// The search attribute that lists a run's patches, as in Temporal.
const CHANGE_VERSION: &str = "TemporalChangeVersion";

/// The most that it takes of a run's search attributes, in bytes. Patches that would make it larger
/// are not listed; their markers are there all the same. A constant and no limit of the host: a
/// replay under another one has to write the same events.
const CHANGE_VERSION_BYTES: usize = 2048;

/// Commands.
impl Task {
    pub(super) fn execute_message(&mut self, command: Command) -> Answer {
        match command {
            Command::CompleteUpdate { id, outcome } => self.complete_update(id, outcome),
            Command::UpsertMemo { entries } => self.upsert_memo(entries),
            Command::UpsertSearchAttributes { entries } => self.upsert_search_attributes(entries),
            Command::Patched { id, deprecated } => {
                self.mark_patch(id, deprecated);
                return Answer::Patched(true);
            }
            other => unreachable!("{} is executed elsewhere", other.import()),
        }
        Answer::Done
    }

    pub(super) fn validate_message(
        &self,
        command: &Command,
        limit: usize,
    ) -> Result<(), TaskFailure> {
        match command {
            Command::CompleteUpdate { id, .. } => self.answerable(id),
            Command::UpsertMemo { entries } => self.valid_memo(entries, limit),
            Command::UpsertSearchAttributes { entries } => {
                self.valid_search_attributes(entries, limit)
            }
            Command::Patched { id, .. } => valid_patch(id, limit),
            other => unreachable!("{} is validated elsewhere", other.import()),
        }
    }
}

/// A command in a few words, if it is one of these.
pub(super) fn show(command: &Command) -> Option<String> {
    Some(match command {
        Command::CompleteUpdate { id, outcome } => {
            let how = if outcome.is_ok() {
                "a value"
            } else {
                "a failure"
            };
            format!("answer update {id:?} with {how}")
        }
        Command::UpsertMemo { entries } => format!("upsert memo {}", names(entries)),
        Command::UpsertSearchAttributes { entries } => {
            format!("upsert search attributes {}", names(entries))
        }
        Command::Patched { id, .. } => format!("patch {id:?}"),
        _ => return None,
    })
}

fn names<T>(entries: &[(String, T)]) -> String {
    let names = entries.iter().map(|(name, _)| name.as_str());
    names.collect::<Vec<_>>().join(", ")
}

/// Updates.
impl Task {
    /// Gives the guest an update, which thereby is accepted.
    pub(super) fn deliver_update(&mut self, update: Update) -> Option<GuestEvent> {
        // Nobody is there any more to answer it: it is as if it had not been accepted.
        if self.run.guest_done {
            return None;
        }
        self.run
            .updates
            .entry(update.id.clone())
            .or_default()
            .delivered = true;
        self.planned
            .push(Planned::AcceptUpdate(Box::new(update.clone())));
        Some(GuestEvent::UpdateRequested(update))
    }

    pub(super) fn complete_update(&mut self, id: String, outcome: Result<Payload, Failure>) {
        self.run.updates.entry(id.clone()).or_default().answered = true;
        self.planned.push(Planned::CompleteUpdate { id, outcome });
    }

    pub(super) fn write_acceptance(
        &mut self,
        update: Update,
        workflow_task_completed_event_id: EventId,
    ) {
        let id = update.id.clone();
        let attributes = EventAttributes::WorkflowExecutionUpdateAccepted {
            update: Box::new(update),
            workflow_task_completed_event_id,
        };
        let event_id = self.run.emit(self.started_at, attributes);
        self.run
            .updates
            .entry(id.clone())
            .or_default()
            .accepted_event_id = event_id;
        let progress = UpdateProgress::Accepted { event_id };
        self.run.changes().updates.push((id, progress));
    }

    pub(super) fn write_completion(&mut self, id: String, outcome: Result<Payload, Failure>) {
        let accepted_event_id = self
            .run
            .updates
            .entry(id.clone())
            .or_default()
            .accepted_event_id;
        let attributes = EventAttributes::WorkflowExecutionUpdateCompleted {
            update_id: id.clone(),
            accepted_event_id,
            outcome: outcome.clone(),
        };
        self.run.emit(self.started_at, attributes);
        let progress = UpdateProgress::Completed { outcome };
        self.run.changes().updates.push((id, progress));
    }

    /// Whether the guest has an update of this id to answer.
    pub(super) fn answerable(&self, id: &str) -> Result<(), TaskFailure> {
        let what = match self.run.updates.get(id) {
            Some(update) if update.answered => "was answered before",
            Some(update) if update.delivered => return Ok(()),
            _ => "was never delivered",
        };
        let cause = TaskFailedCause::BadUpdateWorkflowExecutionMessage;
        let message = format!("update {id:?} {what}");
        let kind = "BadUpdateWorkflowExecutionMessage";
        Err(TaskFailure::new(cause, kind, message))
    }
}

/// Patches.
impl Task {
    /// Whether the code is to go the way of a patch. The first answer of a run stays.
    ///
    /// In a replay the answer is yes only where the patch was recorded, so that a run which came
    /// by here before the patch existed goes on as it began.
    pub(super) fn patched(&mut self, id: String, deprecated: bool) -> Result<Answer, TaskFailure> {
        if let Some(known) = self.run.patches.get(&id) {
            return Ok(Answer::Patched(*known));
        }
        if self.read_only {
            let command = Command::Patched { id, deprecated };
            return Err(super::only_looks(&command));
        }
        self.skip_deprecated(Some(&id));
        let recorded = match self.recorded_here() {
            Some(Command::Patched { id: recorded, .. }) => *recorded == id,
            _ => false,
        };
        if self.replaying() && !recorded {
            if !deprecated {
                self.run.patches.insert(id, false);
            }
            return Ok(Answer::Patched(false));
        }
        let command = if self.replaying() {
            // As it was recorded: code that calls the patch deprecated now goes on.
            self.take_recorded()
        } else {
            Command::Patched { id, deprecated }
        };
        self.validate(&command)?;
        self.check_limits(&command)?;
        Ok(self.issue(command))
    }

    /// In replay, makes up for calls of deprecated patches that the code does not make any more.
    pub(super) fn skip_deprecated(&mut self, wanted: Option<&str>) {
        while let Some(Command::Patched {
            id,
            deprecated: true,
        }) = self.recorded_here()
            && wanted != Some(id.as_str())
        {
            let command = self.take_recorded();
            self.issue(command);
        }
    }

    /// Counts the next recorded command as made.
    fn take_recorded(&mut self) -> Command {
        let recorded = self.recorded.as_mut().and_then(|recorded| recorded.take());
        recorded.expect("the caller has seen that it is there")
    }

    fn issue(&mut self, command: Command) -> Answer {
        let delivery = self.deliveries.saturating_sub(1);
        self.issued.push(Issued {
            delivery,
            command: command.clone(),
        });
        self.execute(command)
    }

    pub(super) fn mark_patch(&mut self, id: String, deprecated: bool) {
        let data = format!(
            "{{\"id\":{},\"deprecated\":{deprecated}}}",
            serde_json::Value::from(id.as_str())
        );
        self.run.patches.insert(id, true);
        self.planned.push(Planned::Marker {
            name: PATCH_MARKER.into(),
            details: vec![(PATCH_DETAILS.into(), vec![Payload::json(data)])],
            failure: None,
        });
        let patches = self.run.patches.iter();
        let made: BTreeSet<String> = patches
            .filter(|(_, made)| **made)
            .map(|(id, _)| id.clone())
            .collect();
        let list = SearchValue::KeywordList(made.into_iter().collect());
        if CHANGE_VERSION.len() + list.to_payload().size() <= CHANGE_VERSION_BYTES {
            self.upsert_search_attributes(vec![(CHANGE_VERSION.into(), Some(list))]);
        }
    }
}

/// Memo and search attributes.
impl Task {
    pub(super) fn upsert_memo(&mut self, entries: Vec<(String, Option<Payload>)>) {
        merge(&mut self.run.memo, &entries);
        self.planned.push(Planned::Memo(entries));
    }

    pub(super) fn upsert_search_attributes(&mut self, entries: Vec<(String, Option<SearchValue>)>) {
        merge(&mut self.run.search_attributes, &payloads(&entries));
        self.planned.push(Planned::SearchAttributes(entries));
    }

    pub(super) fn valid_memo(
        &self,
        entries: &[(String, Option<Payload>)],
        name_bytes: usize,
    ) -> Result<(), TaskFailure> {
        let bad = |reason: String| {
            let cause = TaskFailedCause::BadModifyWorkflowPropertiesAttributes;
            let kind = "BadModifyWorkflowPropertiesAttributes";
            Err(TaskFailure::new(cause, kind, reason))
        };
        let limit = self.run.limits.memo_bytes;
        let mut after = self.run.memo.clone();
        merge(&mut after, entries);
        let size = fields_bytes(&after);
        match bad_name(entries.iter().map(|(name, _)| name), name_bytes) {
            Some(reason) => bad(format!("memo: {reason}")),
            None if size > limit && !self.replaying() => {
                bad(format!("the memo would have {size} bytes, at most {limit}"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn valid_search_attributes(
        &self,
        entries: &[(String, Option<SearchValue>)],
        name_bytes: usize,
    ) -> Result<(), TaskFailure> {
        let bad = |reason: String| {
            let cause = TaskFailedCause::BadSearchAttributes;
            Err(TaskFailure::new(cause, "BadSearchAttributes", reason))
        };
        if let Some(reason) = bad_name(entries.iter().map(|(name, _)| name), name_bytes) {
            return bad(format!("search attributes: {reason}"));
        }
        let limit = self.run.limits.search_attribute_bytes;
        let mut after = self.run.search_attributes.clone();
        for (name, value) in entries {
            match (after.get(name), value) {
                (_, Some(SearchValue::Double(number))) if !number.is_finite() => {
                    return bad(format!("search attribute {name:?}: {number} is not finite"));
                }
                (Some(before), Some(now)) if !now.is_of_type_of(before) => {
                    let now = now.type_name();
                    return bad(format!(
                        "search attribute {name:?} is not of type {now} in this run"
                    ));
                }
                _ => {}
            }
        }
        merge(&mut after, &payloads(entries));
        if entries.iter().all(|(name, _)| name != CHANGE_VERSION) {
            // It is the host's own, and has a bound of its own.
            after.remove(CHANGE_VERSION);
        }
        let size = fields_bytes(&after);
        if size > limit && !self.replaying() {
            return bad(format!(
                "the search attributes would have {size} bytes, at most {limit}"
            ));
        }
        Ok(())
    }

    pub(super) fn write_memo(
        &mut self,
        upserted_memo: Vec<(String, Option<Payload>)>,
        workflow_task_completed_event_id: EventId,
    ) {
        let attributes = EventAttributes::WorkflowPropertiesModified {
            upserted_memo,
            workflow_task_completed_event_id,
        };
        self.run.emit(self.started_at, attributes);
    }

    pub(super) fn write_search_attributes(
        &mut self,
        search_attributes: Vec<(String, Option<SearchValue>)>,
        workflow_task_completed_event_id: EventId,
    ) {
        let attributes = EventAttributes::UpsertWorkflowSearchAttributes {
            search_attributes: payloads(&search_attributes),
            workflow_task_completed_event_id,
        };
        self.run.emit(self.started_at, attributes);
    }
}

/// The same as they are stored and shown.
fn payloads(entries: &[(String, Option<SearchValue>)]) -> Vec<(String, Option<Payload>)> {
    let entries = entries.iter();
    entries
        .map(|(name, value)| (name.clone(), value.as_ref().map(SearchValue::to_payload)))
        .collect()
}

/// Sets or, without a value, removes entries.
fn merge<T: Clone>(all: &mut BTreeMap<String, T>, entries: &[(String, Option<T>)]) {
    for (name, value) in entries {
        match value {
            Some(value) => drop(all.insert(name.clone(), value.clone())),
            None => drop(all.remove(name)),
        }
    }
}

impl Limits {
    /// What is wrong with the memo and search attributes that a run is to begin with, if anything
    /// is: a name, a size, or a value that is of no type that can be searched.
    #[must_use]
    pub fn bad_fields(
        &self,
        memo: Option<&Fields>,
        search_attributes: Option<&Fields>,
    ) -> Option<String> {
        let [memo, search] = [
            (memo, "memo", self.memo_bytes),
            (
                search_attributes,
                "search attributes",
                self.search_attribute_bytes,
            ),
        ]
        .map(|(fields, what, limit)| {
            let fields = fields?;
            if let Some(reason) = bad_name(fields.keys(), self.name_bytes) {
                return Some(format!("{what}: {reason}"));
            }
            let size = fields_bytes(fields);
            (size > limit).then(|| format!("{what} of {size} bytes, at most {limit}"))
        });
        let mut values = search_attributes.into_iter().flatten();
        let untyped = || {
            values.find_map(|(name, value)| {
                let reason = SearchValue::from_payload(value).err()?;
                Some(format!("search attribute {name:?}: {reason}"))
            })
        };
        memo.or(search).or_else(untyped)
    }
}

/// What named values count against limits on size, in bytes.
pub(super) fn fields_bytes(all: &Fields) -> usize {
    named_bytes(all)
}

/// The same of values that stand in another order.
pub(super) fn named_bytes<'a>(all: impl IntoIterator<Item = (&'a String, &'a Payload)>) -> usize {
    let all = all.into_iter();
    all.map(|(name, value)| name.len() + value.size()).sum()
}

fn bad_name<'a>(mut names: impl Iterator<Item = &'a String>, max: usize) -> Option<String> {
    names
        .find(|name| !(1..=max).contains(&name.len()))
        .map(|name| format!("a name has 1 to {max} bytes, not {}", name.len()))
}

fn valid_patch(id: &str, limit: usize) -> Result<(), TaskFailure> {
    if (1..=limit).contains(&id.len()) {
        return Ok(());
    }
    let cause = TaskFailedCause::BadRecordMarkerAttributes;
    let message = format!(
        "the id of a patch has 1 to {limit} bytes, this one has {}",
        id.len()
    );
    Err(TaskFailure::new(
        cause,
        "BadRecordMarkerAttributes",
        message,
    ))
}
