//! One process at a time owns a store; its death frees it.

#![expect(clippy::unwrap_used, reason = "tests")]

use sandglass_store::{Error, OwnerLock, SqliteStore, owner, resolve, socket_path};
use std::{
    env,
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

const STORE: &str = "SANDGLASS_TEST_STORE";

#[test]
fn a_second_owner_is_told_who_the_first_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    assert_eq!(owner(&db).unwrap(), None, "nobody ever had it");
    let lock = OwnerLock::acquire(&db).unwrap();
    assert_eq!(owner(&db).unwrap().as_ref(), Some(lock.owner()));
    assert_eq!(lock.owner().pid, process::id());
    assert_eq!(lock.owner().socket, socket_path(&db).unwrap());
    let error = OwnerLock::acquire(&db).unwrap_err();
    let Error::Owned { file, pid, command } = &error else {
        panic!("{error}")
    };
    assert_eq!((file, *pid), (&resolve(&db).unwrap(), process::id()));
    assert_eq!(*command, lock.owner().command);
    assert!(
        error
            .to_string()
            .contains(&format!("process {pid} ({command})")),
        "{error}"
    );

    drop(lock);
    assert_eq!(owner(&db).unwrap(), None);
    OwnerLock::acquire(&db).unwrap();
    let mode = fs::metadata(folder.path().join("store.db-owner"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Owns a store until its standard input ends.
#[test]
fn an_owner_holds_on() {
    let folder = tempfile::tempdir().unwrap();
    let given = env::var_os(STORE).map(PathBuf::from);
    let db = given
        .clone()
        .unwrap_or_else(|| folder.path().join("store.db"));
    let lock = OwnerLock::acquire(&db).unwrap();
    println!("\nowned");
    if given.is_some() {
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }
    assert_eq!(owner(&db).unwrap().as_ref(), Some(lock.owner()));
}

#[test]
fn a_killed_owner_frees_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "an_owner_holds_on", "--nocapture"])
        .env(STORE, &db)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines.map(Result::unwrap).any(|line| line == "owned"),
        "the other took it"
    );
    let other = owner(&db).unwrap().unwrap();
    assert_eq!(other.pid, child.id());
    assert!(other.command.contains("an_owner_holds_on"), "{other:?}");
    let error = OwnerLock::acquire(&db).unwrap_err();
    assert!(
        matches!(&error, Error::Owned { pid, .. } if *pid == child.id()),
        "{error}"
    );

    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(owner(&db).unwrap(), None);
    assert_eq!(OwnerLock::acquire(&db).unwrap().owner().pid, process::id());
}

#[test]
fn every_name_of_a_file_has_the_same_owner() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    drop(SqliteStore::open(&db).unwrap());
    let link = folder.path().join("link.db");
    symlink(&db, &link).unwrap();
    let _lock = OwnerLock::acquire(&link).unwrap();
    assert!(matches!(OwnerLock::acquire(&db), Err(Error::Owned { .. })));
    let roundabout = folder.path().join(".").join("store.db");
    assert!(owner(&roundabout).unwrap().is_some());
}

#[test]
fn a_long_path_has_a_short_socket() {
    let folder = tempfile::tempdir().unwrap();
    let near = folder.path().join("store.db");
    let beside = folder
        .path()
        .canonicalize()
        .unwrap()
        .join("store.db-socket");
    assert_eq!(socket_path(&near).unwrap(), beside);
    let deep = folder.path().join("d".repeat(100));
    fs::create_dir(&deep).unwrap();
    let (one, other) = (deep.join("one.db"), deep.join("other.db"));
    let short = socket_path(&one).unwrap();
    assert!(
        short.is_absolute() && short.as_os_str().len() <= 100,
        "{short:?}"
    );
    assert_eq!(short, socket_path(&one).unwrap());
    assert_ne!(short, socket_path(&other).unwrap());
}

#[test]
fn an_owner_file_that_cannot_be_made_is_named() {
    let missing = Path::new("/nonexistent/store.db");
    let error = OwnerLock::acquire(missing).unwrap_err().to_string();
    assert!(error.contains("/nonexistent"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("store.db");
    fs::create_dir(folder.path().join("store.db-owner")).unwrap();
    let error = OwnerLock::acquire(&db).unwrap_err().to_string();
    assert!(error.contains("store.db-owner"), "{error}");
    // What it says of itself is for its user only; a lock file of others is still respected.
    fs::remove_dir(folder.path().join("store.db-owner")).unwrap();
    fs::write(folder.path().join("store.db-owner"), "{ not what we write").unwrap();
    fs::set_permissions(
        folder.path().join("store.db-owner"),
        Permissions::from_mode(0o600),
    )
    .unwrap();
    let lock = OwnerLock::acquire(&db).unwrap();
    assert_eq!(owner(&db).unwrap().as_ref(), Some(lock.owner()));
}
