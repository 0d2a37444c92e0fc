//! The checked-in bindings are what the generator makes of their WIT packages today.

use sandglass_guest_generate::{generate, root};

#[test]
fn checked_in_bindings_match_the_contract() {
    let files = generate(&root()).expect("the packages are valid");
    let in_go = files.iter().filter(|file| file.path.contains("/go/"));
    assert_eq!(
        in_go.count(),
        30,
        "two files per interface, the exports, the world"
    );
    assert_eq!(files.len(), 42, "one file per world in Rust, three in C");
    for file in files {
        let path = root().join(&file.path);
        let checked_in = std::fs::read(&path).expect("the bindings are checked in");
        assert!(
            checked_in == file.bytes,
            "{} differs from its WIT package; run: cargo run -p sandglass-guest-generate",
            path.display()
        );
    }
}
