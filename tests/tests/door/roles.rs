//! Who may do what: each call and each route, by each role, in a namespace of its own and elsewhere.

use super::wire::{SERVICE, Wire, field, framed};
use sandglass_tests::{Server, repository};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
};
use tempfile::TempDir;

const OK: u32 = 0;
const DENIED: u32 = 7;
const NOT_FOUND: u32 = 5;
const UNKNOWN: u32 = 16;

/// The roles, the least first.
const ROLES: [&str; 3] = ["read", "write", "admin"];

/// Calls that whoever has a role somewhere may make.
const KNOWN: [&str; 3] = ["GetClusterInfo", "GetSystemInfo", "ListNamespaces"];

/// Calls and routes of those who look.
const READ: [&str; 20] = [
    "CountWorkers",
    "CountWorkflowExecutions",
    "DescribeComponent",
    "DescribeNamespace",
    "DescribeTaskQueue",
    "DescribeWorker",
    "DescribeWorkflowExecution",
    "GetWorkflowExecutionHistory",
    "GetWorkflowExecutionHistoryReverse",
    "ListComponents",
    "ListSearchAttributes",
    "ListWorkers",
    "ListWorkflowExecutions",
    "PollWorkflowExecutionUpdate",
    "QueryWorkflow",
    // By what it is asked for.
    "Run",
    // As routes are called in the document of all.
    "Describe",
    "Health",
    "OpenApi",
    "Ready",
];

/// What decides which code runs.
const ADMIN: [&str; 3] = ["PushComponent", "RemoveComponent", "Upgrade"];

/// Calls that have the namespace in their fourth field; the others have it in the first.
const FOURTH: [&str; 4] = [
    "RecordActivityTaskHeartbeat",
    "RespondActivityTaskCanceled",
    "RespondActivityTaskCompleted",
    "RespondActivityTaskFailed",
];

/// The least role that may make a call. Everything that is not named above changes runs.
fn needed(name: &str) -> &'static str {
    match name {
        name if READ.contains(&name) => "read",
        name if ADMIN.contains(&name) => "admin",
        _ => "write",
    }
}

fn is_enough(role: &str, needed: &str) -> bool {
    let place = |name| ROLES.iter().position(|role| *role == name).unwrap();
    place(role) >= place(needed)
}

/// What the server says that it serves: the services' names with their calls.
pub(super) fn served() -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(repository().join("host/server/src/served.rs")).unwrap();
    let mut found = Vec::new();
    for (table, service) in [
        ("WORKFLOW", SERVICE),
        ("COMMANDS", "/sandglass.v1.Commands"),
        (
            "OPERATOR",
            "/temporal.api.operatorservice.v1.OperatorService",
        ),
    ] {
        let (_, rest) = text.split_once(&format!("const {table}: ")).unwrap();
        let (table, _) = rest.split_once("];").unwrap();
        let names = table.split('"').skip(1).step_by(2);
        found.extend(names.map(|name| (service, name.to_owned())));
    }
    assert!(found.len() > 40, "{found:?}");
    found
}

