//! Runs a workflow inside a program of its own: loads it, serves its activities, cancels it.

use sandglass::{CancelOptions, Host, StartOptions};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let component = std::env::args().nth(1).expect("usage: embed COMPONENT");
    let (at_work, mut working) = tokio::sync::mpsc::channel(1);
    let host = Host::builder()
        .store("embed.db")
        .activity_json("to_be_canceled", move |attempt, ()| {
            at_work.try_send(()).ok();
            async move { Ok(format!("{:?}", attempt.cancelled().await)) }
        })
        .activity_json("cleanup", |_, ()| async { Ok(()) })
        .build()
        .await?;
    host.load_component(std::fs::read(component)?).await?;
    let run = host
        .start(StartOptions::new("cancellation", "embedded"))
        .await?;
    working.recv().await;
    run.cancel(CancelOptions::reason("enough")).await?;
    println!("{:?}", run.result().await?);
    Ok(host.shutdown().await?)
}
