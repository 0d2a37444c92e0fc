//! Runs of one workflow task, and what tests look at in them.

use sandglass_engine::{
    Digest, EventAttributes, Failure, FailureInfo, Frame, HistoryEvent, Input, Limits, Run, Start,
    Task, TaskFailure, Timestamp, drive,
};
use sandglass_sandbox::{Instance, Level, LogSink, Sandbox, SandboxConfig};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The seed of every run in these tests.
pub(crate) const SEED: [u8; 32] = [7; 32];

/// When its first task starts.
pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

pub(crate) fn sandbox() -> Arc<Sandbox> {
    Sandbox::new(SandboxConfig::default()).unwrap()
}

/// A sandbox in which an event may take 100 ms.
pub(crate) fn impatient() -> Arc<Sandbox> {
    let activation_budget = Duration::from_millis(100);
    Sandbox::new(SandboxConfig {
        activation_budget,
        ..SandboxConfig::default()
    })
    .unwrap()
}

/// What a log sink was given.
pub(crate) type Lines = Arc<Mutex<Vec<(Level, String)>>>;

/// A log sink and what it was given.
pub(crate) fn log() -> (LogSink, Lines) {
    let lines = Lines::default();
    let sink = Arc::clone(&lines);
    let write = move |level, _: &str, message: &str| {
        sink.lock().unwrap().push((level, message.to_owned()));
    };
    (Arc::new(write), lines)
}

pub(crate) fn silent() -> LogSink {
    Arc::new(|_, _, _| ())
}

pub(crate) fn instance(sandbox: &Sandbox, component: &[u8]) -> Instance {
    sandbox
        .load_workflow(component)
        .unwrap()
        .instantiate(silent())
}

/// The first task of a new run.
pub(crate) fn first_task() -> Box<Task> {
    let mut run = Run::new(Limits::default());
    let start = Start {
        workflow_type: "t".into(),
        seed: SEED,
        ..Start::default()
    };
    run.append(NOW, Input::Started(Box::new(start))).unwrap();
    run.begin(NOW, Digest::default())
}

/// Runs the first task of a new run in an instance.
pub(crate) fn run(instance: &mut Instance) -> Result<(Frame, Vec<HistoryEvent>), TaskFailure> {
    let (task, result) = drive(first_task(), instance);
    result?;
    let output = task.finish()?.take_frame().unwrap();
    Ok((output.frame, output.events))
}

/// The length of the one timer that a guest started: how these guests tell a number.
pub(crate) fn timer(events: &[HistoryEvent]) -> u64 {
    let lengths: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.attributes {
            EventAttributes::TimerStarted {
                start_to_fire_timeout,
                ..
            } => Some(start_to_fire_timeout.0),
            _ => None,
        })
        .collect();
    let [length] = lengths[..] else {
        panic!("{} timers in {events:?}", lengths.len())
    };
    length
}

/// The type of an application failure.
pub(crate) fn failure_type(failure: &Failure) -> &str {
    match &failure.info {
        FailureInfo::Application { failure_type, .. } => failure_type,
        info => panic!("an application failure expected, not {info:?}"),
    }
}
