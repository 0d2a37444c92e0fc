//! Compiled components on disk: named by what they were compiled from, by and for; mapped, not
//! copied.
//!
//! A file holds machine code, so only files that this crate wrote are loaded: the directory is
//! private, and beside each file stands a proof: its checksum, which a torn write or a flipped bit
//! fails. To compare it takes longer than all else that loading does, 25 ms for a Python runtime of
//! 41 MB; so the proof also says which file it was compared with. Nobody can write to that one
//! without changing its time of change. Whatever is wrong with a file, the component is compiled
//! again.
//!
//! A third file has [`Facts`]: what else loading finds out. With them a component is loaded by its
//! digest alone, and neither read nor hashed.

use crate::{Error, config::SETTINGS_VERSION, facts::Facts};
use sandglass_engine::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    ffi::OsString,
    fs::{self, DirBuilder, Permissions},
    hash::{Hash, Hasher},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt as _, PermissionsExt},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
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
            Ok((component, _)) => return Ok(component),
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

    /// The component compiled for an engine with what is known of it, if all of it is on disk.
    pub(crate) fn find(&self, engine: &Engine, digest: Digest) -> Option<(Component, Facts)> {
        let file = self.dir.as_ref()?.join(file_name(engine, digest));
        let facts = match fs::read(facts_file(&file)) {
            Ok(bytes) => Facts::read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        let found = facts.and_then(|(facts, code)| match read(engine, &file) {
            Ok((component, checksum)) if checksum == code => Ok((component, facts)),
            Ok(_) => Err("it is about other code".into()),
            Err(Miss::Absent) => Err("there is no code".into()),
            Err(Miss::Damaged(reason)) => Err(reason),
        });
        found
            .inspect_err(|reason| {
                tracing::warn!(file = %file.display(), reason, "reading a component again");
            })
            .ok()
    }

    /// Keeps what is known of a component that was loaded. Trouble with the disk is only logged.
    pub(crate) fn keep(&self, engine: &Engine, digest: Digest, facts: &Facts) {
        let Some(dir) = &self.dir else { return };
        let file = dir.join(file_name(engine, digest));
        let kept = Proof::read(&file)
            .and_then(|proof| replace(&facts_file(&file), &facts.write(&proof.checksum)));
        if let Err(error) = kept {
            tracing::warn!(file = %file.display(), %error, "what is known of it is not kept");
        }
    }
}

fn facts_file(code: &Path) -> PathBuf {
    code.with_extension("facts")
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

/// What is known of a file of code.
#[derive(PartialEq)]
struct Proof {
    /// SHA-256 of its contents.
    checksum: String,
    /// The file that this was compared with; empty if it is too new to tell.
    stamp: String,
}

impl Proof {
    fn file(code: &Path) -> PathBuf {
        code.with_extension("sha256")
    }

    fn read(code: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(Self::file(code))?;
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        Ok(Self {
            checksum: next(),
            stamp: next(),
        })
    }

    fn write(&self, code: &Path) -> io::Result<()> {
        let text = format!("{}\n{}\n", self.checksum, self.stamp);
        replace(&Self::file(code), text.as_bytes())
    }
}

/// What changes whenever a file is written to or replaced. Empty for one that was changed a moment
/// ago: what changes it now might leave the same time.
fn stamp(file: &Path) -> io::Result<String> {
    const MOMENT: i64 = 2;
    let about = fs::metadata(file)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    if now - about.ctime() < MOMENT {
        return Ok(String::new());
    }
    let (inode, length) = (about.ino(), about.len());
    let (seconds, nanos) = (about.ctime(), about.ctime_nsec());
    Ok(format!(
        "{}:{inode} {length} {seconds}.{nanos:09}",
        about.dev()
    ))
}

/// Maps a file and gives its checksum.
fn read(engine: &Engine, file: &Path) -> Result<(Component, String), Miss> {
    let damaged = |error: io::Error| Miss::Damaged(error.to_string());
    let proof = match Proof::read(file) {
        Ok(proof) => proof,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Miss::Absent),
        Err(error) => return Err(damaged(error)),
    };
    // Before it is read: what comes meanwhile is then another file.
    let stamp = stamp(file).map_err(damaged)?;
    if stamp.is_empty() || stamp != proof.stamp {
        let found = fs::read(file)
            .map(|code| checksum(&code))
            .map_err(damaged)?;
        if found != proof.checksum {
            return Err(Miss::Damaged("checksum mismatch".into()));
        }
        let found = Proof {
            checksum: found,
            stamp,
        };
        if found != proof
            && let Err(error) = found.write(file)
        {
            tracing::warn!(file = %file.display(), %error, "it will be compared again");
        }
    }
    let component = map(engine, file).map_err(|error| Miss::Damaged(format!("{error:#}")))?;
    Ok((component, proof.checksum))
}

#[expect(unsafe_code, reason = "loading compiled code without copying it")]
fn map(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file must be output of wasmtime's compiler, unchanged, and stay so while it is
    // mapped. It lies in a directory that only our user can enter. `write` makes it from
    // `Component::serialize` under a temporary name, and renames it, so that no file with this
    // name is ever written to or cut short; replacing it leaves this mapping on the old contents.
    // Its checksum was compared, just now or when it was the same file. Wasmtime checks version,
    // target and engine settings.
    unsafe { Component::deserialize_file(engine, file) }
}

fn write(component: &Component, file: &Path) -> io::Result<()> {
    let code = component
        .serialize()
        .map_err(|error| io::Error::other(format!("{error:#}")))?;
    replace(file, &code)?;
    let proof = Proof {
        checksum: checksum(&code),
        stamp: String::new(),
    };
    proof.write(file)
}

/// Writes a file under a temporary name and renames it, when its contents are on disk.
fn replace(file: &Path, contents: &[u8]) -> io::Result<()> {
    // Several threads and processes may compile the same component at once.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(file);
    name.push(format!(".{}-{number}.tmp", process::id()));
    let temporary = PathBuf::from(name);
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    let renamed = write().and_then(|()| fs::rename(&temporary, file));
    renamed.inspect_err(|_| {
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
