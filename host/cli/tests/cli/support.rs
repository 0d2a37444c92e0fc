//! Folders that go away, and calls of the program.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A temporary folder outside the repository. Removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("sandglass-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs the program in this folder.
    pub(crate) fn sandglass(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    /// The program, to be run in this folder.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandglass"));
        command
            .args(args)
            .current_dir(&self.0)
            .env_remove("SANDGLASS_LOG")
            .env_remove("SANDGLASS_DB")
            .env_remove("SANDGLASS_LIMITS");
        command
    }

    /// The versions that the repository uses, so that no build here asks the registry for others.
    pub(crate) fn pin_versions(&self, krate: &str) {
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        fs::copy(lock, self.0.join(krate).join("Cargo.lock")).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A call of the program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Asserts the exit code and that stderr says this.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert!(self.stderr.contains(message), "no {message:?} in {self:#?}");
    }

    /// Asserts the exit code, and that the one error is a JSON document on stdout that says this.
    #[track_caller]
    pub(crate) fn refused_in_json(&self, code: i32, message: &str) {
        let document = self.json(code);
        assert_eq!(document["exit_code"], code);
        let error = document["error"].as_str().unwrap();
        assert!(error.contains(message), "no {message:?} in {self:#?}");
        assert_eq!(self.stderr, "", "it is told twice");
    }

    /// Asserts the exit code and returns stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, Some(code), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// The guest SDK of this repository.
pub(crate) fn sdk() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk");
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

/// Where all guests of these tests are compiled, so that the SDK is compiled once.
pub(crate) fn guest_target() -> String {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("guests")
        .to_str()
        .unwrap()
        .to_owned()
}

/// Runs git in a folder.
#[track_caller]
pub(crate) fn git(folder: &Path, args: &[&str]) {
    let name = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    let mut git = Command::new("git");
    let ended = git.current_dir(folder).args(name).args(args).output();
    let ended = ended.unwrap();
    assert!(ended.status.success(), "git {args:?}: {ended:?}");
}

/// The components of one crate, built once for all tests.
pub(crate) struct Guest {
    out: PathBuf,
}

impl Guest {
    /// Builds a crate that consists of this source.
    pub(crate) fn build(name: &str, source: &str) -> Self {
        let folder = Folder::new();
        let made = folder.sandglass(&["new", name, "--sdk", &sdk()]);
        assert_eq!(made.code, Some(0), "{made:#?}");
        folder.write(&format!("{name}/src/lib.rs"), source);
        folder.pin_versions(name);
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let path = out.to_str().unwrap();
        let built = folder.sandglass(&[
            "build",
            name,
            "--target-dir",
            &guest_target(),
            "--out",
            path,
        ]);
        assert_eq!(built.code, Some(0), "{built:#?}");
        Self { out }
    }

    pub(crate) fn copy_to(&self, folder: &Folder) {
        for file in fs::read_dir(&self.out).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
}

/// Looks again and again until it is so; fails after a minute.
#[track_caller]
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "waited in vain for {what}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
