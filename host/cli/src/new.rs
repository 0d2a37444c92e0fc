//! `sandglass new`: a crate with a workflow and an activity that builds anywhere.

use crate::{
    args::{NewArgs, OutputForm},
    exit::{Exit, OrStop, Outcome, Stop, usage},
    output,
};
use anyhow::Context;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const MANIFEST: &str = include_str!("../templates/Cargo.toml.txt");
const SOURCE: &str = include_str!("../templates/lib.rs.txt");
const README: &str = include_str!("../templates/README.md.txt");
const IGNORED: &str = include_str!("../templates/gitignore.txt");

/// The SDK of the checkout that this program was built in. It may have moved since.
const OWN_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest-sdk");

/// Makes the crate.
///
/// # Errors
/// With exit code 2 if the name is no crate name, the folder exists or no SDK is found.
pub fn new(args: &NewArgs, form: OutputForm) -> Outcome {
    let name = crate_name(&args.name)?;
    if args.name.exists() {
        return Err(usage!(
            "{} exists already; choose another name",
            args.name.display()
        ));
    }
    let dependency = dependency(args.sdk.as_deref())?;
    let fill = |template: &str| {
        template
            .replace("{{name}}", name)
            .replace("{{sdk}}", &dependency)
    };
    for (file, template) in [
        ("Cargo.toml", MANIFEST),
        ("src/lib.rs", SOURCE),
        ("README.md", README),
        (".gitignore", IGNORED),
    ] {
        write(&args.name.join(file), &fill(template)).or_host()?;
    }
    let folder = args.name.display().to_string();
    match form {
        OutputForm::Json => output::print_json(&json!({ "name": name, "folder": folder }))?,
        OutputForm::Text => output::print(&format!(
            "{folder}: a workflow, an activity and a README\n\n\
             cd {folder}\n\
             sandglass build\n\
             sandglass run {name}.wasm --activities {name}-activities.wasm --input '\"World\"'\n"
        ))?,
    }
    Ok(Exit::Completed)
}

/// The crate's name: the folder's, if cargo would take it.
fn crate_name(folder: &Path) -> Result<&str, Stop> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on_well = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_');
    // Cargo refuses these: the first would shadow a crate of the compiler, the others a folder.
    let taken = [
        "core",
        "std",
        "alloc",
        "test",
        "proc_macro",
        "deps",
        "build",
        "examples",
    ];
    if starts_well && goes_on_well && !taken.contains(&name) {
        return Ok(name);
    }
    Err(usage!(
        "'{name}' is no name for a crate; use lower-case letters, digits, - and _, and begin with \
         a letter"
    ))
}

/// The right side of the dependency line.
fn dependency(sdk: Option<&str>) -> Result<String, Stop> {
    match sdk {
        Some(url) if url.contains("://") || url.starts_with("git@") => {
            Ok(format!("{{ git = {} }}", quoted(url)))
        }
        Some(path) => path_dependency(Path::new(path)),
        None => path_dependency(Path::new(OWN_SDK)).map_err(|_| {
            usage!("the guest SDK is not where it was; name it: --sdk PATH, or --sdk URL (git)")
        }),
    }
}

fn path_dependency(path: &Path) -> Result<String, Stop> {
    let absolute: PathBuf = path
        .canonicalize()
        .with_context(|| format!("cannot find the guest SDK at {}", path.display()))
        .or_usage()?;
    let manifest = fs::read_to_string(absolute.join("Cargo.toml")).unwrap_or_default();
    if !manifest.contains("name = \"sandglass-guest\"") {
        return Err(usage!(
            "{} is not the crate sandglass-guest",
            absolute.display()
        ));
    }
    let text = absolute
        .to_str()
        .context("its path is not UTF-8")
        .or_usage()?;
    Ok(format!("{{ path = {} }}", quoted(text)))
}

/// A TOML string. What JSON escapes in a text without control characters, TOML escapes alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .context("every file of a new crate lies in its folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}
