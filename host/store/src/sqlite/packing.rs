//! How frames lie in the file: most of them as what they have that their run's first ones have not.
//!
//! The frames of a run repeat each other: the component's digest, names, encodings, times that
//! differ in their last bytes. So each is packed (an LZ4 block) with the beginnings of the frames
//! before it as its dictionary, of the first two at most: how the run began, and how it goes on. A
//! frame that gains nothing is stored as it is, with a size of 0. Its checksum is that of the bytes
//! that were given, so that a damaged one is found.

use crate::{Error, RunKey, RunRow};
use lz4_flex::block;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// How many of a run's frames later ones are packed with.
const DICTIONARY_FRAMES: u64 = 2;

/// How much of each of them.
const DICTIONARY_BYTES: usize = 1 << 10;

/// Runs whose newest frame's number and dictionary are known without asking the file.
const TAILS_MAX: usize = 4096;

/// A frame has to become shorter by this part of itself, or it is not worth unpacking.
const GAIN: usize = 8;

/// No block of LZ4 stands for more than this many times its own length.
const RATIO_MAX: usize = 256;

/// Frames that are longer are not packed: unpacking asks for no more memory than this.
const PACKED_MAX: usize = 64 << 20;

/// What the next frame of a run is packed with.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionary {
    /// How many frames it is made of.
    frames: u64,
    bytes: Arc<Vec<u8>>,
}

impl Dictionary {
    /// Adds a frame, if it is the next one of those that others are packed with.
    pub(super) fn add(&mut self, seq: u64, frame: &[u8]) {
        if seq == self.frames + 1 && seq <= DICTIONARY_FRAMES {
            let beginning = &frame[..frame.len().min(DICTIONARY_BYTES)];
            Arc::make_mut(&mut self.bytes).extend(beginning);
            self.frames = seq;
        }
    }
}

/// Packs a frame. `None`: that would gain nothing.
pub(super) fn pack(frame: &[u8], dictionary: &Dictionary) -> Option<Vec<u8>> {
    if frame.len() > PACKED_MAX {
        return None;
    }
    let packed = match dictionary.bytes.as_slice() {
        [] => block::compress(frame),
        bytes => block::compress_with_dict(frame, bytes),
    };
    (packed.len() + frame.len() / GAIN < frame.len()).then_some(packed)
}

/// Unpacks what [`pack`] made. `None`: it is something else.
fn unpack(body: &[u8], size: u64, dictionary: &Dictionary) -> Option<Vec<u8>> {
    // Whoever reads a damaged number asks for no more memory than the block could stand for.
    let size = usize::try_from(size).ok()?;
    let most = body.len().saturating_mul(RATIO_MAX).min(PACKED_MAX);
    let size = (size <= most).then_some(size)?;
    let frame = match dictionary.bytes.as_slice() {
        [] => block::decompress(body, size),
        bytes => block::decompress_with_dict(body, size, bytes),
    };
    frame.ok().filter(|frame| frame.len() == size)
}

/// A frame as it is stored: its bytes and its size.
type Row = (Vec<u8>, u64);

/// Makes the frames of a run, read in order, what they were when they were given.
pub(super) struct Unpacking<'a> {
    file: &'a Path,
    run: RunKey,
    /// Reads one of the run's frames as it is stored, in the same state of the store.
    read: &'a dyn Fn(u64) -> Result<Option<Row>, Error>,
    dictionary: Dictionary,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(
        file: &'a Path,
        run: RunKey,
        read: &'a dyn Fn(u64) -> Result<Option<Row>, Error>,
    ) -> Self {
        Self {
            file,
            run,
            read,
            dictionary: Dictionary::default(),
        }
    }

    /// What a frame is packed with.
    pub(super) fn dictionary(mut self, seq: u64) -> Result<Dictionary, Error> {
        self.learn(seq)?;
        Ok(self.dictionary)
    }

    /// A frame from its row.
    pub(super) fn frame(&mut self, seq: u64, (body, size): Row) -> Result<Vec<u8>, Error> {
        let frame = match size {
            0 => body,
            size => {
                self.learn(seq)?;
                let frame = unpack(&body, size, &self.dictionary);
                frame
                    .ok_or_else(|| self.damaged(seq, "its bytes are not those of a packed frame"))?
            }
        };
        self.dictionary.add(seq, &frame);
        Ok(frame)
    }

    /// Reads the frames that this one is packed with, where they have not come by. They stay as
    /// they are as long as there are others.
    fn learn(&mut self, seq: u64) -> Result<(), Error> {
        while self.dictionary.frames < DICTIONARY_FRAMES.min(seq.saturating_sub(1)) {
            let next = self.dictionary.frames + 1;
            let row = (self.read)(next)?;
            let missing = || self.damaged(next, "it is missing, and others are packed with it");
            let row = row.ok_or_else(missing)?;
            self.frame(next, row)?;
        }
        Ok(())
    }

    fn damaged(&self, seq: u64, reason: &str) -> Error {
        Error::corrupt(self.file, "frame", self.run, Some(seq), reason)
    }
}

