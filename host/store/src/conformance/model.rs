//! A store against a model of it in memory, by commits that nobody thought of.

use super::{Open, sample};
use crate::{OutboxRow, Reader, RunKey, RunRow, RunStatus, Write};
use sandglass_engine::{EventId, Timestamp};
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

const KEYS: u64 = 6;
const COMMITS: usize = 400;

/// What bodies are made of.
const WORDS: usize = 20;
const WORD_BYTES: usize = 40;

/// Random commits, some of them wrong, with the store closed and opened now and then: it holds
/// exactly what the model says. The seed is printed.
pub fn random_commits_read_as_a_model_says(open: Open<'_>) {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is past 1970");
    let seed = elapsed.as_nanos() as u64;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut model = Model::default();
    let mut store = open();
    for _ in 0..COMMITS {
        let writes: Vec<_> = (0..random.below(5)).map(|_| random.write(&model)).collect();
        let answers = store.commit(&writes).expect("the commit succeeds");
        for (write, answer) in writes.iter().zip(answers) {
            assert_eq!(model.apply(write), answer.is_ok(), "{write:?} {answer:?}");
        }
        if random.below(10) == 0 {
            store.checkpoint().expect("moves pages");
        }
        if random.below(20) == 0 {
            drop(store);
            store = open();
        }
        if random.below(4) == 0 {
            model.compare(&*store.reader().expect("a reader opens"));
        }
    }
    model.compare(&*store.reader().expect("a reader opens"));
}

#[derive(Default, Clone)]
struct Model {
    runs: BTreeMap<RunKey, RunRow>,
    frames: BTreeMap<RunKey, Vec<Vec<u8>>>,
    activities: BTreeMap<(RunKey, EventId), Vec<u8>>,
    timers: BTreeMap<(RunKey, EventId), Timestamp>,
    outbox: BTreeMap<(RunKey, EventId), Vec<u8>>,
}

impl Model {
    fn frame_count(&self, key: RunKey) -> u64 {
        self.frames.get(&key).map_or(0, Vec::len) as u64
    }

    fn allows(&self, write: &Write) -> bool {
        if write.delete {
            let open = self.runs.get(&write.key).map(|row| row.status) == Some(RunStatus::Running);
            return !open && !self.outbox.keys().any(|(source, _)| *source == write.key);
        }
        let known = |key: &RunKey| {
            self.runs.contains_key(key) || (*key == write.key && write.row.is_some())
        };
        let stores = write.frame.is_some()
            || !write.activities_put.is_empty()
            || !write.timers_put.is_empty();
        let follows = write
            .frame
            .as_ref()
            .is_none_or(|(seq, _)| *seq == self.frame_count(write.key) + 1);
        let open_elsewhere = |row: &RunRow| {
            self.runs.values().any(|other| {
                other.key != row.key
                    && other.workflow_id == row.workflow_id
                    && other.status == RunStatus::Running
            })
        };
        let alone = write
            .row
            .as_ref()
            .is_none_or(|row| row.status != RunStatus::Running || !open_elsewhere(row));
        follows
            && alone
            && (!stores || known(&write.key))
            && write.outbox_put.iter().all(|row| known(&row.source))
    }

    /// A write and the one of the run that follows are stored both, or neither.
    fn apply(&mut self, write: &Write) -> bool {
        if write.delete {
            return self.apply_alone(write);
        }
        let before = write.successor.as_ref().map(|_| self.clone());
        let stored = self.apply_alone(write)
            && write
                .successor
                .as_ref()
                .is_none_or(|successor| self.apply(successor));
        if let (false, Some(before)) = (stored, before) {
            *self = before;
        }
        stored
    }

    fn apply_alone(&mut self, write: &Write) -> bool {
        if !self.allows(write) {
            return false;
        }
        let key = write.key;
        if write.delete {
            self.runs.remove(&key);
            self.frames.remove(&key);
            self.activities.retain(|(run, _), _| *run != key);
            self.timers.retain(|(run, _), _| *run != key);
            return true;
        }
        self.runs.extend(write.row.clone().map(|row| (key, row)));
        if let Some((_, body)) = &write.frame {
            self.frames.entry(key).or_default().push(body.clone());
        }
        let activities = write.activities_put.iter().cloned();
        self.activities
            .extend(activities.map(|(event, body)| ((key, event), body)));
        self.activities.retain(|(run, event), _| {
            *run != key || !(write.clear || write.activities_deleted.contains(event))
        });
        self.timers.extend(
            write
                .timers_put
                .iter()
                .map(|(event, due)| ((key, *event), *due)),
        );
        self.timers.retain(|(run, event), _| {
            *run != key || !(write.clear || write.timers_deleted.contains(event))
        });
        let effects = write.outbox_put.iter().cloned();
        self.outbox
            .extend(effects.map(|row| ((row.source, row.source_event_id), row.body)));
        self.outbox
            .retain(|place, _| !write.outbox_deleted.contains(place));
        true
    }

