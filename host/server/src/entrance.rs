//! What every call over gRPC passes, in this order: who asks, whether it is served, and still; the
//! bounds of what is read; and on the way out what could not be read, and what must not be lost
//! with it.
//!
//! One middleware for all of it: each more would take memory for each of the thousands of polls
//! that wait.

use crate::{
    access,
    body::{self, Held},
    keys::Callers,
    named,
    served::Needs,
    unsent,
    working::{AtWork, Working},
};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use std::sync::Arc;
use tonic::Status;

/// What all calls share.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(crate) callers: Arc<Callers>,
    pub(crate) held: Held,
    pub(crate) working: Working,
}

/// Lets a call in, or answers it here.
///
/// Not an `async fn`: nothing but the call itself is to be kept while it waits.
pub(crate) fn pass(
    State(entrance): State<Entrance>,
    mut request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let call = admit(&entrance, &mut request).map(|work| {
        let request = body::bound(&entrance.held, request);
        (work, Box::pin(next.run(request)))
    });
    async move {
        match call {
            Ok((_work, call)) => leave(call.await),
            Err(status) => status.into_http(),
        }
    }
}

/// A call that is let in; nothing where the server is only asked how it is.
fn admit(entrance: &Entrance, request: &mut Request) -> Result<Option<AtWork>, Status> {
    access::guard(&entrance.callers, request)?;
    match named::check(request.uri().path())? {
        Needs::Nothing => Ok(None),
        _ => entrance.working.begin().map(Some),
    }
}

fn leave(response: Response) -> Response {
    match body::unreadable(response.headers()) {
        Some(status) => status.into_http(),
        None => unsent::watch(response),
    }
}
