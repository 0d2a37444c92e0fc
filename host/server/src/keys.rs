//! API keys: who may ask for what. SDKs send them as `authorization: Bearer KEY`.
//!
//! Only digests are kept, and no key is ever logged; what is logged is the name that it was given.

use crate::{named, status};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::Response,
};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, sync::Arc};
use tonic::Status;

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Look at runs, and ask them questions.
    Read,
    /// All that can be asked for.
    Write,
}

/// A key, by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it goes by in the log.
    pub name: String,
    /// The SHA-256 digest of the key.
    pub sha256: [u8; 32],
    /// What its holder may do.
    pub role: Role,
}

/// The keys of a server, by their digests.
pub(crate) type Keys = Arc<HashMap<[u8; 32], (String, Role)>>;

pub(crate) fn by_digest(keys: impl IntoIterator<Item = ApiKey>) -> Keys {
    let keys = keys.into_iter();
    Arc::new(keys.map(|key| (key.sha256, (key.name, key.role))).collect())
}

/// Calls that change nothing begin so.
const READS: [&str; 5] = ["Count", "Describe", "Get", "List", "Query"];

/// Whether a call changes nothing.
fn is_read(call: &str) -> bool {
    call == "PollWorkflowExecutionUpdate" || READS.iter().any(|read| call.starts_with(read))
}

/// Whether whoever sends these headers may make this call.
pub(crate) fn check(keys: &Keys, path: &str, headers: &HeaderMap) -> Result<(), Status> {
    let call = path.rsplit('/').next().unwrap_or_default();
    // Whether the server is up is told to everybody.
    if keys.is_empty() || path.starts_with(named::HEALTH_PATH) {
        return Ok(());
    }
    let unknown = || Status::unauthenticated("an API key is needed: authorization: Bearer KEY");
    let header = headers.get(AUTHORIZATION).ok_or_else(unknown)?;
    let text = header.to_str().map_err(|_| unknown())?;
    let key = text.strip_prefix("Bearer ").ok_or_else(unknown)?;
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let Some((name, role)) = keys.get(&digest) else {
        tracing::warn!(call, "a call with an unknown API key");
        return Err(Status::unauthenticated("the API key is not known"));
    };
    match role {
        Role::Read if !is_read(call) => {
            tracing::warn!(call, key = name, "a call that the API key does not allow");
            let message = format!("the API key {name:?} may look only, and {call} does more");
            Err(status::denied(message))
        }
        Role::Read | Role::Write => Ok(()),
    }
}

/// Refuses who may not.
pub(crate) async fn guard(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    match check(&keys, request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(status) => status.into_http(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use tonic::Code;

    #[test]
    fn a_key_opens_what_its_role_may() {
        let key = |name: &str, key: &str, role| ApiKey {
            name: name.into(),
            sha256: Sha256::digest(key).into(),
            role,
        };
        let keys = by_digest([
            key("looks", "abc", Role::Read),
            key("does", "def", Role::Write),
        ]);
        let tried = |keys: &Keys, call: &str, value: Option<&'static str>| {
            let value = value.map(HeaderValue::from_static);
            let headers = value
                .map(|value| (AUTHORIZATION, value))
                .into_iter()
                .collect();
            let path = format!("/{}/{call}", named::WORKFLOW_SERVICE);
            check(keys, &path, &headers).map_err(|status| status.code())
        };
        let (read, write) = ("ListWorkflowExecutions", "StartWorkflowExecution");
        assert_eq!(tried(&keys, read, Some("Bearer abc")), Ok(()));
        assert_eq!(tried(&keys, write, Some("Bearer def")), Ok(()));
        let refused = tried(&keys, write, Some("Bearer abc"));
        assert_eq!(refused, Err(Code::PermissionDenied));
        for value in [None, Some("Bearer abcd"), Some("abc"), Some("Bearer ")] {
            assert_eq!(tried(&keys, read, value), Err(Code::Unauthenticated));
        }
        assert_eq!(tried(&by_digest([]), write, None), Ok(()));
        let health = format!("{}Check", named::HEALTH_PATH);
        assert!(check(&keys, &health, &HeaderMap::new()).is_ok());
    }
}
