//! The guests of the tests of `run`, and runs of them in the background.

use crate::support::{Ended, Folder, Guest, wait_for};
use std::{
    io::Read as _,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

/// Workflows for these tests: one that ends by itself, one that fails, one that traps, one that
/// waits for a signal, and two that run an activity without end.
const SOURCE: &str = r#"
use sandglass_guest::prelude::*;

#[activity(start_to_close = "10s", retry(maximum_attempts = 1))]
async fn greet(name: String) -> Result<String, Failure> {
    Ok(format!("Hello, {name}!"))
}

#[activity(start_to_close = "10m", heartbeat = "30s")]
async fn work() -> Result<(), Failure> {
    for beat in 1u64.. {
        activity::heartbeat(&beat)?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

#[workflow]
async fn hello(name: String) -> Result<String, Failure> {
    greet(name).await
}

#[workflow]
async fn fails() -> Result<(), Failure> {
    Err(Failure::application("Sad", "so sad"))
}

#[workflow]
async fn traps() -> Result<(), Failure> {
    panic!("this workflow always panics");
}

/// Its first two attempts fail.
#[activity(start_to_close = "10s", retry(initial_interval = "500ms", maximum_attempts = 3))]
async fn flaky() -> Result<u32, Failure> {
    match activity::info().attempt {
        attempt @ 3.. => Ok(attempt),
        attempt => Err(Failure::application("Flaky", format!("not at attempt {attempt}"))),
    }
}

#[workflow]
async fn tries() -> Result<u32, Failure> {
    flaky().await
}

#[workflow]
async fn waits(first: String) -> Result<String, Failure> {
    let mut go = signals::<String>("go");
    Ok(format!("{first} {}", go.recv().await?))
}

#[workflow]
async fn works() -> Result<(), Failure> {
    work().await
}

/// Somebody else says how it ends.
#[activity(start_to_close = "10m", heartbeat = "5m")]
async fn handed_over() -> Result<u64, Failure> {
    println!("token {}", activity::complete_later());
    Ok(0)
}

#[workflow]
async fn hands_over() -> Result<u64, Failure> {
    handed_over().await
}

/// Long, and gives no sign of life.
#[activity(start_to_close = "10m")]
async fn silent() -> Result<(), Failure> {
    loop {
        std::thread::sleep(Duration::from_millis(20));
        if activity::cancel_state() != activity::AttemptState::Active {
            return Err(Failure::canceled("told to stop"));
        }
    }
}

/// Two activities in a scope of their own; ends when that is canceled.
#[workflow]
async fn scoped() -> Result<String, Failure> {
    let first = silent();
    match scope::cancellable(async { silent().await }).await {
        Err(failure) if failure.is_cancellation() => {}
        other => return other.map(|()| "not canceled".into()),
    }
    match first.await {
        Err(failure) if failure.is_cancellation() => Ok("both canceled".into()),
        other => other.map(|()| "not canceled".into()),
    }
}

#[activity(start_to_close = "10s", retry(maximum_attempts = 1))]
async fn undo() -> Result<(), Failure> {
    Err(Failure::application("Stuck", "cannot be undone"))
}

#[workflow]
async fn undoes() -> Result<(), Failure> {
    greet("you".into()).compensated_by(undo::call()).await?;
    Err(Failure::application("Sad", "so sad"))
}

#[workflow]
async fn stubborn() -> Result<(), Failure> {
    scope::shielded(async { work().await }).await
}

/// Adds up what updates bring, until the signal `end`.
#[workflow]
async fn sums() -> Result<u32, Failure> {
    let sum = std::rc::Rc::new(std::cell::Cell::new(0));
    sandglass_guest::attributes::set_memo("note", &"adds up")?;
    sandglass_guest::attributes::set_search("Kind", "sum");
    let asked = sum.clone();
    query("sum", move |()| Ok(asked.get()));
    let kept = sum.clone();
    update("add", move |more: u32| {
        let kept = kept.clone();
        async move {
            kept.set(kept.get() + more);
            Ok(kept.get())
        }
    })
    .validated(|more: &u32| match more {
        0 => Err(Failure::application("Nothing", "nothing to add")),
        _ => Ok(()),
    });
    signals::<()>("end").recv().await?;
    Ok(sum.get())
}

sandglass_guest::export! {
    workflows: [
        hello, fails, traps, waits, works, stubborn, tries, hands_over, scoped, undoes, sums,
    ],
    activities: [greet, work, flaky, handed_over, silent, undo],
}
"#;

/// A guest like the first, but whose `waits` starts an activity first, and `traps` does not trap.
const CHANGED: &str = r#"
use sandglass_guest::prelude::*;

#[activity]
async fn greet(name: String) -> Result<String, Failure>;

#[workflow]
async fn waits(first: String) -> Result<String, Failure> {
    greet(first).await
}

#[workflow]
async fn traps() -> Result<String, Failure> {
    Ok("fixed".into())
}

/// Not in the first guest.
#[workflow]
async fn more() -> Result<(), Failure> {
    Ok(())
}

sandglass_guest::export! { workflows: [waits, traps, more] }
"#;

fn guest() -> &'static Guest {
    static GUEST: std::sync::OnceLock<Guest> = std::sync::OnceLock::new();
    GUEST.get_or_init(|| Guest::build("run-tests", SOURCE))
}

pub(crate) fn changed() -> &'static Guest {
    static GUEST: std::sync::OnceLock<Guest> = std::sync::OnceLock::new();
    GUEST.get_or_init(|| Guest::build("run-changed", CHANGED))
}

/// A folder with the guest's components in it.
pub(crate) fn folder() -> Folder {
    let folder = Folder::new();
    guest().copy_to(&folder);
    folder
}

/// `sandglass run` in the background, until dropped.
pub(crate) struct Running {
    child: Child,
    /// What it has said so far beside its result.
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(folder: &Folder, args: &[&str]) -> Self {
        let mut command = folder.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut errors, all) = (child.stderr.take().unwrap(), Arc::clone(&said));
        let listener = std::thread::spawn(move || {
            let mut some = [0; 4096];
            loop {
                match errors.read(&mut some).unwrap() {
                    0 => return,
                    count => all.lock().unwrap().extend_from_slice(&some[..count]),
                }
            }
        });
        Self {
            child,
            said,
            listener: Some(listener),
        }
    }

    /// What it has said so far beside its result.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().unwrap()).into_owned()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = std::process::Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn end(mut self) -> Ended {
        let child = std::mem::replace(
            &mut self.child,
            std::process::Command::new("true").spawn().unwrap(),
        );
        let mut output = child.wait_with_output().unwrap();
        self.listener.take().unwrap().join().unwrap();
        output.stderr = self.said.lock().unwrap().clone();
        Ended::of(output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the run's description says so.
pub(crate) fn wait_until(
    folder: &Folder,
    id: &str,
    what: &str,
    check: impl Fn(&serde_json::Value) -> bool,
) {
    wait_for(what, || {
        let described = folder.sandglass(&["workflow", "describe", id, "--output", "json"]);
        described.code == Some(0) && check(&described.json(0))
    });
}

pub(crate) const WORKFLOWS: &str = "run-tests.wasm";
pub(crate) const ACTIVITIES: &str = "run-tests-activities.wasm";
