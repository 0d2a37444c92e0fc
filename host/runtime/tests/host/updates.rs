//! Updates, where what is known of one changes while somebody asks.

use super::support::*;
use sandglass::{Host, UpdateOptions, UpdateResponse, UpdateStage, engine::*};
use std::{sync::Arc, time::Duration};

/// Answers its update when it is signaled.
fn answering() -> Arc<Script> {
    script(|| {
        let mut id = String::new();
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::UpdateRequested(update) => id.clone_from(&update.id),
            GuestEvent::SignalReceived(_) => {
                let (id, outcome) = (id.clone(), Ok(Payload::json("7")));
                calls.command(Command::CompleteUpdate { id, outcome });
            }
            other => calls.end_with(other),
        }
    })
}

fn ask(host: &Host, wait_for: UpdateStage) -> tokio::task::JoinHandle<UpdateResponse> {
    let run = host.run("w", None);
    let options = UpdateOptions {
        wait_for,
        timeout: Some(Duration::from_secs(5)),
        ..UpdateOptions::new("change").id("u")
    };
    tokio::spawn(async move { run.update(options).await.unwrap() })
}

#[tokio::test]
async fn an_update_that_completes_while_it_is_looked_up_is_answered() {
    let world = World::new();
    let host = world.host(&answering()).build().await.unwrap();
    host.pause_workflow_tasks();
    start(&host).await;
    // Recorded before the first workflow task, so that no code is asked whether it agrees.
    let frames = host.stats().frames;
    let asked = ask(&host, UpdateStage::Accepted);
    while host.stats().frames == frames {
        tokio::task::yield_now().await;
    }
    host.resume_workflow_tasks();
    assert_eq!(asked.await.unwrap().stage, UpdateStage::Accepted);
    host.shutdown().await.unwrap();

    let faults = Faults::default();
    let host = faults.host(world.host(&answering()), &world.db);
    let host = host.build().await.unwrap();
    let reads = faults.hold_next_read();
    let asked = ask(&host, UpdateStage::Completed);
    tokio::task::yield_now().await;
    reads.wait_for(1);
    host.run("w", None)
        .signal_named("go", vec![])
        .await
        .unwrap();
    host.idle().await;
    reads.open();
    let answered = asked.await.unwrap();
    assert_eq!(answered.outcome, Some(Ok(Payload::json("7"))));
}
