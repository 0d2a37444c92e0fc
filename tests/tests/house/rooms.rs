//! Which crate may use which: the table of rooms in ARCHITECTURE.md, for every crate there is.

use super::super::{assert_none, root};
use std::{collections::BTreeSet, path::Path, process::Command};

/// What the crates below a folder may use of this workspace, dev-dependencies included. The longest
/// folder that holds a crate counts; a crate below none of them is an error.
/// A crate may use itself in its tests, with other features.
const ROOMS: [(&str, &[&str]); 15] = [
    ("host/engine", &[]),
    ("host/store", &["sandglass-engine"]),
    ("host/sandbox", &["sandglass-engine"]),
    (
        "host/runtime",
        &["sandglass-engine", "sandglass-store", "sandglass-sandbox"],
    ),
    ("host/server", &["sandglass-engine", "sandglass"]),
    (
        "host/cli",
        &[
            "sandglass-engine",
            "sandglass-store",
            "sandglass-sandbox",
            "sandglass",
            "sandglass-server",
        ],
    ),
    (
        "guest-sdk",
        &["sandglass-guest-bindings", "sandglass-guest-macros"],
    ),
    ("guest-sdk/bindings", &[]),
    ("guest-sdk/macros", &[]),
    ("guest-sdk/generate", &[]),
    // A workflow sees the guest SDK, a program that embeds the host sees its API; nothing else.
    ("examples", &["sandglass-guest"]),
    ("examples/embed", &["sandglass"]),
    // The four ways in which the scenarios run need the engine with a guest and without a host.
    (
        "tests",
        &["sandglass", "sandglass-engine", "sandglass-sandbox"],
    ),
    // Data that tests everywhere compare with: it knows no room, and no room but in its tests.
    ("tests/semantics", &[]),
    // `guest-raw-cancel` does without the SDK on purpose.
    (
        "tests/guests",
        &["sandglass-guest", "sandglass-guest-bindings"],
    ),
];

/// What the tests of every crate may use beside that.
const FOR_TESTS: &str = "sandglass-semantics";

/// Crates from elsewhere that only these may name; beside them, in dev-dependencies only, the
/// second.
const OWNERS: [(&str, &[&str], &[&str]); 7] = [
    // The benchmark measures what the sandbox's checks cost against a guest without them.
    ("wasmtime", &["sandglass-sandbox", "sandglass-tests"], &[]),
    ("wasmtime-wasi", &["sandglass-sandbox"], &[]),
    (
        "wit-component",
        &["sandglass-sandbox", "sandglass-guest-generate"],
        &[],
    ),
    ("temporalio-protos", &["sandglass-server"], &[]),
    ("tonic", &["sandglass-server"], &[]),
    // Tests damage files behind the host's back; the benchmark packs one before it weighs it.
    (
        "rusqlite",
        &["sandglass-store", "sandglass-tests"],
        &["sandglass", "sandglass-cli"],
    ),
    // One guest imports what no workflow may, one has functions of its own types.
    (
        "wit-bindgen",
        &[
            "sandglass-guest-bindings",
            "guest-forbidden-import",
            "guest-typed-activities",
            "guest-scenarios-async",
        ],
        &[],
    ),
];

/// What the engine must not know, in its tests neither: it is pure.
const NOT_IN_ENGINE: [&str; 6] = [
    "tokio",
    "wasmtime",
    "rusqlite",
    "tracing",
    "rand",
    "getrandom",
];

/// A crate of the workspace.
struct Package {
    name: String,
    /// Its folder, from the top.
    folder: String,
    /// What it names, and whether in its tests only.
    used: BTreeSet<(String, bool)>,
}

fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &serde_json::Value, key: &str| value[key].as_str().unwrap().to_owned();
    let package = |package: &serde_json::Value| {
        let manifest = text(package, "manifest_path");
        let folder = Path::new(&manifest).parent().unwrap();
        let folder = folder.strip_prefix(root()).unwrap().to_str().unwrap();
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let used = dependencies.map(|used| (text(used, "name"), used["kind"] == "dev"));
        Package {
            name: text(package, "name"),
            folder: folder.to_owned(),
            used: used.collect(),
        }
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(package).collect()
}

/// What a crate in this folder may use, if any room says so.
fn allowed(folder: &str) -> Option<&'static [&'static str]> {
    let holds = |room: &str| Path::new(folder).starts_with(room);
    let rooms = ROOMS.iter().filter(|(room, _)| holds(room));
    rooms
        .max_by_key(|(room, _)| room.len())
        .map(|(_, allowed)| *allowed)
}

#[test]
fn the_longest_folder_that_holds_a_crate_counts() {
    assert_eq!(allowed("host/engine"), Some(&[][..]));
    assert_eq!(allowed("examples/embed"), Some(&["sandglass"][..]));
    assert_eq!(allowed("examples/new"), Some(&["sandglass-guest"][..]));
    assert_eq!(allowed("host/new"), None);
    assert_eq!(allowed("host/engine2"), None);
}

#[test]
fn a_room_uses_only_the_rooms_below_it() {
    let packages = packages();
    let ours: BTreeSet<&String> = packages.iter().map(|package| &package.name).collect();
    assert!(ours.len() > 15, "{ours:?}");
    let mut wrong = Vec::new();
    for package in &packages {
        let Some(allowed) = allowed(&package.folder) else {
            wrong.push(format!(
                "{} is in no room: {}",
                package.name, package.folder
            ));
            continue;
        };
        let ours = package.used.iter().filter(|(used, _)| ours.contains(used));
        for (used, _) in ours.filter(|(used, in_tests)| !in_tests || used != FOR_TESTS) {
            if !allowed.contains(&used.as_str()) && used != &package.name {
                wrong.push(format!("{} uses {used}", package.name));
            }
        }
    }
    for (room, _) in ROOMS {
        if !root().join(room).is_dir() {
            wrong.push(format!("there is no room {room}"));
        }
    }
    assert_none("rooms that reach beyond what they may use", &wrong);
}

#[test]
fn the_engine_is_pure_and_each_large_dependency_has_its_owners() {
    let mut wrong = Vec::new();
    for package in packages() {
        for (used, in_tests) in &package.used {
            for (name, owners, testers) in OWNERS {
                let mut may = owners.to_vec();
                if *in_tests {
                    may.extend(testers);
                }
                if used == name && !may.contains(&package.name.as_str()) {
                    wrong.push(format!("{} names {name}; only {may:?} may", package.name));
                }
            }
            if package.name == "sandglass-engine" && NOT_IN_ENGINE.contains(&used.as_str()) {
                wrong.push(format!("the engine names {used}; it must stay pure"));
            }
        }
    }
    assert_none("dependencies in the wrong room", &wrong);
}

#[test]
fn every_crate_obeys_the_workspaces_lints() {
    let mut free = Vec::new();
    for package in packages() {
        let manifest = root().join(&package.folder).join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).unwrap();
        // Generated, and full of unsafe code; its manifest says so.
        let generated = package.folder == "guest-sdk/bindings";
        if !generated && !text.contains("[lints]\nworkspace = true") {
            free.push(package.folder);
        }
    }
    assert_none("crates without `[lints] workspace = true`", &free);
}
