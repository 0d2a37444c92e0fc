//! Reading, on a connection of its own: a reader never waits for the writer, nor it for readers.

use super::{
    commit::{GONE, integer},
    components, connect,
    failure::failed,
    packing::Unpacking,
    schema,
};
use crate::{
    ActivityRow, ComponentRow, Error, LIST_BYTES, ListFilter, OutboxRow, Place, Reader, Rows,
    RunKey, RunRow, RunStatus, TimerRow,
};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Params, Row, Transaction, params};
use sandglass_engine::{Digest, EventId, Timestamp};
use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

/// Reads a SQLite store; see [`Reader`].
#[derive(Debug)]
pub struct SqliteReader {
    file: PathBuf,
    connection: Connection,
    /// The file's format. A host may bring an older one up to date at any time.
    format: Cell<u32>,
}

const RUN_COLUMNS: &str = "key, workflow_id, run_id, workflow_type, status, digest, started_at,
    closed_at, cancel_requested, summary";

impl SqliteReader {
    pub(super) fn open(file: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = connect(file, flags)?;
        let format = schema::check(&connection, file)?;
        Ok(Self {
            file: file.to_owned(),
            connection,
            format: Cell::new(format),
        })
    }

    /// The rows that `sql` gives, each through `read`.
    fn rows<T>(
        &self,
        place: Place,
        sql: &str,
        values: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Vec<T>, Error> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(values, |row| read(row))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        query().map_err(|error| self.failed(place, error))
    }

