//! What is loaded and what is not, with what the errors say.

use crate::{guests, runs};
use sandglass_sandbox::{ComponentKind, Error, Grants, TypedOptions};

/// A component of which only the outside matters. `imports` are names of interfaces.
fn outside(imports: &[&str], export: &str) -> Vec<u8> {
    let imports: String = imports
        .iter()
        .map(|name| format!("(import \"{name}\" (instance))"))
        .collect();
    let text = format!("(component {imports} (instance $i) (export \"{export}\" (instance $i)))");
    wat::parse_str(text).unwrap()
}

const GUEST: &str = "sandglass:workflow/guest@0.1.0";
const HANDLER: &str = "sandglass:workflow/activity-handler@0.1.0";

#[test]
fn a_forbidden_import_is_named_with_what_to_use_instead() {
    let imports = [
        "wasi:clocks/timezone@0.2.3",
        "wasi:filesystem/types@0.2.3",
        "wasi:http/types@0.2.3",
        "wasi:random/random@0.3.0",
        "wasi:sockets/tcp@0.2.3",
        "evil:clock/now@1.0.0",
    ];
    let error = runs::sandbox()
        .load_workflow(&outside(&imports, GUEST))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "forbidden imports:\
         \n  wasi:clocks/timezone@0.2.3: a workflow has no such clock; \
         use now() and sleep() of the SDK\
         \n  wasi:http/types@0.2.3: a workflow has no network; use it in an activity\
         \n  wasi:random/random@0.3.0: this host serves version 0.2 of it\
         \n  wasi:sockets/tcp@0.2.3: a workflow has no network; use it in an activity\
         \n  evil:clock/now@1.0.0: a call of it would wait, and this component is called for each \
         event; do what needs it in an activity that is scheduled by its name"
    );
}

#[test]
fn activities_may_use_wasi_but_nothing_else() {
    let imports = ["wasi:filesystem/types@0.2.3", "evil:clock/now@1.0.0"];
    let sandbox = runs::sandbox();
    let error = sandbox.load_activities(&outside(&imports, HANDLER), Grants::default());
    assert_eq!(
        error.unwrap_err().to_string(),
        "forbidden imports:\n  evil:clock/now@1.0.0: neither an interface of \
         sandglass:workflow@0.1.0 nor one of WASI 0.2; use the files and sockets of WASI, as \
         granted"
    );
}

#[test]
fn another_version_of_our_interfaces_is_refused() {
    let imports = ["sandglass:workflow/timers@0.2.0"];
    let error = runs::sandbox()
        .load_workflow(&outside(&imports, GUEST))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("timers@0.2.0: this host serves version 0.1 of it"),
        "{text}"
    );
}

#[test]
fn what_is_no_component_is_told_apart() {
    let sandbox = runs::sandbox();
    let load = |bytes: &[u8]| sandbox.load_workflow(bytes).unwrap_err();
    assert_eq!(
        load(b"not wasm at all").to_string(),
        "not a WebAssembly component: the file does not begin with \\0asm"
    );
    assert!(matches!(load(b""), Error::NotWasm(_)));
    assert!(matches!(
        load(&guests::workflow_module("", "")),
        Error::CoreModule
    ));
    assert!(matches!(
        load(&outside(&[], "wasi:cli/run@0.2.3")),
        Error::NoExports
    ));
    let found = load(&guests::activity("", "(unreachable)"));
    assert_eq!(
        found.to_string(),
        "this component has activities, expected workflows"
    );
    let activities = sandbox.load_activities(&guests::workflow(""), Grants::default());
    let expected = (ComponentKind::Activities, ComponentKind::Workflow);
    assert!(
        matches!(activities, Err(Error::WrongKind { expected: e, found: f }) if (e, f) == expected)
    );
}

