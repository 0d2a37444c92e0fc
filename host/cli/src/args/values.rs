//! Values of arguments that are more than words.

use sandglass_engine::{Digest, LimitUnit, Limits, Millis};
use std::{path::PathBuf, time::Duration};

/// A folder granted to activities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// Here.
    pub host: PathBuf,
    /// As the activity sees it.
    pub guest: String,
    /// Whether writing is forbidden.
    pub read_only: bool,
}

pub(super) fn parse_grant(text: &str) -> Result<DirGrant, String> {
    let (host, rest) = text
        .split_once("::")
        .ok_or("expected HOST::GUEST, such as ./data::/data")?;
    let (guest, read_only) = match rest.strip_suffix(":ro") {
        Some(guest) => (guest, true),
        None => (rest, false),
    };
    if host.is_empty() || guest.is_empty() {
        return Err("neither side of :: may be empty".into());
    }
    Ok(DirGrant {
        host: host.into(),
        guest: guest.into(),
        read_only,
    })
}

pub(super) fn parse_host(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err("expected HOST:PORT, such as db.example.com:5432".into());
    }
    Ok(text.into())
}

/// Parses whole numbers with units: `250ms`, `30s`, `5m`, `2h`, `1d`, or several: `1h30m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let length: Millis = text.parse()?;
    Ok(length.into())
}

/// Parses a key and a value in JSON: `note=\"urgent\"`.
pub(super) fn parse_entry(text: &str) -> Result<(String, String), String> {
    let (key, json) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("expected KEY=JSON, such as note='\"urgent\"'")?;
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(_) => Ok((key.into(), json.into())),
        Err(error) => Err(format!("the value is not JSON: {error}")),
    }
}

/// Parses an entry of the metadata of values: `encoding=binary/plain`.
pub(super) fn parse_metadata(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .ok_or("expected KEY=VALUE, such as encoding=binary/plain")?;
    Ok((key.into(), value.into()))
}

/// Parses a SHA-256 digest, such as names a component.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, String> {
    let wrong = || "expected the 64 hexadecimal digits of a SHA-256 digest".to_owned();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| wrong())?;
    }
    Ok(Digest(digest))
}

/// Parses the name and value of a limit: a number, with a unit where the limit has one.
pub(super) fn parse_limit(text: &str) -> Result<(String, usize), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let setting = Limits::SETTINGS
        .iter()
        .find(|setting| setting.name == name)
        .ok_or_else(|| {
            format!("there is no limit named '{name}'; `sandglass limits` lists them")
        })?;
    let value = match setting.unit {
        LimitUnit::Count => value.parse().ok(),
        LimitUnit::Bytes => parse_bytes(value),
        LimitUnit::Millis => {
            let length = parse_duration(value)?;
            usize::try_from(length.as_millis()).ok()
        }
    };
    match value {
        Some(value) if value > 0 => Ok((name.into(), value)),
        _ => Err(match setting.unit {
            LimitUnit::Bytes => "expected a number of bytes, such as 64KiB".into(),
            _ => "expected a number of at least 1".into(),
        }),
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("B", 0), ("", 0)];
    let found = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, shift)));
    let (number, shift) = found?;
    number.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration("2h").unwrap(), Duration::from_secs(7200));
        assert_eq!(parse_duration("1h30m").unwrap(), Duration::from_secs(5400));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "0s",
            "1w",
            "1h5",
            "1h30",
            "h1",
            "1h 2m",
            "99999999999999999999d",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn grants_name_both_sides() {
        let grant = parse_grant("./data::/data:ro").unwrap();
        assert_eq!(
            (grant.host, grant.guest.as_str(), grant.read_only),
            ("./data".into(), "/data", true)
        );
        assert!(!parse_grant("a::b").unwrap().read_only);
        for wrong in ["data", "a:b", "::b", "a::", "a:::ro"] {
            assert!(parse_grant(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn limits_are_numbers_with_the_unit_of_their_kind() {
        let parsed = |text| parse_limit(text).unwrap().1;
        assert_eq!(parsed("pending-activities=5"), 5);
        assert_eq!(parsed("payload-bytes=3MiB"), 3 << 20);
        assert_eq!(parsed("payload-bytes=7B"), 7);
        assert_eq!(parsed("workflow-task-timeout=2s"), 2_000);
        for wrong in [
            "pending-activities",
            "pending-activities=0",
            "pending-activities=5KiB",
            "workflow-task-timeout=5",
            "payload-bytes=99999999999999999GiB",
            "luck=7",
        ] {
            assert!(parse_limit(wrong).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn hosts_need_a_port() {
        assert!(parse_host("localhost:80").is_ok());
        for wrong in ["localhost", ":80", "localhost:", "localhost:99999"] {
            assert!(parse_host(wrong).is_err(), "{wrong} was taken");
        }
    }
}
