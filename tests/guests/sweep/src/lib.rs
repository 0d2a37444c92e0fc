//! The workflows that the crash sweep kills, most of all `saga`: activities, retries, heartbeats, timers, signals and
//! compensations, one after another, so that its history is the same in every run.

use sandglass_guest::prelude::*;

/// Takes the order's items out of stock.
#[activity(name = "reserve", retry(initial_interval = "10ms"))]
async fn reserve(order: String) -> Result<(), Failure>;

/// Charges the customer; its first attempt fails.
#[activity(name = "charge", retry(initial_interval = "10ms"))]
async fn charge(order: String) -> Result<(), Failure>;

/// Ships, with heartbeats; it lets itself be canceled, and refuses the order `bad`.
#[activity(name = "ship", heartbeat = "30s", retry(initial_interval = "10ms"))]
async fn ship(order: String) -> Result<(), Failure>;

/// Undoes `reserve`.
#[activity(name = "release", retry(initial_interval = "10ms"))]
async fn release(order: String) -> Result<(), Failure>;

/// Undoes `charge`.
#[activity(name = "refund", retry(initial_interval = "10ms"))]
async fn refund(order: String) -> Result<(), Failure>;

/// Undoes `ship`.
#[activity(name = "recall", retry(initial_interval = "10ms"))]
async fn recall(order: String) -> Result<(), Failure>;

/// Fulfills pairs of orders. The second of each is refused at its last step, and undone.
#[workflow]
async fn saga(pairs: usize) -> Result<Vec<String>, Failure> {
    let mut report = Vec::new();
    // Long enough once for the host to become idle.
    let mut pause = Duration::from_millis(80);
    for order in ["good", "bad"].repeat(pairs) {
        match scope::cancellable(fulfill(order.to_owned(), pause)).await {
            Ok(()) => report.push(format!("{order}: shipped")),
            Err(failure) if failure.is_cancellation() => return Err(failure),
            Err(_) => report.push(format!("{order}: refused")),
        }
        pause = Duration::from_millis(5);
    }
    Ok(report)
}

/// One order. If a step fails, undoes those before it.
async fn fulfill(order: String, pause: Duration) -> Result<(), Failure> {
    let outcome = steps(order, pause).await;
    if let Err(failure) = &outcome
        && !failure.is_cancellation()
    {
        compensate().await?;
    }
    outcome
}

/// Waits for a moment after the goods are reserved, and for an approval before they are shipped.
async fn steps(order: String, pause: Duration) -> Result<(), Failure> {
    reserve(order.clone())
        .compensated_by(release::call(order.clone()))
        .await?;
    sleep(pause).await?;
    charge(order.clone())
        .compensated_by(refund::call(order.clone()))
        .await?;
    signals::<()>("approve").recv().await?;
    ship(order.clone())
        .compensated_by(recall::call(order))
        .await
}

/// Steps that the host makes inside of workflow tasks, the second of which fails at first, and a
/// pause after each round of them.
#[workflow]
async fn near(rounds: usize) -> Result<usize, Failure> {
    for round in 0..rounds {
        let order = format!("near {round}");
        reserve::call(order.clone()).local().start().await?;
        charge::call(order.clone()).local().start().await?;
        release::call(order).local().start().await?;
        sleep(Duration::from_millis(5)).await?;
    }
    Ok(rounds)
}

sandglass_guest::export! { workflows: [saga, near] }
