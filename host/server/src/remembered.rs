//! What is remembered for some time of what clients tell: bounded in time, in number and in bytes,
//! so that no client makes the server grow. Where there is too much, the oldest is forgotten.

use sandglass_engine::{Millis, Timestamp};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

/// How much is remembered.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// For how long after it was told.
    pub(crate) lifetime: Millis,
    /// Of how many.
    pub(crate) entries: usize,
    /// Bytes of keys and values together.
    pub(crate) bytes: usize,
}

struct Entry<T> {
    at: Timestamp,
    /// Its place in the order in which they were told.
    number: u64,
    bytes: usize,
    value: T,
}

/// Values by keys.
pub(crate) struct Remembered<T> {
    limits: Limits,
    entries: BTreeMap<Arc<str>, Entry<T>>,
    /// The keys in the order in which they were told.
    order: BTreeMap<u64, Arc<str>>,
    next: u64,
    bytes: usize,
}

impl<T> Remembered<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            bytes: 0,
        }
    }

    /// Remembers a value of this many bytes, and what was remembered under its key no more.
    pub(crate) fn insert(&mut self, now: Timestamp, key: &str, value: T, bytes: usize) {
        self.remove(key);
        self.forget_old(now);
        let bytes = bytes + key.len();
        if bytes > self.limits.bytes {
            return;
        }
        while self.entries.len() >= self.limits.entries || self.bytes + bytes > self.limits.bytes {
            self.remove_oldest();
        }
        let (key, number): (Arc<str>, u64) = (key.into(), self.next);
        self.next += 1;
        self.bytes += bytes;
        self.order.insert(number, Arc::clone(&key));
        let at = now;
        let entry = Entry {
            at,
            number,
            bytes,
            value,
        };
        self.entries.insert(key, entry);
    }

    /// What is remembered under a key.
    pub(crate) fn get(&self, now: Timestamp, key: &str) -> Option<&T> {
        let entry = self.entries.get(key)?;
        self.is_fresh(now, entry).then_some(&entry.value)
    }

    /// All that is remembered under keys after this one, by key.
    pub(crate) fn after(&self, now: Timestamp, key: &str) -> impl Iterator<Item = &T> {
        let range = match key {
            "" => self.entries.range::<str, _>((Unbounded, Unbounded)),
            key => self.entries.range::<str, _>((Excluded(key), Unbounded)),
        };
        let fresh = range.filter(move |(_, entry)| self.is_fresh(now, entry));
        fresh.map(|(_, entry)| &entry.value)
    }

    fn is_fresh(&self, now: Timestamp, entry: &Entry<T>) -> bool {
        now.since(entry.at) < self.limits.lifetime
    }

    fn forget_old(&mut self, now: Timestamp) {
        let is_old = |this: &Self| {
            let (_, key) = this.order.first_key_value()?;
            Some(!this.is_fresh(now, this.entries.get(key)?))
        };
        while is_old(self) == Some(true) {
            self.remove_oldest();
        }
    }

    fn remove_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.number);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(remembered: &Remembered<String>, now: u64) -> Vec<&str> {
        let all = remembered.after(Timestamp(now), "");
        all.map(String::as_str).collect()
    }

    fn told(limits: Limits, all: &[(u64, &str)]) -> Remembered<String> {
        let mut remembered = Remembered::new(limits);
        for (at, key) in all {
            remembered.insert(Timestamp(*at), key, (*key).to_owned(), 10);
        }
        remembered
    }

    const LIMITS: Limits = Limits {
        lifetime: Millis(100),
        entries: 3,
        bytes: 1000,
    };

    #[test]
    fn what_is_old_is_forgotten_with_the_next_that_is_told() {
        let found = told(LIMITS, &[(0, "a"), (50, "b")]);
        assert_eq!(keys(&found, 99), ["a", "b"]);
        assert_eq!(keys(&found, 100), ["b"]);
        assert_eq!(found.get(Timestamp(100), "a"), None);
        let found = told(LIMITS, &[(0, "a"), (50, "b"), (120, "c")]);
        assert_eq!((found.entries.len(), found.bytes), (2, 22));
        // Telling it again makes it new.
        let found = told(LIMITS, &[(0, "a"), (50, "b"), (90, "a"), (160, "c")]);
        assert_eq!(keys(&found, 160), ["a", "c"]);
        assert_eq!(found.order.len(), 2);
    }

    #[test]
    fn where_there_is_too_much_the_oldest_goes() {
        let found = told(LIMITS, &[(0, "c"), (1, "b"), (2, "a"), (3, "d")]);
        assert_eq!(keys(&found, 3), ["a", "b", "d"]);
        let small = Limits {
            bytes: 30,
            ..LIMITS
        };
        let found = told(small, &[(0, "c"), (1, "b"), (2, "a")]);
        assert_eq!(keys(&found, 3), ["a", "b"]);
        assert_eq!(found.bytes, 22);
        // What is too large by itself pushes nobody out.
        let long = "x".repeat(30);
        let found = told(small, &[(0, "c"), (1, "b"), (2, &long)]);
        assert_eq!(keys(&found, 3), ["b", "c"]);
        assert_eq!(found.after(Timestamp(3), "b").count(), 1);
    }
}
