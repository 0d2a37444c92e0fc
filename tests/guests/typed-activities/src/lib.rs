//! The activities of `shop:payments/cards`, each a function with types of its own.
//!
//! What an order asks for is in its id, so that a test says how an attempt ends.

#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unsafe_code, reason = "generated")]
#[allow(clippy::all, clippy::restriction, reason = "generated")]
mod cards;

use cards::exports::shop::payments::cards::{CardError, Guest, Order, Receipt};
use sandglass_guest_bindings::activity::sandglass::workflow::activity_context::{
    AttemptState, get_attempt, heartbeat,
};
use std::{thread, time::Duration};

/// The worker.
struct Cards;

impl Guest for Cards {
    fn charge(order: Order) -> Result<Receipt, CardError> {
        let attempt = get_attempt();
        match (order.id.as_str(), attempt.attempt) {
            ("poor", _) => return Err(CardError::Declined("no funds".into())),
            ("flaky", 1 | 2) => panic!("attempt {}", attempt.attempt),
            ("broken", _) => panic!("it is broken"),
            ("slow", _) => loop {
                if let AttemptState::CancelRequested(reason) = heartbeat(&[]) {
                    return Err(CardError::Canceled(reason));
                }
                thread::sleep(Duration::from_millis(5));
            },
            _ => {}
        }
        let charge = order.items.iter().map(|item| u64::from(item.price)).sum();
        Ok(Receipt {
            charge,
            key: attempt.idempotency_key,
        })
    }

    fn refund(charge: u64) -> Result<u64, String> {
        match charge {
            0 => Err("nothing was charged".into()),
            charge => Ok(charge),
        }
    }

    fn balance() -> u32 {
        7
    }
}

#[allow(unsafe_code, unreachable_pub, reason = "generated")]
#[allow(clippy::all, clippy::restriction, reason = "generated")]
mod exported {
    use super::{Cards, cards};

    cards::export!(Cards with_types_in cards);
}
