//! Continuing as new.

use super::*;

#[test]
fn a_run_that_continues_as_new_ends_where_it_says_so() {
    let asked = start(|| async {
        drop(spawn(async { minute().await }));
        if info::history().suggest_continue_as_new {
            let attempt = info::chain().attempt;
            let next = ContinueAsNew::new()
                .argument(&attempt)
                .workflow_type("other");
            return next.drop_cancel().now().await;
        }
        echo(1).await
    });
    assert_eq!(asked, ["continue as Some(\"other\") 2 drop-cancel true"]);
    assert!(signal("s", 1).is_empty());
}
