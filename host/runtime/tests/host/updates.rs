//! Updates, where what is known of one changes while somebody asks.

use super::support::*;
use sandglass::{
    Host, ResetOptions, StartError, StartOptions, UpdateOptions, UpdateResponse, UpdateStage,
    engine::*,
};
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
    start(&host).await;
    let asked = ask(&host, UpdateStage::Accepted);
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

#[tokio::test]
async fn an_update_that_is_recorded_while_it_is_looked_up_is_recorded_once() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults.host(world.host(&answering()), &world.db);
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    // Whoever asks a run that has had an update looks into its history first.
    let options = UpdateOptions {
        wait_for: UpdateStage::Accepted,
        ..UpdateOptions::new("change").id("before")
    };
    run.update(options).await.unwrap();
    run.signal_named("go", vec![]).await.unwrap();
    host.idle().await;
    let reads = faults.hold_next_read();
    let late = ask(&host, UpdateStage::Completed);
    tokio::task::yield_now().await;
    reads.wait_for(1);
    // Meanwhile somebody else asks for the same, and it is answered.
    let accepted = ask(&host, UpdateStage::Accepted).await.unwrap();
    assert_eq!(accepted.stage, UpdateStage::Accepted);
    run.signal_named("go", vec![]).await.unwrap();
    host.idle().await;
    reads.open();
    let answered = late.await.unwrap();
    assert_eq!(answered.outcome, Some(Ok(Payload::json("7"))));
    let shape = shape_of(&run).await;
    assert_eq!(shape.matches("UA").count(), 2, "{shape}");
}

#[tokio::test]
async fn r17_an_update_goes_with_a_reset() {
    let world = World::new();
    let host = world.host(&answering()).build().await.unwrap();
    let run = start(&host).await;
    let accepted = ask(&host, UpdateStage::Accepted).await.unwrap();
    assert_eq!(accepted.stage, UpdateStage::Accepted);
    let reset = ResetOptions::to(ResetPoint::FirstTask);
    let run = run.reset(reset).await.unwrap();
    host.idle().await;
    let shape = shape_of(&run).await;
    assert!(
        shape.contains("Tf(RESET_WORKFLOW)") && shape.contains("UA"),
        "{shape}"
    );
    run.signal_named("go", vec![]).await.unwrap();
    let answered = ask(&host, UpdateStage::Completed).await.unwrap();
    assert_eq!(answered.outcome, Some(Ok(Payload::json("7"))));
    assert_eq!(Some(answered.run_id.as_str()), run.run_id());
}

/// The code has it before it can end, whichever way the start is asked for again.
#[tokio::test]
async fn an_update_that_comes_with_a_start_is_recorded_with_it() {
    let world = World::new();
    let script = script(|| {
        |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::UpdateRequested(update) => {
                let (id, outcome) = (update.id.clone(), Ok(Payload::json("7")));
                calls.command(Command::CompleteUpdate { id, outcome });
            }
            GuestEvent::Initialize { .. } => calls.complete("\"at once\""),
            other => calls.end_with(other),
        }
    });
    let host = world.host(&script).build().await.unwrap();
    let options = StartOptions::new("main", "w");
    let update = UpdateOptions::new("change").id("u");
    let run = host.start_with_update(options.clone(), &update).await;
    let run = run.unwrap();
    let answered = run.update(update.clone()).await.unwrap();
    assert_eq!(answered.outcome, Some(Ok(Payload::json("7"))));
    assert_eq!(json_result(&run).await, "\"at once\"");
    assert_eq!(shape_of(&run).await, "WES,T,UA,UC,WC");

    // The same update, though the run has ended; another one has a run of its own.
    let same = host.start_with_update(options.clone(), &update).await;
    assert_eq!(same.unwrap().run_id(), run.run_id());
    let other = UpdateOptions::new("change").id("v");
    let next = host.start_with_update(options.clone(), &other).await;
    let next = next.unwrap();
    assert_ne!(next.run_id(), run.run_id());
    let answered = next.update(other).await.unwrap();
    assert_eq!(Some(&*answered.run_id), next.run_id());
    let nameless = UpdateOptions::new("change");
    let refused = host.start_with_update(options, &nameless).await;
    let refused = refused.map(|_| ()).unwrap_err();
    assert!(matches!(refused, StartError::Invalid { .. }), "{refused}");
}
