//! Runs over HTTP: Temporal's routes with its JSON, and what only this server says.

use super::wire::Server;
use serde_json::{Value, json};

const BASE: &str = "/api/v1/namespaces/default/workflows";

/// Waits until a run's history has an event of this type.
fn until(server: &Server, id: &str, kind: &str) {
    loop {
        let history = server.get(&format!("{BASE}/{id}/history")).ok();
        let mut events = history["history"]["events"].as_array().unwrap().iter();
        if events.any(|event| event["eventType"] == format!("EVENT_TYPE_{kind}")) {
            return;
        }
        std::thread::yield_now();
    }
}

/// The event that ends a run.
fn ended(server: &Server, id: &str) -> Value {
    let path = format!("{BASE}/{id}/history?wait_new_event=true&history_event_filter_type=2");
    let mut history = server.get(&path).ok();
    let event = history["history"]["events"][0].take();
    assert_ne!(event, Value::Null, "{id} has not ended");
    event
}

#[test]
fn temporals_routes_start_tell_ask_and_end_runs() {
    let server = Server::with_scenarios();
    let start = json!({
        "workflowType": { "name": "holder" },
        "taskQueue": { "name": "scenarios" },
        "requestId": "r1",
        "identity": "me",
        "memo": { "fields": { "note": { "deep": [1, "two"] } } },
        "workflowRunTimeout": "3600s",
    });
    let path = format!("{BASE}/h%2F1");
    let started = server.post(&path, start.clone()).ok();
    assert_eq!(started["started"], true);
    assert_eq!(
        server.post(&path, start.clone()).ok()["runId"],
        started["runId"]
    );
    let mut other = start.clone();
    other["requestId"] = "r2".into();
    let twice = server.post(&path, other);
    let detail = &twice.body["details"][0];
    assert_eq!(
        detail["@type"],
        "type.googleapis.com/temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure"
    );
    assert_eq!(detail["runId"], started["runId"]);
    twice.refused(409, 6);

    server
        .post(&format!("{path}/signal/note"), json!({ "input": ["a"] }))
        .ok();
    let query = |name: &str| server.post(&format!("{path}/query/{name}"), json!({}));
    assert_eq!(query("notes").ok(), json!({ "queryResult": [["a"]] }));
    query("fails").refused(400, 3);
    let update = |name: &str| {
        let wait = "UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED";
        let body = json!({ "waitPolicy": { "lifecycleStage": wait } });
        server.post(&format!("{path}/update/{name}"), body).ok()
    };
    assert_eq!(update("quick")["outcome"], json!({ "success": ["u"] }));
    assert_eq!(
        update("refused")["outcome"]["failure"]["message"],
        "refused"
    );

    let described = server.get(&path).ok();
    let info = &described["workflowExecutionInfo"];
    assert_eq!(info["status"], "WORKFLOW_EXECUTION_STATUS_RUNNING");
    assert_eq!(
        info["memo"]["fields"]["note"],
        json!({ "deep": [1, "two"] })
    );
    assert_eq!(described["executionConfig"]["workflowRunTimeout"], "3600s");
    let listed = server
        .get(&format!("{BASE}?query=WorkflowType%3D%27holder%27"))
        .ok();
    assert_eq!(listed["executions"][0]["execution"]["workflowId"], "h/1");
    let count = server.get("/namespaces/default/workflow-count?query=WorkflowType='a01'");
    assert_eq!(count.ok(), json!({}));

    server
        .post(&format!("{path}/pause"), json!({ "reason": "wait" }))
        .ok();
    let paused = server.get(&path).ok();
    assert_eq!(
        paused["workflowExtendedInfo"]["pauseInfo"]["reason"],
        "wait"
    );
    server.post(&format!("{path}/unpause"), json!({})).ok();
    let page = server
        .get(&format!("{path}/history?maximumPageSize=2"))
        .ok();
    assert_eq!(page["history"]["events"].as_array().unwrap().len(), 2);
    let token = page["nextPageToken"].as_str().unwrap();
    let token = token
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let next = server.get(&format!(
        "{path}/history?maximumPageSize=1&nextPageToken={token}"
    ));
    assert_eq!(next.ok()["history"]["events"][0]["eventId"], "3");
    server
        .post(&format!("{path}/signal/note"), json!({ "input": ["end"] }))
        .ok();
    let end = ended(&server, "h%2F1");
    let result = &end["workflowExecutionCompletedEventAttributes"]["result"];
    assert_eq!(*result, json!(["end"]));
    server
        .post(&format!("{path}/signal/note"), json!({}))
        .refused(404, 5);
    server
        .post(&format!("{path}/terminate"), json!({}))
        .refused(404, 5);

    let path = format!("{BASE}/h2/signal-with-start/note");
    let mut both = start;
    both["signalInput"] = json!(["end"]);
    server.post(&path, both).ok();
    ended(&server, "h2");
    server.stop();
}

