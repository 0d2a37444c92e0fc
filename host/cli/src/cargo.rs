//! Asks cargo about a crate and has it compiled for WebAssembly.

use crate::exit::{Stop, usage};
use anyhow::Context;
use serde::Deserialize;
use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A crate that can be built.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its manifest.
    pub manifest: PathBuf,
    /// The target folder of its workspace.
    pub target_folder: PathBuf,
}

/// How to compile.
#[derive(Debug, Clone)]
pub struct Compile<'a> {
    /// The compiler.
    pub rustc: &'a Path,
    /// The target triple.
    pub target: &'a str,
    /// A condition that is true in this build.
    pub cfg: Option<&'a str>,
    /// Where cargo puts its files.
    pub target_folder: &'a Path,
    /// Cargo features, separated by commas.
    pub features: Option<&'a str>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    crate_types: Vec<String>,
}

/// One line of cargo's `--message-format=json`, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Package {
    /// Finds the crate in a folder, or that of a `Cargo.toml`.
    ///
    /// # Errors
    /// With exit code 2 if there is none, or none that gives a component.
    pub fn find(krate: &Path) -> Result<Self, Stop> {
        let manifest = if krate.is_file() {
            krate.to_owned()
        } else {
            krate.join("Cargo.toml")
        };
        if !manifest.is_file() {
            return Err(usage!(
                "{} is no crate: it has no Cargo.toml",
                krate.display()
            ));
        }
        let manifest = manifest
            .canonicalize()
            .context("cannot resolve the manifest")
            .map_err(Stop::usage)?;
        let metadata = metadata(&manifest).map_err(Stop::usage)?;
        let Some(package) = metadata
            .packages
            .iter()
            .find(|p| p.manifest_path == manifest)
        else {
            let names: Vec<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
            return Err(usage!(
                "{} is a workspace without a crate of its own; name the folder of one of: {}",
                krate.display(),
                names.join(", ")
            ));
        };
        if !package.targets.iter().any(Target::is_cdylib) {
            return Err(usage!(
                "{} gives no WebAssembly library; add to {}:\n\n[lib]\ncrate-type = [\"cdylib\"]",
                package.name,
                manifest.display()
            ));
        }
        Ok(Self {
            name: package.name.clone(),
            manifest,
            target_folder: metadata.target_directory,
        })
    }

    /// The folder of its manifest.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.manifest
            .parent()
            .expect("a manifest is a file in a folder")
    }

    /// Compiles the crate and returns the core module. Cargo's messages pass through to stderr.
    ///
    /// # Errors
    /// With exit code 1 if it does not compile.
    pub fn compile(&self, how: &Compile<'_>) -> Result<PathBuf, Stop> {
        let mut command = cargo();
        command
            .args([
                "build",
                "--release",
                "--lib",
                "--message-format=json-render-diagnostics",
            ])
            .args(["--target", how.target])
            .arg("--manifest-path")
            .arg(&self.manifest)
            .current_dir(self.folder())
            .env("RUSTC", how.rustc)
            .env("CARGO_TARGET_DIR", how.target_folder)
            .stdout(Stdio::piped());
        if let Some(cfg) = how.cfg {
            // As a setting, which is added to the flags that the crate has for this target. Those
            // that it has for all targets (`[build]`) are then not used.
            let flags = format!("target.{}.rustflags=[\"--cfg\", \"{cfg}\"]", how.target);
            command.args(["--config", &flags]);
        }
        if let Some(features) = how.features {
            command.args(["--features", features]);
        }
        // Small and without unwinding, but with function names: a trap's backtrace needs them.
        for (key, value) in [
            ("OPT_LEVEL", "s"),
            ("LTO", "true"),
            ("CODEGEN_UNITS", "1"),
            ("PANIC", "abort"),
            ("DEBUG", "false"),
            ("STRIP", "debuginfo"),
        ] {
            command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
        let module = run(&mut command, &self.manifest).map_err(Stop::failed)?;
        module.ok_or_else(|| {
            Stop::failed(anyhow::anyhow!(
                "{} does not compile for {}",
                self.name,
                how.target
            ))
        })
    }
}

impl Target {
    fn is_cdylib(&self) -> bool {
        self.kind
            .iter()
            .chain(&self.crate_types)
            .any(|kind| kind == "cdylib")
    }
}

/// Runs cargo and returns the module that it made of this manifest; `None` if cargo failed.
fn run(command: &mut Command, manifest: &Path) -> anyhow::Result<Option<PathBuf>> {
    let mut child = command.spawn().context("cannot run cargo")?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut module = None;
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what cargo says")?;
        // Build scripts may print lines of their own.
        let Ok(message) = serde_json::from_str::<Message>(&line) else {
            continue;
        };
        let ours = message.reason == "compiler-artifact" && message.manifest_path == manifest;
        if ours && message.target.is_some_and(|target| target.is_cdylib()) {
            let wasm = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|extension| extension == "wasm")
            };
            module = message.filenames.into_iter().find(wasm).or(module);
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        return Ok(None);
    }
    module.context("cargo built no .wasm file").map(Some)
}

fn metadata(manifest: &Path) -> anyhow::Result<Metadata> {
    let answer = cargo()
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(manifest)
        .current_dir(manifest.parent().expect("a manifest is a file in a folder"))
        .output()
        .context("cannot run cargo")?;
    if !answer.status.success() {
        anyhow::bail!("{}", String::from_utf8_lossy(&answer.stderr).trim());
    }
    serde_json::from_slice(&answer.stdout).context("cannot read what cargo says about the crate")
}

/// Cargo, without what a surrounding build of the host has set for itself.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_MAKEFLAGS",
        "MAKEFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}
