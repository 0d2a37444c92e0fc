//! Finds a Rust compiler that can make WebAssembly.
//!
//! It may be another one than that of the host: distributions and rustup differ in which targets
//! they have. So it is looked for, never assumed, and a missing one says what to run.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// What workflows are compiled for, but with `--wasi`: all that they can ask for is ours.
pub const WORKFLOW_TARGET: &str = "wasm32-unknown-unknown";

/// What activities are compiled for, whose `std` works on what they are granted; and workflows with
/// `--wasi`, whose `std` works on what the run has.
pub const ACTIVITY_TARGET: &str = "wasm32-wasip1";

/// No usable compiler was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The targets that it must have.
    targets: Vec<String>,
    /// Each place that was looked at, with what is missing there.
    looked: Vec<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no rustc with the standard library of {} was found",
            self.targets.join(" and ")
        )?;
        for place in &self.looked {
            write!(f, "\n  {place}")?;
        }
        write!(
            f,
            "\nrun `rustup target add {WORKFLOW_TARGET} {ACTIVITY_TARGET}`, or \
             `eval \"$(scripts/wasm-toolchain.sh)\"` of the sandglass repository, or set WASM_RUSTC"
        )
    }
}

impl std::error::Error for Missing {}

/// Returns a rustc that has the standard library of every target.
///
/// `WASM_RUSTC` decides alone if it is set. Else `rustc` on the path as seen from `folder` (rustup
/// chooses by folder), then what `scripts/wasm-toolchain.sh` keeps in its cache.
///
/// # Errors
/// [`Missing`] says where it looked and what to run.
pub fn find(folder: &Path, targets: &[&str]) -> Result<PathBuf, Missing> {
    let candidates = match env::var_os("WASM_RUSTC").filter(|path| !path.is_empty()) {
        Some(path) => vec![("WASM_RUSTC", PathBuf::from(path))],
        None => {
            let cached =
                cache_folder().map(|cache| ("its cache", cache.join("toolchain/bin/rustc")));
            [("PATH", PathBuf::from("rustc"))]
                .into_iter()
                .chain(cached)
                .collect()
        }
    };
    let mut looked = Vec::new();
    for (place, rustc) in candidates {
        match lacking(&rustc, folder, targets) {
            None => return Ok(rustc),
            Some(what) => looked.push(format!("{} ({place}): {what}", rustc.display())),
        }
    }
    Err(Missing {
        targets: targets.iter().map(|&target| target.to_owned()).collect(),
        looked,
    })
}

fn cache_folder() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    set("WASM_RUST_CACHE").or_else(|| {
        let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(base.join("wasm-rust"))
    })
}

/// What this compiler lacks, if anything.
fn lacking(rustc: &Path, folder: &Path, targets: &[&str]) -> Option<String> {
    for target in targets {
        let asked = Command::new(rustc)
            .args(["--print", "target-libdir", "--target", target])
            .current_dir(folder)
            .output();
        match asked {
            Err(error) => return Some(format!("cannot be run: {error}")),
            Ok(answer) if !answer.status.success() => {
                return Some(format!("does not know {target}"));
            }
            Ok(answer) => {
                let folder = String::from_utf8_lossy(&answer.stdout);
                if !has_std(Path::new(folder.trim())) {
                    return Some(format!("has no standard library for {target}"));
                }
            }
        }
    }
    None
}

fn has_std(libdir: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(libdir) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib") || name == "libstd.rlib"
    })
}
