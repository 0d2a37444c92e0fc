//! `ListSearchAttributes` of Temporal's operator service: what filters can name.

use crate::{
    access::Access,
    door::Door,
    front::Front,
    proto::{
        enums::IndexedValueType,
        generated::operator::operator_service_server::OperatorService,
        operator::{ListSearchAttributesRequest, ListSearchAttributesResponse},
    },
    status, visibility,
};
use sandglass::store::ListFilter;
use sandglass_engine::SearchValue;
use std::collections::HashMap;
use tonic::{Request, Response, Status};

/// Runs that are looked at.
const RUNS: usize = 1000;

#[tonic::async_trait]
impl OperatorService for Front {
    async fn list_search_attributes(
        &self,
        request: Request<ListSearchAttributesRequest>,
    ) -> Result<Response<ListSearchAttributesResponse>, Status> {
        let access = Access::of(request.extensions())?;
        let door = self.door(&access, &request.get_ref().namespace)?;
        let built_in = visibility::BUILT_IN.iter();
        Ok(Response::new(ListSearchAttributesResponse {
            system_attributes: built_in
                .map(|(name, kind)| ((*name).to_owned(), (*kind).into()))
                .collect(),
            custom_attributes: custom(door).await?,
            ..Default::default()
        }))
    }
}

/// Attributes that need not be registered: they have the types of the values that runs give them,
/// of which the newest are looked at.
async fn custom(door: &Door) -> Result<HashMap<String, i32>, Status> {
    let newest = door.host.list(&ListFilter::default(), RUNS, None).await;
    let mut found = HashMap::new();
    // An older run does not say otherwise.
    for (_, run) in newest.map_err(status::of)?.into_iter().rev() {
        for (name, value) in &run.search_attributes {
            if let Ok(value) = SearchValue::from_payload(value) {
                found.insert(name.clone(), kind(&value).into());
            }
        }
    }
    Ok(found)
}

fn kind(value: &SearchValue) -> IndexedValueType {
    match value {
        SearchValue::Text(_) => IndexedValueType::Text,
        SearchValue::Keyword(_) => IndexedValueType::Keyword,
        SearchValue::KeywordList(_) => IndexedValueType::KeywordList,
        SearchValue::Int(_) => IndexedValueType::Int,
        SearchValue::Double(_) => IndexedValueType::Double,
        SearchValue::Bool(_) => IndexedValueType::Bool,
        SearchValue::Datetime(_) => IndexedValueType::Datetime,
    }
}
