//! What every call over gRPC passes, in this order: who asks, whether it is served, the bounds of
//! what is read; and on the way out what could not be read, and what must not be lost with it.
//!
//! One middleware for all of it: each more would take memory for each of the thousands of polls
//! that wait.

use crate::{
    access,
    body::{self, Held},
    keys::Callers,
    named, unsent,
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
}

/// Lets a call in, or answers it here.
///
/// Not an `async fn`: nothing but the call itself is to be kept while it waits.
pub(crate) fn pass(
    State(entrance): State<Entrance>,
    mut request: Request,
    next: Next,
) -> impl Future<Output = Response> {
    let call = admit(&entrance, &mut request).map(|()| {
        let request = body::bound(&entrance.held, request);
        Box::pin(next.run(request))
    });
    async move {
        match call {
            Ok(call) => leave(call.await),
            Err(status) => status.into_http(),
        }
    }
}

fn admit(entrance: &Entrance, request: &mut Request) -> Result<(), Status> {
    access::guard(&entrance.callers, request)?;
    named::check(request.uri().path())
}

fn leave(response: Response) -> Response {
    match body::unreadable(response.headers()) {
        Some(status) => status.into_http(),
        None => unsent::watch(response),
    }
}