    fn compare(&self, reader: &dyn Reader) {
        for key in (1..=KEYS).map(RunKey) {
            assert_eq!(
                reader.run(key).expect("reads").as_ref(),
                self.runs.get(&key)
            );
            let frames = self.frames.get(&key).cloned().unwrap_or_default();
            assert_eq!(reader.frames(key).expect("reads"), frames);
        }
        let open: Vec<_> = self
            .runs
            .values()
            .filter(|row| row.status == RunStatus::Running)
            .cloned()
            .collect();
        let listed: Result<Vec<_>, _> = reader.open_runs().expect("reads").into_iter().collect();
        assert_eq!(listed.expect("are whole"), open);
        let rows = reader.all_activities().expect("reads");
        let rows = rows
            .into_iter()
            .map(|row| ((row.run, row.scheduled_event_id), row.body));
        assert!(rows.eq(self.activities.clone()));
        let rows = reader.all_timers().expect("reads");
        let rows = rows
            .into_iter()
            .map(|row| ((row.run, row.started_event_id), row.due));
        assert!(rows.eq(self.timers.clone()));
        let rows = reader.outbox().expect("reads");
        let rows = rows
            .into_iter()
            .map(|row| ((row.source, row.source_event_id), row.body));
        assert!(rows.eq(self.outbox.clone()));
    }
}

/// Xorshift: enough to choose commits, and the same for a seed for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % end
    }

    fn event(&mut self) -> EventId {
        EventId(1 + self.below(8))
    }

    /// Bytes that a store may pack: some alone, most together with those of the same run.
    fn body(&mut self) -> Vec<u8> {
        if self.below(4) == 0 {
            let length = [3, 40, 700, 6000][self.below(4) as usize];
            return vec![self.below(256) as u8; length];
        }
        let words = sample::noise(WORDS * WORD_BYTES);
        let words: Vec<&[u8]> = words.chunks(WORD_BYTES).collect();
        let count = 1 + self.below(12);
        (0..count)
            .flat_map(|_| words[self.below(WORDS as u64) as usize].to_vec())
            .collect()
    }

    fn events(&mut self) -> Vec<EventId> {
        (0..self.below(3)).map(|_| self.event()).collect()
    }

    fn write(&mut self, model: &Model) -> Write {
        let key = RunKey(1 + self.below(KEYS));
        let row = (self.below(2) == 0).then(|| self.row(key));
        // Mostly right numbers, so that runs grow.
        let seq = model.frame_count(key) + 1 + u64::from(self.below(8) == 0);
        Write {
            key,
            row,
            frame: (self.below(3) > 0).then(|| (seq, self.body())),
            activities_put: self
                .events()
                .into_iter()
                .map(|e| (e, self.body()))
                .collect(),
            activities_deleted: self.events(),
            timers_put: self
                .events()
                .into_iter()
                .map(|e| (e, Timestamp(self.below(1000))))
                .collect(),
            timers_deleted: self.events(),
            clear: self.below(10) == 0,
            outbox_put: (0..self.below(2)).map(|_| self.effect()).collect(),
            outbox_deleted: (0..self.below(2))
                .map(|_| (RunKey(1 + self.below(KEYS)), self.event()))
                .collect(),
            successor: (self.below(5) == 0).then(|| Box::new(self.write(model))),
            delete: self.below(8) == 0,
        }
    }

    fn effect(&mut self) -> OutboxRow {
        OutboxRow {
            source: RunKey(1 + self.below(KEYS)),
            source_event_id: self.event(),
            body: self.body(),
        }
    }

    fn row(&mut self, key: RunKey) -> RunRow {
        // Two runs share a workflow id.
        let workflow_id = format!("order-{}", key.0 / 2);
        let status = RunStatus::from_number(self.below(7) as u8).expect("there are seven");
        let closed_at = (status != RunStatus::Running).then(|| Timestamp(self.below(1000)));
        let cancel_requested = self.below(2) == 0;
        RunRow {
            workflow_id,
            status,
            closed_at,
            cancel_requested,
            summary: self.body(),
            ..sample::run(key.0)
        }
    }
}
