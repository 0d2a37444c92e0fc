//! Running compensations: newest first, one at a time, after a settle barrier (R36).

use super::{Planned, Task};
use crate::{
    Failure, GuestEvent, OperationId, Payload,
    compensation::{Entry, Purpose, Round},
    scopes::{OperationKind, OperationState},
};

/// Header that names the idempotency key of the activity that a compensation undoes.
const UNDOES_HEADER: &str = "undoes";

impl Task {
    /// Goes on with the first round of compensations as far as it can go now.
    pub(super) fn advance_compensation(&mut self) {
        while let Some(round) = self.run.compensations.rounds.front() {
            if round.current.is_some() || !self.run.compensations.round_settled() {
                return;
            }
            let Some(entry) = self.run.compensations.next_entry() else {
                self.end_round();
                continue;
            };
            let activity_id = self.run.scopes.next_operation().to_string();
            let call = self.undoing(entry);
            let kind = OperationKind::Compensation {
                activity_type: call.activity_type.clone(),
                activity_id: activity_id.clone(),
            };
            let operation = self.send_activity(None, kind, activity_id, call);
            if let Some(round) = self.run.compensations.rounds.front_mut() {
                round.current = Some(operation);
            }
            return;
        }
    }

    fn undoing(&self, entry: Entry) -> crate::ActivityCall {
        let mut call = entry.call;
        let (compensations, run_id) = (&self.run.compensations, &self.start().run_id);
        let key = entry.undoes.and_then(|operation| {
            if let Some(key) = compensations.locals.get(&operation) {
                return Some(key.clone());
            }
            let event_id = compensations.sent.get(&operation)?;
            let before = self.run.run_id_at(*event_id);
            Some(format!("{}/{event_id}", before.as_ref().unwrap_or(run_id)))
        });
        if let Some(key) = key {
            let key = format!("\"{key}\"");
            call.header.push((UNDOES_HEADER.into(), Payload::json(key)));
        }
        call
    }

    /// The running compensation has ended. A failure does not stop the others, unless the guest
    /// has said so; then they are told of as not run.
    pub(super) fn compensation_ended(&mut self, operation: OperationId, failure: Option<Failure>) {
        let compensations = &mut self.run.compensations;
        let mut failed: Vec<_> = failure.iter().map(ToString::to_string).collect();
        if failure.is_some() && compensations.stop_on_failure {
            while let Some(entry) = compensations.next_entry() {
                let name = entry.call.activity_type;
                failed.push(format!(
                    "{name} was not run: a compensation before it failed"
                ));
            }
        }
        if let Some(round) = compensations.rounds.front_mut()
            && round.current == Some(operation)
        {
            round.current = None;
            round.failed.extend_from_slice(&failed);
        }
        compensations.failed.extend(failed);
    }

    fn end_round(&mut self) {
        let Some(Round {
            purpose, failed, ..
        }) = self.run.compensations.rounds.pop_front()
        else {
            return;
        };
        match purpose {
            Purpose::Close(outcome) => self.planned.push(Planned::Close(outcome)),
            Purpose::Resolve(operation) => {
                if let Some(entry) = self.run.scopes.operation_mut(operation) {
                    entry.state = OperationState::Queued;
                }
                let outcome = if failed.is_empty() {
                    Ok(())
                } else {
                    Err(Failure::application(
                        "CompensationFailed",
                        failed.join("; "),
                    ))
                };
                self.queue
                    .push_back(GuestEvent::Compensated(operation, outcome));
            }
        }
    }
}
