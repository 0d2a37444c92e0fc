//! Updates: requests that a workflow answers, and may act on.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::payload::{self, Payload};
use crate::runtime::{self, Body, UpdateEntry};

/// Handles the updates of one name from now on, in place of an earlier handler.
///
/// For each update the handler is called with its argument (several are a tuple, none is `()`) and
/// what it returns runs as a task beside the workflow. It may start activities and wait; several
/// may run at once. Its result is what the caller gets.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use sandglass_guest::prelude::*;
///
/// #[workflow]
/// async fn account() -> Result<u64, Failure> {
///     let balance = Rc::new(Cell::new(0_u64));
///     let (seen, changed) = (Rc::clone(&balance), Rc::clone(&balance));
///     update("withdraw", move |amount: u64| {
///         let balance = Rc::clone(&changed);
///         async move {
///             balance.set(balance.get().saturating_sub(amount));
///             Ok(balance.get())
///         }
///     })
///     .validated(move |amount: &u64| match seen.get() {
///         balance if *amount <= balance => Ok(()),
///         balance => Err(Failure::application("Overdrawn", format!("there are {balance}"))),
///     });
///     signals::<()>("close").recv().await?;
///     wait_until(all_handlers_finished).await?;
///     Ok(balance.get())
/// }
/// # fn main() {}
/// ```
///
/// Register handlers before the first `.await`. An update that is recorded before the workflow has
/// begun waits for its handler; if there is none by the first `.await`, it fails.
///
/// Handlers run in the root scope: canceling the run cancels what they wait for, and they answer
/// with that unless they shield it. When the workflow returns first, the caller gets a failure of
/// type `AcceptedUpdateCompletedWorkflow`; [`all_handlers_finished`] is what to wait for.
///
/// # Panics
///
/// Outside a workflow.
pub fn update<A, T, F>(name: &str, handler: impl Fn(A) -> F + 'static) -> UpdateHandler<A>
where
    A: DeserializeOwned,
    T: Serialize,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    runtime::assert_active("update");
    let what = format!("the argument of update `{name}`");
    let begin = {
        let what = what.clone();
        move |arguments: &[Payload]| -> Body {
            match payload::decode_all(arguments, &what) {
                Ok(argument) => {
                    let handling = handler(argument);
                    Box::pin(async move { payload::encode(&handling.await?) })
                }
                Err(failure) => Box::pin(std::future::ready(Err(failure))),
            }
        }
    };
    // Without a validator of the workflow's own, what cannot be decoded is refused all the same.
    let decodes = {
        let what = what.clone();
        move |arguments: &[Payload]| payload::decode_all::<A>(arguments, &what).map(drop)
    };
    let entry = Rc::new(UpdateEntry {
        begin: Rc::new(begin),
        validator: RefCell::new(Some(Rc::new(decodes))),
    });
    runtime::register_update(name, &entry);
    UpdateHandler {
        entry,
        what,
        argument: PhantomData,
    }
}

/// Whether no update is being handled: `wait_until(all_handlers_finished)` before returning lets
/// every caller have his answer.
///
/// # Panics
///
/// Outside a workflow.
pub fn all_handlers_finished() -> bool {
    runtime::assert_active("all_handlers_finished");
    runtime::updates_finished()
}

/// The handler of the updates of one name. Dropping this changes nothing.
pub struct UpdateHandler<A> {
    entry: Rc<UpdateEntry>,
    what: String,
    argument: PhantomData<fn(A)>,
}

impl<A: DeserializeOwned + 'static> UpdateHandler<A> {
    /// Asks this function first whether an update is to be accepted. One that it refuses leaves no
    /// trace in the history; its caller gets the failure.
    ///
    /// It may only look, as a query may. An update that was recorded before the workflow had begun
    /// is accepted already: then a refusal is its answer.
    pub fn validated(self, validator: impl Fn(&A) -> Result<(), Failure> + 'static) -> Self {
        let what = self.what.clone();
        let validate =
            move |arguments: &[Payload]| validator(&payload::decode_all(arguments, &what)?);
        *self.entry.validator.borrow_mut() = Some(Rc::new(validate));
        self
    }
}

impl<A> fmt::Debug for UpdateHandler<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateHandler")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}
