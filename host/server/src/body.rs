//! The bodies of requests while they are read: how many bytes all of them hold together, and how
//! long one may take. And what is said of one that is no message.

use crate::{access::Access, commands::REQUEST_BYTES_MAX, status};
use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::HeaderMap,
};
use http_body::{Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Sleep;
use tonic::{Code, Status};

/// Bytes of all bodies that are being read: two of the largest, those that bring a component.
const TOGETHER: usize = 2 * REQUEST_BYTES_MAX;

/// Bytes of those of one caller, where callers are told apart: others have the rest.
const OF_ONE: usize = TOGETHER / 2;

/// How long a body may take.
const WITHIN: Duration = Duration::from_secs(30);

/// How long a body may take that is a component.
const COMPONENT_WITHIN: Duration = Duration::from_secs(300);

/// The bytes that are held now, on all ports.
pub(crate) type Held = Arc<AtomicUsize>;

/// What one body has of them.
pub(crate) struct Share {
    all: Held,
    /// What all bodies of its caller have.
    of_one: Option<Held>,
    own: usize,
}

impl Share {
    pub(crate) fn new(all: &Held, of_one: Option<&Held>) -> Self {
        Self {
            all: Arc::clone(all),
            of_one: of_one.cloned(),
            own: 0,
        }
    }

    /// # Errors
    /// There are too many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<(), Status> {
        self.own += length;
        let add = |held: &Held| held.fetch_add(length, Ordering::Relaxed) + length;
        let (all, of_one) = (add(&self.all), self.of_one.as_ref().map_or(0, add));
        match all > TOGETHER || of_one > OF_ONE {
            true => Err(status::exhausted(
                "too many large requests at the same time",
            )),
            false => Ok(()),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        for held in self.of_one.iter().chain([&self.all]) {
            held.fetch_sub(self.own, Ordering::Relaxed);
        }
    }
}

/// A body that is being read.
struct Bounded {
    body: Body,
    share: Share,
    within: Duration,
    /// Only a body that is not there at once needs a clock.
    late: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let within = this.within;
                let new = || Box::pin(tokio::time::sleep(within));
                let late = this.late.get_or_insert_with(new);
                std::task::ready!(late.as_mut().poll(context));
                let message = format!("the request was not here within {within:?}");
                let error = axum::Error::new(Status::deadline_exceeded(message));
                return Poll::Ready(Some(Err(error)));
            }
        };
        let length = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        match this.share.take(length) {
            Ok(()) => Poll::Ready(frame),
            Err(status) => Poll::Ready(Some(Err(axum::Error::new(status)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What the transport says of a request that it cannot read, as those need it who sent it: they
/// would send it again and again.
pub(crate) fn unreadable(headers: &HeaderMap) -> Option<Status> {
    let status = Status::from_header_map(headers)?;
    match status.code() {
        // Ours have details.
        Code::Internal if status.details().is_empty() => Some(status::invalid(status.message())),
        // Nor this before it was read.
        Code::ResourceExhausted if status.details().is_empty() => Some(too_large(&status)),
        Code::OutOfRange => Some(too_large(&status)),
        _ => None,
    }
}

fn too_large(status: &Status) -> Status {
    Status::resource_exhausted(format!(
        // Workers know a message that is too large by these words, and report a failure instead.
        "grpc: received message larger than max: {}",
        status.message()
    ))
}

/// Bounds what is read of a request.
pub(crate) fn bound(held: &Held, request: Request) -> Request {
    let path = request.uri().path();
    let within = match path.ends_with("/PushComponent") || path.ends_with("/Upgrade") {
        true => COMPONENT_WITHIN,
        false => WITHIN,
    };
    let access = request.extensions().get::<Access>();
    let share = Share::new(held, access.and_then(Access::held));
    request.map(|body| {
        Body::new(Bounded {
            body,
            share,
            within,
            late: None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_what_is_there_for_others() {
        let (all, one, other) = (Held::default(), Held::default(), Held::default());
        let mut large = Share::new(&all, Some(&one));
        assert!(large.take(OF_ONE).is_ok());
        assert!(Share::new(&all, Some(&one)).take(1).is_err());
        let mut beside = Share::new(&all, Some(&other));
        assert!(beside.take(OF_ONE).is_ok());
        // Where nobody is told apart, all have it together.
        assert!(Share::new(&all, None).take(1).is_err());
        drop(large);
        assert!(Share::new(&all, Some(&one)).take(OF_ONE).is_ok());
        drop(beside);
        let held = [all, one, other].map(|held| held.load(Ordering::Relaxed));
        assert_eq!(held, [0; 3]);
    }

    #[test]
    fn only_what_the_transport_says_is_told_anew() {
        let told = |status: Status| {
            let answer: axum::http::Response<()> = status.into_http();
            unreadable(answer.headers()).map(|status| status.code())
        };
        let broken = told(Status::internal("failed to decode"));
        assert_eq!(broken, Some(Code::InvalidArgument));
        assert_eq!(told(status::internal("the change was not ended")), None);
        assert_eq!(
            told(Status::out_of_range("")),
            Some(Code::ResourceExhausted)
        );
        assert_eq!(told(status::exhausted("too much")), None);
    }
}
