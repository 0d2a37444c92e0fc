//! Attempts of activity components.

use crate::{guests, runs};
use sandglass_engine::{Failure, Payload};
use sandglass_sandbox::{
    Access, ActivityHost, ActivityOutcome, ActivityTask, AttemptState, Error, Grants, Level,
};
use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A host that notes what attempts tell it.
#[derive(Default)]
struct Notes {
    heartbeats: Mutex<usize>,
    lines: Mutex<Vec<(Level, String, String)>>,
}

impl ActivityHost for Notes {
    fn heartbeat(&self, _: Vec<Payload>) -> AttemptState {
        *self.heartbeats.lock().unwrap() += 1;
        AttemptState::CancelRequested("enough".into())
    }

    fn state(&self) -> AttemptState {
        AttemptState::Active
    }

    fn complete_later(&self) -> String {
        "token".into()
    }

    fn log(&self, level: Level, target: &str, message: &str) {
        self.lines
            .lock()
            .unwrap()
            .push((level, target.into(), message.into()));
    }
}

async fn attempt(imports: &str, run: &str, grants: Grants) -> (ActivityOutcome, Arc<Notes>) {
    let component = guests::activity(imports, run);
    let component = runs::sandbox().load_activities(&component, grants).unwrap();
    let notes = Arc::new(Notes::default());
    let outcome = component
        .start(ActivityTask::default(), Arc::<Notes>::clone(&notes))
        .await;
    (outcome, notes)
}

fn trapped(outcome: ActivityOutcome) -> Failure {
    match outcome {
        ActivityOutcome::Trapped(failure) => failure,
        outcome => panic!("a trap expected, not {outcome:?}"),
    }
}

/// A result with the byte at 1024 as its data.
const ANSWER_BYTE: &str = "(i32.store (i32.const 2048) (i32.const 0))
    (i32.store (i32.const 2052) (i32.const 0)) (i32.store (i32.const 2056) (i32.const 0))
    (i32.store (i32.const 2060) (i32.const 1024)) (i32.store (i32.const 2064) (i32.const 1))
    (i32.const 2048)";

fn answer(byte: u8) -> ActivityOutcome {
    ActivityOutcome::Completed(Payload {
        metadata: Vec::new(),
        data: vec![byte],
    })
}