/// A server with the namespace `orders` beside the default one, and a key for each role in it, one
/// for both, and one for the other.
fn server() -> Server {
    let dir = TempDir::new().unwrap();
    let mut config = "store = \"store.db\"\n[namespaces.orders]\n".to_owned();
    let mut key = |name: &str, roles: &str| {
        let path = dir.path().join(format!("{name}.key"));
        fs::write(&path, format!("{}\n", secret(name))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let file = format!("name = \"{name}\"\nkey-file = \"{name}.key\"\n{roles}\n");
        config += &format!("[[api-key]]\n{file}");
    };
    for role in ROLES {
        key(role, &format!("roles = {{ orders = \"{role}\" }}"));
    }
    key(
        "everywhere",
        "role = \"admin\"\nroles = { orders = \"read\" }",
    );
    key("elsewhere", "roles = { default = \"admin\" }");
    fs::write(dir.path().join("sandglass.toml"), config).unwrap();
    Server::spawn(dir, "127.0.0.1:0")
}

fn secret(name: &str) -> String {
    format!("secret-of-{name}-9f3a")
}

fn bearer(name: &str) -> String {
    format!("Bearer {}", secret(name))
}

/// Makes a call about a namespace, with nothing else in it; its status, and what is said.
async fn tried(
    wire: &Wire,
    service: &str,
    call: &str,
    namespace: &str,
    key: Option<&str>,
) -> (u32, String) {
    let number = if FOURTH.contains(&call) { 4 } else { 1 };
    let message = match KNOWN.contains(&call) {
        true => Vec::new(),
        false => field(number, namespace.as_bytes()),
    };
    let path = format!("{service}/{call}");
    let headers: Vec<_> = key.iter().map(|key| ("authorization", *key)).collect();
    let answer = wire.raw(&path, &headers, framed(&message), true).await;
    let answer = answer.unwrap();
    let status = answer
        .status
        .unwrap_or_else(|| panic!("{call}: {answer:?}"));
    (status, answer.message)
}

#[tokio::test]
async fn each_call_is_open_to_the_roles_that_may_make_it() {
    let server = server();
    let wire = Wire::connect(&server.address).await;
    for (service, call) in served() {
        let call = call.as_str();
        for role in ROLES {
            let key = bearer(role);
            let (status, said) = tried(&wire, service, call, "orders", Some(&key)).await;
            if KNOWN.contains(&call) {
                assert_eq!(status, OK, "{call} as {role}: {said}");
                continue;
            }
            let needed = needed(call);
            if is_enough(role, needed) {
                assert!(
                    ![DENIED, UNKNOWN].contains(&status),
                    "{call} as {role}: {said}"
                );
            } else {
                assert_eq!(status, DENIED, "{call} as {role}: {said}");
                let names = format!("needs the role {needed}; the API key \"{role}\" has it in no");
                assert!(said.contains(&names), "{call} as {role}: {said}");
            }
            // Not in the other one, nor in one that is not there: it is not told that it is not.
            for other in ["default", "nowhere"] {
                let (status, said) = tried(&wire, service, call, other, Some(&key)).await;
                assert_eq!(status, DENIED, "{call} as {role} in {other}: {said}");
                let why = if is_enough(role, needed) {
                    other
                } else {
                    "no namespace"
                };
                assert!(said.contains(why), "{call} as {role}: {said}");
            }
        }
        for wrong in [None, Some("Bearer wrong"), Some("wrong"), Some("Bearer ")] {
            let (status, said) = tried(&wire, service, call, "orders", wrong).await;
            assert_eq!(status, UNKNOWN, "{call} with {wrong:?}: {said}");
        }
        if !KNOWN.contains(&call) {
            let key = bearer("elsewhere");
            let (status, said) = tried(&wire, service, call, "orders", Some(&key)).await;
            assert_eq!(status, DENIED, "{call}: {said}");
            // Whoever may enter all is told which there are not.
            let key = bearer("everywhere");
            let (status, said) = tried(&wire, service, call, "nowhere", Some(&key)).await;
            assert_eq!(status, NOT_FOUND, "{call}: {said}");
        }
    }
    let health = "/grpc.health.v1.Health";
    let (status, said) = tried(&wire, health, "Check", "", None).await;
    // A service of that name is not there.
    assert!([OK, NOT_FOUND].contains(&status), "{said}");
    drop(wire);
    server.end().await;
}

/// A request to the port for HTTP; its status and its document.
fn http(server: &Server, verb: &str, path: &str, key: Option<&str>) -> (u16, Value) {
    let mut stream = TcpStream::connect(&server.http).unwrap();
    let key = key.map_or_else(String::new, |key| format!("Authorization: {key}\r\n"));
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{key}Content-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[test]
fn each_route_is_open_to_the_roles_that_may_take_it() {
    let server = server();
    let everywhere = bearer("everywhere");
    let (_, document) = http(&server, "GET", "/openapi.json", Some(&everywhere));
    let mut seen = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (verb, operation) in operations.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let what = format!("{verb} {path}, {name}");
            seen.insert(name.to_owned());
            let verb = verb.to_uppercase();
            let of = |namespace: &str| {
                let digest = "0".repeat(64);
                let parts = path.split('/').map(|part| match part {
                    "{namespace}" => namespace,
                    "{digest}" => &digest,
                    part if part.starts_with('{') => "some",
                    part => part,
                });
                parts.collect::<Vec<_>>().join("/")
            };
            if ["Health", "Ready"].contains(&name) {
                assert_eq!(http(&server, &verb, path, None).0, 200, "{what}");
                continue;
            }
            let (status, _) = http(&server, &verb, &of("orders"), None);
            assert_eq!(status, 401, "{what}");
            let (status, _) = http(&server, &verb, &of("orders"), Some("Bearer wrong"));
            assert_eq!(status, 401, "{what}");
            let is_of_one = path.contains("{namespace}");
            for role in ROLES {
                let key = bearer(role);
                let (status, body) = http(&server, &verb, &of("orders"), Some(&key));
                let known = KNOWN.contains(&name) || name == "OpenApi";
                // Those without a namespace are about the default one.
                let is_allowed = known || (is_of_one && is_enough(role, needed(name)));
                assert!(![401, 405].contains(&status), "{what} as {role}: {body}");
                let said = body["message"].as_str().unwrap_or_default();
                assert!(!said.starts_with("there is no route"), "{what}: {said}");
                assert_eq!(status != 403, is_allowed, "{what} as {role}: {body}");
                if is_of_one {
                    let (status, body) = http(&server, &verb, &of("default"), Some(&key));
                    assert_eq!(status, 403, "{what} as {role}: {body}");
                    let said = body["message"].as_str().unwrap();
                    let names = format!("needs the role {} in namespace", needed(name));
                    assert!(said.contains(&names), "{what} as {role}: {said}");
                }
            }
        }
    }
    for name in READ
        .iter()
        .chain(&ADMIN)
        .filter(|name| !["Run"].contains(name))
    {
        let is_route = ![
            "DescribeWorkflowExecution",
            "PollWorkflowExecutionUpdate",
            "Upgrade",
        ]
        .contains(name);
        assert_eq!(seen.contains(*name), is_route, "{name}");
    }
    server.stop();
}

