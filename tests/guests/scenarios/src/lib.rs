//! The workflows of the acceptance scenarios A01 to A27, as far as their code differs.
//!
//! Each is named after its scenario; `README.md` beside this crate lists them with the activities
//! that the test host must serve. Those are declared here and have no body.

mod activities;
mod chains;
mod cleanup;
mod local;
mod messages;
mod page;
mod relatives;
mod saga;
mod scopes;
mod simple;
mod typed;

use chains::{a19, a26, a26_drop, retried};
use cleanup::{a04, a04_then_sleep, a05, a06, a17, a20};
use local::{a22, a22_wait, local_in_turn};
use messages::{holder, labeled, waits_twice};
use page::greeting;
use relatives::{a13, a14, a15, a16, cuts_short, s24};
use saga::{a21, a21_then_sleep, undone_slowly};
use scopes::{a07, a23, a24};
use simple::{a01, a02_caught, a08, a09, a10, a18, a27, r23, soon};
use typed::ordered;

sandglass_guest::export! {
    workflows: [
        a01, a02_caught, a04, a04_then_sleep, a05, a06, a07, a08, a09, a10, a13, a14, a15, a16, a17, a18, a19, a20,
        a21, a21_then_sleep, a22, a22_wait, a23, a24, a26, a26_drop, a27, r23, retried, s24, holder, labeled,
        local_in_turn, waits_twice, greeting, undone_slowly, cuts_short, soon, ordered,
    ],
}
