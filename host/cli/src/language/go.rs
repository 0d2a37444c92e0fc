//! Go workflows, by Go's own compiler for wasip1: the program, its modules and the SDK in one
//! module, which becomes a component in this process.
//!
//! It gets WASI as this host serves it to workflows: Go's runtime asks it for the time, for random
//! bytes, and to wait when no goroutine can run. Nothing is fetched: modules that the program
//! requires are in its folder `vendor`, in the cache of modules, or where a `replace` says.

use super::{Made, Scratch, folder, manifest, run, toolchain_folders, versioned};
use crate::exit::{Stop, usage};
use anyhow::Context as _;
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// The release that `scripts/go-toolchain.sh` installs one of. The SDK asks the runtime what only
/// that tells, so that others are not taken without trying them.
const GO: &str = "go1.27";

/// What says of which world the module is: bindings in Go cannot.
const WORLD: &[u8] = include_bytes!("../../../../guest-sdk/go/internal/wit/workflow.world");

/// The name of the section that it belongs into.
const SECTION: &str = "component-type:workflow";

/// Builds the workflow component of a program.
///
/// # Errors
/// With exit code 2 if `go.mod` is wrong or Go is missing, with 1 if the program does not compile.
pub fn build(project: &Path) -> Result<Made, Stop> {
    let folder = folder(project)?;
    let name = manifest(&folder.join("go.mod"), |text| {
        module_name(text).ok_or_else(|| io::Error::other("there is no line `module NAME`"))
    })?;
    let go = toolchain()?;
    let scratch = Scratch::new()?;
    let module = scratch.path().join("module.wasm");
    let mut command = Command::new(go);
    command.current_dir(&folder).args(["build", "-trimpath"]);
    command.args(["-buildvcs=false", "-buildmode=c-shared"]);
    // The SDK takes hold of functions of the runtime.
    command.arg("-ldflags=-s -w -checklinkname=0");
    command.arg("-o").arg(&module).arg(".");
    let settings = [
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOWORK", "off"),
    ];
    command.envs(settings);
    // What would make another component of the same sources.
    for name in [
        "GOEXPERIMENT",
        "GOWASM",
        "GO111MODULE",
        "GODEBUG",
        "GOFIPS140",
    ] {
        command.env_remove(name);
    }
    run(&mut command, &format!("the Go compiler of {name}"))?;
    let module = fs::read(&module).context("the Go compiler has made no module");
    let mut module = module.map_err(Stop::failed)?;
    sandglass_sandbox::add_world(&mut module, SECTION, WORLD);
    let component = sandglass_sandbox::to_component(&module);
    Ok(Made {
        component: component.map_err(Stop::failed)?,
        name,
    })
}

/// The last part of the module's path that is no version.
fn module_name(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let path = lines.find_map(|line| line.strip_prefix("module "));
    let path = path?.split("//").next().unwrap_or_default();
    let is_version = |part: &str| {
        let number = part.strip_prefix('v');
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let path = path.trim().trim_matches('"');
    let mut parts = path.rsplit('/').filter(|part| !is_version(part));
    parts.next().map(str::to_owned)
}

/// A Go of the right release.
fn toolchain() -> Result<PathBuf, Stop> {
    let folders = toolchain_folders("SANDGLASS_GO", "go/bin");
    let ask = |go: &mut Command| {
        go.env("GOTOOLCHAIN", "local").arg("version");
    };
    let is_right = |version: &str| version.contains(&format!(" {GO}."));
    let found = versioned(&folders, "go", ask, is_right);
    found.map(|folder| folder.join("go")).map_err(|looked| {
        usage!(
            "{GO} was not found{looked}\nrun `scripts/go-toolchain.sh` of the sandglass \
             repository, or install it and name the folder with the program `go` by SANDGLASS_GO"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_named_by_its_module() {
        let name = module_name;
        let some = |name: &str| Some(name.to_owned());
        assert_eq!(name("module greeter\n\ngo 1.27\n"), some("greeter"));
        let path = "// orders\nmodule example.com/shop/orders/v2 // second\n";
        assert_eq!(name(path), some("orders"));
        assert_eq!(name("go 1.27\n"), None);
    }
}
