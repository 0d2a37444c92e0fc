//! Whether somebody may do what they ask for. Who they are and what the call needs is known from
//! its head; which namespace it is for, from the message.

use crate::{
    body::Held,
    certificate::Shown,
    keys::{Caller, Callers},
    named,
    served::Needs,
    status,
};
use axum::extract::Request;
use std::sync::Arc;
use tonic::{Extensions, Status};

/// What a connection tells of the client at its other end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(pub(crate) Option<Arc<Shown>>);

/// Somebody who asks for something.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    caller: Arc<Caller>,
    /// What is asked for.
    what: &'static str,
    needs: Needs,
}

impl Access {
    pub(crate) fn new(caller: Arc<Caller>, what: &'static str, needs: Needs) -> Self {
        Self {
            caller,
            what,
            needs,
        }
    }

    /// That of a call, whose head has been looked at.
    ///
    /// # Errors
    /// Nobody has looked.
    pub(crate) fn of(extensions: &Extensions) -> Result<Self, Status> {
        let access = extensions.get::<Self>().cloned();
        access.ok_or_else(|| status::internal("nobody has looked who asks"))
    }

    /// The same caller, asking for more than it seemed.
    pub(crate) fn needing(&self, needs: Needs) -> Self {
        Self {
            needs,
            ..self.clone()
        }
    }

    /// What all bodies of the caller hold that are being read, if callers are told apart.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.caller.held()
    }

    /// Whether the caller has any role in a namespace.
    pub(crate) fn knows(&self, namespace: &str) -> bool {
        self.caller.role(namespace).is_some()
    }

    /// Refuses what the caller may do in no namespace at all.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, with the role that is needed.
    fn check_anywhere(&self) -> Result<(), Status> {
        let Some(needed) = self.needs.role() else {
            return Ok(());
        };
        if self.caller.highest() >= Some(needed) {
            return Ok(());
        }
        let (caller, what) = (self.caller.name(), self.what);
        tracing::warn!(what, caller, "refused: the role is not enough");
        Err(status::denied(format!(
            "{what} needs the role {needed}; {caller} has it in no namespace"
        )))
    }

    /// Refuses what the caller may not do in this namespace. That it is not there is told only to
    /// those who might enter it.
    ///
    /// # Errors
    /// `PERMISSION_DENIED`, with the role that is needed and the namespace.
    pub(crate) fn check(&self, namespace: &str) -> Result<(), Status> {
        let Some(needed) = self.needs.role() else {
            return Ok(());
        };
        let role = self.caller.role(namespace);
        if role >= Some(needed) {
            return Ok(());
        }
        let (caller, what) = (self.caller.name(), self.what);
        tracing::warn!(what, caller, namespace, "refused: the role is not enough");
        let has = role.map_or_else(|| "none".to_owned(), |role| format!("the role {role}"));
        Err(status::denied(format!(
            "{what} needs the role {needed} in namespace {namespace:?}; {caller} has {has} there"
        )))
    }
}

/// Finds out who asks, for which call; refuses whoever is not known, and before anything of the
/// message is read whoever may not ask for it in any namespace. What is not served is refused by
/// its name, later.
///
/// # Errors
/// `UNAUTHENTICATED`, `PERMISSION_DENIED`.
pub(crate) fn guard(callers: &Callers, request: &mut Request) -> Result<(), Status> {
    let Some((what, needs)) = named::served(request.uri().path()) else {
        return Ok(());
    };
    let peer = request.extensions().get::<Peer>().cloned();
    let shown = peer.and_then(|peer| peer.0);
    match callers.who(request.headers(), shown.as_deref()) {
        Ok(caller) => {
            let access = Access::new(caller, what, needs);
            access.check_anywhere()?;
            request.extensions_mut().insert(access);
        }
        // Whether the server is up is told to everybody.
        Err(_) if needs == Needs::Nothing => {}
        Err(status) => {
            tracing::warn!(what, reason = status.message(), "refused");
            return Err(status);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::{ApiKey, Role, Roles, digest_of},
        served,
    };
    use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
    use std::collections::BTreeMap;
    use tonic::Code;

    /// Each call, by each role.
    #[test]
    fn each_call_is_open_to_its_role_and_those_above() {
        let key = |role: Role| ApiKey {
            name: role.to_string(),
            sha256: digest_of(&role.to_string()),
            roles: Roles {
                elsewhere: None,
                namespaces: BTreeMap::from([("orders".into(), role)]),
            },
        };
        let roles = [Role::Read, Role::Write, Role::Admin];
        let callers = Callers::new(roles.map(key).to_vec(), Vec::new());
        let all = served::WORKFLOW.iter().chain(served::HEALTH);
        for (call, needs) in all {
            for role in roles {
                let value = HeaderValue::from_str(&format!("Bearer {role}"));
                let headers: HeaderMap = value.map(|v| (AUTHORIZATION, v)).into_iter().collect();
                let caller = callers.who(&headers, None).expect("its key is known");
                let access = Access::new(caller, call, *needs);
                let allowed = match needs {
                    Needs::Nothing | Needs::Name | Needs::Read => true,
                    Needs::Write => role != Role::Read,
                    Needs::Admin => role == Role::Admin,
                };
                assert_eq!(access.check("orders").is_ok(), allowed, "{call} {role}");
                let elsewhere = access.check("other").map_err(|status| status.code());
                let denied = match needs {
                    Needs::Nothing | Needs::Name => Ok(()),
                    _ => Err(Code::PermissionDenied),
                };
                assert_eq!(elsewhere, denied, "{call} {role}");
            }
        }
    }
}
