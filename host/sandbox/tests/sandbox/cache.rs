//! Compiled components on disk.

use crate::guests;
use sandglass_engine::Digest;
use sandglass_sandbox::{Error, Sandbox, SandboxConfig};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

fn sandbox(dir: &Path) -> Arc<Sandbox> {
    let config = SandboxConfig {
        cache_dir: Some(dir.into()),
        ..SandboxConfig::default()
    };
    Sandbox::new(config).unwrap()
}

/// The files that belong to a component: code, what is known of it, checksum.
fn files(dir: &Path, digest: impl ToString) -> [PathBuf; 3] {
    let mut found: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let digest = digest.to_string();
    found.retain(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(&digest)
    });
    found.sort();
    let [code, facts, checksum] = &found[..] else {
        panic!("{found:?}")
    };
    [code.clone(), facts.clone(), checksum.clone()]
}

#[test]
fn what_is_cached_is_not_compiled() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (guests::workflow(""), guests::workflow("(unreachable)"));
    let first = sandbox(dir.path());
    let [one_digest, other_digest] =
        [&one, &other].map(|component| first.load_workflow(component).unwrap().digest());
    // If the code of the one is what is run under the other's name, it came from the file.
    for (from, to) in files(dir.path(), one_digest)
        .iter()
        .zip(files(dir.path(), other_digest))
    {
        fs::copy(from, to).unwrap();
    }
    let component = sandbox(dir.path()).load_workflow(&other).unwrap();
    let mut instance = component.instantiate(crate::runs::silent());
    crate::runs::run(&mut instance).unwrap();
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    let component = guests::workflow("(unreachable)");
    let digest = sandbox(dir.path())
        .load_workflow(&component)
        .unwrap()
        .digest();
    let [code, facts, checksum] = files(dir.path(), digest);
    let whole = fs::read(&code).unwrap();
    let known = fs::read(&facts).unwrap();
    let damages: [&dyn Fn(); 7] = [
        &|| fs::write(&code, &whole[..whole.len() / 2]).unwrap(),
        &|| {
            let mut flipped = whole.clone();
            flipped[whole.len() / 2] ^= 1;
            fs::write(&code, flipped).unwrap();
        },
        &|| fs::write(&checksum, "").unwrap(),
        &|| fs::remove_file(&code).unwrap(),
        &|| fs::write(&facts, &known[..known.len() / 2]).unwrap(),
        &|| {
            let mut flipped = known.clone();
            flipped[known.len() / 2] ^= 1;
            fs::write(&facts, flipped).unwrap();
        },
        &|| fs::remove_file(&facts).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let sandbox = sandbox(dir.path());
        assert!(sandbox.load_cached(digest).is_none(), "{number}");
        sandbox.load_workflow(&component).unwrap();
        assert_eq!(fs::read(&code).unwrap(), whole, "{number}");
        assert_eq!(fs::read(&facts).unwrap(), known, "{number}");
        assert!(sandbox.load_cached(digest).is_some(), "{number}");
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        3,
        "no temporary file stays"
    );
}

#[test]
fn a_component_that_was_loaded_is_known_by_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let component = guests::workflow("");
    let first = sandbox(dir.path()).load_workflow(&component).unwrap();
    let again = sandbox(dir.path()).load_cached(first.digest());
    let again = again.expect("it was loaded");
    assert_eq!(again.digest(), first.digest());
    assert_eq!(again.workflow_types(), first.workflow_types());
    let mut instance = again.instantiate(crate::runs::silent());
    crate::runs::run(&mut instance).unwrap();
    let other = sandbox(dir.path()).load_cached(Digest([0; 32]));
    assert!(other.is_none());
}

/// What is said of one component is not taken for what is known of another's code.
#[test]
fn facts_of_other_code_are_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (guests::workflow(""), guests::workflow("(unreachable)"));
    let first = sandbox(dir.path());
    let [one, of_other] =
        [&one, &other].map(|component| first.load_workflow(component).unwrap().digest());
    let [_, from, _] = files(dir.path(), one);
    let [_, to, _] = files(dir.path(), of_other);
    fs::copy(from, to).unwrap();
    assert!(sandbox(dir.path()).load_cached(of_other).is_none());
}

/// What was compared once is not compared again, until somebody has written to it.
#[test]
fn a_file_that_was_compared_is_compared_again_when_it_was_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let component = guests::workflow("");
    let load = || sandbox(dir.path()).load_workflow(&component).unwrap();
    let [code, _, proof] = files(dir.path(), load().digest());
    let whole = fs::read(&code).unwrap();
    let told = || fs::read_to_string(&proof).unwrap();
    // Not while it is so new that a change might not show.
    let patience = Instant::now();
    while told().lines().nth(1).is_none_or(str::is_empty) {
        assert!(patience.elapsed() < Duration::from_secs(60), "{}", told());
        load();
    }
    let known = told();
    // A checksum that fails every file: nobody asks.
    let (_, stamp) = known.split_once('\n').unwrap();
    fs::write(&proof, format!("none\n{stamp}")).unwrap();
    load();
    assert!(told().starts_with("none"), "{}", told());
    fs::write(&proof, &known).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    fs::write(&code, flipped).unwrap();
    load();
    assert_eq!(fs::read(&code).unwrap(), whole);
}

#[test]
fn the_directory_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    sandbox(&inner);
    assert_eq!(
        fs::metadata(&inner).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn a_directory_that_others_can_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let config = SandboxConfig {
        cache_dir: Some(dir.path().into()),
        ..SandboxConfig::default()
    };
    let error = Sandbox::new(config).unwrap_err();
    assert!(matches!(error, Error::Cache { .. }), "{error}");
    assert!(error.to_string().contains("mode 777"), "{error}");
}
