//! `new`, `build` and `inspect`.

use crate::support::{Ended, Folder, git, guest_target, sdk};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const MANIFEST: &str = "[package]\nname = \"plain\"\nedition = \"2024\"\n[workspace]\n";
const CDYLIB: &str = "[lib]\ncrate-type = [\"cdylib\"]\n";

#[test]
fn a_new_crate_builds_outside_the_repository() {
    let folder = Folder::new();
    let made = folder.sandglass(&["new", "first-steps", "--sdk", &sdk(), "--output", "json"]);
    assert_eq!(made.json(0)["name"], "first-steps");
    folder.pin_versions("first-steps");

    let target = guest_target();
    let built = folder.sandglass(&[
        "build",
        "first-steps",
        "--target-dir",
        &target,
        "--out",
        "out",
        "--output",
        "json",
    ]);
    let built = built.json(0);
    let part = |index: usize, key: &str| built["components"][index][key].clone();
    assert_eq!(part(0, "path"), "out/first-steps.wasm");
    assert_eq!(part(0, "workflow_types"), json!(["hello"]));
    assert_eq!(part(1, "path"), "out/first-steps-activities.wasm");
    assert_eq!(part(1, "activity_types"), json!(["greet"]));

    let inspected = folder
        .sandglass(&["inspect", "out/first-steps.wasm", "--output", "json"])
        .json(0);
    assert_eq!(inspected["digest"], part(0, "digest"));
    assert_eq!(inspected["kind"], "workflows");
    assert_eq!(inspected["workflow_types"], json!(["hello"]));
    let imports = inspected["imports"].as_array().unwrap();
    assert!(!imports.is_empty());
    assert!(
        imports
            .iter()
            .all(|import| import["allowed"] == Value::Bool(true)),
        "{imports:?}"
    );

    assert!(inspected["settings"]["activation-budget-ms"].is_string());

    let shown = folder.sandglass(&["inspect", "out/first-steps-activities.wasm"]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert!(shown.stdout.contains("greet"), "{shown:#?}");
    assert!(!shown.stdout.contains("activation-budget"), "{shown:#?}");
}

#[test]
fn a_new_package_in_typescript_builds_and_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = Command::new(root.join("scripts/javascript-toolchain.sh"))
        .status()
        .unwrap();
    assert!(installed.success());
    let folder = Folder::new();
    let made = folder.sandglass(&["new", "greeter", "--lang", "typescript"]);
    assert!(made.stdout.contains("npm install"), "{made:#?}");
    let built = folder.sandglass(&["build", "greeter", "--output", "json"]);
    let component = built.json(0)["components"][0].clone();
    assert_eq!(component["path"], "greeter.wasm");
    assert_eq!(component["workflow_types"], json!(["hello"]));
    let ran = folder.sandglass(&["run", "greeter.wasm", "--input", "\"World\""]);
    assert_eq!(ran.stdout.trim(), "\"Hello, World!\"", "{ran:#?}");

    folder
        .sandglass(&["build", "greeter", "--wasi"])
        .refused(2, "is not in Rust");
    folder.write("greeter/src/workflows.ts", "export async function w( {}");
    folder
        .sandglass(&["build", "greeter"])
        .refused(1, "src/workflows.ts:1:");
    let early = "export const at = Date.now(); export async function w() { return at; }";
    folder.write("greeter/src/workflows.ts", early);
    folder
        .sandglass(&["build", "greeter"])
        .refused(1, "Date.now was used while the component is built");
}

