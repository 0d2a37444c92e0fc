//! How much a request may bring. What is kept with a run is bounded by the host's limits; here is
//! what else there is: names, and requests that wait for long and are held in memory meanwhile.

use crate::status;
use tonic::Status;

/// Bytes of a name or an id: as at Temporal's server.
const NAME: usize = 1000;

/// Bytes of a request that brings no payloads. Thousands of such wait at the same time.
const SMALL: usize = 64 << 10;

/// Bytes of what all workers of a process tell of themselves.
const WORKERS: usize = 4 << 20;

/// Refuses names that are too long.
pub(crate) fn names(names: &[(&str, &str)]) -> Result<(), Status> {
    for (what, name) in names {
        let length = name.len();
        if length > NAME {
            return Err(status::invalid(format!(
                "{what} exceeds length limit. Length={length} Limit={NAME}"
            )));
        }
    }
    Ok(())
}

fn at_most(limit: usize, length: usize) -> Result<(), Status> {
    match length > limit {
        true => Err(status::invalid(format!(
            "the request has {length} bytes, more than {limit}"
        ))),
        false => Ok(()),
    }
}

/// For requests without payloads.
pub(crate) fn small(length: usize) -> Result<(), Status> {
    at_most(SMALL, length)
}

/// For what workers tell of themselves.
pub(crate) fn of_workers(length: usize) -> Result<(), Status> {
    at_most(WORKERS, length)
}

/// A new id, for a request that came without one. A random UUID (version 4).
pub(crate) fn new_id() -> Result<String, Status> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Status::unavailable(format!("there are no random bytes: {error}")))?;
    Ok(uuid(bytes, 4))
}

/// These bytes as a UUID of a version.
pub(crate) fn uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let parts = [0..4, 4..6, 6..8, 8..10, 10..16].map(|part| hex(&bytes[part]));
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_named() {
        let long = "x".repeat(NAME + 1);
        assert!(names(&[("SignalName", &long[1..])]).is_ok());
        let refused = names(&[("RequestId", "r"), ("SignalName", &long)]);
        let text = refused.map_err(|status| status.message().to_owned());
        let expected = "SignalName exceeds length limit. Length=1001 Limit=1000";
        assert_eq!(text, Err(expected.to_owned()));
        assert!(small(SMALL).is_ok() && small(SMALL + 1).is_err());
        assert!(of_workers(SMALL + 1).is_ok());
    }

    #[test]
    fn new_ids_are_uuids() {
        let id = new_id().unwrap_or_default();
        assert!(crate::door::is_uuid(&id), "{id}");
    }
}
