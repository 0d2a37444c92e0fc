//! What was answered to a poll of a worker, until the answer is on its way: if the client has hung
//! up by then, the next poll gets it. An attempt would be lost until it times out, a command for
//! ever.

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http_body::{Frame, SizeHint};
use sandglass::{ControlCommand, Host, TaskToken};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

/// What an answer holds.
pub(crate) enum Held {
    Attempt(TaskToken),
    /// A command from a control queue.
    Command(String, ControlCommand),
}

/// What is in an answer that is not on its way yet; dropped, it is given back.
#[derive(Clone)]
pub(crate) struct Unsent(Arc<Answered>);

struct Answered {
    host: Host,
    held: Held,
    sent: AtomicBool,
}

impl Unsent {
    /// Has what an answer holds watched until it is on its way.
    pub(crate) fn watched<T>(host: &Host, held: Held, answer: T) -> tonic::Response<T> {
        let mut response = tonic::Response::new(answer);
        response.extensions_mut().insert(Self(Arc::new(Answered {
            host: host.clone(),
            held,
            sent: AtomicBool::new(false),
        })));
        response
    }

    fn sent(&self) {
        self.0.sent.store(true, Ordering::Relaxed);
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if self.sent.load(Ordering::Relaxed) {
            return;
        }
        tracing::debug!("a poll hung up before its answer");
        match &self.held {
            // It may have ended meanwhile, or the host has.
            Held::Attempt(token) => drop(self.host.give_back(token)),
            Held::Command(queue, command) => {
                self.host.give_back_control(queue, command.clone());
            }
        }
    }
}

/// The body of an answer that holds something.
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
