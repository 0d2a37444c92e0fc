//! A host whose store is damaged, full or refuses one run: that run says so, naming file and row,
//! the others go on, and the host stays up.

use super::support::*;
use rusqlite::Connection;
use sandglass::store::{Reader as _, RunKey, SqliteStore};
use sandglass::{Error, Host, RunHandle, StartOptions, engine::*};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// Ends at its second signal, with how many it saw.
fn two_signals() -> Arc<Script> {
    script(|| {
        let mut seen = 0;
        move |event: &GuestEvent, calls: &mut Calls<'_>| match event {
            GuestEvent::Initialize { .. } => drop(calls.timer(3_600_000)),
            GuestEvent::SignalReceived(_) => {
                seen += 1;
                if seen == 2 {
                    calls.complete("2");
                }
            }
            _ => {}
        }
    })
}

async fn start_one(host: &Host, id: &str) -> RunHandle {
    host.start(StartOptions::new("main", id)).await.unwrap()
}

fn sql(db: &Path, text: &str) {
    Connection::open(db).unwrap().execute_batch(text).unwrap();
}

fn frame(db: &Path, run: u64, seq: u64) -> Vec<u8> {
    let read = "SELECT body FROM frame WHERE run = ?1 AND seq = ?2";
    let connection = Connection::open(db).unwrap();
    connection
        .query_row(read, [run, seq], |row| row.get(0))
        .unwrap()
}

