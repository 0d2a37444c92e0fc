//! `grpc.health.v1`: whether the server takes requests.

use crate::{
    front::Front,
    named,
    proto::{
        generated::health::health_server::Health,
        health::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus},
    },
};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl Health for Front {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !service.is_empty() && service != named::WORKFLOW_SERVICE {
            return Err(Status::not_found(format!(
                "there is no service {service:?}"
            )));
        }
        let status = match self.working.is_closing() {
            true => ServingStatus::NotServing,
            false => ServingStatus::Serving,
        };
        Ok(Response::new(HealthCheckResponse {
            status: status.into(),
        }))
    }
}