#[test]
fn new_projects_in_python_go_and_c_build_and_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (lang, greeting) in [
        ("python", "\"Hello, World!\""),
        ("go", "\"Hello, World!\""),
        ("c", "\"Hello, World\""),
    ] {
        let script = root.join(format!("scripts/{lang}-toolchain.sh"));
        assert!(Command::new(script).status().unwrap().success());
        let folder = Folder::new();
        let made = folder.sandglass(&["new", "greeter", "--lang", lang]);
        assert!(made.stdout.contains("sandglass build"), "{made:#?}");
        let built = folder.sandglass(&["build", "greeter"]);
        assert_eq!(built.code, Some(0), "{built:#?}");
        let run = [
            "run",
            "greeter.wasm",
            "--type",
            "hello",
            "--input",
            "\"World\"",
        ];
        let ran = folder.sandglass(&run);
        assert_eq!(ran.stdout.trim(), greeting, "{ran:#?}");
    }
    let folder = Folder::new();
    folder.sandglass(&["new", "greeter", "--lang", "go"]);
    folder.write("greeter/more.go", "package main\n\nvar no int = \"text\"\n");
    let built = folder.sandglass(&["build", "greeter"]);
    built.refused(1, "more.go:3");
    let missing = folder
        .command(&["build", "greeter"])
        .env("SANDGLASS_GO", folder.path())
        .output()
        .unwrap();
    Ended::of(missing).refused(2, "run `scripts/go-toolchain.sh`");
    let folder = Folder::new();
    folder.sandglass(&["new", "greeter", "--lang", "c"]);
    folder.write("greeter/workflow.c", "int no;");
    let built = folder.sandglass(&["build", "greeter"]);
    built.refused(1, "undefined symbol: sg_entries");
    folder.write(
        "greeter/sandglass.toml",
        "[project]\nname = \"g\"\nlanguage = \"d\"\n",
    );
    let built = folder.sandglass(&["build", "greeter"]);
    built.refused(2, "the language \"d\" is not known there");
}

#[test]
fn new_keeps_its_hands_off_what_exists() {
    let folder = Folder::new();
    folder.write("taken/keep.txt", "mine");
    folder
        .sandglass(&["new", "taken", "--sdk", &sdk()])
        .refused(2, "taken exists already");
    assert_eq!(
        std::fs::read_dir(folder.path().join("taken"))
            .unwrap()
            .count(),
        1
    );
    folder
        .sandglass(&["new", "Not-A-Name", "--sdk", &sdk()])
        .refused(2, "no name for a crate");
    folder
        .sandglass(&["new", "fine", "--sdk", "."])
        .refused(2, "is not the crate sandglass-guest");
    assert!(!folder.path().join("fine").exists());
}

#[test]
fn a_git_url_becomes_a_git_dependency() {
    let folder = Folder::new();
    let url = "https://example.com/sandglass.git";
    assert_eq!(
        folder.sandglass(&["new", "fine", "--sdk", url]).code,
        Some(0)
    );
    let manifest = std::fs::read_to_string(folder.path().join("fine/Cargo.toml")).unwrap();
    let line = format!("sandglass-guest = {{ git = \"{url}\" }}");
    assert!(manifest.contains(&line), "{manifest}");
}

/// A repository of the SDK and what its crates read, with its history in one commit.
fn sdk_repository(folder: &Folder) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copy = folder.path().join("sandglass");
    std::fs::create_dir(&copy).unwrap();
    for part in ["guest-sdk", "wit"] {
        let copied = Command::new("cp")
            .arg("-r")
            .args([&root.join(part), &copy.join(part)])
            .status();
        assert!(copied.unwrap().success());
    }
    // The workspace of the repository, whose lints and versions the SDK inherits.
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (before, members) = manifest.split_once("members = [").unwrap();
    let (_, after) = members.split_once(']').unwrap();
    let members = r#""guest-sdk", "guest-sdk/bindings", "guest-sdk/generate", "guest-sdk/macros""#;
    let manifest = format!("{before}members = [{members}]{after}");
    folder.write("sandglass/Cargo.toml", &manifest);
    git(&copy, &["init", "--quiet"]);
    git(&copy, &["add", "."]);
    git(&copy, &["commit", "--quiet", "-m", "all"]);
    format!("file://{}", copy.display())
}

