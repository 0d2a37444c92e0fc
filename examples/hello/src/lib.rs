//! Greets somebody after a second: one activity, one timer.

use sandglass_guest::prelude::*;

/// Makes the greeting.
#[activity(start_to_close = "10s")]
async fn greet(name: String) -> Result<String, Failure> {
    Ok(format!("Hello, {name}!"))
}

/// Waits a second, then returns the greeting.
#[workflow]
async fn hello(name: String) -> Result<String, Failure> {
    let greeting = greet(name).await?;
    sleep(Duration::from_secs(1)).await?;
    Ok(greeting)
}

sandglass_guest::export! { workflows: [hello], activities: [greet] }
