//! Works off a file of orders. Each is reserved, charged and shipped, or undone in reverse; a canceled
//! run undoes them all.

mod shop;

use sandglass_guest::prelude::*;
use serde::{Deserialize, Serialize};
use shop::{Order, charge, read_orders, recall, refund, release, reserve, ship};

/// What became of a file of orders.
#[derive(Default, Serialize, Deserialize)]
struct Report {
    /// Orders on their way to the customer.
    shipped: Vec<String>,
    /// Orders that could not be fulfilled, with the reason. Nothing of them is left.
    refused: Vec<(String, String)>,
}

/// Works off the orders of `file`, one after another.
#[workflow]
async fn fulfill_orders(file: String) -> Result<Report, Failure> {
    let mut report = Report::default();
    for order in read_orders(file).await? {
        let id = order.id.clone();
        match scope::cancellable(fulfill(order)).await {
            Ok(()) => report.shipped.push(id),
            // Canceled: the host now runs every compensation registered so far, newest first.
            Err(failure) if failure.is_cancellation() => return Err(failure),
            Err(failure) => report.refused.push((id, reason(&failure))),
        }
    }
    Ok(report)
}

/// What the activity said that failed.
fn reason(failure: &Failure) -> String {
    failure
        .cause()
        .as_ref()
        .unwrap_or(failure)
        .message()
        .to_owned()
}

/// Takes one order through all its steps. If one fails, undoes those before it.
async fn fulfill(order: Order) -> Result<(), Failure> {
    let outcome = steps(&order).await;
    if let Err(failure) = &outcome
        && !failure.is_cancellation()
    {
        compensate().await?;
    }
    outcome
}

/// Says at each step how it is undone, before it is known how it went.
async fn steps(order: &Order) -> Result<(), Failure> {
    reserve(order.clone())
        .compensated_by(release::call(order.clone()))
        .await?;
    charge(order.clone())
        .compensated_by(refund::call(order.clone()))
        .await?;
    ship(order.clone())
        .compensated_by(recall::call(order.clone()))
        .await?;
    Ok(())
}

sandglass_guest::export! {
    workflows: [fulfill_orders],
    activities: [read_orders, reserve, release, charge, refund, ship, recall],
}
