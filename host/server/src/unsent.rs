//! An attempt that was answered to a poll, until the answer is on its way: if the client has hung
//! up by then, the next poll gets it, and it is not lost until it times out.

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http_body::{Frame, SizeHint};
use sandglass::{Host, TaskToken};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// An attempt whose answer is not on its way yet; dropped, it is given back.
#[derive(Clone)]
pub(crate) struct Unsent(Arc<Attempt>);

struct Attempt {
    host: Host,
    token: TaskToken,
    sent: AtomicBool,
}

impl Unsent {
    pub(crate) fn new(host: &Host, token: TaskToken) -> Self {
        Self(Arc::new(Attempt {
            host: host.clone(),
            token,
            sent: AtomicBool::new(false),
        }))
    }

    fn sent(&self) {
        self.0.sent.store(true, Ordering::Relaxed);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.sent.load(Ordering::Relaxed) {
            return;
        }
        tracing::debug!(run = self.token.run_id, "a poll hung up before its answer");
        // It may have ended meanwhile, or the host has.
        let _given_back = self.host.give_back(&self.token);
    }
}

/// The body of an answer that holds an attempt.
struct Watched {
    body: Body,
    unsent: Option<Unsent>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
            // What follows the message is asked for when the connection has taken that.
            self.unsent.take().iter().for_each(Unsent::sent);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Keeps what an answer holds until it is on its way.
pub(crate) fn watch(mut response: Response) -> Response {
    match response.extensions_mut().remove::<Unsent>() {
        Some(unsent) => response.map(|body| {
            let unsent = Some(unsent);
            Body::new(Watched { body, unsent })
        }),
        None => response,
    }
}
