//! Recording inputs: what they are, in which order, and who is answered how.

use super::{Fact, Step};
use crate::cell::{Delivery, Letter, Mail};
use sandglass_engine::{Input, InputError, Run, Timestamp};

impl Step<'_> {
    /// Records inputs. What is not taken is answered with the rest, after the commit.
    pub(super) fn append(&mut self, mails: Vec<Mail>) {
        let mut mails = self.admit_updates(mails);
        // What waited for a task to end is recorded at once: the next task is scheduled after the
        // last of it, and not after the first (semantics A3 b).
        let waited = mails.iter().take_while(|mail| mail.buffered).count();
        let mut rest = mails.split_off(waited).into_iter().peekable();
        self.append_together(mails);
        while let Some(mail) = rest.next() {
            let mut together = vec![mail];
            together.extend(std::iter::from_fn(|| rest.next_if(|mail| mail.joined)));
            self.append_together(together);
        }
    }

    fn append_together(&mut self, mails: Vec<Mail>) {
        let run = self
            .run
            .as_mut()
            .expect("a step appends only to a resident run");
        let inputs: Vec<(Timestamp, Input)> = mails
            .iter()
            .filter_map(|mail| match &mail.letter {
                Letter::Input(input) => Some((mail.at, input.clone())),
                Letter::Barrier | Letter::Repin(_) | Letter::Update(..) => None,
            })
            .collect();
        let mut results = run.append_all(inputs).into_iter();
        let status = run.status().clone();
        let mut taken = Vec::new();
        for mail in mails {
            let delivery = match mail.letter {
                Letter::Input(input) => match results.next().expect("each input has a result") {
                    Ok(()) => {
                        taken.push((mail.at, input));
                        self.settled.extend(mail.settles);
                        Delivery::Recorded
                    }
                    Err(error) => {
                        let counted = is_repeat(run, &input, &error);
                        if counted {
                            self.cell.lock().repeats += 1;
                            self.row_changed = true;
                        }
                        if (counted || mail.ack.is_none()) && mail.settles.is_some() {
                            // A kept request: counted once with its row, which nobody else deletes
                            // if it was answered.
                            self.settled.extend(mail.settles);
                            self.row_changed = true;
                        }
                        Delivery::Refused(error, status.clone())
                    }
                },
                Letter::Barrier | Letter::Repin(_) | Letter::Update(..) => Delivery::Recorded,
            };
            self.acks.extend(mail.ack.map(|ack| (ack, delivery)));
        }
        if !taken.is_empty() {
            self.facts.push(Fact::Inputs(taken));
            self.fresh_input = true;
            self.retry_at = None;
        }
    }
}

/// Whether an input was refused that asks again for what was requested before (R2). The same
/// request, asked again because its answer was lost, does not count.
fn is_repeat(run: &Run, input: &Input, refused: &InputError) -> bool {
    let (Input::CancelRequested(again), InputError::AlreadyRequested) = (input, refused) else {
        return false;
    };
    let first = run.cancel_request();
    !first.is_some_and(|first| !first.request_id.is_empty() && first.request_id == again.request_id)
}
