//! C workflows, by clang for wasm32-wasi: the project's sources, the SDK and the bindings of world
//! `blocking-workflow` in one module, which becomes a component in this process.
//!
//! The SDK is in this program, so that a project has nothing but its own sources.

use super::{Made, Scratch, folder, manifest, run, toolchain_folders};
use crate::exit::{Stop, usage};
use anyhow::Context as _;
use sandglass_sandbox::TypedOptions;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The SDK and what it is built on.
const SDK: &[(&str, &[u8])] = &[
    (
        "sandglass.h",
        include_bytes!("../../../../guest-sdk/c/sandglass.h"),
    ),
    (
        "sandglass.c",
        include_bytes!("../../../../guest-sdk/c/sandglass.c"),
    ),
    (
        "generated/blocking_workflow.h",
        include_bytes!("../../../../guest-sdk/c/generated/blocking_workflow.h"),
    ),
    (
        "generated/blocking_workflow.c",
        include_bytes!("../../../../guest-sdk/c/generated/blocking_workflow.c"),
    ),
    (
        WORLD,
        include_bytes!("../../../../guest-sdk/c/generated/blocking_workflow_component_type.o"),
    ),
];

/// What says of which world the module is.
const WORLD: &str = "generated/blocking_workflow_component_type.o";

/// `sandglass.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    project: Project,
    #[serde(default)]
    c: Settings,
    /// How the activities of interfaces of its own are run.
    #[serde(default)]
    activities: TypedOptions,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Project {
    name: String,
    language: String,
}

/// The table `[c]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// The sources. Default: all `*.c` of the project's folder.
    #[serde(default)]
    sources: Vec<PathBuf>,
    /// More arguments for the compiler.
    #[serde(default)]
    flags: Vec<String>,
}

/// Builds the workflow component of a project.
///
/// # Errors
/// With exit code 2 if `sandglass.toml` is wrong or the compiler is missing, with 1 if it fails.
pub fn build(project: &Path) -> Result<Made, Stop> {
    let folder = folder(project)?;
    let Manifest {
        project,
        c,
        activities,
    } = described(&folder)?;
    let scratch = Scratch::new()?;
    let sdk = scratch.path().join("sdk");
    write_sdk(&sdk)
        .context("cannot write the SDK that is built")
        .map_err(Stop::host)?;
    let module = scratch.path().join("module.wasm");
    let mut command = Command::new(compiler()?);
    command
        .current_dir(&folder)
        .args(["-mexec-model=reactor", "-Os"]);
    command.arg("-I").arg(&sdk).args(&c.flags);
    command.arg("-Wl,--strip-debug").arg("-o").arg(&module);
    command.args(sources(&folder, c.sources)?);
    for (name, _) in SDK.iter().filter(|(name, _)| !name.ends_with(".h")) {
        command.arg(sdk.join(name));
    }
    run(&mut command, &format!("the C compiler of {}", project.name))?;
    let module = fs::read(&module).context("the C compiler has made no module");
    let component = sandglass_sandbox::to_component(&module.map_err(Stop::failed)?);
    let component = component.map_err(Stop::failed)?;
    Ok(Made {
        component: match activities == TypedOptions::default() {
            true => component,
            false => activities.embed(&component),
        },
        name: project.name,
    })
}

/// What the manifest in a folder says.
fn described(folder: &Path) -> Result<Manifest, Stop> {
    let file = folder.join("sandglass.toml");
    let described: Manifest = manifest(&file, |text| toml::from_str(text))?;
    check_language(&described.project, &file)?;
    Ok(described)
}

fn check_language(project: &Project, file: &Path) -> Result<(), Stop> {
    match project.language.as_str() {
        "c" => Ok(()),
        other => Err(usage!(
            "{}: the language {other:?} is not known there: \"c\" is; others have manifests of \
             their own",
            file.display()
        )),
    }
}

fn write_sdk(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("generated"))?;
    let mut files = SDK.iter();
    files.try_for_each(|(name, bytes)| fs::write(folder.join(name), bytes))
}

fn sources(folder: &Path, named: Vec<PathBuf>) -> Result<Vec<PathBuf>, Stop> {
    if !named.is_empty() {
        return Ok(named);
    }
    let entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read {}", folder.display()))
        .map_err(Stop::usage)?;
    let names = entries.iter().map(|entry| PathBuf::from(entry.file_name()));
    let mut found: Vec<PathBuf> = names
        .filter(|name| name.extension() == Some("c".as_ref()))
        .collect();
    // The order of a folder is nobody's; that of functions in a component should be the same.
    found.sort();
    match found.is_empty() {
        true => Err(usage!("{} has no *.c", folder.display())),
        false => Ok(found),
    }
}

fn compiler() -> Result<PathBuf, Stop> {
    let folders = toolchain_folders("SANDGLASS_C", "c/bin");
    let found = folders
        .iter()
        .map(|folder| folder.join("wasm-cc"))
        .find(|file| file.is_file());
    found.ok_or_else(|| {
        usage!(
            "there is no C compiler for WebAssembly: run scripts/c-toolchain.sh of the repository, \
             which unpacks Debian's, or name a folder with a program `wasm-cc` that compiles for \
             wasm32-wasi by SANDGLASS_C"
        )
    })
}

#[cfg(test)]
mod tests;
