//! A disk that is full: nothing that was acknowledged is lost, what does not fit is refused with
//! the file's name, and once there is room the same store goes on.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_engine::Digest;
use sandglass_store::{
    Error, Reader, RunKey, SqliteStore, Store, Write,
    conformance::sample::{commit, first, next, noise},
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Names the small disk for the process that this test starts on one.
const DISK: &str = "SMALL_DISK";

/// A frame that nothing packs.
fn body(seq: u64) -> Vec<u8> {
    let mut body = noise(30_000);
    body[0] = seq as u8;
    body
}

/// A write that takes a good part of the disk.
fn large(key: u64, seq: u64) -> Write {
    Write {
        frame: Some((seq, body(seq))),
        ..Write::new(RunKey(key))
    }
}

fn assert_full(db: &Path, error: &Error) {
    let text = error.to_string();
    let inner = match error {
        Error::NotCommitted(inner) => inner,
        error => error,
    };
    assert!(matches!(inner, Error::Full { .. }), "{text}");
    assert!(text.contains(db.to_str().unwrap()), "{text}");
    assert!(text.contains("no space left while writing"), "{text}");
}

fn frames(reader: &dyn Reader, key: u64) -> u64 {
    let frames = reader.frames(RunKey(key)).unwrap();
    for (found, seq) in frames.iter().zip(1..) {
        let right = if seq == 1 {
            Some((1, found.clone())) == first(key).frame
        } else {
            *found == body(seq)
        };
        assert!(right, "frame {seq} of run {key}");
    }
    frames.len() as u64
}

#[test]
fn a_full_disk_refuses_whole_commits_and_keeps_what_it_has() {
    if let Some(disk) = env::var_os(DISK) {
        return on_small_disk(&PathBuf::from(disk));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/small-disk.sh");
    let output = Command::new(script)
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_full_disk_refuses_whole_commits_and_keeps_what_it_has",
        ])
        .arg("--nocapture")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("\nthe disk was full after "), "{text}");
}

fn on_small_disk(disk: &Path) {
    let db = disk.join("store.db");
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 300_000]).unwrap();
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    commit(&mut store, &[first(1), first(2)]);
    let mut acknowledged = 1;
    let error = loop {
        assert!(acknowledged < 40, "a small disk is full by then");
        // Two runs in one commit: both or none.
        let seq = acknowledged + 1;
        match store.commit(&[large(1, seq), large(2, seq)]) {
            Ok(answers) => answers.into_iter().for_each(Result::unwrap),
            Err(error) => break error,
        }
        acknowledged += 1;
    };
    println!("\nthe disk was full after {acknowledged} frames: {error}");
    assert_full(&db, &error);
    assert!(acknowledged > 3, "{acknowledged}");
    assert_eq!(
        [1, 2].map(|key| frames(reader.as_ref(), key)),
        [acknowledged; 2]
    );

    // Again and again, also for a component; readers go on, each try is refused as a whole.
    for _ in 0..3 {
        let seq = acknowledged + 1;
        let error = store.commit(&[large(1, seq), large(2, seq)]).unwrap_err();
        assert_full(&db, &error);
        let error = store
            .put_component(Digest([3; 32]), &[0; 200_000])
            .unwrap_err();
        assert_full(&db, &error);
        assert_eq!(
            [1, 2].map(|key| frames(reader.as_ref(), key)),
            [acknowledged; 2]
        );
        assert!(reader.components().unwrap().is_empty());
    }

    // The host is restarted while the disk is still full: the file says why, or it opens.
    drop((store, reader));
    match SqliteStore::open(&db) {
        Ok(store) => assert_eq!(frames(store.reader().unwrap().as_ref(), 1), acknowledged),
        Err(error) => assert!(error.to_string().contains(db.to_str().unwrap()), "{error}"),
    }

    // Somebody makes room.
    fs::remove_file(&ballast).unwrap();
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(
        [1, 2].map(|key| frames(reader.as_ref(), key)),
        [acknowledged; 2]
    );
    let seq = acknowledged + 1;
    commit(&mut store, &[large(1, seq), next(2, seq)]);
    assert_eq!(frames(reader.as_ref(), 1), seq);
}
