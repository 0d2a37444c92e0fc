//! How frames lie in the file: most of them as what they have that their run's first frame has not.
//!
//! The frames of a run repeat each other: the component's digest, names, encodings, times that
//! differ in their last bytes. So each but the first is packed (an LZ4 block) with the beginning of
//! the first one as its dictionary. A frame that gains nothing is stored as it is, with a size
//! of 0. Its checksum is that of the bytes that were given, so that a damaged one is found.

use crate::{Error, RunKey};
use lz4_flex::block;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// How much of a run's first frame later ones are packed with.
const DICTIONARY_BYTES: usize = 2 << 10;

/// Runs whose newest frame's number and dictionary are known without asking the file.
const TAILS_MAX: usize = 4096;

/// A frame has to become shorter by this part of itself, or it is not worth unpacking.
const GAIN: usize = 8;

/// No block of LZ4 stands for more than this many times its own length.
const RATIO_MAX: usize = 256;

/// What is said of a block that cannot be unpacked.
pub(super) const NOT_PACKED: &str = "its bytes are not those of a packed frame";

/// A frame as it is stored.
pub(super) struct Stored {
    /// The frame, or the block that stands for it.
    pub(super) body: Option<Vec<u8>>,
    /// The frame's length, or 0 if it is stored as it is.
    pub(super) size: u64,
}

/// Packs a frame. The first of a run has no dictionary.
pub(super) fn pack(frame: &[u8], dictionary: &[u8]) -> Stored {
    let packed = match dictionary {
        [] => block::compress(frame),
        dictionary => block::compress_with_dict(frame, dictionary),
    };
    if packed.len() + frame.len() / GAIN >= frame.len() {
        return Stored {
            body: None,
            size: 0,
        };
    }
    Stored {
        body: Some(packed),
        size: frame.len() as u64,
    }
}

/// Unpacks what [`pack`] made. `None`: it is something else.
pub(super) fn unpack(body: &[u8], size: u64, dictionary: &[u8]) -> Option<Vec<u8>> {
    // Whoever reads a damaged number asks for no more memory than the block could stand for.
    let size = usize::try_from(size).ok()?;
    let size = (size <= body.len().saturating_mul(RATIO_MAX)).then_some(size)?;
    let frame = match dictionary {
        [] => block::decompress(body, size),
        dictionary => block::decompress_with_dict(body, size, dictionary),
    };
    frame.ok().filter(|frame| frame.len() == size)
}

/// What of a run's first frame the others are packed with.
pub(super) fn dictionary(first: &[u8]) -> &[u8] {
    &first[..first.len().min(DICTIONARY_BYTES)]
}

/// Makes the frames of a run what they were when they were given.
pub(super) struct Unpacking<'a> {
    file: &'a Path,
    run: RunKey,
    /// Reads the run's first frame, as it is stored.
    first_frame: &'a dyn Fn() -> Result<Option<(Vec<u8>, u64)>, Error>,
    /// The beginning of the run's first frame, once it was needed or came by.
    dictionary: Option<Vec<u8>>,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(
        file: &'a Path,
        run: RunKey,
        first_frame: &'a dyn Fn() -> Result<Option<(Vec<u8>, u64)>, Error>,
    ) -> Self {
        Self {
            file,
            run,
            first_frame,
            dictionary: None,
        }
    }

    /// A frame from its row.
    pub(super) fn frame(&mut self, seq: u64, body: Vec<u8>, size: u64) -> Result<Vec<u8>, Error> {
        let frame = match (seq, size) {
            (_, 0) => body,
            (1, size) => self.unpack(1, &body, size, &[])?,
            (seq, size) => {
                let dictionary = match self.dictionary.take() {
                    Some(dictionary) => dictionary,
                    None => self.first()?,
                };
                let frame = self.unpack(seq, &body, size, &dictionary);
                self.dictionary = Some(dictionary);
                frame?
            }
        };
        if seq == 1 {
            self.dictionary = Some(dictionary(&frame).to_vec());
        }
        Ok(frame)
    }

    /// The beginning of the first frame, which stays as it is as long as there are others.
    fn first(&self) -> Result<Vec<u8>, Error> {
        let (body, size) = (self.first_frame)()?
            .ok_or_else(|| self.damaged(1, "it is missing, and others are packed with it"))?;
        let first = match size {
            0 => body,
            size => self.unpack(1, &body, size, &[])?,
        };
        Ok(dictionary(&first).to_vec())
    }

    fn unpack(
        &self,
        seq: u64,
        body: &[u8],
        size: u64,
        dictionary: &[u8],
    ) -> Result<Vec<u8>, Error> {
        unpack(body, size, dictionary).ok_or_else(|| self.damaged(seq, NOT_PACKED))
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
    /// The beginning of its first one.
    pub(super) dictionary: Arc<[u8]>,
}

/// The runs that were written last. Only what is in the file: after a commit that was not stored
/// whole nothing is known.
#[derive(Debug, Default)]
pub(super) struct Tails(BTreeMap<u64, Tail>);

impl Tails {
    pub(super) fn get(&self, run: u64) -> Option<&Tail> {
        self.0.get(&run)
    }

    pub(super) fn put(&mut self, run: u64, tail: Tail) {
        if self.0.len() >= TAILS_MAX && !self.0.contains_key(&run) {
            // The oldest run: it waits for something that takes long.
            self.0.pop_first();
        }
        self.0.insert(run, tail);
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

    fn there_and_back(frame: &[u8], first: &[u8]) -> usize {
        let stored = pack(frame, dictionary(first));
        let Some(body) = stored.body else {
            assert_eq!(stored.size, 0);
            return frame.len();
        };
        assert_eq!(
            unpack(&body, stored.size, dictionary(first)).unwrap(),
            frame
        );
        body.len()
    }

    #[test]
    fn a_frame_is_what_it_has_of_its_own() {
        let first: Vec<u8> = (0..=255).collect();
        let mut second = first.clone();
        second[100] = 7;
        assert!(there_and_back(&second, &first) < 40);
        assert!(there_and_back(&second, &[]) == 256, "nothing repeats in it");
        for length in [0, 1, 12, 13, 255] {
            there_and_back(&first[..length], &first);
            there_and_back(&first[..length], &[]);
        }
        there_and_back(&vec![7; 3 << 20], &first);
        there_and_back(&second, &first.repeat(100));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let first: Vec<u8> = (0..=255).collect();
        let stored = pack(&first, &first);
        let body = stored.body.unwrap();
        assert_eq!(unpack(&body, stored.size - 1, &first), None);
        assert_eq!(unpack(&body, stored.size + 1, &first), None);
        assert_eq!(unpack(&body, u64::MAX, &first), None);
        assert_eq!(unpack(&body[..body.len() - 1], stored.size, &first), None);
        assert_eq!(unpack(&[], 0, &first), None);
        for at in 0..body.len() {
            let mut damaged = body.clone();
            damaged[at] ^= 0x55;
            // Whatever it is, it is not of another length.
            let frame = unpack(&damaged, stored.size, &first);
            assert!(frame.is_none_or(|frame| frame.len() == 256));
        }
    }
}
