//! Every rule has a mutation, and its test stands in the rule's row.

use sandglass_semantics::breakers::{all, faults, not_yet};

#[test]
fn every_rule_is_broken_once_by_a_mutation_that_a_test_of_its_row_notices() {
    let wrong = faults();
    println!("{} mutations; not yet: {:?}", all().len(), not_yet());
    assert!(wrong.is_empty(), "the mutations:\n  {}", wrong.join("\n  "));
}
