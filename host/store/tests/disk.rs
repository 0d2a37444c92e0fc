//! A disk whose reads, writes, cuts and syncs fail, each at each place, once or until it is mended.
//! A failed sync loses what was written since the last one, as Linux does it: asking again would be
//! answered with success, and nothing of it would be there.
//! The disk is SQLite's own layer for the operating system with a switch in front of four of its
//! functions, so that everything above it is as always.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    unsafe_code,
    reason = "SQLite's layer for files is a table of C functions"
)]

use rusqlite::ffi;
use sandglass_engine::Digest;
use sandglass_store::{
    Error, Reader, RunKey, SqliteStore, Store,
    conformance::sample::{commit, first, frame, next},
};
use std::{
    collections::HashMap,
    ffi::{c_int, c_void},
    path::Path,
    ptr,
    sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError},
};

// ---- The disk -----------------------------------------------------------------------------------

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Truncate,
    Sync,
}

/// What the disk does.
#[derive(Default)]
struct Disk {
    /// The call that fails, how many of its kind come before it, and whether all after it fail too.
    fault: Option<(Call, usize, bool)>,
    calls: Vec<Call>,
    failed: usize,
    /// By file: what was there before each write since the last sync.
    unsynced: HashMap<usize, Vec<(i64, Vec<u8>)>>,
}

static DISK: Mutex<Option<Disk>> = Mutex::new(None);

fn disk() -> MutexGuard<'static, Option<Disk>> {
    DISK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a call and tells whether it is to fail.
fn fails(call: Call) -> bool {
    let mut guard = disk();
    let Some(disk) = guard.as_mut() else {
        return false;
    };
    let before = disk.calls.iter().filter(|made| **made == call).count();
    disk.calls.push(call);
    let fails = matches!(disk.fault, Some((kind, at, forever))
        if kind == call && (before == at || forever && before > at));
    disk.failed += usize::from(fails);
    fails
}

type File = *mut ffi::sqlite3_file;
type Open = unsafe extern "C" fn(
    *mut ffi::sqlite3_vfs,
    ffi::sqlite3_filename,
    File,
    c_int,
    *mut c_int,
) -> c_int;

/// SQLite's functions for a kind of file with ours before them.
#[repr(C)]
struct Methods {
    ours: ffi::sqlite3_io_methods,
    theirs: ffi::sqlite3_io_methods,
}

static OPEN: OnceLock<Open> = OnceLock::new();

/// SQLite's own functions of an open file.
fn theirs(file: File) -> ffi::sqlite3_io_methods {
    // SAFETY: `open` has put a `Methods` that is never freed in the place of each file's table, and
    // its first field is what SQLite sees there.
    unsafe { (*(*file).pMethods.cast::<Methods>()).theirs }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: File,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let open = OPEN.get().expect("it is set before this is registered");
    // SAFETY: the arguments are SQLite's own; `file` is large enough, as our size is theirs.
    unsafe {
        let answer = open(vfs, name, file, flags, out);
        if !(*file).pMethods.is_null() {
            let theirs = *(*file).pMethods;
            let ours = ffi::sqlite3_io_methods {
                xRead: Some(read),
                xWrite: Some(write),
                xTruncate: Some(truncate),
                xSync: Some(sync),
                ..theirs
            };
            let methods = Box::leak(Box::new(Methods { ours, theirs }));
            (*file).pMethods = ptr::from_mut(methods).cast();
        }
        answer
    }
}

unsafe extern "C" fn read(file: File, into: *mut c_void, amount: c_int, offset: i64) -> c_int {
    if fails(Call::Read) {
        return ffi::SQLITE_IOERR_READ;
    }
    // SAFETY: as SQLite called us.
    unsafe { theirs(file).xRead.unwrap()(file, into, amount, offset) }
}

unsafe extern "C" fn write(file: File, from: *const c_void, amount: c_int, offset: i64) -> c_int {
    if fails(Call::Write) {
        return ffi::SQLITE_IOERR_WRITE;
    }
    let mut before = vec![0_u8; usize::try_from(amount).unwrap()];
    // SAFETY: `before` has the size that is asked for; the rest as SQLite called us.
    let answer = unsafe {
        // Past the end it gives zeros.
        theirs(file).xRead.unwrap()(file, before.as_mut_ptr().cast(), amount, offset);
        theirs(file).xWrite.unwrap()(file, from, amount, offset)
    };
    if let Some(disk) = disk().as_mut() {
        let unsynced = disk.unsynced.entry(file.addr()).or_default();
        unsynced.push((offset, before));
    }
    answer
}

