//! The languages that workflows are written in: which one a folder has, and how it is built.
//!
//! Rust is compiled by cargo and made a component in this process (`build`). Each other language
//! has a module here that runs its own toolchain, pinned, and gives back a finished component,
//! which is then checked like any other. To add one: a line in `MANIFESTS`, a module with a
//! function `build`, an arm in [`Language::build`].

pub mod c;
pub mod go;
pub mod javascript;
pub mod python;
mod wit;

use crate::exit::{Stop, usage};
use anyhow::Context as _;
use clap::ValueEnum;
use std::{
    env,
    error::Error,
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Command,
};

pub use wit::write as write_wit;

/// A language that `sandglass build` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// A crate.
    Rust,
    /// A project with `pyproject.toml`.
    Python,
    /// A project with `sandglass.toml`.
    C,
    /// A module with `go.mod`.
    Go,
    /// A package with `package.json`, in TypeScript or JavaScript.
    #[value(name = "typescript", alias = "javascript")]
    JavaScript,
}

/// The file that describes a project, by language.
const MANIFESTS: [(&str, Language); 5] = [
    ("Cargo.toml", Language::Rust),
    ("pyproject.toml", Language::Python),
    ("package.json", Language::JavaScript),
    ("go.mod", Language::Go),
    ("sandglass.toml", Language::C),
];

/// A component that a language's toolchain has made.
#[derive(Debug)]
pub struct Made {
    /// The project's name: the component's file is `NAME.wasm`.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
}

impl Language {
    /// The language of a project's folder, or of the file that describes the project.
    ///
    /// # Errors
    /// With exit code 2 if there is no file that says it.
    pub fn of(project: &Path) -> Result<Self, Stop> {
        let is_there = |file: &str| match project.is_file() {
            true => project.file_name().is_some_and(|name| name == file),
            false => project.join(file).is_file(),
        };
        let found = MANIFESTS.into_iter().find(|(file, _)| is_there(file));
        let names = || MANIFESTS.map(|(file, _)| file).join(" or ");
        found.map(|(_, language)| language).ok_or_else(|| {
            let shown = project.display();
            usage!(
                "{shown} is no crate and no project of another language: it has no {}",
                names()
            )
        })
    }

    /// Builds the workflow component of a project that is not in Rust.
    ///
    /// # Errors
    /// With exit code 2 if the project or the toolchain is not as it should be, with 1 if the
    /// toolchain fails.
    pub fn build(self, project: &Path) -> Result<Made, Stop> {
        let made = match self {
            Self::Rust => Err(usage!("crates are built by cargo")),
            Self::Python => python::build(project),
            Self::C => c::build(project),
            Self::Go => go::build(project),
            Self::JavaScript => javascript::build(project),
        }?;
        match is_file_name(&made.name) {
            true => Ok(made),
            false => Err(usage!(
                "{}: the project's name {:?} cannot be that of the component's file: use letters, \
                 digits, '-', '_' and '.', and none of them first but a letter or a digit",
                project.display(),
                made.name
            )),
        }
    }
}

/// Whether a project's name, which its author writes, stays in the folder that the component goes
/// to.
fn is_file_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// The folder of a project that is named by its folder or by the file that describes it, as an
/// absolute path: toolchains run in folders of their own.
pub(crate) fn folder(project: &Path) -> Result<PathBuf, Stop> {
    let folder = match project.is_file() {
        true => project.parent().unwrap_or(Path::new(".")),
        false => project,
    };
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    let absolute = folder.canonicalize();
    absolute
        .with_context(|| format!("cannot resolve {}", folder.display()))
        .map_err(Stop::usage)
}

/// Reads the file that describes a project.
pub(crate) fn manifest<T, E>(
    file: &Path,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Stop>
where
    E: Error + Send + Sync + 'static,
{
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read {}", file.display()))
        .map_err(Stop::usage)?;
    parse(&text)
        .with_context(|| format!("{} is not as it should be", file.display()))
        .map_err(Stop::usage)
}

/// Where a toolchain that the project's scripts have installed may be: what a variable of the
/// environment names, then a folder in the user's cache.
pub(crate) fn toolchain_folders(variable: &str, cached: &str) -> Vec<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(named) = set(variable) {
        let named = PathBuf::from(named);
        // Toolchains run in folders of their own.
        return vec![std::path::absolute(&named).unwrap_or(named)];
    }
    let base = set("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")));
    let cache = base.map(|base| base.join("sandglass").join(cached));
    cache.into_iter().collect()
}

/// The first of some folders whose program says that it is the right one. None is: what each said,
/// a line each.
pub(crate) fn versioned(
    folders: &[PathBuf],
    program: &str,
    ask: impl Fn(&mut Command),
    is_right: impl Fn(&str) -> bool,
) -> Result<PathBuf, String> {
    let mut looked = String::new();
    for folder in folders {
        let mut command = Command::new(folder.join(program));
        ask(&mut command);
        let said = match command.output() {
            Err(error) => format!("{program} cannot be run: {error}"),
            Ok(answer) => {
                let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
                if is_right(&version) {
                    return Ok(folder.clone());
                }
                format!("it is {version}")
            }
        };
        looked.push_str(&format!("\n  {}: {said}", folder.display()));
    }
    Err(looked)
}

/// Runs a step of a toolchain and shows what it says only if it fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<String, Stop> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))
        .map_err(Stop::usage)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    Err(Stop::failed(anyhow::anyhow!(
        "{what} failed:\n{said}\n{errors}"
    )))
}

/// A folder that is removed when this is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder for the files of one build.
    pub(crate) fn new() -> Result<Self, Stop> {
        let path = env::temp_dir().join(format!("sandglass-build-{}", std::process::id()));
        let made = fs::remove_dir_all(&path).or(Ok(()));
        // Not one that somebody else has made, and nobody else writes there.
        made.and_then(|()| fs::DirBuilder::new().mode(0o700).create(&path))
            .with_context(|| format!("cannot make the folder {}", path.display()))
            .map_err(Stop::host)?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It lies in the folder for temporary files: what is left there is nobody's loss.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_name_stays_in_its_folder() {
        let fit = ["orders", "order-saga", "a.b_c", "1st", "bestellungen-ä"];
        assert!(fit.into_iter().all(is_file_name));
        let unfit = [
            "",
            "..",
            ".hidden",
            "../orders",
            "a/b",
            "a\\b",
            "-rf",
            "a b",
            "a\0b",
        ];
        assert_eq!(unfit.into_iter().find(|name| is_file_name(name)), None);
    }

    #[test]
    fn a_folder_says_its_language() {
        let scratch = Scratch::new().unwrap();
        let none = Language::of(scratch.path()).unwrap_err().to_string();
        assert!(
            none.contains(
                "Cargo.toml or pyproject.toml or package.json or go.mod or sandglass.toml"
            ),
            "{none}"
        );
        let file = scratch.path().join("pyproject.toml");
        fs::write(&file, "").unwrap();
        assert_eq!(Language::of(scratch.path()).unwrap(), Language::Python);
        assert_eq!(Language::of(&file).unwrap(), Language::Python);
        assert_eq!(
            folder(&file).unwrap(),
            scratch.path().canonicalize().unwrap()
        );
    }
}
