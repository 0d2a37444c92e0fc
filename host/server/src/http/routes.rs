//! All routes, and which of them a request is for.
//!
//! Those of Temporal's calls are what the `google.api.http` annotations of its service say. They
//! are written out here: the descriptors that the build has do not keep them.

use crate::{
    http::answer::Refusal,
    served::{self, Needs},
};
use percent_encoding::percent_decode_str;
use std::sync::OnceLock;

/// What a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A call of Temporal's service.
    Call(&'static str),
    /// What only this server has, or has more to say to.
    Ours(Ours),
}

/// See [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    Health,
    Ready,
    OpenApi,
    Describe,
    Cancel,
    Force,
    Kill,
    ListComponents,
    PushComponent,
    DescribeComponent,
    RemoveComponent,
}

/// One route.
pub(crate) struct Route {
    pub(crate) verb: &'static str,
    /// `{FIELD}` stands for one part of a path.
    pub(crate) path: String,
    pub(crate) target: Target,
    /// What people call it.
    pub(crate) name: &'static str,
    /// Who may take it.
    pub(crate) needs: Needs,
}

/// What ours are called, and who may take them; of calls the table of those that are served tells.
///
/// Force and kill end one run, as terminate does. A component decides what all new runs do.
const WHO: &[(Ours, &str, Needs)] = &[
    (Ours::Health, "Health", Needs::Nothing),
    (Ours::Ready, "Ready", Needs::Nothing),
    (Ours::OpenApi, "OpenApi", Needs::Name),
    (Ours::Describe, "DescribeWorkflowExecution", Needs::Read),
    (Ours::Cancel, "RequestCancelWorkflowExecution", Needs::Write),
    (Ours::Force, "ForceWorkflowExecution", Needs::Write),
    (Ours::Kill, "KillWorkflowExecution", Needs::Write),
    (Ours::ListComponents, "ListComponents", Needs::Read),
    (Ours::PushComponent, "PushComponent", Needs::Admin),
    (Ours::DescribeComponent, "DescribeComponent", Needs::Read),
    (Ours::RemoveComponent, "RemoveComponent", Needs::Admin),
];

impl Target {
    /// Its name, and who may ask for it.
    fn who(self) -> (&'static str, Needs) {
        let known = match self {
            Self::Call(call) => served::WORKFLOW
                .iter()
                .chain(served::OPERATOR)
                .find(|(name, _)| *name == call)
                .copied(),
            Self::Ours(ours) => WHO
                .iter()
                .find(|(known, ..)| *known == ours)
                .map(|(_, name, needs)| (*name, *needs)),
        };
        known.expect("a test has looked for all of them")
    }
}

impl Route {
    /// The parts of its path that are given by the request.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(field)
    }
}

/// Calls within a namespace, below `/namespaces/{namespace}`, also with `/api/v1` before that.
const IN_NAMESPACE: &[(&str, &str, &str)] = &[
    ("StartWorkflowExecution", "POST", "/workflows/{workflow_id}"),
    (
        "GetWorkflowExecutionHistory",
        "GET",
        "/workflows/{execution.workflow_id}/history",
    ),
    (
        "GetWorkflowExecutionHistoryReverse",
        "GET",
        "/workflows/{execution.workflow_id}/history-reverse",
    ),
    (
        "SignalWorkflowExecution",
        "POST",
        "/workflows/{workflow_execution.workflow_id}/signal/{signal_name}",
    ),
    (
        "SignalWithStartWorkflowExecution",
        "POST",
        "/workflows/{workflow_id}/signal-with-start/{signal_name}",
    ),
    (
        "ResetWorkflowExecution",
        "POST",
        "/workflows/{workflow_execution.workflow_id}/reset",
    ),
    (
        "TerminateWorkflowExecution",
        "POST",
        "/workflows/{workflow_execution.workflow_id}/terminate",
    ),
    (
        "QueryWorkflow",
        "POST",
        "/workflows/{execution.workflow_id}/query/{query.query_type}",
    ),
    (
        "UpdateWorkflowExecution",
        "POST",
        "/workflows/{workflow_execution.workflow_id}/update/{request.input.name}",
    ),
    (
        "PauseWorkflowExecution",
        "POST",
        "/workflows/{workflow_id}/pause",
    ),
    (
        "UnpauseWorkflowExecution",
        "POST",
        "/workflows/{workflow_id}/unpause",
    ),
    ("ListWorkflowExecutions", "GET", "/workflows"),
    ("CountWorkflowExecutions", "GET", "/workflow-count"),
    ("DescribeTaskQueue", "GET", "/task-queues/{task_queue.name}"),
    ("RecordActivityTaskHeartbeat", "POST", "/activity-heartbeat"),
    ("RespondActivityTaskCompleted", "POST", "/activity-complete"),
    ("RespondActivityTaskFailed", "POST", "/activity-fail"),
    (
        "RespondActivityTaskCanceled",
        "POST",
        "/activity-resolve-as-canceled",
    ),
    ("ListWorkers", "GET", "/workers"),
    ("CountWorkers", "GET", "/worker-count"),
    (
        "DescribeWorker",
        "GET",
        "/workers/describe/{worker_instance_key}",
    ),
    ("RecordWorkerHeartbeat", "POST", "/workers/heartbeat"),
];