    /// The first row that `sql` gives, if any.
    fn first<T>(
        &self,
        place: Place,
        sql: &str,
        values: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<Option<T>, Error> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row(values, |row| read(row)).optional()
        };
        query().map_err(|error| self.failed(place, error))
    }

    /// Runs, where a row that cannot be understood does not hide the others.
    fn runs(&self, condition: &str, values: impl Params) -> Result<Rows, Error> {
        self.runs_within(usize::MAX, condition, values)
    }

    /// As [`Self::runs`], until their summaries have this many bytes.
    fn runs_within(
        &self,
        bytes: usize,
        condition: &str,
        values: impl Params,
    ) -> Result<Rows, Error> {
        let first = self.first_run_column();
        let sql = format!("SELECT {RUN_COLUMNS}, {first} FROM run {condition}");
        let place = Place {
            table: "run",
            run: None,
            row: None,
        };
        let query = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(values)?;
            let (mut found, mut read) = (Vec::new(), 0);
            while read < bytes
                && let Some(row) = rows.next()?
            {
                let key = RunKey(row.get(0)?);
                let row = run_row(key, row);
                read += row.as_ref().map_or(0, |row| row.summary.len());
                found.push(row.map_err(|error| self.failed(Place::of("run", key), error)));
            }
            Ok(found)
        };
        query().map_err(|error| self.failed(place, error))
    }

    /// A file that no host of this version has opened yet has only runs that follow no other.
    fn first_run_column(&self) -> &'static str {
        match self.format.get() {
            1 => "''",
            _ => "first_run_id",
        }
    }

    fn chain_condition(&self) -> &'static str {
        match self.format.get() {
            1 => "run_id = ?8",
            _ => "(first_run_id = ?8 OR (first_run_id = '' AND run_id = ?8))",
        }
    }

    /// A file that no host of this version has opened yet has frames as they were given.
    fn size_column(&self) -> &'static str {
        match self.format.get() {
            1 | 2 => "0",
            _ => "size",
        }
    }

    /// Until this is dropped, all that is read is of one state of the store.
    fn one_state(&self, place: Place) -> Result<Transaction<'_>, Error> {
        let begin = || {
            let begun = self.connection.unchecked_transaction()?;
            if self.format.get() < schema::FORMAT {
                self.format.set(schema::format(&begun)?);
            }
            Ok(begun)
        };
        begin().map_err(|error| self.failed(place, error))
    }

    /// A frame as it is stored.
    fn stored_frame(&self, key: RunKey, number: u64) -> Result<Option<(Vec<u8>, u64)>, Error> {
        let place = Place::row("frame", key, number);
        let size = self.size_column();
        let sql = format!("SELECT body, {size} FROM frame WHERE run = ?1 AND seq = ?2");
        let values = params![integer(key.0), integer(number)];
        self.first(place, &sql, values, |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn failed(&self, place: Place, error: rusqlite::Error) -> Error {
        failed(&self.file, place, &format!("read {place}"), error)
    }
}

impl Reader for SqliteReader {
    fn next_run_key(&self) -> Result<RunKey, Error> {
        let place = Place {
            table: "run",
            run: None,
            row: None,
        };
        let sql = "SELECT coalesce(max(key), 0) + 1 FROM run";
        let key = self.first(place, sql, [], |row| row.get(0))?;
        Ok(RunKey(
            key.expect("an aggregate without groups gives one row"),
        ))
    }

    fn find(&self, workflow_id: &str, run_id: Option<&str>) -> Result<Option<RunRow>, Error> {
        let newest = "WHERE workflow_id = ?1 AND key > coalesce(
                (SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?2), 0)
            ORDER BY key DESC LIMIT 1";
        let this = "WHERE run_id = ?2 AND workflow_id = ?1";
        let rows = match run_id {
            None => self.runs(newest, [workflow_id, &format!("{GONE}{workflow_id}")]),
            Some(run_id) => self.runs(this, [workflow_id, run_id]),
        };
        rows?.into_iter().next().transpose()
    }

    fn run(&self, key: RunKey) -> Result<Option<RunRow>, Error> {
        self.runs("WHERE key = ?1", [integer(key.0)])?
            .into_iter()
            .next()
            .transpose()
    }

    fn open_runs(&self) -> Result<Rows, Error> {
        self.runs("WHERE status = 0 ORDER BY key", [])
    }

    fn list(
        &self,
        filter: &ListFilter,
        limit: usize,
        after: Option<RunKey>,
    ) -> Result<Rows, Error> {
        // A workflow id has fewer runs than a status, which SQLite cannot know; + keeps it from
        // the index of the latter.
        let status = if filter.workflow_id.is_some() {
            "+status = ?3"
        } else {
            "status = ?3"
        };
        // Only the conditions that are set, so that each list finds its index.
        let conditions = [
            (filter.workflow_id.is_some(), "workflow_id = ?1"),
            (filter.workflow_type.is_some(), "workflow_type = ?2"),
            (filter.status.is_some(), status),
            (filter.started_from.is_some(), "started_at >= ?4"),
            (filter.started_before.is_some(), "started_at < ?5"),
            (after.is_some(), "key < ?6"),
            (filter.cancel_requested.is_some(), "cancel_requested = ?7"),
            (filter.first_run_id.is_some(), self.chain_condition()),
        ];
        let mut sql = "WHERE 1".to_owned();
        for (_, condition) in conditions.iter().filter(|(set, _)| *set) {
            sql.push_str(" AND ");
            sql.push_str(condition);
        }
        sql.push_str(" ORDER BY key DESC LIMIT ?9");
        let values = params![
            filter.workflow_id,
            filter.workflow_type,
            filter.status.map(|status| status as u8),
            filter.started_from.map(|at| integer(at.0)),
            filter.started_before.map(|at| integer(at.0)),
            after.map(|key| integer(key.0)),
            filter.cancel_requested,
            filter.first_run_id,
            integer(limit as u64),
        ];
        self.runs_within(LIST_BYTES, &sql, values)
    }

    fn frames_from(&self, key: RunKey, first: u64) -> Result<Vec<Vec<u8>>, Error> {
        let place = Place::of("frame", key);
        let _state = self.one_state(place)?;
        let size = self.size_column();
        let sql = format!(
            "SELECT seq, body, {size} FROM frame WHERE run = ?1 AND seq >= ?2 ORDER BY seq"
        );
        let values = params![integer(key.0), integer(first)];
        let rows = self.rows(place, &sql, values, |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
        })?;
        let read = |seq| self.stored_frame(key, seq);
        let mut unpacking = Unpacking::new(&self.file, key, &read);
        let numbered = rows.into_iter().zip(first..);
        numbered
            .map(|((seq, row), expected): ((u64, _), u64)| {
                if seq == expected {
                    return unpacking.frame(seq, row);
                }
                let reason = format!("it is missing, frame {seq} comes next");
                let row = Some(expected);
                Err(Error::corrupt(&self.file, "frame", key, row, reason))
            })
            .collect()
    }

    fn frame(&self, key: RunKey, number: u64) -> Result<Option<Vec<u8>>, Error> {
        let _state = self.one_state(Place::row("frame", key, number))?;
        let row = self.stored_frame(key, number)?;
        let read = |seq| self.stored_frame(key, seq);
        let mut unpacking = Unpacking::new(&self.file, key, &read);
        row.map(|row| unpacking.frame(number, row)).transpose()
    }

    fn activities(&self, key: RunKey) -> Result<Vec<ActivityRow>, Error> {
        let sql = "SELECT run, scheduled_event_id, body FROM activity WHERE run = ?1
            ORDER BY run, scheduled_event_id";
        self.rows(
            Place::of("activity", key),
            sql,
            [integer(key.0)],
            activity_row,
        )
    }

    fn all_activities(&self) -> Result<Vec<ActivityRow>, Error> {
        let sql = "SELECT run, scheduled_event_id, body FROM activity
            ORDER BY run, scheduled_event_id";
        let place = Place {
            table: "activity",
            run: None,
            row: None,
        };
        self.rows(place, sql, [], activity_row)
    }

    fn timers(&self, key: RunKey) -> Result<Vec<TimerRow>, Error> {
        let sql = "SELECT run, started_event_id, due FROM timer WHERE run = ?1
            ORDER BY run, started_event_id";
        self.rows(Place::of("timer", key), sql, [integer(key.0)], timer_row)
    }

    fn all_timers(&self) -> Result<Vec<TimerRow>, Error> {
        let sql = "SELECT run, started_event_id, due FROM timer ORDER BY run, started_event_id";
        self.rows(
            Place {
                table: "timer",
                run: None,
                row: None,
            },
            sql,
            [],
            timer_row,
        )
    }

    fn outbox(&self) -> Result<Vec<OutboxRow>, Error> {
        let sql = "SELECT source, source_event_id, body FROM outbox
            ORDER BY source, source_event_id";
        let place = Place {
            table: "outbox",
            run: None,
            row: None,
        };
        self.rows(place, sql, [], |row| {
            Ok(OutboxRow {
                source: RunKey(row.get(0)?),
                source_event_id: EventId(row.get(1)?),
                body: row.get(2)?,
            })
        })
    }

    fn component(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT bytes FROM component WHERE digest = ?1";
        self.first(components::PLACE, sql, [digest.0], |row| row.get(0))
    }

    fn has_component(&self, digest: Digest) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM component WHERE digest = ?1";
        let found = self.first(components::PLACE, sql, [digest.0], |_| Ok(()))?;
        Ok(found.is_some())
    }

    fn components(&self) -> Result<Vec<ComponentRow>, Error> {
        let sql = "SELECT digest, length(bytes), added_at FROM component ORDER BY digest";
        self.rows(components::PLACE, sql, [], |row| {
            Ok(ComponentRow {
                digest: Digest(row.get(0)?),
                bytes: row.get(1)?,
                added_at: Timestamp(row.get(2)?),
            })
        })
    }

    fn component_note(&self) -> Result<Option<String>, Error> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        self.first(Place::STORE, sql, [components::NOTE], |row| row.get(0))
    }

    fn file(&self) -> &Path {
        &self.file
    }
}

