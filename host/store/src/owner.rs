//! One owner per store: an exclusive lock that the kernel releases when its holder dies.
//!
//! The lock is on a file beside the store, not on the store: SQLite's own locks come and go with
//! transactions, and the file can say who holds it. It is never deleted, so that two processes
//! cannot lock two different files of the same name.

use crate::Error;
use sandglass_engine::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write as _},
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, UNIX_EPOCH},
};

/// Who owns a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When it took the store.
    pub started_at: Timestamp,
    /// Its version of sandglass.
    pub version: String,
    /// Its command line.
    pub command: String,
    /// The Unix socket it answers on once it is up. Absolute.
    pub socket: PathBuf,
}

/// Held by the process that writes a store, from before it opens it until after it closed it.
///
/// Dropping it gives the store up; so does any death of the process.
#[derive(Debug)]
pub struct OwnerLock {
    owner: Owner,
    // Closing it releases the lock.
    _file: File,
}

/// How often a lock is tried: [`owner`] holds it for a moment while it looks.
const TRIES: u32 = 20;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(5);

impl OwnerLock {
    /// Takes the store at `db`, which need not exist yet, for this process.
    ///
    /// # Errors
    /// [`Error::Owned`] if another process (or this one) has it, [`Error::Io`] if the file
    /// beside the store cannot be made or written.
    pub fn acquire(db: &Path) -> Result<Self, Error> {
        let db = resolve(db)?;
        let path = beside(&db, "-owner");
        let mut file = open_owner_file(&path)?;
        lock(&mut file, &path, &db)?;
        let owner = Owner {
            pid: process::id(),
            started_at: now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command_line(),
            socket: socket_path(&db)?,
        };
        write_owner(&mut file, &owner)
            .map_err(|error| Error::io(&path, "write who owns the store", error))?;
        Ok(Self { owner, _file: file })
    }

    /// What others are told about this process.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
}

/// Who owns the store at `db` now, if anybody does.
///
/// The answer may be outdated when it arrives: act on it by talking to the socket, or by
/// [`OwnerLock::acquire`].
///
/// # Errors
/// The file beside the store cannot be read.
pub fn owner(db: &Path) -> Result<Option<Owner>, Error> {
    let db = resolve(db)?;
    let path = beside(&db, "-owner");
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path, "open it", error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&mut file))),
        Err(TryLockError::Error(error)) => Err(Error::io(&path, "lock it", error)),
    }
}

/// The one name of the store at `db`: absolute, through all symbolic links, so that the files
/// beside it are the same for everybody. The file itself need not exist.
///
/// # Errors
/// The directory is missing or cannot be entered, or there is no file name.
pub fn resolve(db: &Path) -> Result<PathBuf, Error> {
    match db.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(db, "open it", error)),
    }
    let Some(name) = db.file_name() else {
        return Err(Error::io(db, "open it", "the path names no file"));
    };
    let directory = match db.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = directory.canonicalize().map_err(|error| {
        let doing = format!("use the directory {}", directory.display());
        Error::io(db, &doing, error)
    })?;
    Ok(directory.join(name))
}

/// Longest path that fits a Unix socket's address everywhere, with its ending zero.
const SOCKET_PATH_MAX: usize = 100;

/// Where the owner of the store at `db` listens: beside the file, or under a short name in the
/// user's runtime directory (or `/tmp`) if that path is too long for a socket.
///
/// Clients take the path from [`owner`] instead: their environment may differ.
///
/// # Errors
/// As [`resolve`].
pub fn socket_path(db: &Path) -> Result<PathBuf, Error> {
    let db = resolve(db)?;
    let beside = beside(&db, "-socket");
    if beside.as_os_str().len() <= SOCKET_PATH_MAX {
        return Ok(beside);
    }
    let directory = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|directory| directory.is_absolute() && directory.as_os_str().len() < 60)
        .unwrap_or_else(|| PathBuf::from("/tmp"));
    let hash = fnv1a(db.as_os_str().as_bytes());
    Ok(directory.join(format!("sandglass-{hash:016x}.socket")))
}

/// FNV-1a: the same in every version, which the standard library's hashers do not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn beside(db: &Path, suffix: &str) -> PathBuf {
    let mut path = db.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn open_owner_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false) // not ours before the lock is
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::io(path, "open it", error))
}

fn lock(file: &mut File, path: &Path, db: &Path) -> Result<(), Error> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(TRY_AGAIN_AFTER),
            Err(TryLockError::Error(error)) => return Err(Error::io(path, "lock it", error)),
        }
    }
    let owner = read_owner(file);
    Err(Error::Owned {
        file: db.to_owned(),
        pid: owner.pid,
        command: owner.command,
    })
}

fn write_owner(file: &mut File, owner: &Owner) -> io::Result<()> {
    let mut text = serde_json::to_vec(owner)?;
    text.push(b'\n');
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&text)
}

/// What the lock's holder wrote. For an instant after it took the lock there is nothing, or half
/// of it: then pid 0.
fn read_owner(file: &mut File) -> Owner {
    for attempt in 0..TRIES {
        if attempt > 0 {
            thread::sleep(TRY_AGAIN_AFTER);
        }
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        if read.is_ok()
            && let Ok(owner) = serde_json::from_str(&text)
        {
            return owner;
        }
    }
    Owner {
        pid: 0,
        started_at: Timestamp(0),
        version: String::new(),
        command: "just starting".to_owned(),
        socket: PathBuf::new(),
    }
}

fn command_line() -> String {
    let words: Vec<_> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    words.join(" ")
}

/// The wall clock, for notes that people read; no rule depends on it.
pub(crate) fn now() -> Timestamp {
    Timestamp(0) + Millis::from(UNIX_EPOCH.elapsed().unwrap_or_default())
}
