//! What clients and workers ask before anything else: what the server can do, which namespaces
//! there are. And what a worker is told that wants to run workflows itself.

use crate::{
    access::Access,
    bounds,
    door::Door,
    front::{self, Front},
    proto::{
        Duration,
        enums::NamespaceState,
        namespace::{
            NamespaceConfig, NamespaceInfo,
            namespace_info::{Capabilities, Limits},
        },
        replication::{ClusterReplicationConfig, NamespaceReplicationConfig},
        service::{self, get_system_info_response},
        version::{ReleaseInfo, VersionInfo},
    },
    status,
};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use tonic::Status;

/// The id of the default namespace, and of the cluster: the same in every store, so that clients
/// may keep it.
const DEFAULT_ID: &str = "73616e64-676c-4173-8000-64656661756c";

/// Most namespaces of one page.
const PAGE: usize = 1000;

const CLUSTER: &str = "sandglass";

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) async fn system(
    _front: &Front,
    _access: &Access,
    _request: service::GetSystemInfoRequest,
) -> Result<service::GetSystemInfoResponse, Status> {
    Ok(service::GetSystemInfoResponse {
        server_version: VERSION.into(),
        capabilities: Some(get_system_info_response::Capabilities {
            signal_and_query_header: true,
            internal_error_differentiation: true,
            activity_failure_include_heartbeat: true,
            encoded_failure_attributes: true,
            upsert_memo: true,
            sdk_metadata: true,
            count_group_by_execution_status: true,
            // Schedules, versions by build id, eager starts and Nexus are not served.
            ..Default::default()
        }),
    })
}

pub(crate) async fn cluster(
    _front: &Front,
    _access: &Access,
    _request: service::GetClusterInfoRequest,
) -> Result<service::GetClusterInfoResponse, Status> {
    Ok(service::GetClusterInfoResponse {
        supported_clients: HashMap::new(),
        server_version: VERSION.into(),
        cluster_id: DEFAULT_ID.into(),
        version_info: Some(VersionInfo {
            current: Some(ReleaseInfo {
                version: VERSION.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        cluster_name: CLUSTER.into(),
        history_shard_count: 1,
        persistence_store: "sqlite".into(),
        visibility_store: "sqlite".into(),
        ..Default::default()
    })
}

/// The id of a namespace: the same in every store.
fn id(namespace: &str) -> String {
    if namespace == front::DEFAULT {
        return DEFAULT_ID.into();
    }
    let digest: [u8; 32] = Sha256::digest(format!("sandglass namespace {namespace}")).into();
    let bytes: [u8; 16] = std::array::from_fn(|place| digest[place]);
    bounds::uuid(bytes, 8)
}

/// A namespace. What is left out here Go clients would stumble over.
fn described(namespace: &str) -> service::DescribeNamespaceResponse {
    service::DescribeNamespaceResponse {
        namespace_info: Some(NamespaceInfo {
            name: namespace.into(),
            state: NamespaceState::Registered.into(),
            id: id(namespace),
            capabilities: Some(Capabilities {
                sync_update: true,
                async_update: true,
                workflow_pause: true,
                worker_heartbeats: true,
                worker_commands: true,
                worker_poll_complete_on_shutdown: true,
                ..Default::default()
            }),
            // Without numbers: a worker that knows a limit fails what is larger so that it is
            // retried, the host so that it is not.
            limits: Some(Limits::default()),
            ..Default::default()
        }),
        config: Some(NamespaceConfig {
            workflow_execution_retention_ttl: Some(Duration::default()),
            ..Default::default()
        }),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: CLUSTER.into(),
            clusters: vec![ClusterReplicationConfig {
                cluster_name: CLUSTER.into(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(crate) async fn namespace(
    front: &Front,
    access: &Access,
    request: service::DescribeNamespaceRequest,
) -> Result<service::DescribeNamespaceResponse, Status> {
    let name = match (&*request.namespace, &*request.id) {
        ("", wanted) if !wanted.is_empty() => {
            let mut names = front.names().filter(|name| access.knows(name));
            let named = names.find(|name| id(name) == wanted);
            named.ok_or_else(|| status::namespace_not_found(wanted))?
        }
        (name, _) => name,
    };
    let door = front.door(access, name)?;
    Ok(described(&door.namespace))
}

/// The namespaces in which the caller has a role, by their names.
pub(crate) async fn namespaces(
    front: &Front,
    access: &Access,
    request: service::ListNamespacesRequest,
) -> Result<service::ListNamespacesResponse, Status> {
    let after = String::from_utf8(request.next_page_token)
        .map_err(|_| status::invalid("Invalid NextPageToken."))?;
    let limit = match usize::try_from(request.page_size) {
        Ok(0) | Err(_) => PAGE,
        Ok(wanted) => wanted.min(PAGE),
    };
    let names = front.names().filter(|name| access.knows(name));
    // The token is the last name that was told; no name is empty.
    let mut names = names.filter(|name| **name > *after).peekable();
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(name) = names.next()
    {
        page.push(name);
    }
    let more = names.peek().and(page.last());
    Ok(service::ListNamespacesResponse {
        next_page_token: more.map_or_else(Vec::new, |last| last.as_bytes().to_vec()),
        namespaces: page.into_iter().map(described).collect(),
    })
}

pub(crate) async fn poll_workflow_task(
    door: &Door,
    request: service::PollWorkflowTaskQueueRequest,
) -> Result<service::PollWorkflowTaskQueueResponse, Status> {
    let asked = request.task_queue.unwrap_or_default();
    // A worker also has a queue of its own, for runs that it keeps; that names the shared one.
    let queue = match asked.normal_name.is_empty() {
        true => asked.name,
        false => asked.normal_name,
    };
    bounds::names(&[("TaskQueue", &queue), ("Identity", &request.identity)])?;
    // Each worker asks again and again.
    if door.workers.is_first_to_ask(door.host.now(), &queue) {
        tracing::warn!(
            task_queue = queue,
            worker = request.identity,
            "a worker asks for workflow tasks; workflows here are wasm components"
        );
    }
    // Go's workers stop at once at this code, with this text; those on the common core warn after
    // some seconds and stop after 60, whatever the code of a poll is.
    Err(Status::invalid_argument(format!(
        "workflows here are WebAssembly components that the server runs itself: register no \
         workflows with the worker of task queue {queue:?}, and give the component to the server \
         (`sandglass component push FILE --task-queue {queue}`)"
    )))
}
