//! How much an attempt may report: what it reports becomes part of a history, and is given to the
//! run's code at each replay.

use sandglass_engine::{Failure, FailureInfo, Limits, Payload, encode};

/// Bytes of a message that are kept of a failure that is too large.
const MESSAGE_BYTES_KEPT: usize = 4 << 10;

/// The type of the failures that take the place of what is too large.
const TOO_LARGE: &str = "PayloadTooLarge";

/// A result that is not too large, or why it is refused: trying again would not help.
pub(super) fn result(payload: Payload, limits: &Limits) -> Result<Payload, Failure> {
    let size = payload.size();
    let limit = limits.payload_bytes;
    if size > limits.payload_bytes_warning {
        tracing::warn!(size, "the result of an activity is large");
    }
    if size <= limit {
        return Ok(payload);
    }
    let message = format!(
        "the activity's result has {size} bytes, more than {limit}: put it elsewhere \
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

/// A failure that is not too large, or another one that says that it was larger, and how it began.
pub(super) fn failure(failure: Failure, limits: &Limits) -> Failure {
    let size = encode(&failure).len();
    let limit = limits.payload_bytes;
    if size <= limit {
        return failure;
    }
    let kept = failure.message.floor_char_boundary(MESSAGE_BYTES_KEPT);
    let message = format!(
        "the activity's failure has {size} bytes, more than {limit}; it begins: {}",
        &failure.message[..kept]
    );
    Failure::application(TOO_LARGE, message)
}

/// Whether details of a heartbeat may be kept.
pub(super) fn keeps(details: &[Payload], limits: &Limits) -> bool {
    details.iter().map(Payload::size).sum::<usize>() <= limits.payload_bytes
}