/// Reports by id, below `/activities/{activity_id}` of a namespace, or of a workflow of one.
const BY_ID: &[(&str, &str)] = &[
    ("RecordActivityTaskHeartbeatById", "heartbeat"),
    ("RespondActivityTaskCompletedById", "complete"),
    ("RespondActivityTaskFailedById", "fail"),
    ("RespondActivityTaskCanceledById", "resolve-as-canceled"),
];

/// Calls whose two paths differ.
const APART: &[(&str, [&str; 2])] = &[
    (
        "DescribeNamespace",
        [
            "/cluster/namespaces/{namespace}",
            "/api/v1/namespaces/{namespace}",
        ],
    ),
    (
        "ListNamespaces",
        ["/cluster/namespaces", "/api/v1/namespaces"],
    ),
    (
        "ListSearchAttributes",
        [
            "/cluster/namespaces/{namespace}/search-attributes",
            "/api/v1/namespaces/{namespace}/search-attributes",
        ],
    ),
    ("GetClusterInfo", ["/cluster", "/api/v1/cluster-info"]),
    ("GetSystemInfo", ["/system-info", "/api/v1/system-info"]),
];

/// Ours within a namespace, as [`IN_NAMESPACE`].
const OURS_IN_NAMESPACE: &[(Ours, &str, &str)] = &[
    (Ours::Describe, "GET", "/workflows/{execution.workflow_id}"),
    (
        Ours::Cancel,
        "POST",
        "/workflows/{workflow_execution.workflow_id}/cancel",
    ),
    (
        Ours::Force,
        "POST",
        "/workflows/{workflow_execution.workflow_id}/force",
    ),
    (
        Ours::Kill,
        "POST",
        "/workflows/{workflow_execution.workflow_id}/kill",
    ),
    (Ours::ListComponents, "GET", "/components"),
    (Ours::PushComponent, "POST", "/components"),
    (Ours::DescribeComponent, "GET", "/components/{digest}"),
    (Ours::RemoveComponent, "DELETE", "/components/{digest}"),
];

/// Ours that name no namespace: those of components are about the default one.
const OURS: &[(Ours, &str, &str)] = &[
    (Ours::Health, "GET", "/healthz"),
    (Ours::Ready, "GET", "/readyz"),
    (Ours::OpenApi, "GET", "/openapi.json"),
    (Ours::ListComponents, "GET", "/components"),
    (Ours::PushComponent, "POST", "/components"),
    (Ours::DescribeComponent, "GET", "/components/{digest}"),
    (Ours::RemoveComponent, "DELETE", "/components/{digest}"),
];

/// All routes.
pub(crate) fn all() -> &'static [Route] {
    static ALL: OnceLock<Vec<Route>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut all = Vec::new();
        let mut add = |target: Target, verb, path: String| {
            let (name, needs) = target.who();
            all.push(Route {
                verb,
                path,
                target,
                name,
                needs,
            });
        };
        for (ours, verb, path) in OURS {
            add(Target::Ours(*ours), verb, (*path).into());
        }
        for (call, paths) in APART {
            for path in paths {
                add(Target::Call(call), "GET", (*path).into());
            }
        }
        for prefix in ["/api/v1/namespaces/{namespace}", "/namespaces/{namespace}"] {
            for (call, verb, path) in IN_NAMESPACE {
                add(Target::Call(call), verb, format!("{prefix}{path}"));
            }
            for (ours, verb, path) in OURS_IN_NAMESPACE {
                add(Target::Ours(*ours), verb, format!("{prefix}{path}"));
            }
            for (call, end) in BY_ID {
                for of in ["", "/workflows/{workflow_id}"] {
                    let path = format!("{prefix}{of}/activities/{{activity_id}}/{end}");
                    add(Target::Call(call), "POST", path);
                }
            }
        }
        all
    })
}

