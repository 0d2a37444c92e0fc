//! Activities whose end is reported from outside, and operators who cancel, pause or reset one.

use super::support::*;
use sandglass::{
    ActivityContext, ActivityReset, AttemptState, Error, Host, HostBuilder, TaskToken, engine::*,
};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Waits for `Work`, which has this many attempts, and ends with what it gives.
fn waiting(attempts: u32) -> Arc<Script> {
    script(move || {
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => {
                let call = ActivityCall {
                    retry: Some(RetryPolicy {
                        maximum_attempts: attempts,
                        initial_interval: Millis(10_000),
                        ..RetryPolicy::default()
                    }),
                    ..call("Work")
                };
                drop(calls.activity(ScopeId::ROOT, call));
            }
            other => calls.end_with(other),
        }
    })
}

/// Serves `Work` by leaving its end to others; the tokens.
fn elsewhere(host: HostBuilder) -> (HostBuilder, mpsc::UnboundedReceiver<TaskToken>) {
    let (sender, tokens) = mpsc::unbounded_channel();
    let host = host.activity_json("Work", move |context, (): ()| {
        sender.send(context.complete_later()).unwrap();
        async { Ok("dropped") }
    });
    (host, tokens)
}

async fn no_attempt_runs(host: &Host) {
    while host.attempts_in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    host.idle().await;
}

fn seven() -> Payload {
    Payload::json("7")
}

