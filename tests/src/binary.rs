//! The `sandglass` binary and the components that it builds from this repository's guests.

mod inputs;

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

/// The same as a file.
#[must_use]
pub fn component_file(krate: &str, name: &str) -> PathBuf {
    let _built = component(krate, name);
    guests().join(name)
}

/// The folder of components.
fn guests() -> PathBuf {
    target().join("guests")
}

/// What the programs that tests run take for the user's cache.
#[must_use]
pub fn cache() -> PathBuf {
    guests().join("cache")
}

/// The folder in it where the hosts of all tests keep compiled components, and `sandglass build`.
#[must_use]
pub fn compiled() -> PathBuf {
    cache().join("sandglass/compiled")
}

fn build(krate: &str, name: &str) -> Vec<u8> {
    let (out, name) = match name.split_once('/') {
        Some((folder, name)) => (guests().join(folder), name),
        None => (guests(), name),
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
    command
        .current_dir(repository())
        .args(["build", krate, "--only", part])
        .args(wasi)
        .arg("--out")
        .arg(&out);
    if repository().join(krate).join("Cargo.toml").is_file() {
        run(&mut command);
    } else {
        // Cargo knows what has to be compiled again; the others compile all again, to a component
        // that is another one by its digest, so that the host would compile it again as well.
        let (file, inputs) = (out.join(format!("{name}.inputs")), inputs::all(&command));
        let is_built = fs::read_to_string(&file).is_ok_and(|built| built == inputs);
        if !is_built || !out.join(name).is_file() {
            run(in_language(&mut command, krate));
            fs::write(file, inputs).expect("the target folder is writable");
        }
    }
    fs::read(out.join(name)).expect("sandglass build has said that it wrote the component")
}

/// Adds what the toolchain of another language needs.
fn in_language<'a>(command: &'a mut Command, krate: &str) -> &'a mut Command {
    for (manifest, variable, script) in TOOLCHAINS {
        if repository().join(krate).join(manifest).is_file() {
            command.env(variable, installed(script, &[]));
        }
    }
    if repository().join(krate).join("package.json").is_file() {
        command.env("SANDGLASS_JAVASCRIPT", javascript_toolchain(krate));
    }
    // What it compiles to see whether it can be loaded is what the tests load then. Go's compiled
    // standard library stays where it is.
    if std::env::var_os("GOCACHE").is_none() {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
        let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        command.envs(
            user.or_else(home)
                .map(|user| ("GOCACHE", user.join("go-build"))),
        );
    }
    command.env("XDG_CACHE_HOME", cache())
}

fn run(build: &mut Command) {
    let built = build.output().expect("the binary was just built");
    assert!(
        built.status.success(),
        "{build:?} failed:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
}