/// Makes a home for cargo with the crates that are downloaded already.
fn share_registry(home: &Path) {
    std::fs::create_dir(home).unwrap();
    let usual = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo");
    let shared = std::env::var_os("CARGO_HOME").map_or_else(usual, PathBuf::from);
    for part in ["registry", "config.toml"] {
        if shared.join(part).exists() {
            std::os::unix::fs::symlink(shared.join(part), home.join(part)).unwrap();
        }
    }
}

#[test]
fn a_crate_with_the_sdk_from_git_builds() {
    let folder = Folder::new();
    let url = sdk_repository(&folder);
    let made = folder.sandglass(&["new", "from-git", "--sdk", &url]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    folder.pin_versions("from-git");
    let args = [
        "build",
        "from-git",
        "--target-dir",
        &guest_target(),
        "--out",
        "out",
    ];
    let mut command = folder.command(&args);
    // The clone of the repository goes away with the test.
    let home = folder.path().join("cargo-home");
    share_registry(&home);
    let ended = Ended::of(command.env("CARGO_HOME", home).output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(folder.path().join("out/from-git.wasm").exists());
    assert!(folder.path().join("out/from-git-activities.wasm").exists());
}

#[test]
fn what_is_no_crate_is_named() {
    let folder = Folder::new();
    folder
        .sandglass(&["build", "nowhere"])
        .refused(2, "nowhere is no crate");
    folder.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"one\"]\nresolver = \"3\"\n",
    );
    folder.write(
        "one/Cargo.toml",
        "[package]\nname = \"one\"\nedition = \"2024\"\n",
    );
    folder.write("one/src/lib.rs", "");
    folder
        .sandglass(&["build"])
        .refused(2, "name the folder of one of: one");
}

#[test]
fn a_crate_that_cannot_give_a_component_is_told_what_to_add() {
    let folder = Folder::new();
    folder.write("Cargo.toml", MANIFEST);
    folder.write("src/lib.rs", "");
    folder
        .sandglass(&["build"])
        .refused(2, "[lib]\ncrate-type = [\"cdylib\"]");

    folder.write("Cargo.toml", &format!("{MANIFEST}{CDYLIB}"));
    folder
        .sandglass(&["build"])
        .refused(2, "sandglass_guest::export! { workflows:");
    assert!(!folder.path().join("plain.wasm").exists());
}

#[test]
fn what_the_compiler_says_passes_through() {
    let folder = Folder::new();
    folder.write("Cargo.toml", &format!("{MANIFEST}{CDYLIB}"));
    folder.write("src/lib.rs", "fn broken() -> u32 { \"text\" }");
    let built = folder.sandglass(&["build", "--output", "json"]);
    built.refused(1, "mismatched types");
    assert_eq!(built.json(1)["exit_code"], 1);
}

#[test]
fn a_missing_compiler_is_told_with_what_to_run() {
    let folder = Folder::new();
    folder.write("Cargo.toml", &format!("{MANIFEST}{CDYLIB}"));
    folder.write("src/lib.rs", "");
    let mut command = folder.command(&["build"]);
    let ended = crate::support::Ended::of(
        command
            .env("WASM_RUSTC", "/nowhere/rustc")
            .output()
            .unwrap(),
    );
    ended.refused(2, "/nowhere/rustc (WASM_RUSTC): cannot be run");
    ended.refused(2, "rustup target add wasm32-unknown-unknown wasm32-wasip1");
}

#[test]
fn what_is_no_component_is_refused() {
    let folder = Folder::new();
    folder
        .sandglass(&["inspect", "nothing.wasm"])
        .refused(2, "cannot read nothing.wasm");
    folder.write("text.wasm", "some text");
    let ended = folder.sandglass(&["inspect", "text.wasm"]);
    ended.refused(
        2,
        "text.wasm: not a WebAssembly component: the file does not begin with \\0asm",
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    folder
        .sandglass(&["inspect", "text.wasm", "--output", "json"])
        .refused_in_json(2, "text.wasm: not a WebAssembly component");
}
