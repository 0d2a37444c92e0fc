//! `ListSearchAttributes` of Temporal's operator service: what filters can name.

use crate::{
    access::Access,
    front::Front,
    proto::{
        generated::operator::operator_service_server::OperatorService,
        operator::{ListSearchAttributesRequest, ListSearchAttributesResponse},
    },
    visibility,
};
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl OperatorService for Front {
    async fn list_search_attributes(
        &self,
        request: Request<ListSearchAttributesRequest>,
    ) -> Result<Response<ListSearchAttributesResponse>, Status> {
        let access = Access::of(request.extensions())?;
        self.door(&access, &request.get_ref().namespace)?;
        let built_in = visibility::BUILT_IN.iter();
        // Others have the types of the values that runs give them, without being registered.
        Ok(Response::new(ListSearchAttributesResponse {
            system_attributes: built_in
                .map(|(name, kind)| ((*name).to_owned(), (*kind).into()))
                .collect(),
            ..Default::default()
        }))
    }
}
