//! How much an attempt may report: what it reports becomes part of a history, and is given to the
//! run's code at each replay.

use crate::start::PAYLOAD_BYTES_MAX;
use sandglass_engine::{Failure, FailureInfo, Payload, encode};

/// Bytes of a message that are kept of a failure that is too large.
const MESSAGE_BYTES_KEPT: usize = 4 << 10;

/// The type of the failures that take the place of what is too large.
const TOO_LARGE: &str = "PayloadTooLarge";

/// A result of at most 2 MiB, or why it is refused: trying again would not help.
pub(super) fn result(payload: Payload) -> Result<Payload, Failure> {
    let size = payload.size();
    if size <= PAYLOAD_BYTES_MAX {
        return Ok(payload);
    }
    let message = format!(
        "the activity's result has {size} bytes, more than {PAYLOAD_BYTES_MAX}: put it elsewhere \
         and return where"
    );
    let info = FailureInfo::Application {
        failure_type: TOO_LARGE.into(),
        non_retryable: true,
        details: Vec::new(),
        next_retry_delay: None,
    };
    Err(Failure::new(message, info))
}

/// A failure of at most 2 MiB, or another one that says that it was larger, and how it began.
pub(super) fn failure(failure: Failure) -> Failure {
    let size = encode(&failure).len();
    if size <= PAYLOAD_BYTES_MAX {
        return failure;
    }
    let kept = failure.message.floor_char_boundary(MESSAGE_BYTES_KEPT);
    let message = format!(
        "the activity's failure has {size} bytes, more than {PAYLOAD_BYTES_MAX}; it begins: {}",
        &failure.message[..kept]
    );
    Failure::application(TOO_LARGE, message)
}

/// Whether details of a heartbeat may be kept.
pub(super) fn keeps(details: &[Payload]) -> bool {
    details.iter().map(Payload::size).sum::<usize>() <= PAYLOAD_BYTES_MAX
}
