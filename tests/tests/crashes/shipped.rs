//! What is shipped has no crash points, and keeps all rules.

use sandglass_tests::repository;
use std::process::Command;

/// The features of all crates that a package is built of.
fn features(package: &str, edges: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--edges",
            &format!("{edges},features"),
        ])
        .args(["--package", package])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_program_alone_breaks_no_rule_on_purpose() {
    assert!(!features("sandglass-cli", "normal").contains("rule-breakers"));
    // The same look finds them where they are: in the tests of the engine.
    assert!(features("sandglass-engine", "normal,dev").contains("rule-breakers"));
}

#[test]
fn the_program_alone_is_built_without_crash_points() {
    assert!(!features("sandglass-cli", "normal").contains("crash-points"));
    // The same look finds them where they are.
    assert!(features("sandglass-tests", "normal").contains("crash-points"));
}
