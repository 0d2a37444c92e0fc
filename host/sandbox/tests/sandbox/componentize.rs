//! Making components of modules: what the errors say. That it works, all other tests show.

use crate::guests;
use sandglass_sandbox::{ComponentizeError, to_component};

fn error(core: &[u8]) -> ComponentizeError {
    to_component(core).unwrap_err()
}

#[test]
fn a_module_without_exports_of_ours_is_told_what_to_add() {
    let module = wat::parse_str("(module)").unwrap();
    assert!(matches!(error(&module), ComponentizeError::NoExports));
    assert!(
        error(&module)
            .to_string()
            .contains("sandglass_guest::export! { .. }")
    );
}

#[test]
fn what_is_no_module_is_refused() {
    assert!(matches!(error(b"garbage"), ComponentizeError::NotModule(_)));
    let component = wat::parse_str("(component)").unwrap();
    assert!(
        error(&component)
            .to_string()
            .contains("a component already")
    );
}

#[test]
fn a_module_that_lacks_an_export_is_refused() {
    let mut module = guests::workflow_module("", "");
    let name = b"sandglass:workflow/guest@0.1.0#activate";
    let at = module
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    module[at..at + name.len()].copy_from_slice(b"sandglass:workflow/guest@0.1.0#activatf");
    assert!(matches!(error(&module), ComponentizeError::Encode(_)));
}