/// The error of everything that needs the run's history; it names the file and the row.
async fn assert_damaged(host: &Host, id: &str, wanted: &str) {
    let run = host.run(id, None);
    for error in [
        run.history().await.unwrap_err(),
        run.signal_named("s", vec![]).await.unwrap_err(),
        run.cancel(Default::default()).await.err().unwrap(),
    ] {
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn each_damaged_byte_of_a_frame_stops_its_run_alone() {
    let world = World::new();
    let host = world.host(&two_signals()).build().await.unwrap();
    for id in ["good", "bad"] {
        let run = start_one(&host, id).await;
        run.signal_named("first", vec![]).await.unwrap();
    }
    host.shutdown().await.unwrap();
    let (whole, body) = (fs::read(&world.db).unwrap(), frame(&world.db, 2, 1));
    let places = (0..whole.len() - body.len()).filter(|at| whole[*at..].starts_with(&body));
    let places: Vec<usize> = places.collect();
    let [place] = places[..] else {
        panic!("the frame is in the file {} times", places.len())
    };
    assert!(body.len() > 40, "{}", body.len());
    let wanted = format!("{}: frame 1 of run 2 is corrupt: ", world.db.display());
    let given = given_frame(&world.db);
    let mut harmed = 0;
    for at in 0..body.len() {
        let mut bytes = whole.clone();
        bytes[place + at] ^= 1 << (at % 8);
        fs::write(&world.db, bytes).unwrap();
        if given_frame(&world.db) == given {
            // Another way to say the same.
            continue;
        }
        harmed += 1;
        let host = world.host(&two_signals()).build().await.unwrap();
        assert_damaged(&host, "bad", &wanted).await;
        let good = host.run("good", None);
        good.signal_named("second", vec![]).await.unwrap();
        assert_eq!(json_result(&good).await, "2");
        let new = start_one(&host, "new").await;
        host.idle().await;
        assert_eq!(shape_of(&new).await, "WES,T,TS");
        host.shutdown().await.unwrap();
        assert_eq!(
            frame(&world.db, 2, 1).len(),
            body.len(),
            "it is left as it is"
        );
    }
    assert!(harmed * 10 > body.len() * 9, "{harmed} of {}", body.len());
}

/// The first frame of the second run, as it was given to the store.
fn given_frame(db: &Path) -> Option<Vec<u8>> {
    let reader = SqliteStore::open_read_only(db).unwrap();
    reader.frame(RunKey(2), 1).ok().flatten()
}

#[tokio::test]
async fn a_run_whose_newest_frame_is_gone_says_so() {
    let world = World::new();
    let host = world.host(&two_signals()).build().await.unwrap();
    for id in ["good", "bad"] {
        let run = start_one(&host, id).await;
        run.signal_named("first", vec![]).await.unwrap();
    }
    host.shutdown().await.unwrap();
    // The last one: of a workflow task that took long the inputs have a frame of their own.
    let read = "SELECT max(seq) FROM frame WHERE run = 2";
    let connection = Connection::open(&world.db).unwrap();
    let newest: u64 = connection.query_row(read, [], |row| row.get(0)).unwrap();
    drop(connection);
    sql(
        &world.db,
        &format!("DELETE FROM frame WHERE run = 2 AND seq = {newest}"),
    );
    let host = world.host(&two_signals()).build().await.unwrap();
    let wanted = format!(
        "{}: frame {newest} of run 2 is corrupt: it is missing, the run has events up to ",
        world.db.display()
    );
    assert_damaged(&host, "bad", &wanted).await;
    let good = host.run("good", None);
    good.signal_named("second", vec![]).await.unwrap();
    assert_eq!(json_result(&good).await, "2");
}

#[tokio::test]
async fn a_file_that_was_cut_is_refused_by_name() {
    let world = World::new();
    let host = world.host(&two_signals()).build().await.unwrap();
    start_one(&host, "w").await;
    host.idle().await;
    host.shutdown().await.unwrap();
    let whole = fs::read(&world.db).unwrap();
    fs::write(&world.db, &whole[..whole.len() - 512]).unwrap();
    let refused = world.host(&two_signals()).build().await;
    let error = refused.err().unwrap().to_string();
    let wanted = format!("{}: the store is corrupt: it was cut", world.db.display());
    assert!(error.contains(&wanted), "{error}");
    fs::write(&world.db, whole).unwrap();
    let host = world.host(&two_signals()).build().await.unwrap();
    host.idle().await;
    assert_eq!(shape_of(&host.run("w", None)).await, "WES,T,TS");
}

/// One transaction with the frames of 64 runs, of which the store takes 63.
#[tokio::test]
async fn one_refused_frame_among_64_fails_one_caller_and_rebuilds_one_run() {
    let world = World::new();
    let faults = Faults::default();
    let host = faults.host(world.host(&two_signals()), &world.db);
    let host = host.build().await.unwrap();
    let holder = start_one(&host, "holder").await;
    let mut runs = Vec::new();
    for n in 0..64 {
        runs.push(start_one(&host, &format!("w{n}")).await);
    }
    host.idle().await;
    // Of run 18: the holder is run 1. A task that took long has two frames.
    let count = "SELECT count(*) + 1 FROM frame WHERE run = 18";
    let next: u64 = Connection::open(&world.db)
        .unwrap()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    sql(
        &world.db,
        "CREATE TRIGGER refuse BEFORE INSERT ON frame WHEN NEW.run = 18
         BEGIN SELECT RAISE(ABORT, 'told to fail'); END",
    );
    faults.push(Fault::Wait);
    let tasks = host.stats().tasks;
    let held = tokio::spawn(async move { holder.signal_named("hold", vec![]).await });
    tokio::task::yield_now().await;
    faults.gate().wait_for(1);
    let signals: Vec<_> = runs
        .iter()
        .map(|run| {
            let run = run.clone();
            tokio::spawn(async move { run.signal_named("first", vec![]).await })
        })
        .collect();
    // A task counts before its frame is with the writer.
    while host.stats().tasks < tasks + 65 || host.stats().frames_waiting < 64 {
        tokio::task::yield_now().await;
    }
    faults.gate().open();
    held.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for signal in signals {
        answers.push(signal.await.unwrap());
    }
    let largest = faults.sizes().into_iter().max().unwrap();
    assert!(largest >= 64, "{:?}", faults.sizes());
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_err(), n == 16, "{n}: {answer:?}");
    }
    let error = answers[16].as_ref().unwrap_err().to_string();
    let wanted = format!(
        "{}: frame {next} of run 18 is refused: told to fail",
        world.db.display()
    );
    assert!(error.contains(&wanted), "{error}");
    host.idle().await;
    let (bad, good) = (&runs[16], &runs[15]);
    let description = bad.describe().await.unwrap();
    assert!(description.trouble.unwrap().contains(&wanted));
    assert_eq!(shape_of(bad).await, "WES,T,TS", "nothing of it is there");
    assert_eq!(shape_of(good).await, "WES,T,TS,SG,T");

    sql(&world.db, "DROP TRIGGER refuse");
    // A run that was in the same commit goes on where it was; the one begins from the store again.
    let replays = host.stats().replays;
    good.signal_named("second", vec![]).await.unwrap();
    assert_eq!(json_result(good).await, "2");
    assert_eq!(host.stats().replays, replays);
    for signal in ["first", "second"] {
        bad.signal_named(signal, vec![]).await.unwrap();
    }
    assert_eq!(
        json_result(bad).await,
        "2",
        "what was refused was forgotten"
    );
    assert_eq!(host.stats().replays, replays + 1);
    for run in runs.iter().filter(|run| run.workflow_id() != "w15") {
        if run.workflow_id() != "w16" {
            run.signal_named("second", vec![]).await.unwrap();
            assert_eq!(json_result(run).await, "2");
        }
    }
}

