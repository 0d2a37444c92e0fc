//! What the attempts of an activity component may use: directories and network hosts, by name.

use crate::Error;
use std::{
    fs,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

/// What an activity component may use. Nothing by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Directories: where it is on the host, what the guest calls it, and what it may do there.
    pub directories: Vec<(PathBuf, String, Access)>,
    /// Hosts for outgoing TCP, as `name:port` or `address:port`.
    pub hosts: Vec<String>,
}

/// What may be done in a directory and below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    ReadOnly,
    /// Read, write, create and remove.
    ReadWrite,
}

impl Grants {
    /// Checks that everything granted is there.
    ///
    /// # Errors
    /// [`Error::Grant`]
    pub(super) fn check(&self) -> Result<GrantedHosts, Error> {
        for (directory, _, _) in &self.directories {
            check_directory(directory).map_err(|reason| Error::Grant {
                grant: directory.display().to_string(),
                reason,
            })?;
        }
        let parse = |grant: &String| {
            parse_host(grant).ok_or_else(|| Error::Grant {
                grant: grant.clone(),
                reason: "give it as name:port".into(),
            })
        };
        Ok(GrantedHosts(
            self.hosts.iter().map(parse).collect::<Result<_, _>>()?,
        ))
    }
}

fn check_directory(path: &Path) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        Ok(())
    } else {
        Err("not a directory".into())
    }
}

fn parse_host(grant: &str) -> Option<(String, u16)> {
    let (name, port) = grant.rsplit_once(':')?;
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return None;
    }
    Some((name.to_owned(), port.parse().ok()?))
}

/// The hosts of [`Grants`], parsed.
#[derive(Debug)]
pub(super) struct GrantedHosts(Vec<(String, u16)>);

impl GrantedHosts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name may be looked up.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(granted, _)| granted.eq_ignore_ascii_case(name))
    }

    /// Whether an address may be connected to: one that a granted name stands for now. Looks names
    /// up, so it blocks.
    pub(super) fn allows(&self, address: SocketAddr) -> bool {
        let stands_for = |name: &str| match name.parse::<IpAddr>() {
            Ok(granted) => granted == address.ip().to_canonical(),
            Err(_) => (name, address.port())
                .to_socket_addrs()
                .is_ok_and(|mut found| {
                    found.any(|found| found.ip().to_canonical() == address.ip().to_canonical())
                }),
        };
        self.0
            .iter()
            .any(|(name, port)| *port == address.port() && stands_for(name))
    }
}

#[cfg(test)]
mod tests {
    //! Which names and addresses a grant stands for.
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Grants;

    fn allowed(grant: &str, address: &str) -> bool {
        let grants = Grants {
            hosts: vec![grant.into()],
            ..Grants::default()
        };
        grants.check().unwrap().allows(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_granted_with_its_port() {
        assert!(allowed("127.0.0.1:80", "127.0.0.1:80"));
        assert!(allowed("127.0.0.1:80", "[::ffff:127.0.0.1]:80"));
        assert!(!allowed("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!allowed("127.0.0.1:80", "127.0.0.2:80"));
        assert!(allowed("[::1]:80", "[::1]:80"));
    }

    #[test]
    fn a_name_stands_for_its_addresses() {
        assert!(allowed("localhost:80", "127.0.0.1:80"));
        assert!(!allowed("localhost:80", "192.0.2.1:80"));
        let grants = Grants {
            hosts: vec!["Localhost:80".into()],
            ..Grants::default()
        };
        let hosts = grants.check().unwrap();
        assert!(hosts.names("localhost"));
        assert!(!hosts.names("localhost.example"));
    }

    #[test]
    fn a_grant_needs_a_name_and_a_port() {
        for grant in ["localhost", ":80", "localhost:", "localhost:65536"] {
            let grants = Grants {
                hosts: vec![grant.into()],
                ..Grants::default()
            };
            grants.check().unwrap_err();
        }
    }
}
