//! Who may not: browsers' pages, whoever has no key, clients that are slow or too many.

use super::wire::{Server, read};
use sandglass_tests::{Patience, sandglass, with_scenarios};
use serde_json::json;
use std::{
    io::{BufReader, Write as _},
    process::Command,
};

/// A page of some site that a browser of this machine shows cannot drive the server.
#[test]
fn a_page_in_a_browser_cannot_drive_the_server() {
    let server = Server::with_scenarios();
    server.start("x", "a01");
    let end = "/api/v1/namespaces/default/workflows/x/terminate";
    let json = ("Content-Type", "application/json");
    let own = format!("http://{}", server.http);
    // A form, a script, a name of somebody else's that leads here.
    for headers in [
        &[
            ("Origin", "https://evil.example"),
            ("Content-Type", "text/plain"),
        ][..],
        &[("Origin", "null"), json],
        &[("Sec-Fetch-Site", "cross-site"), json],
        &[
            ("Host", "evil.example"),
            ("Origin", "http://evil.example"),
            json,
        ],
        &[("Host", "evil.example:8233"), json],
    ] {
        let message = server.request("POST", end, headers, b"{}").refused(403, 7);
        assert!(!message.is_empty());
    }
    // What a page may send without asking first is not taken for JSON.
    let plain = [("Content-Type", "text/plain")];
    server.request("POST", end, &plain, b"{}").refused(415, 3);
    // A page that asks first is told nothing that would let it.
    let asked = server.request("OPTIONS", end, &[("Origin", own.as_str())], b"");
    assert_eq!(asked.status, 405);
    assert_eq!(asked.header("allow"), Some("POST"));
    let allowed = asked
        .headers
        .iter()
        .find(|(name, _)| name.starts_with("access-control"));
    assert_eq!(allowed, None);
    for path in ["/components", "/healthz", "/openapi.json"] {
        let host = [("Host", "evil.example")];
        server.request("GET", path, &host, b"").refused(403, 7);
    }
    let described = server.get("/api/v1/namespaces/default/workflows/x").ok();
    let status = &described["workflowExecutionInfo"]["status"];
    assert_eq!(status, "WORKFLOW_EXECUTION_STATUS_RUNNING");
    server
        .request("POST", end, &[("Origin", own.as_str()), json], b"{}")
        .ok();
    server.stop();
}

