//! Who may do what at a server, and its TLS: what the configuration file says of keys and
//! certificates. No text of a key is in any error.

use crate::{
    args::parse_digest,
    exit::{OrStop, Stop, usage},
};
use anyhow::Context;
use sandglass_server::{
    ApiKey, CertificateName, ClientCertificate, Role, Roles, TlsSettings, digest_of,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Bits of a file's mode: others may read it, whether they are of its group or not.
const OTHERS_READ: u32 = 0o044;

/// Files in PEM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TlsFiles {
    /// The server's certificate, then those that lead to its root.
    certificate: PathBuf,
    /// Its private key.
    key: PathBuf,
    /// Those that clients' certificates must come from.
    client_authority: Option<PathBuf>,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyRole {
    Read,
    Write,
    Admin,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Read => Self::Read,
            KeyRole::Write => Self::Write,
            KeyRole::Admin => Self::Admin,
        }
    }
}

/// An API key, by its digest, the file that has it, or the environment variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Key {
    name: String,
    /// In hexadecimal digits: the key itself is not to stand in a configuration.
    sha256: Option<String>,
    key_file: Option<PathBuf>,
    key_env: Option<String>,
    /// In each namespace that `roles` does not name.
    role: Option<KeyRole>,
    #[serde(default)]
    roles: BTreeMap<String, KeyRole>,
}

/// A certificate that a client may show, by what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Certificate {
    name: String,
    /// The common name of its subject.
    subject: Option<String>,
    /// One of its alternative names.
    alternative_name: Option<String>,
    /// The digest of the certificate.
    sha256: Option<String>,
    role: Option<KeyRole>,
    #[serde(default)]
    roles: BTreeMap<String, KeyRole>,
}

/// Where the settings are, for errors and for paths.
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) namespaces: &'a BTreeSet<String>,
}

