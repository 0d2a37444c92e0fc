//! What remote workers are told: cancellation, pushed to their control queue and in their
//! heartbeats.

use super::{
    queues::{complete, heartbeating, one, polling, start_named},
    support::*,
};
use sandglass::{
    AttemptState, CancelOptions, ControlCommand, ForceOptions, Host, PollOptions, RunHandle,
    engine::*,
};
use std::{
    pin::pin,
    task::{Context, Poll},
};

async fn cancel_run(run: &RunHandle) {
    run.cancel(CancelOptions::default()).await.unwrap();
}

/// A poll of a worker that listens.
fn listening() -> PollOptions {
    PollOptions {
        control_queue: Some("c".into()),
        ..polling()
    }
}

/// The command that waits, if one does.
async fn told(host: &Host) -> Option<ControlCommand> {
    let mut poll = pin!(host.poll_control("c"));
    std::future::poll_fn(|cx| match poll.as_mut().poll(cx) {
        Poll::Ready(command) => Poll::Ready(Some(command.unwrap())),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn cancellation_is_pushed_to_the_worker_and_in_its_heartbeats() {
    let world = World::new();
    let host = world.host(&one(call("Far"))).build().await.unwrap();
    let run = start(&host).await;
    let task = host.poll_activity(listening()).await.unwrap();
    assert_eq!(told(&host).await, None);
    let other = host.clone();
    let control = tokio::spawn(async move { other.poll_control("c").await });
    cancel_run(&run).await;
    let command = control.await.unwrap().unwrap();
    assert_eq!(command, ControlCommand::CancelActivity(task.token.clone()));
    assert_eq!(told(&host).await, None, "it is told once");
    let beat = host.activity(&task.token).heartbeat(vec![]).await.unwrap();
    assert!(matches!(beat, AttemptState::CancelRequested(_)), "{beat:?}");
    let attempt = host.activity(&task.token);
    attempt.report_canceled(vec![], "worker").await.unwrap();
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,ACR,AB,AX,T,WX");
}

#[tokio::test]
async fn a_command_whose_poll_was_dropped_goes_to_the_next() {
    let world = World::new();
    let host = world.host(&one(call("Far"))).build().await.unwrap();
    let run = start(&host).await;
    let task = host.poll_activity(listening()).await.unwrap();
    let expected = ControlCommand::CancelActivity(task.token.clone());
    let mut unread = Box::pin(host.poll_control("c"));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(unread.as_mut().poll(&mut cx).is_pending());
    cancel_run(&run).await;
    host.idle().await;
    drop(unread);
    assert_eq!(told(&host).await, Some(expected));
}

#[tokio::test]
async fn a_worker_is_told_to_stop_when_its_run_or_its_attempt_has_ended() {
    let world = World::new();
    let script = one(heartbeating());
    let host = world.host(&script).build().await.unwrap();
    let ends: [&str; 4] = ["terminate", "kill", "silence", "by id"];
    for how in ends {
        let run = start_named(&host, how).await;
        let task = host.poll_activity(listening()).await.unwrap();
        match how {
            "terminate" => run.terminate("t", "op").await.unwrap(),
            "kill" => {
                let options = ForceOptions {
                    kill: true,
                    ..ForceOptions::default()
                };
                run.force(options).await.unwrap();
            }
            "silence" => world.advance(&host, 2_000).await,
            _ => {
                let by_id = run.activity("1");
                by_id.complete(Payload::json("1"), "op").await.unwrap();
            }
        }
        host.idle().await;
        let expected = ControlCommand::CancelActivity(task.token);
        assert_eq!(told(&host).await, Some(expected), "{how}");
        assert_eq!(told(&host).await, None, "{how}");
        if how == "silence" {
            run.terminate("enough", "op").await.unwrap();
        }
    }
    // Who reports is not told.
    start_named(&host, "reported").await;
    let task = host.poll_activity(listening()).await.unwrap();
    complete(&host, &task).await;
    host.idle().await;
    assert_eq!(told(&host).await, None);
}

#[tokio::test]
async fn the_next_host_tells_again_what_nobody_may_have_heard() {
    let world = World::new();
    let script = one(call("Far"));
    let host = world.host(&script).build().await.unwrap();
    let run = start(&host).await;
    let task = host.poll_activity(listening()).await.unwrap();
    cancel_run(&run).await;
    host.idle().await;
    drop((host, run));
    let host = world.host(&script).build().await.unwrap();
    let expected = ControlCommand::CancelActivity(task.token.clone());
    assert_eq!(told(&host).await, Some(expected));
    let attempt = host.activity(&task.token);
    attempt.report_canceled(vec![], "worker").await.unwrap();
    let run = host.run("w", None);
    assert!(matches!(
        run.result().await.unwrap(),
        Status::Canceled { .. }
    ));
}

#[tokio::test]
async fn without_pushing_a_worker_learns_it_by_its_heartbeats_alone() {
    let world = World::new();
    let builder = world.host(&one(call("Far"))).push_cancel(false);
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    let task = host.poll_activity(listening()).await.unwrap();
    cancel_run(&run).await;
    host.idle().await;
    assert_eq!(told(&host).await, None);
    let beat = host.activity(&task.token).heartbeat(vec![]).await.unwrap();
    assert!(matches!(beat, AttemptState::CancelRequested(_)), "{beat:?}");
}

#[tokio::test]
async fn an_attempt_that_is_canceled_before_its_worker_has_it_is_never_started() {
    let world = World::new();
    let (faults, script) = (Faults::default(), one(call("Far")));
    let builder = faults.host(world.host(&script), &world.db);
    let host = builder.build().await.unwrap();
    let run = start(&host).await;
    faults.push(Fault::Wait);
    let mut poll = Box::pin(host.poll_activity(listening()));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(poll.as_mut().poll(&mut cx).is_pending());
    faults.gate().wait_for(1);
    let cancel = run.cancel(CancelOptions::default());
    let open = async { faults.gate().open() };
    let (canceled, ()) = tokio::join!(cancel, open);
    canceled.unwrap();
    host.idle().await;
    assert_eq!(told(&host).await, None);
    // Its begin is stored by now, and so is the request.
    assert!(poll.as_mut().poll(&mut cx).is_pending());
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Canceled { .. }), "{status:?}");
    assert_eq!(shape_of(&run).await, "WES,T,AS,CR,T,ACR,AX,T,WX");
}
