//! The table of what is proven has every row of the semantics, and every test that it names is there.

use sandglass_semantics::coverage::{Row, all, expected, faults};
use sandglass_semantics::repository;
use std::fs;

fn source(path: &str) -> Option<String> {
    fs::read_to_string(repository().join(path)).ok()
}

#[test]
fn every_row_is_there_and_names_tests_that_run() {
    let rows = all();
    let wrong = faults(&rows, source);
    let not_yet = rows.iter().filter(|row| !row.missing.is_empty()).count();
    println!("{not_yet} of {} rows are not proven yet", rows.len());
    assert!(wrong.is_empty(), "the table:\n  {}", wrong.join("\n  "));
}

fn row(name: &str, tests: &[&str]) -> Row {
    Row {
        name: name.into(),
        what: String::new(),
        missing: String::new(),
        tests: tests.iter().map(|test| (*test).to_owned()).collect(),
    }
}

#[test]
fn what_is_wrong_with_a_table_is_found() {
    let text = "
        #[test]
        fn runs() {}
        #[tokio::test(flavor = \"multi_thread\")]
        async fn runs_too() {}
        #[test]
        #[ignore = \"slow\"]
        fn is_skipped() {}
        fn helper() {}
    ";
    let source = |path: &str| (path == "a.rs").then(|| text.to_owned());
    let mut rows: Vec<Row> = expected()
        .iter()
        .map(|name| row(name, &["a.rs::runs", "a.rs::runs_too"]))
        .collect();
    assert_eq!(rows.len(), 129);
    assert!(faults(&rows, source).is_empty());
    rows[0].tests = vec!["a.rs::is_skipped".into()];
    rows[1].tests = vec!["a.rs::helper".into()];
    rows[2].tests = vec!["a.rs::run".into()];
    rows[3].tests = vec!["b.rs::runs".into()];
    rows[4].tests = vec![];
    rows[5].name = "S7".into();
    rows[7].name = "S99".into();
    let wrong = [
        "S1: there is no test a.rs::is_skipped",
        "S2: there is no test a.rs::helper",
        "S3: there is no test a.rs::run",
        "S4: there is no test b.rs::runs",
        "S5 is said to be proven and names no test",
        "S6 is missing",
        "S7 is there 2 times",
        "S8 is missing",
        "S99 is no row of the semantics",
    ];
    assert_eq!(faults(&rows, source), wrong);
}
