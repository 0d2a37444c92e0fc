//! Component files, the sandbox that the command line loads them with, and those of a server.

mod manage;

pub use manage::manage;

use crate::exit::{OrStop, Stop};
use anyhow::Context;
use sandglass_sandbox::{Sandbox, SandboxConfig};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Reads a component file.
///
/// # Errors
/// With exit code 2, naming the file, if it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_usage()
}

/// A sandbox with the limits of a host.
///
/// # Errors
/// With exit code 6 if the machine does not support it or the cache cannot be used.
pub fn sandbox() -> Result<Arc<Sandbox>, Stop> {
    Sandbox::new(SandboxConfig {
        cache_dir: cache_folder(),
        ..SandboxConfig::default()
    })
    .or_host()
}

/// Where compiled components are kept: `sandglass/compiled` in the user's cache folder. Without a
/// home they are compiled at each start.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(base.join("sandglass").join("compiled"))
}