fn run_row(key: RunKey, row: &Row<'_>) -> Result<RunRow, rusqlite::Error> {
    let number: u8 = row.get(4)?;
    let status = RunStatus::from_number(number)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(4, number.into()))?;
    let closed_at: Option<u64> = row.get(7)?;
    let run_id: String = row.get(2)?;
    let first_run_id: String = row.get(10)?;
    Ok(RunRow {
        key,
        workflow_id: row.get(1)?,
        first_run_id: match first_run_id.as_str() {
            "" => run_id.clone(),
            _ => first_run_id,
        },
        run_id,
        workflow_type: row.get(3)?,
        status,
        digest: Digest(row.get(5)?),
        started_at: Timestamp(row.get(6)?),
        closed_at: closed_at.map(Timestamp),
        cancel_requested: row.get(8)?,
        summary: row.get(9)?,
    })
}

fn activity_row(row: &Row<'_>) -> Result<ActivityRow, rusqlite::Error> {
    Ok(ActivityRow {
        run: RunKey(row.get(0)?),
        scheduled_event_id: EventId(row.get(1)?),
        body: row.get(2)?,
    })
}

fn timer_row(row: &Row<'_>) -> Result<TimerRow, rusqlite::Error> {
    Ok(TimerRow {
        run: RunKey(row.get(0)?),
        started_event_id: EventId(row.get(1)?),
        due: Timestamp(row.get(2)?),
    })
}
