//! The checks that every [`Store`] must pass, as a library, so that a new store is tested by what
//! is already known to matter.
//!
//! `conformance_tests!` makes a `#[test]` of each. A check gets a function that opens its store:
//! empty at first, later with all that was committed; the one opened before is dropped by then.

mod model;
mod refusals;
mod round_trips;
/// Rows to test with.
pub mod sample;
mod selections;

pub use model::random_commits_read_as_a_model_says;
pub use refusals::{
    a_frame_must_follow_the_last, a_needed_run_is_not_deleted, a_refused_write_leaves_nothing,
    a_run_keeps_its_ids, a_successor_comes_with_the_close_before_it,
    a_workflow_id_has_one_open_run, one_bad_write_among_64_fails_alone, unknown_runs_are_refused,
};
pub use round_trips::{
    a_clean_stop_is_remembered, a_deleted_run_has_no_stand_in, a_deleted_run_leaves_nothing,
    any_bytes_and_names_are_kept, clear_deletes_what_waits, components_are_kept_by_digest,
    components_change_together, empty_commits_are_nothing, new_stores_are_empty,
    puts_replace_and_deletes_repeat, the_outbox_crosses_runs, what_was_committed_is_there,
};
pub use selections::{
    a_reader_sees_each_commit, find_gives_the_newest_run, frames_are_read_from_any_number,
    lists_are_bounded_in_bytes, lists_filter_and_page, open_runs_are_listed_oldest_first,
};

use crate::Store;

/// Opens the store under test.
pub type Open<'a> = &'a dyn Fn() -> Box<dyn Store>;

/// Makes a test of every check.
///
/// The argument is an expression that makes a place for one store and gives a function that opens
/// the store there: `Fn() -> Box<dyn Store>`.
#[macro_export]
macro_rules! conformance_tests {
    ($place:expr) => {
        $crate::conformance_tests! { @ $place;
            a_clean_stop_is_remembered
            a_deleted_run_has_no_stand_in
            a_deleted_run_leaves_nothing
            a_frame_must_follow_the_last
            a_needed_run_is_not_deleted
            a_reader_sees_each_commit
            a_refused_write_leaves_nothing
            a_run_keeps_its_ids
            a_successor_comes_with_the_close_before_it
            a_workflow_id_has_one_open_run
            any_bytes_and_names_are_kept
            clear_deletes_what_waits
            components_are_kept_by_digest
            components_change_together
            empty_commits_are_nothing
            find_gives_the_newest_run
            frames_are_read_from_any_number
            lists_are_bounded_in_bytes
            lists_filter_and_page
            new_stores_are_empty
            one_bad_write_among_64_fails_alone
            open_runs_are_listed_oldest_first
            puts_replace_and_deletes_repeat
            random_commits_read_as_a_model_says
            the_outbox_crosses_runs
            unknown_runs_are_refused
            what_was_committed_is_there
        }
    };
    (@ $place:expr; $($check:ident)*) => {
        $(
            #[test]
            fn $check() {
                $crate::conformance::$check(&$place);
            }
        )*
    };
}