#[test]
fn functions_with_types_of_their_own_must_have_values() {
    let workflow = |item: &str| {
        let text = format!(
            "(component
               (import \"shop:payments/cards\" (instance {item}))
               (core module $m (func (export \"f\")))
               (core instance $m (instantiate $m))
               (func $f (canon lift (core func $m \"f\")))
               (export \"run\" (func $f)))"
        );
        runs::sandbox().load_workflow(&wat::parse_str(text).unwrap())
    };
    let charge = |ty: &str| workflow(&format!("(export \"charge\" (func (param \"a\" {ty})))"));
    assert_eq!(charge("string").unwrap().workflow_types(), ["run"]);
    let refused = charge("(stream u8)").unwrap_err().to_string();
    assert!(
        refused.contains("`stream` requires the component model async feature"),
        "{refused}"
    );
    let resource = workflow("(export \"card\" (type (sub resource)))");
    let refused = resource.unwrap_err().to_string();
    assert!(
        refused.contains("shop:payments/cards: the resource card is no value"),
        "{refused}"
    );
}

#[test]
fn options_must_name_what_is_imported() {
    let with = |json: &str| {
        let text = "(component
            (import \"shop:payments/cards@1.2.0\" (instance (export \"charge\" (func))))
            (core module $m (func (export \"f\")))
            (core instance $m (instantiate $m))
            (func $f (canon lift (core func $m \"f\")))
            (export \"run\" (func $f)))";
        let options: TypedOptions = serde_json::from_str(json).unwrap();
        let loaded = runs::sandbox().load_workflow(&options.embed(&wat::parse_str(text).unwrap()));
        loaded.map(|loaded| loaded.typed().imports[0].options.clone().unwrap())
    };
    let all = "{\"default\": {\"start-to-close\": \"30s\", \"retry\": {\"maximum-attempts\": 2}},
        \"shop:payments/cards\": {\"start-to-close\": \"20s\", \"heartbeat\": \"1500ms\"},
        \"shop:payments/cards.charge\": {\"start-to-close\": \"10s\"}}";
    assert_eq!(
        with(all).unwrap(),
        "start-to-close 10s, heartbeat 1500ms, waits if canceled, 2 attempts"
    );
    let refused = with("{\"shop:payments/card\": {}}")
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "options of activities: \"shop:payments/card\" is not imported; imported are \
         shop:payments/cards, shop:payments/cards.charge"
    );
    let retry = "{\"default\": {\"retry\": {\"backoff-coefficient\": 0.5}}}";
    let refused = with(retry).unwrap_err().to_string();
    assert!(
        refused.contains("backoff coefficient 0.5 is not at least 1"),
        "{refused}"
    );
}

#[test]
fn a_component_that_differs_from_its_world_is_refused() {
    let error = runs::sandbox()
        .load_workflow(&outside(&[], GUEST))
        .unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

#[test]
fn a_truncated_component_is_refused() {
    let component = guests::workflow("");
    let error = runs::sandbox()
        .load_workflow(&component[..component.len() - 7])
        .unwrap_err();
    assert!(matches!(error, Error::NotWasm(_)), "{error}");
}

#[test]
fn definitions_are_read_and_may_not_command() {
    let sandbox = runs::sandbox();
    let component = sandbox.load_workflow(&guests::workflow("")).unwrap();
    assert_eq!(component.workflow_types(), ["t"]);

    let start = "(func $early (drop (call $now))) (start $early)";
    let error = sandbox
        .load_workflow(&guests::workflow_with("", start))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("only `log` and WASI may be called outside"),
        "{error}"
    );
}

#[test]
fn a_start_function_that_loops_is_refused() {
    let start = "(func $early (loop $again (br $again))) (start $early)";
    let error = runs::impatient()
        .load_workflow(&guests::workflow_with("", start))
        .unwrap_err();
    assert!(matches!(error, Error::Definitions(_)), "{error}");
    assert!(error.to_string().contains("DeadlineExceeded"), "{error}");
}

#[test]
fn inspection_tells_all() {
    let sandbox = runs::sandbox();
    let told = sandbox
        .inspect(&guests::workflow("(drop (call $now))"))
        .unwrap();
    assert_eq!(told.kind, ComponentKind::Workflow);
    assert_eq!(told.types, ["t"]);
    assert_eq!(told.problem, None);
    assert!(
        told.imports
            .iter()
            .any(|import| import.name == "sandglass:workflow/info@0.1.0")
    );
    assert!(told.imports.iter().all(|import| import.forbidden.is_none()));
    assert!(told.settings.contains(&("nan", "canonical".into())));

    let told = sandbox
        .inspect(&outside(&["wasi:sockets/udp@0.2.3"], GUEST))
        .unwrap();
    let forbidden = told.imports[0].forbidden.as_ref().unwrap();
    assert_eq!(
        forbidden.advice,
        "a workflow has no network; use it in an activity"
    );
    assert!(told.problem.unwrap().contains("wasi:sockets/udp@0.2.3"));
}

#[test]
fn a_big_initial_memory_gets_the_image_profile() {
    let sandbox = runs::sandbox();
    let data = format!(
        "(memory $big 20) (data (memory $big) (i32.const 0) \"{}\")",
        "x".repeat(1_100_000)
    );
    let big = guests::workflow_with(
        "(call $start_timer (i32.const 0) (i64.load8_u $big (i32.const 1099999)) (i32.const 2048))",
        &data,
    );
    assert!(
        sandbox
            .inspect(&big)
            .unwrap()
            .settings
            .contains(&("profile", "image".into()))
    );
    let mut instance = runs::instance(&sandbox, &big);
    let (_, events) = runs::run(&mut instance).unwrap();
    assert!(instance.resident_bytes() > 1_000_000);
    assert_eq!(runs::timer(&events), u64::from(b'x'));
}

#[test]
fn resident_bytes_follow_the_guest() {
    let sandbox = runs::sandbox();
    let resident = |pages: u32| {
        let code = format!("(drop (memory.grow (i32.const {pages})))");
        let mut instance = runs::instance(&sandbox, &guests::workflow(&code));
        runs::run(&mut instance).unwrap();
        instance.resident_bytes()
    };
    assert_eq!(resident(100) - resident(0), 100 * 65_536);
}
