//! The native activities of the scenarios, and a probe that tells what their attempts saw.

use sandglass::{ActivityContext, AttemptState, HostBuilder};
use sandglass_engine::{Failure, FailureInfo, Payload};
use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};
use tokio::sync::watch;

/// How long an attempt waits between two heartbeats.
const BEAT: Duration = Duration::from_millis(200);

/// How much those report that report too much.
const HUGE_BYTES: usize = 100_000_000;

/// What an attempt of `C` does when it is canceled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It fails with the cancellation.
    Accept,
    /// It returns a value.
    Complete,
}

/// What the attempts of one activity type have seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Attempts begun.
    pub started: usize,
    /// Answers to heartbeats, oldest first.
    pub beats: Vec<AttemptState>,
}

/// Watches and releases the attempts of a host.
#[derive(Debug)]
pub struct Probe {
    seen: watch::Sender<HashMap<String, Seen>>,
    finish: AtomicBool,
    on_cancel: Mutex<OnCancel>,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            seen: watch::Sender::default(),
            finish: AtomicBool::new(false),
            on_cancel: Mutex::new(OnCancel::Accept),
        }
    }
}

impl Probe {
    /// What attempts of `C` do from now on.
    pub fn on_cancel(&self, choice: OnCancel) {
        *self
            .on_cancel
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = choice;
    }

    /// Waits until what an activity type has seen is as wanted.
    ///
    /// # Panics
    /// If that does not come about in half a minute.
    pub async fn until(&self, activity_type: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        let found = seen.wait_for(|all| all.get(activity_type).is_some_and(&wanted));
        let result = tokio::time::timeout(Duration::from_secs(30), found).await;
        match result {
            Ok(Ok(all)) => all[activity_type].clone(),
            _ => panic!(
                "{activity_type} has seen only {:?}",
                self.seen.borrow().get(activity_type)
            ),
        }
    }

    /// Waits until an activity type was begun this many times.
    pub async fn started(&self, activity_type: &str, times: usize) {
        self.until(activity_type, |seen| seen.started >= times)
            .await;
    }

    /// Lets each attempt that heartbeats return a value at its next one.
    pub fn finish(&self) {
        self.finish.store(true, Ordering::Relaxed);
    }

    fn note(&self, activity_type: &str, change: impl FnOnce(&mut Seen)) {
        self.seen
            .send_modify(|all| change(all.entry(activity_type.to_owned()).or_default()));
    }

    /// Heartbeats until there is a reason to stop.
    async fn beat(&self, context: &ActivityContext) -> AttemptState {
        let name = &context.info().activity_type;
        loop {
            let state = context.heartbeat(Vec::new());
            let note = |state: &AttemptState| {
                self.note(name, |seen| seen.beats.push(state.clone()));
            };
            if state != AttemptState::Active || self.finish.load(Ordering::Relaxed) {
                note(&state);
                return state;
            }
            // The beat is told once the sleep has begun: then the test may move the clock.
            let mut sleep = pin!(context.sleep(BEAT));
            let begun = poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
            note(&state);
            if begun.is_pending() {
                // It ends early if there is a reason to stop; the next heartbeat says which.
                let _reason = sleep.await;
            }
        }
    }
}

/// Serves the activities of the scenarios.
#[must_use]
pub(crate) fn serve(host: HostBuilder, probe: &Arc<Probe>) -> HostBuilder {
    let types = [
        "Work",
        "Swallow",
        "Deaf",
        "Stubborn",
        "Cleanup",
        "Resume",
        "A",
        "B",
        "C",
        "a",
        "b",
        "c",
        "Echo",
        "shop:payments/cards.balance",
        "shop:payments/mirror.echo",
        "work",
        "HugeResult",
        "HugeFailure",
    ];
    types.into_iter().fold(host, |host, name| {
        let probe = Arc::clone(probe);
        host.activity(name, move |context, arguments| {
            let probe = Arc::clone(&probe);
            async move { attempt(&probe, &context, arguments).await }
        })
    })
}

async fn attempt(
    probe: &Probe,
    context: &ActivityContext,
    arguments: Vec<Payload>,
) -> Result<Payload, Failure> {
    let name = context.info().activity_type.clone();
    probe.note(&name, |seen| seen.started += 1);
    match name.as_str() {
        "Work" | "C" | "Swallow" | "work" => {
            let state = probe.beat(context).await;
            let accept = *probe
                .on_cancel
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match (state, name.as_str(), accept) {
                (AttemptState::Active, ..) | (AttemptState::CancelRequested(_), "Swallow", _) => {
                    Ok(Payload::json("7"))
                }
                (AttemptState::CancelRequested(_), "C", OnCancel::Complete) => Ok(Payload::null()),
                _ => Err(context.canceled(vec![Payload::json("\"d\"")])),
            }
        }
        "Deaf" => {
            // It looks at nothing, but the test wants to know what it would have seen.
            let state = context.cancelled().await;
            probe.note(&name, |seen| seen.beats.push(state));
            Ok(Payload::json("1"))
        }
        "Stubborn" => std::future::pending().await,
        "Resume" if context.info().attempt == 1 => {
            let state = context.heartbeat(vec![Payload::json("3")]);
            probe.note(&name, |seen| seen.beats.push(state));
            std::future::pending().await
        }
        "Resume" => Ok(context.info().heartbeat_details[0].clone()),
        "HugeResult" => Ok(Payload::json(vec![b'1'; HUGE_BYTES])),
        "HugeFailure" => Err(Failure::application("Huge", "x".repeat(HUGE_BYTES))),
        "shop:payments/cards.balance" => Err(Failure::new(
            "there is no bank",
            FailureInfo::Application {
                failure_type: "NoBank".into(),
                non_retryable: true,
                details: Vec::new(),
                next_retry_delay: None,
            },
        )),
        "Echo" | "shop:payments/mirror.echo" => {
            Ok(arguments.into_iter().next().unwrap_or_else(Payload::null))
        }
        _ => Ok(Payload::null()),
    }
}
