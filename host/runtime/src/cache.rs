//! Which runs stay resident: the most recently used, within a bound of bytes and of instances.
//!
//! The cache only decides. The guests themselves are in the cells, and a run that somebody is
//! working on is never evicted: it comes back to the cache at the end of its step.

use crate::{
    cell::{Phase, RunCell},
    clock::lock,
    stats::Counters,
};
use sandglass_store::RunKey;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, Weak},
};

/// Instances kept beside the bound of bytes: each costs the kernel a few memory mappings, of which
/// a process has 65,530.
const INSTANCES_MAX: usize = 100_000;

#[derive(Default)]
struct Lru {
    /// By when they were used last.
    order: BTreeMap<u64, Entry>,
    ticks: HashMap<RunKey, u64>,
    next_tick: u64,
    bytes: usize,
}

struct Entry {
    cell: Weak<RunCell>,
    key: RunKey,
    bytes: usize,
}

/// The order in which resident runs are evicted.
pub(crate) struct Cache {
    bytes_max: usize,
    lru: Mutex<Lru>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            lru: Mutex::new(Lru::default()),
        }
    }

    /// Notes that a run was used and keeps this many bytes resident, and evicts others if need be.
    pub(crate) fn touch(&self, cell: &Arc<RunCell>, bytes: usize, counters: &Counters) {
        let victims = lock(&self.lru).touch(cell, bytes, self.bytes_max);
        for victim in victims.iter().filter_map(Weak::upgrade) {
            let mut state = victim.lock();
            if matches!(state.phase, Phase::Idle) && !state.hosts_locals() {
                let evicted = state.resident.take();
                drop(state);
                counters.evictions.add(u64::from(evicted.is_some()));
            }
        }
    }

    pub(crate) fn forget(&self, key: RunKey) {
        lock(&self.lru).remove(key);
    }
}

impl Lru {
    fn touch(&mut self, cell: &Arc<RunCell>, bytes: usize, bytes_max: usize) -> Vec<Weak<RunCell>> {
        self.remove(cell.key);
        self.next_tick += 1;
        let tick = self.next_tick;
        self.ticks.insert(cell.key, tick);
        self.bytes += bytes;
        self.order.insert(
            tick,
            Entry {
                cell: Arc::downgrade(cell),
                key: cell.key,
                bytes,
            },
        );
        let mut victims = Vec::new();
        while self.bytes > bytes_max || self.order.len() > INSTANCES_MAX {
            let Some((_, entry)) = self.order.pop_first() else {
                break;
            };
            self.ticks.remove(&entry.key);
            self.bytes -= entry.bytes;
            victims.push(entry.cell);
        }
        victims
    }

    fn remove(&mut self, key: RunKey) {
        if let Some(entry) = self
            .ticks
            .remove(&key)
            .and_then(|tick| self.order.remove(&tick))
        {
            self.bytes -= entry.bytes;
        }
    }
}