/// Names the small disk for the process that the next test starts on one.
const DISK: &str = "SMALL_DISK";

#[test]
fn a_full_disk_refuses_requests_and_the_host_goes_on_when_there_is_room() {
    let name =
        "host::store_faults::a_full_disk_refuses_requests_and_the_host_goes_on_when_there_is_room";
    if let Some(disk) = env::var_os(DISK) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(on_small_disk(PathBuf::from(disk)));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/small-disk.sh");
    let output = Command::new(script)
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(
        text.contains("\nthe disk was full after "),
        "{text}{errors}"
    );
}

/// The signals in a run's history: as many as were acknowledged.
async fn signals(run: &RunHandle) -> usize {
    shape_of(run).await.matches("SG").count()
}

async fn on_small_disk(disk: PathBuf) {
    let mut world = World::new();
    world.db = disk.join("test.db");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 300_000]).unwrap();
    let script = script(|| |_: &GuestEvent, calls: &mut Calls<'_>| drop(calls.timer(9_000_000)));
    let host = world.host(&script).build().await.unwrap();
    let mut runs = Vec::new();
    for n in 0..4 {
        runs.push(start_one(&host, &format!("w{n}")).await);
    }
    let text = format!("\"{}\"", "x".repeat(20_000));
    let large = || vec![Payload::json(text.as_str())];
    let mut acknowledged = [0; 4];
    let error = 'full: loop {
        for (run, count) in runs.iter().zip(&mut acknowledged) {
            assert!(*count < 30, "a small disk is full by then");
            match run.signal_named("large", large()).await {
                Ok(()) => *count += 1,
                Err(error) => break 'full error,
            }
        }
    };
    println!("\nthe disk was full after {acknowledged:?} signals: {error}");
    assert!(acknowledged[0] > 1, "{acknowledged:?}");
    let wanted = format!("{}: no space left while writing", world.db.display());
    assert!(error.to_string().contains(&wanted), "{error}");
    // Everything that needs no room is answered, and what needs some is refused as a whole.
    for _ in 0..3 {
        for (run, count) in runs.iter().zip(&mut acknowledged) {
            assert_eq!(signals(run).await, *count);
            match run.signal_named("large", large()).await {
                Ok(()) => *count += 1,
                Err(error) => {
                    assert!(error.to_string().contains(&wanted), "{error}");
                    // Inputs of a long task are refused while the task still runs.
                    host.idle().await;
                    assert!(run.describe().await.unwrap().trouble.is_some());
                }
            }
        }
        world.advance(&host, 60_000).await;
    }
    let refused = host
        .start(StartOptions::new("main", "huge").json(text.as_str()))
        .await;
    assert!(refused.err().unwrap().to_string().contains(&wanted));

    // Somebody makes room: the same host goes on, and so does the next one.
    fs::remove_file(&ballast).unwrap();
    world.advance(&host, 60_000).await;
    for (run, count) in runs.iter().zip(&mut acknowledged) {
        run.signal_named("small", vec![]).await.unwrap();
        *count += 1;
        assert_eq!(signals(run).await, *count);
        assert!(run.describe().await.unwrap().trouble.is_none());
    }
    host.shutdown().await.unwrap();
    let host = world.host(&script).build().await.unwrap();
    for (n, count) in acknowledged.into_iter().enumerate() {
        let run = host.run(format!("w{n}"), None);
        assert_eq!(signals(&run).await, count);
    }
}
