//! One transaction for many runs: all of their writes, or where some are refused, the others.

use super::{
    failure::failed,
    packing::{Tail, Tails, Unpacking, pack},
};
use crate::{Error, Place, RunRow, RunStatus, Write, crash};
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OptionalExtension as _, Params, Transaction,
    TransactionBehavior, params,
};
use std::{cell::RefCell, path::Path};

/// SQLite's integers are signed. Ids never come near the end, and a time that does means "never".
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Bytes that a write stores, before any overhead.
pub(super) fn bytes(write: &Write) -> u64 {
    let row = write.row.as_ref().map_or(0, |row| row.summary.len());
    let frame = write.frame.as_ref().map_or(0, |(_, body)| body.len());
    let activities: usize = write
        .activities_put
        .iter()
        .map(|(_, body)| body.len())
        .sum();
    let outbox: usize = write.outbox_put.iter().map(|row| row.body.len()).sum();
    let successor = write.successor.as_deref().map_or(0, bytes);
    (row + frame + activities + outbox) as u64 + successor
}

/// Stores `writes`. After `Err` nothing of them is stored, as far as this connection knows. `tails`
/// is what is known of the file, and then right only if each write was stored.
pub(super) fn commit(
    connection: &mut Connection,
    file: &Path,
    tails: &RefCell<Tails>,
    writes: &[Write],
) -> Result<Vec<Result<(), Error>>, Error> {
    crash::point("commit.before");
    // Nearly always all are stored. To be able to undo each alone costs a quarter of a commit.
    if store_together(connection, file, tails, writes)? {
        return Ok(writes.iter().map(|_| Ok(())).collect());
    }
    let transaction = begin(connection, file)?;
    let mut answers = Vec::with_capacity(writes.len());
    for write in writes {
        // One that was refused may have come after some of its parts.
        tails.borrow_mut().clear();
        answers.push(store_alone(&transaction, file, tails, write)?);
    }
    end(transaction, file)?;
    Ok(answers)
}

fn begin<'a>(connection: &'a mut Connection, file: &Path) -> Result<Transaction<'a>, Error> {
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failed(file, Place::STORE, "begin a commit", error))
}

fn end(transaction: Transaction<'_>, file: &Path) -> Result<(), Error> {
    crash::point("commit.written");
    transaction
        .commit()
        .map_err(|error| failed(file, Place::STORE, "commit", error))?;
    crash::point("commit.after");
    Ok(())
}

/// Stores all writes, or `false` and none of them if one was refused. `Err`: as with [`commit`].
fn store_together(
    connection: &mut Connection,
    file: &Path,
    tails: &RefCell<Tails>,
    writes: &[Write],
) -> Result<bool, Error> {
    let transaction = begin(connection, file)?;
    let prepared = Prepared::new(&transaction, Appending::Together);
    let stored = writes.iter().try_for_each(|write| {
        let storing = Storing {
            file,
            tails,
            sql: &prepared,
            write,
        };
        storing.all()
    });
    drop(prepared);
    match stored {
        Ok(()) => {}
        Err(refused) if refused.fatal => return Err(refused.error),
        Err(_) if transaction.is_autocommit() => return Ok(false),
        Err(_) => {
            let undone = transaction.rollback();
            undone.map_err(|error| failed(file, Place::STORE, "undo a commit", error))?;
            return Ok(false);
        }
    }
    end(transaction, file)?;
    Ok(true)
}

/// Stores one write whole or not at all. The outer `Err`: the whole transaction is lost.
fn store_alone(
    transaction: &Transaction<'_>,
    file: &Path,
    tails: &RefCell<Tails>,
    write: &Write,
) -> Result<Result<(), Error>, Error> {
    let whole = |doing: &str, error| failed(file, Place::STORE, doing, error);
    mark(transaction, "SAVEPOINT one_write").map_err(|error| whole("begin a write", error))?;
    let stored = Storing {
        file,
        tails,
        sql: &Prepared::new(transaction, Appending::Alone),
        write,
    }
    .all();
    let refused = match stored {
        Ok(()) => {
            mark(transaction, "RELEASE one_write").map_err(|error| whole("end a write", error))?;
            return Ok(Ok(()));
        }
        Err(refused) => refused,
    };
    // SQLite may have given up the whole transaction by itself; and where the disk or memory
    // fails, no part of the transaction is to be trusted.
    if refused.fatal || transaction.is_autocommit() {
        return Err(refused.error);
    }
    mark(transaction, "ROLLBACK TO one_write")
        .and_then(|()| mark(transaction, "RELEASE one_write"))
        .map_err(|error| whole("undo a write", error))?;
    Ok(Err(refused.error))
}

