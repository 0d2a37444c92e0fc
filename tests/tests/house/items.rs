//! Documentation of what others can name: public items of the crates, items of the guest contract.

use super::super::{assert_none, files, is_generated, text};

/// What begins an item that must say what it is. A module says so in its own file, fields and
/// variants are left to the lint `missing_docs`, which knows whether others can reach them.
const ITEMS: [&str; 9] = [
    "fn", "async", "const", "unsafe", "struct", "enum", "trait", "type", "static",
];

/// The public items of a source without documentation, with their lines.
fn undocumented(source: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut bare = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let Some(item) = line.strip_prefix("pub ") else {
            continue;
        };
        let mut words = item.split(' ');
        let is_item = words.next().is_some_and(|word| ITEMS.contains(&word));
        // What begins so is for generated code, or is generated.
        let hidden = words.any(|word| word.starts_with("__") || word.starts_with('$'));
        if is_item && !hidden && !is_documented(&lines[..number]) {
            bare.push((number + 1, *line));
        }
    }
    bare
}

/// Whether these lines end with documentation, perhaps with attributes after it.
fn is_documented(before: &[&str]) -> bool {
    let mut in_attribute = false;
    for line in before.iter().rev() {
        if line.starts_with("///") {
            return true;
        }
        in_attribute |= line.ends_with(']');
        if !in_attribute {
            return false;
        }
        in_attribute &= !line.starts_with("#[");
    }
    false
}

#[test]
fn documentation_is_looked_for_before_attributes() {
    let source = "
        /// Good.
        #[derive(Debug)]
        #[expect(
            lint,
            reason = \"r\"
        )]
        pub struct A {
            /// Good.
            pub a: u8,
        }

        #[derive(Debug)]
        pub enum B {}
        pub use other::C;
        pub mod d;
        pub fn __f() {}
        pub async fn g() {}
        pub(crate) fn e() {}
    ";
    let found: Vec<&str> = undocumented(source)
        .into_iter()
        .map(|bare| bare.1)
        .collect();
    assert_eq!(found, ["pub enum B {}", "pub async fn g() {}"]);
}

#[test]
fn every_public_item_is_documented() {
    let mut bare = Vec::new();
    let sources = files(&["host", "guest-sdk", "tests/src"], ".rs");
    assert!(
        sources.len() > 100,
        "the sources are not where they should be"
    );
    for file in sources.iter().filter(|file| !is_generated(file)) {
        // In the tests of a crate nothing is public.
        if file.components().any(|part| part.as_os_str() == "tests") && !file.starts_with("tests") {
            continue;
        }
        for (line, item) in undocumented(&text(file)) {
            bare.push(format!("{}:{line}: {item}", file.display()));
        }
    }
    assert_none("public items without documentation", &bare);
}

/// The items of a file of the guest contract that are not documented, with their lines.
fn undocumented_wit(source: &str) -> Vec<(usize, &str)> {
    let (mut before, mut in_parameters) = ("", false);
    let mut bare = Vec::new();
    for (number, line) in source.lines().map(str::trim).enumerate() {
        // Parameters are described with their function.
        in_parameters &= !line.starts_with(')');
        let is_item = !line.is_empty()
            && !in_parameters
            && !line.starts_with("//")
            && !line.starts_with(['}', ')'])
            && !["package ", "use ", "import ", "export "]
                .iter()
                .any(|word| line.starts_with(word));
        if is_item && !before.starts_with("///") {
            bare.push((number + 1, line));
        }
        in_parameters |= line.ends_with('(');
        before = line;
    }
    bare
}

#[test]
fn every_item_of_the_guest_contract_is_documented() {
    let example = "/// Good.\nrecord r {\n  a: u8,\n  /// Good.\n  b: u8,\n}";
    assert_eq!(undocumented_wit(example), [(3, "a: u8,")]);
    let files = files(&["wit"], ".wit");
    assert!(
        files.len() > 5,
        "the guest contract is not where it should be"
    );
    let mut bare = Vec::new();
    for file in files {
        for (line, item) in undocumented_wit(&text(&file)) {
            bare.push(format!("{}:{line}: {item}", file.display()));
        }
    }
    assert_none("items without documentation", &bare);
}