/// What the command line asks of runs is looked at before it is done.
#[tokio::test]
async fn the_command_line_needs_more_for_what_changes_something() {
    let server = server();
    let wire = Wire::connect(&server.address).await;
    let asked = async |op: &str, role: &str| {
        let document = format!(r#"{{"workflow_id":"x","run_id":null,"op":{op}}}"#);
        let message = [field(1, b"orders"), field(2, document.as_bytes())].concat();
        let key = bearer(role);
        let headers = [("authorization", key.as_str())];
        let path = "/sandglass.v1.Commands/Run";
        let answer = wire.raw(path, &headers, framed(&message), true).await;
        answer.unwrap()
    };
    let not_found = field(1, br#"{"refused":"not_found"}"#);
    let force = r#"{"force":{"reason":"","identity":"","request_id":null,"kill":false}}"#;
    let looked = asked("\"describe\"", "read").await;
    assert_eq!((looked.status, &looked.bytes), (Some(OK), &not_found));
    let refused = asked(force, "read").await;
    assert_eq!(refused.status, Some(DENIED), "{refused:?}");
    assert!(
        refused.message.contains("needs the role write"),
        "{refused:?}"
    );
    let forced = asked(force, "write").await;
    assert_eq!((forced.status, &forced.bytes), (Some(OK), &not_found));
    // What only a host with the file can do is refused.
    let upgrade = r#"{"upgrade":{"component":"/etc/passwd","options":{"workflow_ids":[],"from":null,
        "no_trial":false,"dry_run":true}}}"#;
    let refused = asked(upgrade, "admin").await;
    assert_eq!(refused.status, Some(3), "{refused:?}");
    assert!(refused.message.contains("names a file"), "{refused:?}");
    let refused = asked("\"nothing\"", "admin").await;
    assert_eq!(refused.status, Some(3), "{refused:?}");
    drop(wire);
    server.end().await;
}