/// Rusqlite's own savepoints are parsed anew each time, a fifth of what a frame costs here.
fn mark(transaction: &Transaction<'_>, sql: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached(sql)?.execute([]).map(drop)
}

/// A run that follows no other, as most do, is stored without it.
fn stored_first_run_id(row: &RunRow) -> &str {
    if row.first_run_id == row.run_id {
        return "";
    }
    &row.first_run_id
}

/// Why a write was not stored.
struct Refusal {
    error: Error,
    fatal: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            fatal: false,
        }
    }
}

/// What has to be undone if a frame is not appended.
#[derive(Clone, Copy)]
enum Appending {
    /// The whole transaction.
    Together,
    /// Its own write.
    Alone,
}

/// The statements of one transaction: each is looked up once, and not for each write.
struct Prepared<'a> {
    transaction: &'a Connection,
    appending: Appending,
    statements: RefCell<Vec<(&'static str, CachedStatement<'a>)>>,
}

impl<'a> Prepared<'a> {
    fn new(transaction: &'a Connection, appending: Appending) -> Self {
        Self {
            transaction,
            appending,
            statements: RefCell::default(),
        }
    }

    /// Calls `with` with a statement.
    fn with<T>(
        &self,
        sql: &'static str,
        with: impl FnOnce(&mut CachedStatement<'a>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut statements = self.statements.borrow_mut();
        let known = statements.iter().position(|(it, _)| *it == sql);
        let at = match known {
            Some(at) => at,
            None => {
                statements.push((sql, self.transaction.prepare_cached(sql)?));
                statements.len() - 1
            }
        };
        with(&mut statements[at].1)
    }
}

/// One write on its way into the tables.
struct Storing<'a, 't> {
    file: &'a Path,
    tails: &'a RefCell<Tails>,
    sql: &'a Prepared<'t>,
    write: &'a Write,
}

impl Storing<'_, '_> {
    fn all(&self) -> Result<(), Refusal> {
        let write = self.write;
        if write.delete {
            return self.delete();
        }
        if let Some(row) = &write.row {
            self.run(row)?;
        }
        if let Some((seq, body)) = &write.frame {
            self.frame(*seq, body)?;
        }
        let closes = |row: &RunRow| row.status != RunStatus::Running;
        if write.row.as_ref().is_some_and(closes) {
            self.tails.borrow_mut().forget(write.key.0);
        }
        self.activities()?;
        self.timers()?;
        if write.clear {
            self.clear()?;
        }
        self.outbox()?;
        match &write.successor {
            // It must come after the row of the run before it: a workflow id has one open run.
            Some(successor) => Storing {
                write: successor,
                ..*self
            }
            .all(),
            None => Ok(()),
        }
    }

    fn run(&self, row: &RunRow) -> Result<(), Refusal> {
        let place = Place::of("run", row.key);
        if row.key != self.write.key {
            let reason = format!("it came with a write of run {}", self.write.key);
            return Err(self.refused(place, reason).into());
        }
        // Nearly every write changes only the summary: then no index is touched, and if the rest is
        // known to be the same, it is neither bound nor compared.
        let known = self.tails.borrow().is_row(row);
        let summary = params![integer(row.key.0), row.cancel_requested, row.summary];
        if known && self.execute(place, UPDATE_KNOWN, summary)? == 1 {
            return Ok(());
        }
        let values = params![
            integer(row.key.0),
            row.workflow_id,
            row.run_id,
            row.workflow_type,
            row.status as u8,
            row.digest.0,
            integer(row.started_at.0),
            row.closed_at.map(|at| integer(at.0)),
            row.cancel_requested,
            row.summary,
            stored_first_run_id(row),
        ];
        let same = self.execute(place, UPDATE_SUMMARY, values)?;
        if same == 0 && self.execute(place, PUT_RUN, values)? == 0 {
            let reason = "its workflow id, run id or chain would change".to_owned();
            return Err(self.refused(place, reason).into());
        }
        self.tails.borrow_mut().put_row(row);
        Ok(())
    }

    fn frame(&self, seq: u64, body: &[u8]) -> Result<(), Refusal> {
        let run = self.write.key;
        let place = Place::row("frame", run, seq);
        let known = self.tails.borrow().get(run.0).cloned();
        let tail = known.map_or_else(|| self.tail(), Ok)?;
        if seq != tail.last + 1 {
            return Err(Error::WrongSeq {
                file: self.file.to_owned(),
                run,
                seq,
                last: tail.last,
            }
            .into());
        }
        let packed = tail.dictionary.as_ref().and_then(|with| pack(body, with));
        let (stored, size) = match &packed {
            Some(packed) => (packed.as_slice(), body.len() as u64),
            None => (body, 0),
        };
        let values = params![integer(run.0), integer(seq), stored, integer(size)];
        let append = match self.sql.appending {
            Appending::Together => APPEND_TOGETHER,
            Appending::Alone => APPEND_ALONE,
        };
        self.execute(place, append, values)?;
        let mut tail = Tail { last: seq, ..tail };
        if let Some(dictionary) = &mut tail.dictionary {
            dictionary.add(seq, body);
        }
        self.tails.borrow_mut().put(run.0, tail);
        Ok(())
    }