/// What the next frame of a run follows.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// The number of the run's newest frame.
    pub(super) last: u64,
    /// What it is packed with; `None` if one of the first frames is damaged: then it is stored as
    /// it is.
    pub(super) dictionary: Option<Dictionary>,
}

/// What is known of one run.
#[derive(Debug, Default)]
struct Known {
    tail: Option<Tail>,
    /// Its row, whatever the summary is and whether a cancel was requested.
    row: Option<RunRow>,
}

/// The runs that were written last. Only what is in the file: after a commit that was not stored
/// whole nothing is known.
#[derive(Debug, Default)]
pub(super) struct Tails(BTreeMap<u64, Known>);

impl Tails {
    pub(super) fn get(&self, run: u64) -> Option<&Tail> {
        self.0.get(&run)?.tail.as_ref()
    }

    pub(super) fn put(&mut self, run: u64, tail: Tail) {
        self.known(run).tail = Some(tail);
    }

    /// Whether the run's row is this one, but for its summary and whether a cancel was requested.
    pub(super) fn is_row(&self, row: &RunRow) -> bool {
        let known = self.0.get(&row.key.0).and_then(|known| known.row.as_ref());
        known.is_some_and(|known| known.is_same_but_for_summary(row))
    }

    pub(super) fn put_row(&mut self, row: &RunRow) {
        let summary = Vec::new();
        self.known(row.key.0).row = Some(RunRow {
            summary,
            ..row.clone()
        });
    }

    fn known(&mut self, run: u64) -> &mut Known {
        if self.0.len() >= TAILS_MAX && !self.0.contains_key(&run) {
            // The oldest run: it waits for something that takes long.
            self.0.pop_first();
        }
        self.0.entry(run).or_default()
    }

    pub(super) fn forget(&mut self, run: u64) {
        self.0.remove(&run);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(frames: &[&[u8]]) -> Dictionary {
        let mut dictionary = Dictionary::default();
        for (frame, seq) in frames.iter().zip(1..) {
            dictionary.add(seq, frame);
        }
        dictionary
    }

    fn there_and_back(frame: &[u8], before: &[&[u8]]) -> usize {
        let Some(body) = pack(frame, &of(before)) else {
            return frame.len();
        };
        let size = frame.len() as u64;
        assert_eq!(unpack(&body, size, &of(before)).unwrap(), frame);
        body.len()
    }

    #[test]
    fn a_frame_is_what_it_has_of_its_own() {
        let first: Vec<u8> = (0..=255).collect();
        let second: Vec<u8> = first.iter().rev().copied().collect();
        let third = [&first[..100], &[7], &second[..100]].concat();
        assert_eq!(there_and_back(&third, &[]), 201, "nothing repeats in it");
        assert!(there_and_back(&third, &[&first]) < 130);
        assert!(there_and_back(&third, &[&first, &second]) < 20);
        let many: [&[u8]; 3] = [&first, &second, &third];
        assert_eq!(of(&many).bytes, of(&many[..2]).bytes);
        for length in [0, 1, 12, 13, 255] {
            there_and_back(&first[..length], &[&first]);
            there_and_back(&first[..length], &[]);
        }
        there_and_back(&vec![7; 3 << 20], &[&first]);
        there_and_back(&second, &[&first.repeat(100)]);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let first: Vec<u8> = (0..=255).collect();
        let dictionary = of(&[&first]);
        let (body, size) = (pack(&first, &dictionary).unwrap(), 256);
        assert_eq!(unpack(&body, size - 1, &dictionary), None);
        assert_eq!(unpack(&body, size + 1, &dictionary), None);
        assert_eq!(unpack(&body, u64::MAX, &dictionary), None);
        assert_eq!(unpack(&body[..body.len() - 1], size, &dictionary), None);
        assert_eq!(unpack(&[], 0, &dictionary), None);
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 0x55;
            // Whatever it is, it is not of another length.
            let frame = unpack(&damaged, size, &dictionary);
            assert!(frame.is_none_or(|frame| frame.len() == 256));
        }
    }
}