/// The field that a part of a route's path stands for.
fn field(part: &str) -> Option<&str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// What a path has given for the fields of its route.
pub(crate) type Values = Vec<(&'static str, String)>;

/// Which route a request is for.
pub(crate) enum Found {
    Route(&'static Route, Values),
    /// There is one, for these verbs.
    Verbs(String),
    Nothing,
}

/// The fields that a path gives if it is one of this route, and how many parts are the same.
fn matched(route: &'static Route, parts: &[String]) -> Option<(usize, Values)> {
    let wanted: Vec<&str> = route.path.split('/').collect();
    if wanted.len() != parts.len() {
        return None;
    }
    let (mut same, mut values) = (0, Vec::new());
    for (wanted, part) in wanted.into_iter().zip(parts) {
        match field(wanted) {
            Some(_) if part.is_empty() => return None,
            Some(field) => values.push((field, part.clone())),
            None if wanted == part => same += 1,
            None => return None,
        }
    }
    Some((same, values))
}

/// Finds the route of a request.
///
/// # Errors
/// A part of the path is not UTF-8.
pub(crate) fn find(verb: &str, path: &str) -> Result<Found, Refusal> {
    let decoded = |part| percent_decode_str(part).decode_utf8().map(String::from);
    let parts: Result<Vec<String>, _> = path.split('/').map(decoded).collect();
    let parts = parts.map_err(|_| Refusal::invalid("the path is not UTF-8"))?;
    let matches = |route| Some((route, matched(route, &parts)?));
    let found: Vec<_> = all().iter().filter_map(matches).collect();
    let best = found
        .iter()
        .filter(|(route, _)| route.verb == verb)
        .max_by_key(|(_, (same, _))| *same);
    if let Some((route, (_, values))) = best {
        return Ok(Found::Route(route, values.clone()));
    }
    let mut verbs: Vec<&str> = found.iter().map(|(route, _)| route.verb).collect();
    verbs.sort_unstable();
    verbs.dedup();
    Ok(match verbs.is_empty() {
        true => Found::Nothing,
        false => Found::Verbs(verbs.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json::pool;
    use std::collections::BTreeSet;

    fn target(verb: &str, path: &str) -> Option<(Target, Values)> {
        match find(verb, path) {
            Ok(Found::Route(route, values)) => Some((route.target, values)),
            _ => None,
        }
    }

    #[test]
    fn a_path_gives_the_fields_of_its_route() {
        let (found, values) = target("POST", "/api/v1/namespaces/n/workflows/a%2Fb/signal/%C3%A4")
            .expect("there is such a route");
        assert_eq!(found, Target::Call("SignalWorkflowExecution"));
        let expected = [
            ("namespace", "n"),
            ("workflow_execution.workflow_id", "a/b"),
            ("signal_name", "ä"),
        ];
        assert_eq!(values, expected.map(|(name, value)| (name, value.into())));
        assert!(target("POST", "/api/v1/namespaces/n/workflows/a/b/signal/x").is_none());
        assert!(target("POST", "/api/v1/namespaces//workflows/a/signal/x").is_none());
        assert!(target("GET", "/healthz/").is_none());
        assert!(find("GET", "/components/%ff").is_err());
        let Ok(Found::Verbs(verbs)) = find("PUT", "/components") else {
            panic!("the path has other verbs");
        };
        assert_eq!(verbs, "GET, POST");
    }

    /// Each route is of a call that is served, and each of its fields is one of the call's request.
    #[test]
    fn the_table_fits_the_calls() {
        let mut seen = BTreeSet::new();
        for route in all() {
            assert!(
                seen.insert((route.verb, &route.path)),
                "{} is there twice",
                route.path
            );
            let Target::Call(call) = route.target else {
                continue;
            };
            let services = ["workflowservice", "operatorservice"];
            let request = services.into_iter().find_map(|service| {
                let name = format!("temporal.api.{service}.v1.{call}Request");
                pool().get_message_by_name(&name)
            });
            for path in route.fields() {
                let mut message = request.clone();
                for name in path.split('.') {
                    let field = message
                        .as_ref()
                        .and_then(|message| message.get_field_by_name(name));
                    let field = field.unwrap_or_else(|| panic!("{call} has no field {path}"));
                    message = field.kind().as_message().cloned();
                }
            }
        }
    }
}