unsafe extern "C" fn truncate(file: File, size: i64) -> c_int {
    if fails(Call::Truncate) {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    if let Some(disk) = disk().as_mut() {
        disk.unsynced.remove(&file.addr());
    }
    // SAFETY: as SQLite called us.
    unsafe { theirs(file).xTruncate.unwrap()(file, size) }
}

unsafe extern "C" fn sync(file: File, _flags: c_int) -> c_int {
    let failed = fails(Call::Sync);
    let unsynced = disk()
        .as_mut()
        .and_then(|disk| disk.unsynced.remove(&file.addr()));
    if !failed {
        // Nobody cuts the power here: it need not really wait for the disk below.
        return ffi::SQLITE_OK;
    }
    for (offset, before) in unsynced.into_iter().flatten().rev() {
        let amount = c_int::try_from(before.len()).unwrap();
        // SAFETY: `before` has that many bytes, and the file is open.
        unsafe { theirs(file).xWrite.unwrap()(file, before.as_ptr().cast(), amount, offset) };
    }
    ffi::SQLITE_IOERR_FSYNC
}

/// Puts the switch in front of every file that SQLite opens in this process from now on. There is
/// one disk: its tests run one after another, each for as long as it keeps what this gives.
fn install() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    static ONCE: Once = Once::new();
    // SAFETY: the default layer and ours live as long as the process, and its first registration
    // comes before any connection of it is open.
    ONCE.call_once(|| unsafe {
        let default = ffi::sqlite3_vfs_find(ptr::null());
        OPEN.set((*default).xOpen.unwrap()).unwrap();
        let ours = ffi::sqlite3_vfs {
            pNext: ptr::null_mut(),
            zName: c"switched".as_ptr(),
            xOpen: Some(open),
            ..*default
        };
        let ours = Box::leak(Box::new(ours));
        assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
    });
    one
}

// ---- What happens on it -------------------------------------------------------------------------

const RUNS: u64 = 3;

/// A host's life: it appends to all runs at once, moves pages, keeps a component. What fails is
/// tried again from what the store has.
struct Life<'a> {
    db: &'a Path,
    acknowledged: [u64; RUNS as usize + 1],
    errors: Vec<String>,
}

impl Life<'_> {
    fn note(&mut self, error: &Error) {
        let text = error.to_string();
        assert!(text.contains(self.db.to_str().unwrap()), "{text}");
        let inner = match error {
            Error::NotCommitted(inner) => inner,
            error => error,
        };
        let clear = matches!(inner, Error::Io { .. } | Error::Corrupt { .. });
        assert!(clear, "{text}");
        self.errors.push(text);
    }

    fn live(&mut self) -> Result<(), Error> {
        let mut store = SqliteStore::open(self.db)?;
        // A host has readers: the log stays when the writer's connection is closed.
        let reader = store.reader()?;
        store.mark_running()?;
        for round in 0..6 {
            // After an error whoever had a write in it reads what the store has.
            let count = |key| Ok(reader.frames(RunKey(key))?.len() as u64);
            let counts = (1..=RUNS).map(count).collect::<Result<Vec<u64>, Error>>();
            let counts = match counts {
                Ok(counts) => counts,
                Err(error) => {
                    self.note(&error);
                    continue;
                }
            };
            let write = |(key, count): (u64, &u64)| match *count {
                0 => first(key),
                count => next(key, count + 1),
            };
            let writes: Vec<_> = (1..=RUNS).zip(&counts).map(write).collect();
            match store.commit(&writes) {
                Ok(answers) => {
                    for (write, answer) in writes.iter().zip(answers) {
                        match answer {
                            Ok(()) => {
                                let (seq, _) = write.frame.as_ref().unwrap();
                                self.acknowledged[write.key.0 as usize] = *seq;
                            }
                            Err(error) => self.note(&error),
                        }
                    }
                }
                Err(error) => self.note(&error),
            }
            if round % 2 == 1
                && let Err(error) = store.checkpoint()
            {
                self.note(&error);
            }
            if round == 3
                && let Err(error) = store.put_component(Digest([3; 32]), &[1; 9000])
            {
                self.note(&error);
            }
        }
        store.mark_clean()
    }

    /// What is there now, each frame right: all that was acknowledged, and at most one more of
    /// each run.
    fn check(&self, reader: &dyn Reader, case: &str) -> Vec<u64> {
        let count = |key| {
            let frames = reader.frames(RunKey(key)).unwrap();
            for (body, seq) in frames.iter().zip(1..) {
                assert_eq!(*body, frame(key, seq), "{case}");
            }
            let (count, least) = (frames.len() as u64, self.acknowledged[key as usize]);
            assert!(
                (least..=least + 1).contains(&count),
                "{case}: run {key} has {count} frames, {least} were acknowledged; {:?}",
                self.errors
            );
            count
        };
        (1..=RUNS).map(count).collect()
    }
}