/// Values are sent and shown as what they are, unless they are asked for in full.
#[test]
fn values_have_a_short_and_a_full_form() {
    let server = Server::with_scenarios();
    server.start("v", "holder");
    let path = format!("{BASE}/v/signal/note");
    // "a" and `x`, one in the full form.
    let odd = json!({ "metadata": { "encoding": "YmluYXJ5L3BsYWlu" }, "data": "eA==" });
    server.post(&path, json!({ "input": ["a"] })).ok();
    server
        .post(
            &format!("{BASE}/v/signal/other"),
            json!({ "input": [odd, 7] }),
        )
        .ok();
    let inputs = |accept: &str| {
        let path = format!("{BASE}/v/history");
        let answer = server.request("GET", &path, &[("Accept", accept)], b"");
        let history = answer.ok();
        let events = history["history"]["events"].as_array().unwrap();
        let signals = events
            .iter()
            .filter_map(|event| event.get("workflowExecutionSignaledEventAttributes"));
        signals
            .map(|signal| signal["input"].clone())
            .collect::<Vec<_>>()
    };
    let plain =
        |data: &str| json!({ "metadata": { "encoding": "anNvbi9wbGFpbg==" }, "data": data });
    let mixed = json!({ "payloads": [odd, plain("Nw==")] });
    assert_eq!(inputs("*/*"), [json!(["a"]), mixed.clone()]);
    let full = inputs("application/json+no-payload-shorthand");
    assert_eq!(full, [json!({ "payloads": [plain("ImEi")] }), mixed]);
    // A number that would change is refused, not changed.
    let text = br#"{"input": [12345678901234567890123]}"#;
    let kind = [("Content-Type", "application/json")];
    let refused = server.request("POST", &path, &kind, text).refused(400, 3);
    assert!(refused.contains("12345678901234567890123"), "{refused}");
    server.stop();
}

/// A request to cancel tells how it was taken, can set a limit, and is shown with all that it said.
#[test]
fn a_cancellation_says_what_temporals_api_cannot() {
    let server = Server::with_scenarios();
    // It does not end when it is canceled.
    server.start("c", "a17");
    until(&server, "c", "TIMER_STARTED");
    let path = format!("{BASE}/c");
    let beside = || server.get(&path).ok()["sandglass"].take();
    let before = beside();
    assert_eq!(before["disposition"], "recorded");
    assert_eq!(before["cancel_state"], "none");
    assert_eq!(before["cancel"], Value::Null);
    let request = json!({
        "reason": "enough", "identity": "me", "grace": "3600s", "then": "terminate",
    });
    let cancel = |body: &Value| server.post(&format!("{path}/cancel"), body.clone());
    let first = cancel(&request).ok();
    assert_eq!(first["disposition"], "recorded");
    assert_eq!(first["repeats"], 0);
    let again = cancel(&request).ok();
    assert_eq!(again["disposition"], "already_requested");
    assert_eq!(again["repeats"], 1);
    let shown = loop {
        let shown = beside();
        if shown["cancel_state"] == "delivered" {
            break shown;
        }
    };
    assert_eq!(shown["disposition"], "already_requested");
    let cancel_shown = &shown["cancel"];
    assert_eq!(cancel_shown["reason"], "enough");
    assert_eq!(cancel_shown["identity"], "me");
    assert_eq!(cancel_shown["then"], "terminate");
    assert!(cancel_shown["requested_at"].is_string() && cancel_shown["deadline"].is_string());
    assert_eq!(shown["component"].as_str().unwrap().len(), 64);
    for (wrong, reason) in [
        (json!({ "grace": 5 }), "grace"),
        (json!({ "grace": "5m" }), "grace"),
        (json!({ "then": "force" }), "then needs grace"),
        (json!({ "grace": "5s", "then": "explode" }), "then is"),
        (json!({ "resaon": "x" }), "resaon"),
    ] {
        let message = cancel(&wrong).refused(400, 3);
        assert!(message.contains(reason), "{message}");
    }
    let forced = server
        .post(&format!("{path}/force"), json!({ "reason": "now" }))
        .ok();
    assert_eq!(forced["disposition"], "recorded");
    assert_eq!(forced["cancel_state"], "force-requested");
    assert_eq!(forced["status"], "canceled");
    let killed = server.post(&format!("{path}/kill"), json!({})).ok();
    assert_eq!(killed["disposition"], "already_closed");
    assert_eq!(beside()["force"]["reason"], "now");
    server.start("k", "a17");
    let killed = server.post(&format!("{BASE}/k/kill"), json!({})).ok();
    assert_eq!(killed["cancel_state"], "kill-requested");
    // Force takes no grace.
    let path = format!("{BASE}/k/force");
    server.post(&path, json!({ "grace": "1s" })).refused(400, 3);
    server
        .post(&format!("{BASE}/none/cancel"), json!({}))
        .refused(404, 5);
    server
        .post("/api/v1/namespaces/other/workflows/k/kill", json!({}))
        .refused(404, 5);
    server.stop();
}

