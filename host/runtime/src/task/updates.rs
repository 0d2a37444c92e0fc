//! Updates in the mailbox: they are recorded only in the state of the run that they were validated
//! in.

use super::Step;
use crate::cell::{Delivery, Letter, Mail};
use sandglass_engine::{Input, InputError};

impl Step<'_> {
    /// Makes inputs of the updates, and answers those that are to be validated again.
    pub(super) fn admit_updates(&mut self, mails: Vec<Mail>) -> Vec<Mail> {
        let run = self
            .run
            .as_ref()
            .expect("a step appends only to a resident run");
        let (at, begun, status) = (run.next_event_id(), run.has_begun(), run.status().clone());
        let mut moved = false;
        let mut admitted = Vec::with_capacity(mails.len());
        for mut mail in mails {
            if let Letter::Update(update, seen) = mail.letter {
                // One that was not validated is for code that has not begun (R6).
                let fresh = seen.map_or(!begun, |seen| seen == at && !moved);
                if !fresh {
                    let delivery = Delivery::Refused(InputError::Moved, status.clone());
                    self.acks.extend(mail.ack.map(|ack| (ack, delivery)));
                    continue;
                }
                mail.letter = Letter::Input(Input::UpdateRequested(*update));
            }
            moved |= matches!(mail.letter, Letter::Input(_));
            admitted.push(mail);
        }
        admitted
    }
}