fn assert_not_found(refused: Result<(), Error>, message: &str) {
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::ActivityNotFound { .. }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

const NOT_PENDING: &str = "invalid activityID or activity already timed out";

#[tokio::test]
async fn a_token_completes_an_activity_also_after_a_restart() {
    let world = World::new();
    let (host, mut tokens) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let token = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    assert!(run.describe().await.unwrap().activities[0].elsewhere);
    let state = host
        .activity(&token)
        .heartbeat(vec![Payload::json("1")])
        .await;
    assert_eq!(state.unwrap(), AttemptState::Active);
    // As after a crash: nothing but what was stored is left.
    drop((host, run));

    let (host, mut again) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    host.idle().await;
    assert!(again.try_recv().is_err(), "it is not begun again");
    let token: TaskToken = token.to_string().parse().unwrap();
    host.activity(&token)
        .complete(seven(), "them")
        .await
        .unwrap();
    let run = host.run("w", None);
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");
    let late = host.activity(&token).complete(seven(), "them").await;
    assert_not_found(late, "workflow execution already completed");
}

#[tokio::test]
async fn the_token_of_an_attempt_that_is_over_names_nothing() {
    let world = World::new();
    let (host, mut tokens) = elsewhere(world.host(&waiting(2)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let first = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    let failure = Failure::application("E", "no");
    host.activity(&first)
        .fail(failure.clone(), "them")
        .await
        .unwrap();
    let late = host.activity(&first).fail(failure.clone(), "them").await;
    assert_not_found(late, NOT_PENDING);
    world.advance(&host, 10_000).await;
    let second = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_not_found(
        host.activity(&first).complete(seven(), "").await,
        NOT_PENDING,
    );
    host.activity(&second).fail(failure, "them").await.unwrap();
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AF,T,WF");
}

#[tokio::test]
async fn the_token_of_an_attempt_before_a_reset_names_nothing_after_it() {
    let world = World::new();
    let (host, mut tokens) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let before = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    run.activity("1")
        .reset(ActivityReset::default())
        .await
        .unwrap();
    let state = host.activity(&before).heartbeat(vec![]).await.unwrap();
    assert_eq!(state, AttemptState::Reset);
    let failure = Failure::application("E", "begin anew");
    let given_back = host.activity(&before).fail(failure, "them").await;
    given_back.unwrap();
    let after = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    assert_eq!((before.attempt, after.attempt), (1, 1));
    let late = async |host: &Host| {
        let them = host.activity(&before);
        assert_not_found(them.heartbeat(vec![]).await.map(drop), NOT_PENDING);
        assert_not_found(them.complete(seven(), "them").await, NOT_PENDING);
    };
    late(&host).await;
    drop((host, run));

    let (host, _tokens) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    host.idle().await;
    late(&host).await;
    let after: TaskToken = after.to_string().parse().unwrap();
    let done = host.activity(&after).complete(seven(), "them").await;
    done.unwrap();
    assert_eq!(json_result(&host.run("w", None)).await, "7");
}

#[tokio::test]
async fn by_id_an_activity_is_completed_before_any_start_and_between_two_attempts() {
    let world = World::new();
    // Nobody serves it.
    let host = world.host(&waiting(1)).build().await.unwrap();
    let run = start(&host).await;
    let wrong = run.activity("2").complete(seven(), "them").await;
    assert_not_found(wrong, NOT_PENDING);
    let beat = run.activity("1").heartbeat(vec![]).await;
    assert_not_found(beat.map(drop), NOT_PENDING);
    run.activity("1").complete(seven(), "them").await.unwrap();
    assert_eq!(json_result(&run).await, "7");
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,AC,T,WC");

    let world = World::new();
    let host = world
        .host(&waiting(2))
        .activity_json("Work", |_, (): ()| async {
            Err::<(), _>(Failure::application("E", "no"))
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    no_attempt_runs(&host).await;
    assert_eq!(run.describe().await.unwrap().activities[0].attempt, 2);
    run.activity("1").complete(seven(), "them").await.unwrap();
    assert_eq!(json_result(&run).await, "7");
}

#[tokio::test]
async fn a_failure_of_the_body_counts_though_its_end_was_left_to_others() {
    let world = World::new();
    let host = world
        .host(&waiting(1))
        .activity_json("Work", |context, (): ()| {
            context.complete_later();
            async { Err::<(), _>(Failure::application("E", "could not hand it over")) }
        });
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let status = run.result().await.unwrap();
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
}

#[tokio::test]
async fn the_limits_on_time_of_an_attempt_elsewhere_pass() {
    let world = World::new();
    let (host, mut tokens) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let token = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    world.advance(&host, 3_600_000).await;
    assert_eq!(shape_of(&run).await, "WES,T,AS,AB,ATO,T,WF");
    let late = host.activity(&token).complete(seven(), "them").await;
    assert_not_found(late, "workflow execution already completed");
}

#[tokio::test]
async fn b15_an_operator_cancels_an_attempt_elsewhere_which_reports_it() {
    let world = World::new();
    let (host, mut tokens) = elsewhere(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let token = tokens.recv().await.unwrap();
    no_attempt_runs(&host).await;
    let them = host.activity(&token);
    // R20: not before somebody requested it.
    let early = them.report_canceled(vec![], "them").await.unwrap_err();
    assert!(matches!(early, Error::Refused { .. }), "{early}");
    let why = "unable to mark activity as canceled without activity being request canceled first";
    assert!(early.to_string().contains(why), "{early}");
    let request = OperatorRequest {
        reason: "enough".into(),
        identity: "op".into(),
        request_id: "c1".into(),
    };
    run.activity("1").cancel(request.clone()).await.unwrap();
    // Asked again it is the same request (R39).
    run.activity("1").cancel(request).await.unwrap();
    let again = run.activity("1").cancel(OperatorRequest::default()).await;
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    host.idle().await;
    let state = them.heartbeat(vec![]).await.unwrap();
    assert_eq!(state, AttemptState::CancelRequested("enough".into()));
    them.report_canceled(vec![seven()], "them").await.unwrap();
    let status = run.result().await.unwrap();
    // Nobody asked for the cancellation of the run (R12).
    assert!(matches!(status, Status::Failed { .. }), "{status:?}");
    assert_eq!(shape_of(&run).await, "WES,T,AS,OCR,T,ACR,AB,AX,T,WF");
}

/// Serves `Work` by waiting for a reason to stop, and giving the attempt back; the reasons.
fn willing(host: HostBuilder) -> (HostBuilder, Arc<Mutex<Vec<AttemptState>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let host = host.activity_json("Work", move |context: ActivityContext, (): ()| {
        let told = Arc::clone(&told);
        async move {
            let reason = context.cancelled().await;
            told.lock().unwrap().push(reason);
            Err::<(), _>(context.canceled(vec![]))
        }
    });
    (host, seen)
}

#[tokio::test]
async fn s32_a_paused_attempt_is_told_and_made_again_when_it_is_unpaused() {
    let world = World::new();
    let (host, seen) = willing(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    let work = run.activity("1");
    let asked = OperatorRequest {
        request_id: "p1".into(),
        ..OperatorRequest::default()
    };
    work.pause(asked.clone()).await.unwrap();
    // Asked again it is the same request (R39).
    work.pause(asked).await.unwrap();
    let again = work.pause(OperatorRequest::default()).await.unwrap_err();
    assert!(again.to_string().contains("already paused"), "{again}");
    no_attempt_runs(&host).await;
    assert_eq!(*seen.lock().unwrap(), [AttemptState::Paused]);
    let described = run.describe().await.unwrap().activities.remove(0);
    assert_eq!(
        (described.state, described.attempt),
        (PendingState::Paused, 1)
    );
    host.shutdown().await.unwrap();

    let (host, seen) = willing(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    host.idle().await;
    assert_eq!(host.stats().attempts, 0, "it stays paused");
    let run = host.run("w", None);
    let work = run.activity("1");
    work.unpause().await.unwrap();
    let again = work.unpause().await.unwrap_err();
    assert!(again.to_string().contains("not paused"), "{again}");
    host.idle().await;
    assert_eq!(host.attempts_in_flight(), 1);
    // A host that stops says so.
    host.shutdown().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [AttemptState::WorkerShutdown]);
}

#[tokio::test]
async fn s32_a_reset_attempt_is_told_and_begins_anew() {
    let world = World::new();
    let (host, seen) = willing(world.host(&waiting(1)));
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    run.activity("1")
        .reset(ActivityReset::default())
        .await
        .unwrap();
    while host.stats().attempts < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*seen.lock().unwrap(), [AttemptState::Reset]);
    let described = run.describe().await.unwrap().activities.remove(0);
    assert_eq!(
        (described.state, described.attempt),
        (PendingState::Started, 1)
    );
    assert_eq!(shape_of(&run).await, "WES,T,AS");
}

#[tokio::test]
async fn an_activity_that_waits_for_its_next_attempt_is_reset() {
    let world = World::new();
    let host = world.host(&waiting(3)).activity_json(
        "Work",
        |context: ActivityContext, (): ()| async move {
            match context.info().attempt {
                1 => Err(Failure::application("E", "no")),
                _ => Ok(7),
            }
        },
    );
    let host = host.build().await.unwrap();
    let run = start(&host).await;
    no_attempt_runs(&host).await;
    assert_eq!(host.stats().attempts, 1);
    // Without the clock being moved.
    run.activity("1")
        .reset(ActivityReset::default())
        .await
        .unwrap();
    no_attempt_runs(&host).await;
    assert_eq!(
        host.stats().attempts,
        2,
        "its first attempt is made at once"
    );
    world.advance(&host, 10_000).await;
    assert_eq!(json_result(&run).await, "7");
}
