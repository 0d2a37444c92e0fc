//! Rows that look like real ones, so that checks say only what matters to them.

use crate::{Error, RunKey, RunRow, RunStatus, Store, Write};
use sandglass_engine::{Digest, Timestamp, encode};

/// An open run, with a workflow id of its own.
#[must_use]
pub fn run(key: u64) -> RunRow {
    RunRow {
        key: RunKey(key),
        workflow_id: format!("order-{key}"),
        run_id: format!("00000000-0000-4000-8000-{key:012x}"),
        first_run_id: format!("00000000-0000-4000-8000-{key:012x}"),
        workflow_type: "order".to_owned(),
        status: RunStatus::Running,
        digest: Digest([7; 32]),
        started_at: Timestamp(1_700_000_000_000 + key),
        closed_at: None,
        cancel_requested: key.is_multiple_of(3),
        summary: encode(&("summary", key)),
    }
}

/// The same run, closed.
#[must_use]
pub fn closed(row: RunRow, status: RunStatus) -> RunRow {
    let closed_at = Some(Timestamp(row.started_at.0 + 1000));
    RunRow {
        status,
        closed_at,
        ..row
    }
}

/// The encoded frame `seq` of a run.
#[must_use]
pub fn frame(key: u64, seq: u64) -> Vec<u8> {
    encode(&("frame", key, seq))
}

/// Bytes that no store can pack: those of a small generator (SplitMix64).
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let words = (1..=length.div_ceil(8) as u64).flat_map(|number| {
        let mut z = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).to_le_bytes()
    });
    words.take(length).collect()
}

/// The first write of a run: its row and its first frame.
#[must_use]
pub fn first(key: u64) -> Write {
    Write {
        row: Some(run(key)),
        ..next(key, 1)
    }
}

/// A write of only a frame.
#[must_use]
pub fn next(key: u64, seq: u64) -> Write {
    Write {
        frame: Some((seq, frame(key, seq))),
        ..Write::new(RunKey(key))
    }
}

/// Commits writes that must all be stored.
///
/// # Panics
/// If one is not.
pub fn commit(store: &mut dyn Store, writes: &[Write]) {
    for answer in store.commit(writes).expect("the commit succeeds") {
        answer.expect("the write is stored");
    }
}

/// Commits one write that must be refused, and says why it was.
///
/// # Panics
/// If it is stored.
pub fn refused(store: &mut dyn Store, write: Write) -> Error {
    let mut answers = store.commit(&[write]).expect("the commit succeeds");
    answers
        .pop()
        .expect("one answer")
        .expect_err("the write is refused")
}
