//! All that the workflows do about cancellation.

use std::cell::RefCell;

use sandglass_guest_bindings::workflow::sandglass::workflow::log::{Level, write};
use sandglass_guest_bindings::workflow::sandglass::workflow::{
    activities::schedule_activity, cancellation::*, execution::*,
};

/// What a run does when something that it awaits is canceled.
pub(crate) enum OnCancel {
    EndAfter(u32),
    CleanUp,
    EndWith(Failure),
}

thread_local! {
    pub(crate) static RUN: RefCell<OnCancel> = const { RefCell::new(OnCancel::EndAfter(1)) };
}

pub(crate) fn resolved(what: &str, outcome: Result<(), Failure>) {
    if let Err(failure) = &outcome {
        let line = format!("{what} raised: {}", failure[0].message);
        write(Level::Info, "cancel", &line);
    }
    match (RUN.replace(OnCancel::EndAfter(1)), outcome) {
        (OnCancel::CleanUp, Err(canceled)) => {
            let scope = open_scope(0, ScopeKind::Detached);
            let cleanup = schedule_activity(scope, &crate::call("Cleanup"));
            RUN.set(OnCancel::EndWith(cleanup.err().unwrap_or(canceled)));
        }
        (OnCancel::EndAfter(n @ 2..), Err(_)) => RUN.set(OnCancel::EndAfter(n - 1)),
        (OnCancel::EndWith(canceled), Ok(())) => complete(&Outcome::Failed(canceled)),
        (_, Err(failure)) => complete(&Outcome::Failed(failure)),
        (_, Ok(())) => complete(&Outcome::Completed(crate::nothing())),
    }
}
