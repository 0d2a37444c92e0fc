//! Activities with types of their own, awaited, and a workflow of that kind.

use crate::{
    Scenarios,
    cards::{
        Guest,
        shop::payments::cards::{CardError, Item, Order, Receipt, charge},
    },
    run::{ROOT, Returned, SECOND, failed},
};
use futures_util::future::{Either, join, select};

/// An order; what it asks the activity for is in its id.
fn order(id: &str) -> Order {
    let item = Item {
        sku: "a".to_owned(),
        price: 7,
    };
    Order {
        id: id.to_owned(),
        items: vec![item],
        note: None,
    }
}

impl Guest for Scenarios {
    async fn buy(order: Order) -> Result<Receipt, CardError> {
        if let Err(failure) = ROOT.sleep(SECOND).await {
            return Err(CardError::Canceled(failure[0].message.clone()));
        }
        charge(order).await
    }
}

/// Charges for two orders at once, and returns what both cost.
pub(crate) async fn two_orders() -> Returned {
    let (one, other) = join(charge(order("good")), charge(order("poor"))).await;
    let cost = one.map_or(0, |receipt| receipt.charge);
    match other {
        Err(CardError::Declined(why)) => Ok(Some(format!("\"{cost}, {why}\""))),
        _ => Err(failed("TooRich", "the other was not declined")),
    }
}

/// Gives an order up after a second.
pub(crate) async fn hasty_order() -> Returned {
    let order = Box::pin(charge(order("slow")));
    let first = match select(order, Box::pin(ROOT.sleep(SECOND))).await {
        Either::Left(_) => "\"charged\"",
        Either::Right(_) => "\"given up\"",
    };
    // The call is given up by now.
    ROOT.sleep(SECOND).await?;
    Ok(Some(first.to_owned()))
}
