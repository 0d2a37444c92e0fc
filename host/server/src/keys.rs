//! Who asks: API keys, which SDKs send as `authorization: Bearer KEY`, and certificates of clients.
//! And what each may do in which namespace.
//!
//! Only digests of keys are kept, and no key is ever logged; what is logged is the name that it was
//! given.

use crate::{body::Held, certificate::Shown, served::Needs};
use axum::http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock},
};
use tonic::Status;

/// What somebody may do in a namespace. Each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at runs, and ask them questions.
    Read,
    /// Start and end runs, talk to them, and work on their activities.
    Write,
    /// Also decide which components new runs begin with.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

/// What somebody may do, where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// In each namespace that is not named below.
    pub elsewhere: Option<Role>,
    /// By the name of the namespace.
    pub namespaces: BTreeMap<String, Role>,
}

impl Roles {
    /// The role in a namespace, whether there is one of that name or not.
    #[must_use]
    pub fn of(&self, namespace: &str) -> Option<Role> {
        let own = self.namespaces.get(namespace).copied();
        own.or(self.elsewhere)
    }

    /// The most that is allowed in any namespace.
    fn highest(&self) -> Option<Role> {
        let named = self.namespaces.values().copied().max();
        named.max(self.elsewhere)
    }
}

/// What a key is known by: its SHA-256 digest.
#[must_use]
pub fn digest_of(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A key, by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it goes by in the log.
    pub name: String,
    /// The SHA-256 digest of the key.
    pub sha256: [u8; 32],
    /// What its holder may do.
    pub roles: Roles,
}

/// A certificate of a client, by what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// What it goes by in the log.
    pub name: String,
    /// Which it is.
    pub is: CertificateName,
    /// What its holder may do.
    pub roles: Roles,
}

/// What a certificate is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// The common name of its subject.
    Subject(String),
    /// One of its alternative names: of a host, or a URI.
    Alternative(String),
    /// The SHA-256 digest of the whole certificate.
    Sha256([u8; 32]),
}

/// Somebody who asks.
#[derive(Debug)]
pub(crate) struct Caller {
    /// How people call it.
    name: String,
    roles: Roles,
    /// What all bodies of its requests hold that are being read.
    held: Option<Held>,
}

impl Caller {
    fn new(kind: &str, name: &str, roles: Roles) -> Arc<Self> {
        let name = format!("{kind} {name:?}");
        let held = Some(Held::default());
        Arc::new(Self { name, roles, held })
    }

    /// Everybody, where nobody is asked.
    fn anybody() -> Arc<Self> {
        let roles = Roles {
            elsewhere: Some(Role::Admin),
            ..Roles::default()
        };
        Arc::new(Self {
            name: "anybody".into(),
            roles,
            held: None,
        })
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn role(&self, namespace: &str) -> Option<Role> {
        self.roles.of(namespace)
    }

    /// The highest role that it has, in whichever namespace.
    pub(crate) fn highest(&self) -> Option<Role> {
        self.roles.highest()
    }
}

/// Everybody who may ask.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    /// Everybody, where nobody is asked: made once, as thousands of polls hold it.
    anybody: OnceLock<Arc<Caller>>,
    keys: HashMap<[u8; 32], Arc<Caller>>,
    certificates: Vec<(CertificateName, Arc<Caller>)>,
}

impl Callers {
    pub(crate) fn new(keys: Vec<ApiKey>, certificates: Vec<ClientCertificate>) -> Self {
        let key = |key: ApiKey| (key.sha256, Caller::new("the API key", &key.name, key.roles));
        let certificate = |known: ClientCertificate| {
            let caller = Caller::new("the certificate", &known.name, known.roles);
            (known.is, caller)
        };
        Self {
            anybody: OnceLock::new(),
            keys: keys.into_iter().map(key).collect(),
            certificates: certificates.into_iter().map(certificate).collect(),
        }
    }

    /// Whether nobody is asked who they are.
    fn are_all(&self) -> bool {
        self.keys.is_empty() && self.certificates.is_empty()
    }

