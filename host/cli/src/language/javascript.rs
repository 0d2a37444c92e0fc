//! TypeScript and JavaScript workflows, by esbuild and componentize-qjs or componentize-js: an
//! engine, the package's modules, what they depend on and the SDK in one component, with all
//! modules evaluated.
//!
//! How these are run is the SDK's affair: it has a program for it (`build.mjs`), which fits its
//! sources. It is built without WASI: the SDK puts the run's clock, random bytes and log in place
//! of the platform's.

use super::{Made, Scratch, folder, manifest, run, toolchain_folders, write_wit};
use crate::exit::{Stop, usage};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The SDK of the checkout that this program was built in. It may have moved since.
const OWN_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk/js");

/// The SDK's program that makes a component.
const BUILD: &str = "build.mjs";

/// `package.json`, as far as it matters here.
#[derive(Deserialize)]
struct Manifest {
    name: String,
}

/// Builds the workflow component of a package.
///
/// # Errors
/// With exit code 2 if `package.json` is wrong, or Node, the SDK or a tool is missing; with 1 if
/// the package does not compile.
pub fn build(project: &Path) -> Result<Made, Stop> {
    let folder = folder(project)?;
    let Manifest { name } = manifest(&folder.join("package.json"), |text| {
        serde_json::from_str(text)
    })?;
    let sdk = sdk(&folder)?;
    let tools = toolchain_folders("SANDGLASS_JAVASCRIPT", "javascript");
    let tools = tools.into_iter().find(|tools| tools.is_dir());
    let scratch = Scratch::new()?;
    let [wit, component] = ["wit", "component.wasm"].map(|name| scratch.path().join(name));
    write_wit(&wit)?;
    let mut command = Command::new(node(tools.as_deref())?);
    command.arg(sdk.join(BUILD)).arg("--project").arg(&folder);
    command.arg("--wit").arg(&wit).arg("--out").arg(&component);
    if let Some(tools) = tools {
        command.arg("--tools").arg(tools);
    }
    run(&mut command, &format!("the build of {name}"))?;
    let made = fs::read(&component).context("the build has made no component");
    Ok(Made {
        component: made.map_err(Stop::failed)?,
        // That of a package with a scope has a slash in it.
        name: name.trim_start_matches('@').replace('/', "-"),
    })
}

/// The folder of the SDK: the package's own dependency, or that of the checkout.
fn sdk(folder: &Path) -> Result<PathBuf, Stop> {
    let installed = folder
        .ancestors()
        .map(|at| at.join("node_modules/sandglass"));
    let mut places = installed.chain([OWN_SDK.into()]);
    places.find(|sdk| sdk.join(BUILD).is_file()).ok_or_else(|| {
        usage!(
            "the package `sandglass` is not there; run in {}: npm install, after naming it in \
             package.json: \"dependencies\": {{ \"sandglass\": \"file:PATH/guest-sdk/js\" }}",
            folder.display()
        )
    })
}

/// The program `node`: that of the toolchain's folder, or that of the PATH.
fn node(tools: Option<&Path>) -> Result<PathBuf, Stop> {
    let installed = tools.map(|tools| tools.join("bin/node"));
    let found = installed.into_iter().chain([PathBuf::from("node")]);
    let runs = |node: &PathBuf| {
        let asked = Command::new(node).arg("--version").output();
        asked.is_ok_and(|answer| answer.status.success())
    };
    found.into_iter().find(runs).ok_or_else(|| {
        usage!(
            "node was not found; install Node 20.3 or later, or run \
             `scripts/javascript-toolchain.sh` of the sandglass repository"
        )
    })
}
