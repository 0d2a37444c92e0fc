//! The `sandglass` binary and the components that it builds from this repository's guests.

use crate::temporal::{installed, javascript_toolchain};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock, PoisonError},
};

/// Languages whose toolchain the project's scripts install: the file that a project of theirs has,
/// the variable that names the toolchain, and the script.
const TOOLCHAINS: [(&str, &str, &str); 3] = [
    (
        "pyproject.toml",
        "SANDGLASS_PYTHON",
        "scripts/python-toolchain.sh",
    ),
    ("sandglass.toml", "SANDGLASS_C", "scripts/c-toolchain.sh"),
    ("go.mod", "SANDGLASS_GO", "scripts/go-toolchain.sh"),
];

/// The root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the repository")
}

/// The target folder of this build.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    // target/debug/deps/NAME: the file's third ancestor.
    test.ancestors()
        .nth(3)
        .expect("tests run from the target folder")
        .to_owned()
}

/// A command that runs the `sandglass` binary, built if it is not up to date.
#[must_use]
pub fn sandglass() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .current_dir(repository())
            .args([
                "build",
                "--quiet",
                "--locked",
                "--workspace",
                "--bin",
                "sandglass",
            ])
            .status()
            .expect("cargo runs, as it runs this test");
        assert!(built.success(), "the sandglass binary does not build");
        target().join("debug/sandglass")
    });
    Command::new(binary)
}

/// The bytes of a component of this repository, built by `sandglass build`.
///
/// `krate` is a folder like `tests/guests/scenarios`; `name` the file it gives, like
/// `guest-scenarios.wasm`, or `guest-hostile-activities.wasm`; `wasi/guest-determinism.wasm` are the
/// workflows as they are built with `--wasi`.
///
/// # Panics
/// If it does not build; the message has the compiler's output.
#[must_use]
pub fn component(krate: &str, name: &str) -> Vec<u8> {
    static BUILT: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{krate} {name}");
    if let Some(bytes) = built.get(&key) {
        return bytes.clone();
    }
    let bytes = build(krate, name);
    built.insert(key, bytes.clone());
    bytes
}

/// The folder where the hosts of all tests keep compiled components.
#[must_use]
pub fn compiled() -> PathBuf {
    target().join("guests/compiled")
}

fn build(krate: &str, name: &str) -> Vec<u8> {
    let (out, name) = match name.split_once('/') {
        Some((folder, name)) => (target().join("guests").join(folder), name),
        None => (target().join("guests"), name),
    };
    let wasi = out.ends_with("wasi").then_some("--wasi");
    fs::create_dir_all(&out).expect("the target folder is writable");
    // Tests run at the same time in several processes; a component is written by one at a time.
    let lock =
        File::create(out.join(format!("{name}.lock"))).expect("the target folder is writable");
    lock.lock().expect("a local file can be locked");
    let part = match name.ends_with("-activities.wasm") {
        true => "activities",
        false => "workflows",
    };
    let mut command = sandglass();
    for (manifest, variable, script) in TOOLCHAINS {
        if repository().join(krate).join(manifest).is_file() {
            command.env(variable, installed(script, &[]));
        }
    }
    if repository().join(krate).join("package.json").is_file() {
        command.env("SANDGLASS_JAVASCRIPT", javascript_toolchain(krate));
    }
    let built = command
        .current_dir(repository())
        .args(["build", krate, "--only", part])
        .args(wasi)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("the binary was just built");
    assert!(
        built.status.success(),
        "sandglass build {krate} failed:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    fs::read(out.join(name)).expect("sandglass build has said that it wrote the component")
}