impl Place<'_> {
    /// A path of the file is relative to its folder.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        let folder = self.file.parent();
        folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
    }

    fn wrong(&self, what: &str, reason: &str) -> Stop {
        usage!("{}: {what}: {reason}", self.file.display())
    }

    fn roles(
        &self,
        what: &str,
        role: Option<KeyRole>,
        roles: &BTreeMap<String, KeyRole>,
    ) -> Result<Roles, Stop> {
        if role.is_none() && roles.is_empty() {
            let reason = "it has no role: set role, or roles by namespace";
            return Err(self.wrong(what, reason));
        }
        if let Some(name) = roles.keys().find(|name| !self.namespaces.contains(*name)) {
            let reason = format!("roles: there is no namespace {name:?}");
            return Err(self.wrong(what, &reason));
        }
        let own = roles
            .iter()
            .map(|(name, role)| (name.clone(), (*role).into()));
        Ok(Roles {
            elsewhere: role.map(Role::from),
            namespaces: own.collect(),
        })
    }

    fn digest(&self, what: &str, text: &str) -> Result<[u8; 32], Stop> {
        let digest = parse_digest(text).map_err(|reason| format!("sha256: {reason}"));
        Ok(digest.map_err(|reason| self.wrong(what, &reason))?.0)
    }

    /// # Errors
    /// With exit code 2: a key is given in no way or in two, cannot be read, or there is a role
    /// in no namespace.
    pub(super) fn keys(&self, keys: Vec<Key>) -> Result<Vec<ApiKey>, Stop> {
        let keys = keys.into_iter().map(|key| self.key(key));
        let keys: Vec<ApiKey> = keys.collect::<Result<_, _>>()?;
        let mut seen = BTreeMap::new();
        for key in &keys {
            if let Some(other) = seen.insert(key.sha256, &key.name) {
                let reason = format!("it is the same key as {other:?}");
                return Err(self.wrong(&format!("api-key {:?}", key.name), &reason));
            }
        }
        Ok(keys)
    }

    fn key(&self, key: Key) -> Result<ApiKey, Stop> {
        let what = format!("api-key {:?}", key.name);
        let sha256 = match (&key.sha256, &key.key_file, &key.key_env) {
            (Some(digest), None, None) => self.digest(&what, digest)?,
            (None, Some(path), None) => {
                let path = self.path(path);
                warn_if_others_read(&path);
                let text = read(&path)?;
                let text = String::from_utf8(text).unwrap_or_default();
                let reason = || format!("key-file {}", path.display());
                self.of_text(&what, &text, reason)?
            }
            (None, None, Some(variable)) => {
                let text = env::var(variable).unwrap_or_default();
                let reason = || format!("key-env: the environment variable {variable}");
                self.of_text(&what, &text, reason)?
            }
            _ => {
                let reason = "one of sha256, key-file and key-env is needed";
                return Err(self.wrong(&what, reason));
            }
        };
        Ok(ApiKey {
            sha256,
            roles: self.roles(&what, key.role, &key.roles)?,
            name: key.name,
        })
    }

    /// The digest of a key that is given as it is.
    fn of_text(
        &self,
        what: &str,
        text: &str,
        place: impl Fn() -> String,
    ) -> Result<[u8; 32], Stop> {
        let key = text.trim();
        let is_key = |byte: u8| byte.is_ascii_graphic();
        if key.is_empty() || !key.bytes().all(is_key) {
            let reason = format!("{} has no key of plain characters in one line", place());
            return Err(self.wrong(what, &reason));
        }
        Ok(digest_of(key))
    }

    /// # Errors
    /// With exit code 2, as [`Place::keys`].
    pub(super) fn certificates(
        &self,
        certificates: Vec<Certificate>,
        tls: Option<&TlsSettings>,
    ) -> Result<Vec<ClientCertificate>, Stop> {
        let is_asked = tls.is_some_and(|tls| tls.client_authorities.is_some());
        let known = certificates.into_iter().map(|known| {
            let what = format!("client-certificate {:?}", known.name);
            if !is_asked {
                let reason = "no client shows one: set tls.client-authority";
                return Err(self.wrong(&what, reason));
            }
            let is = match (&known.subject, &known.alternative_name, &known.sha256) {
                (Some(name), None, None) => CertificateName::Subject(name.clone()),
                (None, Some(name), None) => CertificateName::Alternative(name.clone()),
                (None, None, Some(digest)) => {
                    // As other tools write it.
                    let digest = digest.replace(':', "");
                    CertificateName::Sha256(self.digest(&what, &digest)?)
                }
                _ => {
                    let reason = "one of subject, alternative-name and sha256 is needed";
                    return Err(self.wrong(&what, reason));
                }
            };
            Ok(ClientCertificate {
                is,
                roles: self.roles(&what, known.role, &known.roles)?,
                name: known.name,
            })
        });
        let known: Vec<ClientCertificate> = known.collect::<Result<_, _>>()?;
        for (place, one) in known.iter().enumerate() {
            if let Some(other) = known[..place].iter().find(|other| other.is == one.is) {
                let reason = format!("it is the same certificate as {:?}", other.name);
                return Err(self.wrong(&format!("client-certificate {:?}", one.name), &reason));
            }
        }
        Ok(known)
    }

    /// Reads what TLS needs.
    ///
    /// # Errors
    /// With exit code 2 if a file cannot be read.
    pub(super) fn tls(&self, files: TlsFiles) -> Result<TlsSettings, Stop> {
        let key = self.path(&files.key);
        warn_if_others_read(&key);
        let authority = files.client_authority.map(|path| read(&self.path(&path)));
        Ok(TlsSettings {
            certificates: read(&self.path(&files.certificate))?,
            key: read(&key)?,
            client_authorities: authority.transpose()?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .or_usage()
}

/// Who can read a key can use it.
fn warn_if_others_read(path: &Path) {
    let mode = path.metadata().map_or(0, |found| found.mode());
    if mode & OTHERS_READ != 0 {
        let path = path.display();
        crate::output::note(&format!(
            "warning: others can read the key in {path}: chmod 600 {path}"
        ));
    }
}