    /// Who has sent a request: the holder of the key that it has, else of the certificate that the
    /// connection was made with.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`. It says nothing of what was sent.
    pub(crate) fn who(
        &self,
        headers: &HeaderMap,
        shown: Option<&Shown>,
    ) -> Result<Arc<Caller>, Status> {
        if self.are_all() {
            return Ok(Arc::clone(self.anybody.get_or_init(Caller::anybody)));
        }
        let needed = || Status::unauthenticated("an API key is needed: authorization: Bearer KEY");
        if let Some(header) = headers.get(AUTHORIZATION) {
            let text = header.to_str().map_err(|_| needed())?;
            let key = text.strip_prefix("Bearer ").ok_or_else(needed)?;
            let known = self.keys.get(&digest_of(key)).cloned();
            return known.ok_or_else(|| Status::unauthenticated("the API key is not known"));
        }
        let shown = shown.ok_or_else(needed)?;
        let is_it = |(name, _): &&(CertificateName, Arc<Caller>)| shown.is(name);
        match self.certificates.iter().find(is_it) {
            Some((_, caller)) => Ok(Arc::clone(caller)),
            None if self.certificates.is_empty() => Err(needed()),
            None => Err(Status::unauthenticated(
                "no role is given to the client's certificate",
            )),
        }
    }
}

impl Needs {
    /// The role in the namespace that is asked for.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Nothing | Self::Name => None,
            Self::Read => Some(Role::Read),
            Self::Write => Some(Role::Write),
            Self::Admin => Some(Role::Admin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use tonic::Code;

    fn everywhere(role: Role) -> Roles {
        Roles {
            elsewhere: Some(role),
            ..Roles::default()
        }
    }

    #[test]
    fn a_key_or_a_certificate_says_who_asks() {
        let key = |name: &str, key: &str| ApiKey {
            name: name.into(),
            sha256: digest_of(key),
            roles: everywhere(Role::Read),
        };
        let keys = || vec![key("one", "abc"), key("two", "def")];
        let tried = |callers: &Callers, value: Option<&'static str>, shown: Option<&Shown>| {
            let value = value.map(HeaderValue::from_static);
            let headers = value
                .map(|value| (AUTHORIZATION, value))
                .into_iter()
                .collect();
            let who = callers.who(&headers, shown);
            who.map(|who| who.name().to_owned())
                .map_err(|status| status.code())
        };
        let named = |name: &str| Ok(name.to_owned());
        let unknown = Err(Code::Unauthenticated);
        let by_key = Callers::new(keys(), Vec::new());
        let one = named("the API key \"one\"");
        assert_eq!(tried(&by_key, Some("Bearer abc"), None), one);
        for value in [None, Some("Bearer abcd"), Some("abc"), Some("Bearer ")] {
            assert_eq!(tried(&by_key, value, None), unknown);
        }
        let shown = Shown::named("works");
        assert_eq!(tried(&by_key, None, Some(&shown)), unknown);
        let certificate = ClientCertificate {
            name: "worker".into(),
            is: CertificateName::Subject("works".into()),
            roles: everywhere(Role::Write),
        };
        let both = Callers::new(keys(), vec![certificate]);
        let worker = named("the certificate \"worker\"");
        assert_eq!(tried(&both, None, Some(&shown)), worker);
        assert_eq!(tried(&both, Some("Bearer abc"), Some(&shown)), one);
        assert_eq!(tried(&both, Some("Bearer x"), Some(&shown)), unknown);
        assert_eq!(tried(&both, None, Some(&Shown::named("idles"))), unknown);
        assert_eq!(tried(&both, None, None), unknown);
        let all = Callers::default().who(&HeaderMap::new(), None);
        assert_eq!(all.ok().and_then(|all| all.role("x")), Some(Role::Admin));
    }

    #[test]
    fn a_role_of_a_namespace_goes_before_that_elsewhere() {
        let mut roles = everywhere(Role::Write);
        roles.namespaces.insert("orders".into(), Role::Read);
        assert_eq!(roles.of("orders"), Some(Role::Read));
        assert_eq!(roles.of("other"), Some(Role::Write));
        roles.elsewhere = None;
        assert_eq!(roles.of("other"), None);
        assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
    }
}