/// One life with this fault, then a mended disk. Gives the calls that the life made and how many
/// failed.
fn one(fault: Option<(Call, usize, bool)>) -> (Vec<Call>, usize, Vec<String>) {
    let case = format!("{fault:?}");
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().canonicalize().unwrap().join("store.db");
    // Made before, so that what fails is the use of a store.
    drop(SqliteStore::open(&db).unwrap());
    *disk() = Some(Disk {
        fault,
        ..Disk::default()
    });
    let mut life = Life {
        db: &db,
        acknowledged: Default::default(),
        errors: Vec::new(),
    };
    if let Err(error) = life.live() {
        life.note(&error);
    }
    let done = disk().take().unwrap();
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    let counts = life.check(reader.as_ref(), &case);
    for (key, count) in (1..=RUNS).zip(&counts) {
        commit(
            &mut store,
            &[if *count == 0 {
                first(key)
            } else {
                next(key, count + 1)
            }],
        );
        life.acknowledged[key as usize] = count + 1;
    }
    life.check(reader.as_ref(), &case);
    (done.calls, done.failed, life.errors)
}

#[test]
fn whatever_call_of_the_disk_fails_nothing_acknowledged_is_lost() {
    let _alone = install();
    let (calls, failed, errors) = one(None);
    assert_eq!((failed, errors), (0, vec![]), "{calls:?}");
    let mut report = Vec::new();
    for kind in [Call::Read, Call::Write, Call::Truncate, Call::Sync] {
        let count = calls.iter().filter(|call| **call == kind).count();
        let (mut hit, mut told) = (0, 0);
        for at in 0..count {
            for forever in [false, true] {
                let (_, failed, errors) = one(Some((kind, at, forever)));
                hit += usize::from(failed > 0);
                told += usize::from(!errors.is_empty());
            }
        }
        report.push(format!(
            "{kind:?}: {count} places, {hit} lives hit, {told} told"
        ));
        // Only the end of a connection may keep a failure to itself: all is committed by then.
        assert!(hit > 0 && told > 0 && hit <= 2 * count, "{report:?}");
    }
    println!("{}", report.join("\n"));
}

/// A sync that fails in the commit of two runs: neither is acknowledged, the error names the file,
/// and the store goes on by itself, from what it has.
#[test]
fn a_commit_whose_sync_fails_is_not_acknowledged_and_not_synced_again() {
    let _alone = install();
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().canonicalize().unwrap().join("store.db");
    let mut store = SqliteStore::open(&db).unwrap();
    let reader = store.reader().unwrap();
    commit(&mut store, &[first(1), first(2)]);
    *disk() = Some(Disk {
        fault: Some((Call::Sync, 0, false)),
        ..Disk::default()
    });
    let error = store.commit(&[next(1, 2), next(2, 2)]).unwrap_err();
    let calls = disk().take().unwrap().calls;
    assert!(matches!(error, Error::NotCommitted(_)), "{error}");
    assert!(error.to_string().contains(db.to_str().unwrap()), "{error}");
    let syncs = calls.iter().filter(|call| **call == Call::Sync).count();
    assert_eq!(syncs, 1, "what failed was asked for again: {calls:?}");
    for key in [1, 2] {
        assert_eq!(reader.frames(RunKey(key)).unwrap(), [frame(key, 1)]);
    }
    commit(&mut store, &[next(1, 2), next(2, 2)]);
    for key in [1, 2] {
        let frames = [frame(key, 1), frame(key, 2)];
        assert_eq!(reader.frames(RunKey(key)).unwrap(), frames);
    }
}
