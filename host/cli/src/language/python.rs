//! Python workflows, by componentize-py: CPython, the project's modules and the SDK in one
//! component, with the interpreter started and all modules imported.
//!
//! It is built without WASI (`--stub-wasi`): CPython would ask for sockets, which no workflow may
//! have. The SDK puts the run's clock, random bytes and log in place of what is missing.

use super::{Made, Scratch, folder, manifest, run, toolchain_folders, versioned, write_wit};
use crate::exit::{Stop, usage};
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The version that `scripts/python-toolchain.sh` installs. Others have other traps.
const COMPONENTIZE_PY: &str = "0.25.1";

/// The module that componentize-py is given. It imports the project's and exports the world.
const ENTRY: &str = "sandglass_entry";

/// `pyproject.toml`, as far as it matters here.
#[derive(Deserialize)]
struct Manifest {
    project: Project,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Project {
    name: String,
}

#[derive(Deserialize, Default)]
struct Tools {
    #[serde(default)]
    sandglass: Settings,
}

/// The table `[tool.sandglass]`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    /// Modules to import. Default: the project's name.
    #[serde(default)]
    modules: Vec<String>,
    /// Where they are. Default: `src`, if it is there, or the project's folder.
    source: Option<PathBuf>,
    /// The folder of the SDK's sources, if it is not among the requirements.
    sdk: Option<PathBuf>,
    /// What to install from PyPI, with hashes; pure Python only.
    requirements: Option<PathBuf>,
}

/// Builds the workflow component of a project.
///
/// # Errors
/// With exit code 2 if `pyproject.toml` is wrong or componentize-py is missing, with 1 if it fails.
pub fn build(project: &Path) -> Result<Made, Stop> {
    let folder = folder(project)?;
    let Manifest { project, tool } =
        manifest(&folder.join("pyproject.toml"), |text| toml::from_str(text))?;
    let settings = tool.sandglass;
    let bin = toolchain()?;
    let scratch = Scratch::new()?;
    let at = |name: &str| scratch.path().join(name);
    write_wit(&at("wit"))?;
    let packages = at("packages");
    fs::create_dir_all(&packages)
        .and_then(|()| fs::create_dir_all(at("entry")))
        .and_then(|()| fs::create_dir_all(at("none/lib/site-packages")))
        .and_then(|()| {
            fs::write(
                at("entry").join(format!("{ENTRY}.py")),
                entry(&project, &settings),
            )
        })
        .context("cannot write the module that is built")
        .map_err(Stop::host)?;
    if let Some(requirements) = &settings.requirements {
        install(&bin, &folder.join(requirements), &packages)?;
    }
    let source = match &settings.source {
        Some(source) => folder.join(source),
        None if folder.join("src").is_dir() => folder.join("src"),
        None => folder.clone(),
    };
    let mut command = Command::new(bin.join("componentize-py"));
    command
        .current_dir(scratch.path())
        .args(["-q", "-d", "wit"]);
    command.args(["-w", "workflow", "componentize", "--stub-wasi"]);
    for path in [
        Some(at("entry")),
        Some(packages),
        Some(source),
        sdk(&folder, &settings)?,
    ]
    .iter()
    .flatten()
    {
        command.arg("-p").arg(path);
    }
    // Otherwise the packages of the Python that happens to run this would be searched as well.
    command.env("VIRTUAL_ENV", at("none"));
    command.env("RUST_BACKTRACE", "0");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([ENTRY, "-o", "component.wasm"]);
    run(
        &mut command,
        &format!("componentize-py of {}", project.name),
    )?;
    let component = fs::read(at("component.wasm"));
    let component = component.context("componentize-py has made no component");
    Ok(Made {
        component: component.map_err(Stop::failed)?,
        name: project.name,
    })
}

/// The module that imports all others. The SDK comes first: it replaces what reads clocks and
/// random bytes before anybody else takes hold of it.
fn entry(project: &Project, settings: &Settings) -> String {
    let own = vec![project.name.replace('-', "_")];
    let modules = match settings.modules.is_empty() {
        true => &own,
        false => &settings.modules,
    };
    let mut text = String::from("import sandglass\n");
    for module in modules {
        text.push_str(&format!("import {module}\n"));
    }
    text.push_str("from sandglass.component import Guest\n");
    text
}

fn sdk(folder: &Path, settings: &Settings) -> Result<Option<PathBuf>, Stop> {
    let Some(sdk) = settings.sdk.as_ref().map(|sdk| folder.join(sdk)) else {
        return Ok(None);
    };
    match sdk.join("sandglass/component.py").is_file() {
        true => Ok(Some(sdk)),
        false => Err(usage!(
            "{} is not the folder of the guest SDK for Python; mend `sdk` in [tool.sandglass] of \
             pyproject.toml",
            sdk.display()
        )),
    }
}

/// Installs what the project requires. Only wheels: what has to be compiled is for this machine.
fn install(bin: &Path, requirements: &Path, packages: &Path) -> Result<(), Stop> {
    let mut command = Command::new(bin.join("python"));
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    command.args(["--only-binary=:all:", "--require-hashes", "--no-compile"]);
    command.args(["--implementation", "py", "--platform", "any"]);
    command.arg("--target").arg(packages);
    command.arg("--requirement").arg(requirements);
    run(
        &mut command,
        &format!("pip install of {}", requirements.display()),
    )?;
    Ok(())
}

/// The folder of a componentize-py of the right version, and of its Python.
fn toolchain() -> Result<PathBuf, Stop> {
    let folders = toolchain_folders("SANDGLASS_PYTHON", "python/bin");
    let ask = |program: &mut Command| {
        program.arg("--version");
    };
    let is_right = |version: &str| version.ends_with(&format!(" {COMPONENTIZE_PY}"));
    versioned(&folders, "componentize-py", ask, is_right).map_err(|looked| {
        usage!(
            "componentize-py {COMPONENTIZE_PY} was not found{looked}\nrun \
             `scripts/python-toolchain.sh` of the sandglass repository, or `python3 -m venv DIR && \
             DIR/bin/pip install componentize-py=={COMPONENTIZE_PY}` and set \
             SANDGLASS_PYTHON=DIR/bin"
        )
    })
}
