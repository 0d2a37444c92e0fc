//! What was acknowledged survives `kill -9`; what was not is there whole or not at all.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_store::{
    Error, Reader, RunKey, SqliteStore, Store, Write,
    conformance::sample::{commit, first, frame, next, noise},
};
use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// Where the second process of a test finds its store. Without it, it makes one and writes little.
const STORE: &str = "SANDGLASS_TEST_STORE";

/// Runs only the test `name` of this file, in a process of its own, on the store `db`.
fn spawn(name: &str, db: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(STORE, db)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

fn open(db: &Path) -> SqliteStore {
    SqliteStore::open(db).unwrap()
}

fn read(db: &Path) -> impl Reader {
    SqliteStore::open_read_only(db).unwrap()
}

/// Appends frames to three runs, by turns, and says `ack RUN SEQ` after each commit.
#[test]
fn a_writer_acknowledges_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let given = env::var_os(STORE);
    let rounds = if given.is_some() { u64::MAX } else { 20 };
    let db = given.map_or_else(|| folder.path().join("store.db"), Into::into);
    let mut store = open(&db);
    for round in 1..=rounds {
        for key in 1..=3 {
            let write = if round == 1 {
                first(key)
            } else {
                next(key, round)
            };
            let body = vec![round as u8; 2000];
            let activity = Write {
                activities_put: vec![(Default::default(), body)],
                ..write
            };
            commit(&mut store, &[activity]);
            println!("\nack {key} {round}");
        }
        if round % 64 == 0 {
            store.checkpoint().unwrap();
        }
    }
    let reader = read(&db);
    for key in 1..=3 {
        assert_eq!(reader.frames(RunKey(key)).unwrap().len() as u64, rounds);
    }
}

/// The writer is killed at different moments, also in the middle of a checkpoint: every
/// acknowledged frame is there, and of each run at most the one frame more that was on its way.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    for kill_after in [1, 2, 50, 191, 192, 193, 400] {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("store.db");
        let (mut child, lines) = spawn("a_writer_acknowledges_in_order", &db);
        let mut lines = lines.lines().map(Result::unwrap);
        let mut acknowledged = [0; 4];
        let mut note = |line: String| {
            let mut words = line.split(' ');
            if words.next() != Some("ack") {
                return false;
            }
            let mut number = || words.next().unwrap().parse::<u64>().unwrap();
            let key = number() as usize;
            acknowledged[key] = number();
            true
        };
        let mut seen = 0;
        while seen < kill_after {
            seen += u32::from(note(lines.next().expect("the writer goes on")));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines {
            note(line); // said before it died, read after
        }

        // The first to look at what it left may be one that only reads.
        let reader = read(&db);
        let mut store = open(&db);
        for key in 1..=3 {
            let frames = reader.frames(RunKey(key)).unwrap();
            let count = frames.len() as u64;
            let least = acknowledged[key as usize];
            assert!(
                (least..=least + 1).contains(&count),
                "run {key}: {count}, {acknowledged:?}"
            );
            let expected = (1..=count).map(|seq| frame(key, seq));
            assert!(frames.into_iter().eq(expected), "run {key}");
            let activities = reader.activities(RunKey(key)).unwrap();
            let newest = activities.last().map(|row| row.body.clone());
            assert_eq!(
                newest,
                (count > 0).then(|| vec![count as u8; 2000]),
                "run {key}"
            );
            if count > 0 {
                commit(&mut store, &[next(key, count + 1)]);
            }
        }
    }
}

/// A process that dies without a word, having committed, and having something it did not commit.
#[test]
fn a_store_that_was_dropped_is_as_it_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    let mut store = open(&db);
    commit(&mut store, &[first(1)]);
    // Keeps the log from being moved to the main file when the store is dropped.
    let reader = read(&db);
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 1);
    commit(&mut store, &[next(1, 2)]);
    drop(store);
    assert!(folder.path().join("store.db-wal").metadata().unwrap().len() > 0);
    let mut store = open(&db);
    assert_eq!(
        reader.frames(RunKey(1)).unwrap(),
        [frame(1, 1), frame(1, 2)]
    );
    commit(&mut store, &[next(1, 3)]);
}

/// How many bytes large the one write is that does not fit.
const TOO_LARGE: usize = 3_000_000;

/// Commits something small, something that does not fit where files may have 1 MB at most, and
/// something small again. Elsewhere all of it fits.
#[test]
fn a_commit_that_fails_acknowledges_nothing_and_the_next_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let given = env::var_os(STORE);
    let limited = given.is_some();
    let db = given.map_or_else(|| folder.path().join("store.db"), Into::into);
    let mut store = open(&db);
    commit(&mut store, &[first(1), first(2)]);
    let large = Write {
        frame: Some((2, noise(TOO_LARGE))),
        ..Write::new(RunKey(1))
    };
    let answer = store.commit(&[next(2, 2), large]);
    if limited {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::NotCommitted(_)), "{error}");
        let text = error.to_string();
        assert!(text.starts_with("nothing was committed: "), "{text}");
        assert!(text.contains(db.to_str().unwrap()), "{text}");
        assert_eq!(store.stats().commits_failed, 1);
        commit(&mut store, &[next(1, 2), next(2, 2)]);
        println!("\nlimited {text}");
    } else {
        assert!(answer.unwrap().iter().all(Result::is_ok));
    }
    commit(&mut store, &[next(1, 3)]);
    let reader = read(&db);
    assert_eq!(reader.frames(RunKey(1)).unwrap().len(), 3);
    assert_eq!(
        reader.frames(RunKey(2)).unwrap(),
        [frame(2, 1), frame(2, 2)]
    );
}

/// The same where the operating system refuses to let a file grow: a real failed write, in the
/// middle of a commit.
#[test]
fn a_failed_write_of_the_log_is_survived() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    // Ignored, the signal becomes an error of write(2). ulimit counts 512 bytes here.
    let limit = r#"trap "" XFSZ; ulimit -f 2000; exec "$@""#;
    let output = Command::new("sh")
        .args(["-c", limit, "sh"])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_commit_that_fails_acknowledges_nothing_and_the_next_one_works",
        ])
        .arg("--nocapture")
        .env(STORE, &db)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("\nlimited nothing was committed: "), "{text}");
    let reader = read(&db);
    assert_eq!(
        reader.frames(RunKey(1)).unwrap(),
        [frame(1, 1), frame(1, 2), frame(1, 3)]
    );
}

/// Readers do not disturb the writer, nor it them, and none of them sees half a commit.
#[test]
fn a_reader_of_another_process_reads_while_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    let (mut child, lines) = spawn("a_writer_acknowledges_in_order", &db);
    let mut acknowledged = lines
        .lines()
        .map(Result::unwrap)
        .filter(|line| line.starts_with("ack"));
    acknowledged.next().expect("the writer began");
    let reader = read(&db);
    let mut last = 0;
    for _ in 0..200 {
        let frames = reader.frames(RunKey(1)).unwrap();
        assert!(frames.len() >= last, "a frame was taken back");
        last = frames.len();
        assert!(
            frames
                .iter()
                .zip(1..)
                .all(|(body, seq)| *body == frame(1, seq))
        );
        acknowledged.next().expect("the writer goes on");
    }
    assert!(last > 10, "{last}");
    child.kill().unwrap();
    child.wait().unwrap();
}
