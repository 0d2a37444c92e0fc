//! The three ways in: which engine the workflows of each run in.

use crate::runs;

/// A component that exports nothing but an empty interface, and has `more` in it.
fn outside(export: &str, more: &str) -> Vec<u8> {
    let export = format!("sandglass:workflow/{export}@0.1.0");
    let text = format!("(component {more} (instance $i) (export \"{export}\" (instance $i)))");
    wat::parse_str(text).unwrap()
}

#[test]
fn only_workflows_that_await_run_in_the_engine_for_them() {
    let sandbox = runs::sandbox();
    for (export, profile) in [
        ("guest", "small"),
        ("blocking-guest", "small"),
        ("async-guest", "async"),
    ] {
        let settings = sandbox.inspect(&outside(export, "")).unwrap().settings;
        let expected = ("profile", profile.into());
        assert!(settings.contains(&expected), "{export}: {settings:?}");
    }
}

/// The other engines know nothing of it: not even a type that says so is let in.
#[test]
fn no_other_engine_has_component_model_async() {
    let sandbox = runs::sandbox();
    let said = |export| {
        let bytes = outside(export, "(type (func async))");
        let refused = sandbox.load_workflow(&bytes);
        refused.expect_err("it exports nothing").to_string()
    };
    let reason = "require the component model async feature";
    for export in ["guest", "blocking-guest"] {
        assert!(said(export).contains(reason), "{export}: {}", said(export));
    }
    let there = said("async-guest");
    assert!(!there.contains(reason), "{there}");
}