    /// What the file has of the run's frames.
    fn tail(&self) -> Result<Tail, Refusal> {
        let run = self.write.key;
        let last: u64 = self
            .sql
            .with(LAST_FRAME, |newest| {
                newest.query_row([integer(run.0)], |row| row.get(0))
            })
            .map_err(|error| self.sqlite(Place::of("frame", run), error))?;
        let first = |seq: u64| -> Result<Option<(Vec<u8>, u64)>, Error> {
            let place = Place::row("frame", run, seq);
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            self.sql
                .with(ONE_FRAME, |one| {
                    one.query_row([integer(run.0), integer(seq)], read)
                        .optional()
                })
                .map_err(|error| failed(self.file, place, "read what it is packed with", error))
        };
        // Whoever wants to end a run whose first frames are damaged can do so.
        let dictionary = Unpacking::new(self.file, run, &first).dictionary(last + 1);
        Ok(Tail {
            last,
            dictionary: dictionary.ok(),
        })
    }

    fn activities(&self) -> Result<(), Refusal> {
        let run = integer(self.write.key.0);
        for (event, body) in &self.write.activities_put {
            let place = Place::row("activity", self.write.key, event.0);
            self.execute(place, PUT_ACTIVITY, params![run, integer(event.0), body])?;
        }
        for event in &self.write.activities_deleted {
            let place = Place::row("activity", self.write.key, event.0);
            self.execute(place, DELETE_ACTIVITY, params![run, integer(event.0)])?;
        }
        Ok(())
    }

