//! Queries: questions about a workflow's state, which anybody may ask at any time.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::runtime;
use crate::{Failure, payload};

/// Answers the queries of one name from now on, in place of an earlier handler.
///
/// The handler is called with the query's argument; several arguments are a tuple, none is `()`.
/// It shares state with the workflow through a `Cell`, `RefCell` or the like, and goes on answering
/// when the workflow has ended.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use sandglass_guest::prelude::*;
///
/// #[workflow]
/// async fn count(to: u32) -> Result<u32, Failure> {
///     let done = Rc::new(Cell::new(0));
///     query("done", {
///         let done = Rc::clone(&done);
///         move |()| Ok(done.get())
///     });
///     while done.get() < to {
///         sleep(Duration::from_secs(1)).await?;
///         done.set(done.get() + 1);
///     }
///     Ok(done.get())
/// }
/// # fn main() {}
/// ```
///
/// It may only look. The host calls it in a copy of the run, made by replay, that is thrown away:
/// what it changes is lost, and what would start something (an activity, a timer, a scope, random
/// numbers) traps, which the caller is told. A query is not recorded, and no replay and no
/// cancellation concerns it.
///
/// # Panics
///
/// Outside a workflow.
pub fn query<A, T>(name: &str, handler: impl Fn(A) -> Result<T, Failure> + 'static)
where
    A: DeserializeOwned,
    T: Serialize,
{
    runtime::assert_active("query");
    let what = format!("the argument of query `{name}`");
    let answer = move |arguments: &[payload::Payload]| {
        payload::encode(&handler(payload::decode_all(arguments, &what)?)?)
    };
    runtime::register_query(name, std::rc::Rc::new(answer));
}