/// Of two namespaces each has its own runs, and what is known of a run of one opens nothing in the
/// other.
#[tokio::test]
async fn a_namespace_knows_nothing_of_another_ones_runs() {
    let dir = TempDir::new().unwrap();
    let bytes = sandglass_tests::component("tests/guests/scenarios", "guest-scenarios.wasm");
    fs::write(dir.path().join("scenarios.wasm"), bytes).unwrap();
    let component = |namespace: &str| {
        let file = "file = \"scenarios.wasm\"\ntask-queue = \"scenarios\"";
        format!("[[component]]\n{file}\nnamespace = \"{namespace}\"\n")
    };
    let config = format!(
        "store = \"store.db\"\n[namespaces.orders]\n[namespaces.empty]\nstore = \"other.db\"\n{}{}",
        component("default"),
        component("orders")
    );
    fs::write(dir.path().join("sandglass.toml"), config).unwrap();
    let server = Server::spawn(dir, "127.0.0.1:0");
    let wire = Wire::connect(&server.address).await;
    let orders = |message: Vec<u8>| {
        let from = field(1, b"default");
        let to = field(1, b"orders");
        let text = message.strip_prefix(&from[..]).unwrap();
        [&to, text].concat()
    };
    let start = super::wire::start("a10", "same");
    let first = wire.call("StartWorkflowExecution", &start).await;
    assert_eq!(first.status, Some(OK), "{first:?}");
    // The id is taken there and not here.
    let count = |namespace: &str| field(1, namespace.as_bytes());
    let none = wire.call("CountWorkflowExecutions", &count("orders")).await;
    assert!(none.bytes.is_empty(), "{none:?}");
    let second = wire
        .call("StartWorkflowExecution", &orders(start.clone()))
        .await;
    assert_eq!(second.status, Some(OK), "{second:?}");
    assert_ne!(first.bytes, second.bytes);
    let empty = [
        field(1, b"empty"),
        start[field(1, b"default").len()..].to_vec(),
    ]
    .concat();
    let nothing = wire.call("StartWorkflowExecution", &empty).await;
    assert!(
        nothing.message.contains("no component serves"),
        "{nothing:?}"
    );
    // Each worker gets the work of its namespace, and its token is worth nothing in the other.
    let poll = |namespace: &str| {
        let queue = field(2, &field(1, b"scenarios"));
        [field(1, namespace.as_bytes()), queue, field(3, b"worker")].concat()
    };
    let task = wire.call("PollActivityTaskQueue", &poll("orders")).await;
    let token = first_field(&task.bytes);
    assert!(
        task.bytes.windows(6).any(|bytes| bytes == b"orders"),
        "{task:?}"
    );
    let complete = |namespace: &str| [field(1, &token), field(4, namespace.as_bytes())].concat();
    let refused = wire
        .call("RespondActivityTaskCompleted", &complete("default"))
        .await;
    assert_eq!(refused.status, Some(NOT_FOUND), "{refused:?}");
    let beat = wire
        .call("RecordActivityTaskHeartbeat", &complete("default"))
        .await;
    assert_eq!(beat.status, Some(NOT_FOUND), "{beat:?}");
    let done = wire
        .call("RespondActivityTaskCompleted", &complete("orders"))
        .await;
    assert_eq!(done.status, Some(OK), "{done:?}");
    let (_, run) = http(
        &server,
        "GET",
        "/api/v1/namespaces/default/workflows/same",
        None,
    );
    let status = &run["workflowExecutionInfo"]["status"];
    assert_eq!(status, "WORKFLOW_EXECUTION_STATUS_RUNNING");
    assert_eq!(run["pendingActivities"].as_array().unwrap().len(), 1);
    // What there is and what there is not.
    let (_, all) = http(&server, "GET", "/api/v1/namespaces", None);
    let names: Vec<&str> = all["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["namespaceInfo"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "empty", "orders"]);
    let (status, gone) = http(&server, "GET", "/api/v1/namespaces/nowhere/workflows", None);
    let detail = "type.googleapis.com/temporal.api.errordetails.v1.NamespaceNotFoundFailure";
    assert_eq!(
        (status, &gone["details"][0]["@type"]),
        (404, &detail.into())
    );
    let (_, one) = http(&server, "GET", "/api/v1/namespaces/orders", None);
    let id = one["namespaceInfo"]["id"].as_str().unwrap();
    let by_id = wire
        .call("DescribeNamespace", &field(2, id.as_bytes()))
        .await;
    assert!(
        by_id.bytes.windows(6).any(|bytes| bytes == b"orders"),
        "{by_id:?}"
    );
    assert!(server.dir.path().join("store-orders.db").exists());
    assert!(server.dir.path().join("other.db").exists());
    drop(wire);
    server.end().await;
}

/// The bytes of the first field, the number of which is 1.
fn first_field(message: &[u8]) -> Vec<u8> {
    assert_eq!(message.first(), Some(&0x0a), "{message:?}");
    let length = usize::from(message[1]);
    assert!(length < 128);
    message[2..2 + length].to_vec()
}
