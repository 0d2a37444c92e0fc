//! Compiled components on disk: named by what they were compiled from, by and for; mapped, not
//! copied.
//!
//! A file holds machine code, so only files that this crate wrote are loaded: the directory is
//! private, and beside each file stands its checksum, which a torn write or a flipped bit fails.
//! Whatever is wrong with a file, the component is compiled again.

use crate::{Error, config::SETTINGS_VERSION};
use sandglass_engine::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, Permissions},
    hash::{Hash, Hasher},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};
use wasmtime::{Engine, component::Component};

/// The directory of compiled components, if there is one.
pub(crate) struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    /// Opens the directory, making it if it is not there.
    ///
    /// # Errors
    /// [`Error::Cache`] if it cannot be made or others can write to it.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self, Error> {
        if let Some(dir) = dir {
            make_private(dir).map_err(|source| Error::Cache {
                path: dir.into(),
                source,
            })?;
        }
        Ok(Self {
            dir: dir.map(Into::into),
        })
    }

    /// The component compiled for an engine, from disk if it is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it does not compile. Trouble with the disk is only logged.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<Component, Error> {
        let Some(dir) = &self.dir else {
            return Component::from_binary(engine, bytes).map_err(Error::invalid);
        };
        let file = dir.join(file_name(engine, digest));
        match read(engine, &file) {
            Ok(component) => return Ok(component),
            Err(Miss::Absent) => {}
            Err(Miss::Damaged(reason)) => {
                tracing::warn!(file = %file.display(), reason, "compiling a component again");
            }
        }
        let component = Component::from_binary(engine, bytes).map_err(Error::invalid)?;
        if let Err(error) = write(&component, &file) {
            tracing::warn!(file = %file.display(), %error, "the compiled component is not kept");
        }
        Ok(component)
    }
}

/// Why a file is not used.
enum Miss {
    Absent,
    Damaged(String),
}

/// Component, then what the machine code depends on. Wasmtime's own check leaves out settings that
/// change what a guest computes, such as the one for NaNs; hence our version in the name.
fn file_name(engine: &Engine, digest: Digest) -> String {
    let mut hasher = EngineHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{digest}-{:016x}-{SETTINGS_VERSION}.cwasm", hasher.finish())
}

/// SHA-256 as a hasher: the standard one may change with the compiler.
struct EngineHasher(Sha256);

impl Hasher for EngineHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finalize();
        u64::from_be_bytes(hash[..8].try_into().expect("a SHA-256 hash has 32 bytes"))
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mode = fs::metadata(dir)?.permissions().mode();
    if mode & 0o022 != 0 {
        let mode = mode & 0o777;
        return Err(io::Error::other(format!(
            "others can write to it (mode {mode:o}), and it holds machine code; remove it"
        )));
    }
    // Only its owner can do this, so it also tells whether the directory is ours.
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

fn checksum_file(file: &Path) -> PathBuf {
    file.with_extension("sha256")
}

fn read(engine: &Engine, file: &Path) -> Result<Component, Miss> {
    let recorded = match fs::read_to_string(checksum_file(file)) {
        Ok(recorded) => recorded,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Miss::Absent),
        Err(error) => return Err(Miss::Damaged(error.to_string())),
    };
    let found = match fs::read(file) {
        Ok(code) => checksum(&code),
        Err(error) => return Err(Miss::Damaged(error.to_string())),
    };
    if found != recorded {
        return Err(Miss::Damaged("checksum mismatch".into()));
    }
    map(engine, file).map_err(|error| Miss::Damaged(format!("{error:#}")))
}

#[expect(unsafe_code, reason = "loading compiled code without copying it")]
fn map(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be output of wasmtime's compiler, unchanged, and stay so while it is
    // mapped. It lies in a directory that only our user can enter. `write` makes it from
    // `Component::serialize` under a temporary name, and renames it, so that no file with this
    // name is ever written to or cut short; replacing it leaves this mapping on the old contents.
    // Its checksum was compared just now. Wasmtime checks version, target and engine settings.
    unsafe { Component::deserialize_file(engine, file) }
}

fn write(component: &Component, file: &Path) -> io::Result<()> {
    let code = component
        .serialize()
        .map_err(|error| io::Error::other(format!("{error:#}")))?;
    replace(file, &code)?;
    replace(&checksum_file(file), checksum(&code).as_bytes())
}

/// Writes a file under a temporary name and renames it.
fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    // Several threads and processes may compile the same component at once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(file);
    name.push(format!(".{}-{number}.tmp", process::id()));
    let temporary = PathBuf::from(name);
    fs::write(&temporary, contents)?;
    fs::rename(&temporary, file).inspect_err(|_| {
        // The directory may be full of leftovers otherwise; that it cannot be removed changes
        // nothing.
        let _ = fs::remove_file(&temporary);
    })
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
