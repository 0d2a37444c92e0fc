//! What is not served is refused by its name. Left to itself the router would say nothing but
//! `UNIMPLEMENTED`, and some clients take that for a broken server.

use crate::served::{self, Needs};
use tonic::Status;

/// The name of Temporal's service.
pub(crate) const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// The name of the service of our own command line.
const COMMANDS_SERVICE: &str = "sandglass.v1.Commands";

const OPERATOR_SERVICE: &str = "temporal.api.operatorservice.v1.OperatorService";

const HEALTH_SERVICE: &str = "grpc.health.v1.Health";

/// The call that a path is for, and what it needs.
pub(crate) fn served(path: &str) -> Option<(&'static str, Needs)> {
    let (service, call) = path.strip_prefix('/')?.split_once('/')?;
    let calls = match service {
        WORKFLOW_SERVICE => served::WORKFLOW,
        OPERATOR_SERVICE => served::OPERATOR,
        HEALTH_SERVICE => served::HEALTH,
        COMMANDS_SERVICE => served::COMMANDS,
        _ => return None,
    };
    calls.iter().find(|(name, _)| *name == call).copied()
}

/// Refuses calls that no service has; what those need that one has.
///
/// # Errors
/// `UNIMPLEMENTED`, with the path.
pub(crate) fn check(path: &str) -> Result<Needs, Status> {
    if let Some((_, needs)) = served(path) {
        return Ok(needs);
    }
    tracing::debug!(path, "a call that is not served");
    let message = format!("unknown method {path}: Sandglass does not serve it");
    Err(Status::unimplemented(message))
}

#[cfg(test)]
mod tests {
    use super::served;

    #[test]
    fn only_what_is_listed_is_served() {
        let of = |call| {
            served(&format!(
                "/temporal.api.workflowservice.v1.WorkflowService/{call}"
            ))
            .is_some()
        };
        assert!(of("GetSystemInfo"));
        assert!(!of("CreateSchedule"));
        assert!(!of(""));
        assert!(served("/grpc.health.v1.Health/Check").is_some());
        assert!(served("/grpc.health.v1.Health/Watch").is_none());
        assert!(served("/").is_none());
    }
}