#[tokio::test]
async fn an_attempt_returns_its_result_and_heartbeats() {
    // The answer's first byte is 1: cancellation is requested.
    let run = format!(
        "(call $heartbeat (i32.const 0) (i32.const 0) (i32.const 3072))
         (i32.store8 (i32.const 1024) (i32.load8_u (i32.const 3072)))
         {ANSWER_BYTE}"
    );
    let (outcome, notes) = attempt("", &run, Grants::default()).await;
    assert_eq!(outcome, answer(1));
    assert_eq!(*notes.heartbeats.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_trap_is_told_with_a_backtrace() {
    let failure = trapped(attempt("", "(unreachable)", Grants::default()).await.0);
    assert_eq!(runs::failure_type(&failure), "WasmTrap");
    assert!(failure.stack_trace.contains("run"), "{failure:?}");
}

#[tokio::test]
async fn memory_ends_in_a_trap() {
    let run = "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) (unreachable)";
    let failure = trapped(attempt("", run, Grants::default()).await.0);
    assert_eq!(runs::failure_type(&failure), "MemoryLimit");
}

#[tokio::test]
async fn a_failure_without_links_is_a_trap() {
    let run = "(i32.store (i32.const 2048) (i32.const 1)) (i32.const 2048)";
    let failure = trapped(attempt("", run, Grants::default()).await.0);
    assert_eq!(runs::failure_type(&failure), "BadFailure");
}

/// On one thread: if the guest did not give it back, the timeout could not fire.
#[tokio::test(flavor = "current_thread")]
async fn a_loop_shares_its_thread_and_is_killed_by_dropping_it() {
    let component = guests::activity("", "(loop $again (br $again)) (unreachable)");
    let component = runs::sandbox()
        .load_activities(&component, Grants::default())
        .unwrap();
    let attempt = component.start(ActivityTask::default(), Arc::new(Notes::default()));
    tokio::time::timeout(Duration::from_millis(100), attempt)
        .await
        .unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_component_is_loaded_within_an_async_runtime() {
    let component = guests::activity("", "(unreachable)");
    let component = runs::sandbox()
        .load_activities(&component, Grants::default())
        .unwrap();
    assert_eq!(component.activity_types(), ["t"]);
}

const FILES: &str = r#"
    (import "wasi_snapshot_preview1" "fd_prestat_get"
      (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
      (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))
    (data (i32.const 1030) "new.txt../a")
"#;

/// Opens a path below the first granted directory, and answers with the error number. Creates and
/// writes if `create` is set.
fn open(path: u32, len: u32, create: bool) -> String {
    let (flags, rights) = if create { (1, 64) } else { (0, 2) };
    format!(
        "(i32.store8 (i32.const 1024) (call $open
           (i32.const 3) (i32.const 0) (i32.const {path}) (i32.const {len})
           (i32.const {flags}) (i64.const {rights}) (i64.const {rights}) (i32.const 0)
           (i32.const 3072)))
         {ANSWER_BYTE}"
    )
}

const SUCCESS: u8 = 0;
const EBADF: u8 = 8;
const EPERM: u8 = 63;

#[tokio::test]
async fn nothing_is_granted_unless_it_is() {
    let run = format!(
        "(i32.store8 (i32.const 1024) (call $prestat (i32.const 3) (i32.const 3072))) {ANSWER_BYTE}"
    );
    let (outcome, _) = attempt(FILES, &run, Grants::default()).await;
    assert_eq!(outcome, answer(EBADF));
    let dir = tempfile::tempdir().unwrap();
    let (outcome, _) = attempt(FILES, &run, granted(dir.path(), Access::ReadOnly)).await;
    assert_eq!(outcome, answer(SUCCESS));
}

fn granted(path: &std::path::Path, access: Access) -> Grants {
    Grants {
        directories: vec![(path.into(), "data".into(), access)],
        ..Grants::default()
    }
}

#[tokio::test]
async fn a_granted_directory_is_no_way_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(dir.path().join("a"), "secret").unwrap();
    let (outcome, _) = attempt(
        FILES,
        &open(1037, 4, false),
        granted(&inner, Access::ReadWrite),
    )
    .await;
    assert_eq!(outcome, answer(EPERM));
}

#[tokio::test]
async fn access_is_what_was_granted() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new.txt");
    let (outcome, _) = attempt(
        FILES,
        &open(1030, 7, true),
        granted(dir.path(), Access::ReadOnly),
    )
    .await;
    assert_ne!(outcome, answer(SUCCESS));
    assert!(!new.exists());
    let (outcome, _) = attempt(
        FILES,
        &open(1030, 7, true),
        granted(dir.path(), Access::ReadWrite),
    )
    .await;
    assert_eq!(outcome, answer(SUCCESS));
    assert!(new.exists());
}

#[tokio::test]
async fn standard_output_becomes_log_lines() {
    let run = format!(
        "(i32.store (i32.const 3072) (i32.const 1100)) (i32.store (i32.const 3076) (i32.const 9))
         (drop (call $write (i32.const 1) (i32.const 3072) (i32.const 1) (i32.const 3080)))
         {ANSWER_BYTE}"
    );
    let imports = format!("{FILES} (data (i32.const 1100) \"one\\ntwo\\n3\")");
    let (_, notes) = attempt(&imports, &run, Grants::default()).await;
    let lines = notes.lines.lock().unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|(level, target, line)| (*level, &**target, &**line))
        .collect();
    assert_eq!(
        lines,
        [
            (Level::Info, "stdout", "one"),
            (Level::Info, "stdout", "two"),
            (Level::Info, "stdout", "3")
        ]
    );
}

#[test]
fn grants_are_checked_when_the_component_is_loaded() {
    let component = guests::activity("", "(unreachable)");
    let sandbox = runs::sandbox();
    let load = |grants| sandbox.load_activities(&component, grants).unwrap_err();
    let missing = granted(std::path::Path::new("/nowhere/at/all"), Access::ReadOnly);
    assert!(matches!(load(missing), Error::Grant { .. }));
    let host = Grants {
        hosts: vec!["example.org".into()],
        ..Grants::default()
    };
    assert_eq!(
        load(host).to_string(),
        "cannot grant example.org: give it as name:port"
    );
}
