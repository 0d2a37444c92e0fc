//! What is not served is refused by its name. Left to itself the router would say nothing but
//! `UNIMPLEMENTED`, and some clients take that for a broken server.

use crate::served;
use axum::{extract::Request, middleware::Next, response::Response};
use tonic::Status;

/// The name of Temporal's service.
pub(crate) const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// What the paths of the health check begin with.
pub(crate) const HEALTH_PATH: &str = "/grpc.health.v1.Health/";

const HEALTH_SERVICE: &str = "grpc.health.v1.Health";

fn is_served(path: &str) -> bool {
    let Some((service, call)) = path.trim_start_matches('/').split_once('/') else {
        return false;
    };
    match service {
        WORKFLOW_SERVICE => served::WORKFLOW.contains(&call),
        HEALTH_SERVICE => served::HEALTH.contains(&call),
        _ => false,
    }
}

/// Answers calls that no service has.
pub(crate) async fn refuse(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if is_served(path) {
        return next.run(request).await;
    }
    tracing::debug!(path, "a call that is not served");
    let message = format!("unknown method {path}: Sandglass does not serve it");
    Status::unimplemented(message).into_http()
}

#[cfg(test)]
mod tests {
    use super::is_served;

    #[test]
    fn only_what_is_listed_is_served() {
        let of = |call| {
            is_served(&format!(
                "/temporal.api.workflowservice.v1.WorkflowService/{call}"
            ))
        };
        assert!(of("GetSystemInfo"));
        assert!(!of("CreateSchedule"));
        assert!(!of(""));
        assert!(is_served("/grpc.health.v1.Health/Check"));
        assert!(!is_served("/grpc.health.v1.Health/Watch"));
        assert!(!is_served("/"));
    }
}