    fn timers(&self) -> Result<(), Refusal> {
        let run = integer(self.write.key.0);
        for (event, due) in &self.write.timers_put {
            let place = Place::row("timer", self.write.key, event.0);
            let values = params![run, integer(event.0), integer(due.0)];
            self.execute(place, PUT_TIMER, values)?;
        }
        for event in &self.write.timers_deleted {
            let place = Place::row("timer", self.write.key, event.0);
            self.execute(place, DELETE_TIMER, params![run, integer(event.0)])?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), Refusal> {
        let run = self.write.key;
        self.execute(
            Place::of("activity", run),
            CLEAR_ACTIVITIES,
            [integer(run.0)],
        )?;
        self.execute(Place::of("timer", run), CLEAR_TIMERS, [integer(run.0)])?;
        Ok(())
    }

    fn outbox(&self) -> Result<(), Refusal> {
        for row in &self.write.outbox_put {
            let place = Place::row("outbox", row.source, row.source_event_id.0);
            let values = params![
                integer(row.source.0),
                integer(row.source_event_id.0),
                row.body
            ];
            self.execute(place, PUT_OUTBOX, values)?;
        }
        for (source, event) in &self.write.outbox_deleted {
            let place = Place::row("outbox", *source, event.0);
            self.execute(
                place,
                DELETE_OUTBOX,
                params![integer(source.0), integer(event.0)],
            )?;
        }
        Ok(())
    }

    /// Deletes all that is stored of a run, the row that the others belong to last.
    fn delete(&self) -> Result<(), Refusal> {
        let run = self.write.key;
        self.tails.borrow_mut().forget(run.0);
        let place = Place::of("run", run);
        let (open, waiting): (bool, bool) = self
            .sql
            .with(NEEDED, |statement| {
                statement.query_row([integer(run.0)], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .map_err(|error| self.sqlite(place, error))?;
        if open {
            return Err(self
                .refused(place, "it is open, and would be deleted".into())
                .into());
        }
        if waiting {
            let reason = "an effect of it on another run is not applied yet".to_owned();
            return Err(self.refused(place, reason).into());
        }
        self.clear()?;
        self.execute(Place::of("frame", run), DELETE_FRAMES, [integer(run.0)])?;
        let workflow_id: Option<String> = self
            .sql
            .with(DELETE_RUN, |statement| {
                statement
                    .query_row([integer(run.0)], |row| row.get(0))
                    .optional()
            })
            .map_err(|error| self.sqlite(place, error))?;
        if let Some(workflow_id) = workflow_id {
            let note = format!("{GONE}{workflow_id}");
            let values = params![workflow_id, integer(run.0), note];
            self.execute(place, NOTE_GONE, values)?;
            self.execute(place, FORGET_GONE, params![workflow_id, note])?;
        }
        Ok(())
    }

    /// Runs one statement and tells how many rows it changed.
    fn execute(
        &self,
        place: Place,
        sql: &'static str,
        values: impl Params,
    ) -> Result<usize, Refusal> {
        self.sql
            .with(sql, |statement| statement.execute(values))
            .map_err(|error| self.sqlite(place, error))
    }

    fn sqlite(&self, place: Place, error: rusqlite::Error) -> Refusal {
        let fatal = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory)
        );
        Refusal {
            error: failed(self.file, place, &format!("write {place}"), error),
            fatal,
        }
    }

    fn refused(&self, place: Place, reason: String) -> Error {
        Error::Refused {
            file: self.file.to_owned(),
            place,
            reason,
        }
    }
}

// UPDATE_SUMMARY and PUT_RUN take the same values.
const UPDATE_SUMMARY: &str = "
    UPDATE run SET cancel_requested = ?9, summary = ?10
    WHERE key = ?1 AND workflow_id = ?2 AND run_id = ?3 AND workflow_type = ?4 AND status = ?5
    AND digest = ?6 AND started_at = ?7 AND closed_at IS ?8 AND first_run_id = ?11";
const PUT_RUN: &str = "
    INSERT INTO run (key, workflow_id, run_id, workflow_type, status, digest, started_at,
        closed_at, cancel_requested, summary, first_run_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
    ON CONFLICT (key) DO UPDATE SET workflow_type = ?4, status = ?5, digest = ?6,
        started_at = ?7, closed_at = ?8, cancel_requested = ?9, summary = ?10
    WHERE workflow_id = ?2 AND run_id = ?3 AND first_run_id = ?11";
const UPDATE_KNOWN: &str = "UPDATE run SET cancel_requested = ?2, summary = ?3 WHERE key = ?1";
const APPEND_TOGETHER: &str = "INSERT INTO frame (run, seq, body, size) VALUES (?1, ?2, ?3, ?4)";
/// From a SELECT, so that SQLite can undo the statement alone when the disk is full; with VALUES it
/// gives up the whole transaction, and keeps no copy of the pages that change. Not from the table
/// itself: its answer would be kept in a table.
const APPEND_ALONE: &str = "INSERT INTO frame (run, seq, body, size) SELECT ?1, ?2, ?3, ?4";
const LAST_FRAME: &str = "SELECT coalesce(max(seq), 0) FROM frame WHERE run = ?1";
const ONE_FRAME: &str = "SELECT body, size FROM frame WHERE run = ?1 AND seq = ?2";
const PUT_ACTIVITY: &str = "
    INSERT INTO activity (run, scheduled_event_id, body) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET body = ?3";
const DELETE_ACTIVITY: &str = "DELETE FROM activity WHERE run = ?1 AND scheduled_event_id = ?2";
const CLEAR_ACTIVITIES: &str = "DELETE FROM activity WHERE run = ?1";
const PUT_TIMER: &str = "
    INSERT INTO timer (run, started_event_id, due) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET due = ?3";
const DELETE_TIMER: &str = "DELETE FROM timer WHERE run = ?1 AND started_event_id = ?2";
const CLEAR_TIMERS: &str = "DELETE FROM timer WHERE run = ?1";
const PUT_OUTBOX: &str = "
    INSERT INTO outbox (source, source_event_id, body) VALUES (?1, ?2, ?3)
    ON CONFLICT DO UPDATE SET body = ?3";
/// Whether a run is open, and whether effects of it are not applied.
const NEEDED: &str = "SELECT EXISTS (SELECT 1 FROM run WHERE key = ?1 AND status = 0),
    EXISTS (SELECT 1 FROM outbox WHERE source = ?1)";
const DELETE_FRAMES: &str = "DELETE FROM frame WHERE run = ?1";
const DELETE_RUN: &str = "DELETE FROM run WHERE key = ?1 RETURNING workflow_id";

/// A row of `meta` for each workflow id whose newest run was deleted and that has older ones: the
/// key of the newest of them. None of these is the current run of the id any more. Without such a
/// row, as in files of before, the newest run is.
pub(super) const GONE: &str = "gone:";
const NOTE_GONE: &str = "
    INSERT INTO meta (key, value)
    SELECT ?3, CAST(max(key) AS TEXT) FROM run WHERE workflow_id = ?1 HAVING max(key) < ?2
    ON CONFLICT (key) DO UPDATE SET value = excluded.value";
/// Keys are used again once no larger one is left.
const FORGET_GONE: &str = "
    DELETE FROM meta WHERE key = ?2 AND NOT EXISTS (SELECT 1 FROM run WHERE workflow_id = ?1)";
const DELETE_OUTBOX: &str = "DELETE FROM outbox WHERE source = ?1 AND source_event_id = ?2";