/// A long poll waits, and is answered when the server stops.
#[test]
fn a_server_that_stops_answers_what_waits() {
    let server = Server::with_scenarios();
    server.start("w", "a01");
    let mut waiting = std::io::BufReader::new(server.connect());
    let path = format!("{BASE}/w/history?wait_new_event=true&history_event_filter_type=2");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::io::Write::write_all(waiting.get_mut(), request.as_bytes()).unwrap();
    // An idle connection does not keep it.
    let idle = server.connect();
    let answered = std::thread::spawn(move || super::wire::read(&mut waiting));
    // It has been read by then.
    std::thread::sleep(std::time::Duration::from_secs(1));
    server.stop();
    let answer = answered.join().unwrap().expect("what waits is answered");
    assert!(answer.ok()["nextPageToken"].is_string());
    drop(idle);
}

/// A run with limits of thousands of years is shown like any other.
#[test]
fn limits_beyond_the_year_9999_can_be_read() {
    let server = Server::with_scenarios();
    let path = format!("{BASE}/long");
    let start = json!({
        "workflowType": { "name": "a17" },
        "taskQueue": { "name": "scenarios" },
        "workflowRunTimeout": "315576000000s",
        "workflowExecutionTimeout": "315576000000s",
    });
    server.post(&path, start).ok();
    let grace = json!({ "grace": "99999999999999s", "then": "fail" });
    server.post(&format!("{path}/cancel"), grace).ok();
    let described = server.get(&path).ok();
    let expires = &described["workflowExtendedInfo"]["runExpirationTime"];
    assert_eq!(*expires, "9999-12-31T23:59:59.999Z");
    assert!(described["sandglass"]["cancel"]["deadline"].is_string());
    server.get(&format!("{path}/history")).ok();
    let (exit, _) = server.json(&["workflow", "describe", "long"]);
    assert_eq!(exit, 0);
    server.stop();
}

#[test]
fn what_a_run_keeps_of_a_request_has_bounds() {
    let server = Server::with_scenarios();
    server.start("bounded", "holder");
    let reason = json!({ "reason": "x".repeat((64 << 10) + 1) });
    let identity = json!({ "identity": "x".repeat(1001) });
    let id = json!({ "requestId": "x".repeat(1001) });
    for verb in ["cancel", "force", "kill"] {
        for (what, field) in [
            ("Reason", &reason),
            ("Identity", &identity),
            ("RequestId", &id),
        ] {
            let answer = server.post(&format!("{BASE}/bounded/{verb}"), field.clone());
            let message = answer.refused(400, 3);
            let expected = format!("{what} exceeds length limit.");
            assert!(message.starts_with(&expected), "{verb}: {message}");
        }
    }
    let run = server.get(&format!("{BASE}/bounded")).ok();
    assert_eq!(run["sandglass"]["cancel_state"], "none", "{run}");
    server.stop();
}

#[test]
fn attributes_that_runs_have_are_told_with_their_types() {
    let server = Server::with_scenarios();
    let start = json!({
        "workflowType": { "name": "holder" },
        "taskQueue": { "name": "scenarios" },
        "searchAttributes": { "indexedFields": {
            "Amount": { "metadata": { "encoding": "anNvbi9wbGFpbg==", "type": "SW50" }, "data": "Nw==" },
        } },
    });
    server.post(&format!("{BASE}/a"), start).ok();
    for path in [
        "/api/v1/namespaces/default/search-attributes",
        "/cluster/namespaces/default/search-attributes",
    ] {
        let told = server.get(path).ok();
        let custom = json!({ "Amount": "INDEXED_VALUE_TYPE_INT" });
        assert_eq!(told["customAttributes"], custom, "{told}");
        assert_eq!(
            told["systemAttributes"]["StartTime"],
            "INDEXED_VALUE_TYPE_DATETIME"
        );
    }
    server.stop();
}
