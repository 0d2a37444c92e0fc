//! What comes: the fields that path, query and body give, within bounds of size and time.

use crate::{
    access::Access,
    body::Share,
    front::Front,
    http::{answer::Refusal, closed, json, routes::Values},
    listen::Connection,
};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, StatusCode, Uri, body::Incoming, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::{Instant, Sleep},
};
use tonic::Status;

/// Most bytes of a JSON document that comes, if the limits of the hosts are small.
const JSON_BYTES_MAX: usize = 4 << 20;

/// What a document may have beside its payloads.
const BESIDE_PAYLOADS: usize = 1 << 20;

/// Most bytes of a JSON document that comes: one has room for as many bytes of payload as the hosts
/// take in a request, and more, as base64 makes four bytes of three.
fn json_bytes_max(payload_bytes: usize) -> usize {
    let payloads = payload_bytes.saturating_mul(2);
    JSON_BYTES_MAX.max(payloads.saturating_add(BESIDE_PAYLOADS))
}

/// How long a body may pause, and take in all.
const PAUSE_MAX: Duration = Duration::from_secs(10);
const BODY_MAX: Duration = Duration::from_secs(300);

/// How long the rest of a body may take when the server stops.
const REST_MAX: Duration = Duration::from_secs(1);

/// How long an answer may wait for its client to take a part of it.
const TAKE_MAX: Duration = Duration::from_secs(30);

/// A request of which the head was read.
pub(crate) struct Asked {
    values: Values,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Incoming,
    share: Share,
    json_bytes_max: usize,
    closing: watch::Receiver<bool>,
}

impl Asked {
    pub(crate) fn new(
        request: Request<Incoming>,
        values: Values,
        front: &Front,
        access: Option<&Access>,
    ) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        Ok(Self {
            values,
            query: query(&head.uri)?,
            headers: head.headers,
            body,
            share: Share::new(&front.held, access.and_then(Access::held)),
            json_bytes_max: json_bytes_max(front.payload_bytes()),
            closing: front.closing.clone(),
        })
    }

    /// What the path gives for a field.
    pub(crate) fn value(&self, field: &str) -> &str {
        let found = self.values.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, value)| value)
    }

    /// What the query gives for a parameter, as often as it is there.
    ///
    /// # Errors
    /// The query has other parameters than these.
    pub(crate) fn parameters<const N: usize>(
        &self,
        names: [&str; N],
    ) -> Result<[Vec<String>; N], Refusal> {
        let mut found = [(); N].map(|()| Vec::new());
        for (name, value) in &self.query {
            match names.iter().position(|known| known == name) {
                Some(place) => found[place].push(value.clone()),
                None => {
                    let known = names.join(", ");
                    return Err(Refusal::invalid(format!(
                        "there is no parameter {name:?} here, only: {known}"
                    )));
                }
            }
        }
        Ok(found)
    }

    /// The request message: from the body, then the query, then the path.
    pub(crate) async fn message(self, name: &str) -> Result<Value, Refusal> {
        let (values, query) = (self.values.clone(), self.query.clone());
        let mut message = self.document().await?;
        for (path, value) in &query {
            json::set(name, &mut message, path, value).map_err(Refusal::invalid)?;
        }
        for (path, value) in &values {
            json::set(name, &mut message, path, value).map_err(Refusal::invalid)?;
        }
        Ok(message)
    }

    /// Whether values in the body stand for themselves.
    pub(crate) fn shorthand(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        !kind.contains("+no-payload-shorthand")
    }

    /// The body as a JSON object; without a body an empty one.
    async fn document(self) -> Result<Value, Refusal> {
        let most = self.json_bytes_max;
        let bytes = self.json(most).await?;
        if bytes.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::invalid(format!("the body is not JSON: {error}")))?;
        if !value.is_object() {
            return Err(Refusal::invalid("the body is not a JSON object"));
        }
        json::check_numbers(&bytes, &value).map_err(Refusal::invalid)?;
        Ok(value)
    }

    /// A body that says that it is JSON, or none.
    pub(crate) async fn json(self, most: usize) -> Result<Vec<u8>, Refusal> {
        let kind = self.headers.get(header::CONTENT_TYPE).cloned();
        let bytes = self.bytes(most).await?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        // A page may send other kinds without asking first.
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
            let status = Status::invalid_argument("a body is JSON: Content-Type: application/json");
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, status));
        }
        Ok(bytes)
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is longer than `most`, or does not come in time.
    pub(crate) async fn bytes(mut self, most: usize) -> Result<Vec<u8>, Refusal> {
        let too_large = || {
            let message = format!("the body has more than the {most} bytes that are taken");
            let status = Status::resource_exhausted(message);
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, status)
        };
        let late = || {
            let status = Status::deadline_exceeded("the body did not come in time");
            Refusal::new(StatusCode::REQUEST_TIMEOUT, status)
        };
        let said = self.headers.get(header::CONTENT_LENGTH);
        let said = said.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if said.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut end = Instant::now() + BODY_MAX;
        let (mut bytes, mut stops) = (Vec::new(), false);
        loop {
            let until = end.min(Instant::now() + PAUSE_MAX);
            let frame = tokio::select! {
                frame = tokio::time::timeout_at(until, self.body.frame()) => frame,
                () = closed(&mut self.closing), if !stops => {
                    (stops, end) = (true, Instant::now() + REST_MAX);
                    continue;
                }
            };
            let Some(frame) = frame.map_err(|_| late())? else {
                return Ok(bytes);
            };
            let frame =
                frame.map_err(|error| Refusal::invalid(format!("the body broke off: {error}")))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            if bytes.len() + data.len() > most {
                return Err(too_large());
            }
            self.share.take(data.len())?;
            bytes.extend_from_slice(data);
        }
    }
}

/// The parameters of a query, but for `pretty`, which is about the form of the answer.
fn query(uri: &Uri) -> Result<Vec<(String, String)>, Refusal> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        let text = percent_decode_str(&text).decode_utf8();
        text.map(String::from)
            .map_err(|_| Refusal::invalid("the query is not UTF-8"))
    };
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && *pair != "pretty")
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// A connection that breaks if what is sent is not taken in time: a client that stops reading would
/// hold its answer for ever.
pub(crate) struct Patient {
    stream: Connection,
    /// Set while something waits to be taken.
    limit: Option<Pin<Box<Sleep>>>,
    /// The same, for others to see.
    is_sending: Arc<AtomicBool>,
}

impl Patient {
    pub(crate) fn new(stream: Connection, is_sending: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            limit: None,
            is_sending,
        }
    }

    fn taken<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.is_sending
            .store(polled.is_pending(), Ordering::Release);
        if polled.is_ready() {
            self.limit = None;
            return polled;
        }
        let limit = self
            .limit
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(TAKE_MAX)));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.taken(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.taken(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
