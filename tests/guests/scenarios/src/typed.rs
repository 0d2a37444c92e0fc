//! Activities with types of their own, by a trait that stands for their interface.

use sandglass_guest::prelude::*;
use serde::{Deserialize, Serialize};

/// What is ordered.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    id: String,
    items: Vec<Item>,
    note: Option<String>,
}

/// A part of it.
#[derive(Serialize, Deserialize)]
struct Item {
    sku: String,
    price: u32,
}

/// What was charged.
#[derive(Serialize, Deserialize)]
pub(crate) struct Receipt {
    #[serde(with = "sandglass_guest::wit::whole")]
    charge: u64,
    key: String,
}

/// The interface.
#[activities("shop:payments/cards", retry(maximum_attempts = 3))]
trait Cards {
    /// Charges for an order.
    #[activity(
        start_to_close = "5s",
        retry(maximum_attempts = 3, non_retryable("declined", "timeout", "other"))
    )]
    async fn charge(order: Order) -> Result<Receipt, Failure>;
}

/// Why a card was not charged.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CardError {
    Declined(String),
}

/// Charges, and says in its own words that a card was declined.
#[workflow]
pub(crate) async fn ordered(order: Order) -> Result<Receipt, Failure> {
    Cards::charge(order)
        .await
        .map_err(|failure| match failure.details() {
            Ok(CardError::Declined(why)) => Failure::application("declined", why),
            Err(_) => failure,
        })
}