/// Keys and roles are those of gRPC.
#[test]
fn api_keys_open_what_their_roles_may() {
    let server = Server::configured(|_| {
        let key = |name: &str, digest: &str| {
            format!("[[api-key]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nrole = \"{name}\"\n")
        };
        // Of `abc`, `def` and `ghi`.
        key(
            "read",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ) + &key(
            "write",
            "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34",
        ) + &key(
            "admin",
            "50ae61e841fac4e8f9e40baf2ad36ec868922ea48368c18f9535e47db56dd7fb",
        )
    });
    let tried = |verb: &str, path: &str, key: Option<&str>| {
        let key = key.map(|key| ("Authorization", key));
        server.request(verb, path, key.as_slice(), b"")
    };
    let (read_key, write_key) = (Some("Bearer abc"), Some("Bearer def"));
    let admin_key = Some("Bearer ghi");
    let workflow = "/api/v1/namespaces/default/workflows/x";
    let force = format!("{workflow}/force");
    let looks = [
        "/api/v1/namespaces/default/workflows",
        "/components",
        "/openapi.json",
    ];
    for path in looks {
        let refused = tried("GET", path, None);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        refused.refused(401, 16);
        tried("GET", path, Some("Bearer abcd")).refused(401, 16);
        tried("GET", path, read_key).ok();
        tried("GET", path, write_key).ok();
    }
    let digest = format!("/components/{}", "0".repeat(64));
    let changes = [
        ("POST", force.as_str(), "write"),
        ("POST", "/components", "admin"),
        ("DELETE", &digest, "admin"),
    ];
    for (verb, path, role) in changes {
        tried(verb, path, None).refused(401, 16);
        let message = tried(verb, path, read_key).refused(403, 7);
        let needed = format!("needs the role {role} in namespace \"default\"");
        assert!(message.contains(&needed), "{message}");
        if role == "admin" {
            tried(verb, path, write_key).refused(403, 7);
        }
        let allowed = tried(verb, path, admin_key);
        assert!(matches!(allowed.status, 400 | 404), "{}", allowed.body);
    }
    // Whether it is there is told to everybody.
    tried("GET", "/healthz", None).ok();
    tried("GET", "/readyz", None).ok();
    let output = server.sandglass(&["component", "list", "--api-key", "abc"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "no components\n");
    let refused = server.sandglass(&["component", "list"]);
    assert_eq!(refused.status.code(), Some(2));
    server.stop();
}

/// Clients that send nothing, or half of a request, do not keep others waiting, nor the server.
#[test]
fn clients_that_are_slow_harm_nobody_else() {
    let server = Server::with_scenarios();
    let mut slow = Vec::new();
    for count in 0..200 {
        let mut stream = server.connect();
        let part: &[u8] = match count % 4 {
            0 => b"",
            1 => b"GET /heal",
            2 => b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
            _ => {
                b"POST /components HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\nhalf"
            }
        };
        stream.write_all(part).unwrap();
        slow.push(stream);
    }
    server.start("beside", "a01");
    // Half a component is given up, and whoever sends it is told. Others were told that two are
    // being taken already.
    let halves = slow.iter().skip(3).step_by(4);
    let told = halves.map(|stream| {
        let stream = stream.try_clone().unwrap();
        read(&mut BufReader::new(stream)).unwrap().status
    });
    let told: Vec<u16> = told.collect();
    let fits = told.iter().all(|status| matches!(status, 408 | 429));
    assert!(fits && told.contains(&408), "{told:?}");
    server.get("/readyz").ok();
    // Those that have sent half a head do not hold it up when it stops.
    server.stop();
}

/// Where every connection that there may be waits for something, whoever asks is told whether the
/// server is up, and others that it is full; it is not, for the other port.
#[test]
fn a_port_that_is_full_tells_that_the_server_is_up() {
    // Of its open files each port has 96.
    let mut program = Command::new("sh");
    let limited = "ulimit -n 256 && exec \"$0\" \"$@\"";
    program.args(["-c", limited]).arg(sandglass().get_program());
    let server = Server::spawned_by(program, |dir| with_scenarios(&["scenarios"], dir));
    server.start("x", "a01");
    let wait = "/api/v1/namespaces/default/workflows/x/history?waitNewEvent=true\
                &historyEventFilterType=HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT";
    let head = format!("GET {wait} HTTP/1.1\r\nHost: {}\r\n\r\n", server.http);
    let polls: Vec<_> = (0..96)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let look = || server.get("/api/v1/namespaces/default/workflows");
    // The last polls may still be on their way.
    let patience = Patience::default();
    while look().status == 200 {
        patience.pause("there is a place left");
    }
    for _ in 0..40 {
        assert_eq!(server.get("/healthz").ok()["status"], "up");
        server.get("/readyz").ok();
        let message = look().refused(503, 14);
        assert_eq!(message, "there are too many connections; try again");
    }
    let (exit, count) = server.json(&["workflow", "count"]);
    assert_eq!((exit, &count["count"]), (0, &1.into()));
    drop(polls);
    while look().status != 200 {
        patience.pause("places are not free again");
    }
    server.stop();
}

/// What a request may bring is what the limits say, not what some other number does.
#[test]
fn a_document_may_be_as_long_as_the_limits_allow() {
    let long = "x".repeat(6 << 20);
    let start = |server: &Server| {
        let path = "/api/v1/namespaces/default/workflows/long";
        let body = json!({
            "workflowType": { "name": "holder" },
            "taskQueue": { "name": "scenarios" },
            "input": [long],
        });
        server.post(path, body)
    };
    let server = Server::with_scenarios();
    start(&server).refused(413, 8);
    server.stop();
    let server = Server::configured(|dir| {
        with_scenarios(&["scenarios"], dir) + "[limits]\npayload-bytes = 8388608\n"
    });
    start(&server).ok();
    server.stop();
}

/// A key that the configuration takes from the environment opens what it may, and nobody else's
/// does; one that is not there is named.
#[test]
fn a_key_may_come_from_the_environment() {
    let config =
        "[[api-key]]\nname = \"env\"\nkey-env = \"THE_KEY_OF_THE_TEST\"\nrole = \"read\"\n";
    let mut program = sandglass();
    program.env("THE_KEY_OF_THE_TEST", "the-key-9b1e");
    let server = Server::spawned_by(program, |_| config.into());
    let count = |key: Option<&str>| {
        let mut command = sandglass();
        command.args(["workflow", "count", "--address", &server.address]);
        // The client has its own, of another name.
        key.map(|key| command.env("SANDGLASS_API_KEY", key));
        command.output().unwrap().status.code()
    };
    assert_eq!(count(Some("the-key-9b1e")), Some(0));
    assert_eq!(count(Some("THE_KEY_OF_THE_TEST")), Some(2));
    assert_eq!(count(None), Some(2));
    let none = sandglass()
        .args(["server", "--config"])
        .arg(server.file("sandglass.toml"))
        .output()
        .unwrap();
    let errors = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(2), "{errors}");
    assert!(errors.contains("THE_KEY_OF_THE_TEST"), "{errors}");
    server.stop();
}

/// Whoever asks the other port is told which it is; and neither port is opened to everybody.
#[test]
fn the_two_ports_are_not_mistaken_and_not_open() {
    let server = Server::empty();
    let asked = server.sandglass(&["component", "list", "--address", &server.http]);
    let errors = String::from_utf8(asked.stderr).unwrap();
    assert_eq!(asked.status.code(), Some(6), "{errors}");
    assert!(errors.contains(&server.http), "{errors}");
    let store = server.file("other.db");
    let store = store.to_str().unwrap();
    let addresses = ["--listen", "127.0.0.1:0", "--http-listen", "0.0.0.0:0"];
    let command = [&["server", "--store", store], &addresses[..]].concat();
    let refused = server.sandglass(&command);
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{errors}");
    let reason = "0.0.0.0:0 can be reached from other machines";
    assert!(errors.contains(reason), "{errors}");
    server.stop();
}
