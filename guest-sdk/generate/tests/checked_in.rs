//! The checked-in bindings are what the generator makes of `wit/` today.

use sandglass_guest_generate::{bindings_folder, generate, wit_folder};

#[test]
fn checked_in_bindings_match_the_contract() {
    let files = generate(&wit_folder()).expect("the contract is valid");
    assert_eq!(files.len(), 2, "one file per world");
    for file in files {
        let path = bindings_folder().join(file.name);
        let checked_in = std::fs::read_to_string(&path).expect("the bindings are checked in");
        assert!(
            checked_in == file.text,
            "{} differs from wit/; run: cargo run -p sandglass-guest-generate",
            path.display()
        );
    }
}
