//! A client that speaks HTTP/2 and gRPC by hand, so that it can also speak them wrongly.

use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, Request};
use std::{io::Cursor, time::Duration};
use tokio::net::TcpStream;

pub(crate) const SERVICE: &str = "/temporal.api.workflowservice.v1.WorkflowService";

/// One connection.
#[derive(Clone)]
pub(crate) struct Wire(SendRequest<Cursor<Vec<u8>>>);

/// A call of which only a part was sent.
pub(crate) struct Begun {
    stream: SendStream<Cursor<Vec<u8>>>,
    response: ResponseFuture,
}

impl Begun {
    /// Sends the rest of it.
    pub(crate) async fn finish(mut self, rest: &[u8]) -> Answer {
        self.stream
            .send_data(Cursor::new(rest.to_vec()), true)
            .unwrap();
        answer(self.response).await.unwrap()
    }
}

async fn answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    let said = |headers: &HeaderMap, name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let of = |name| said(&trailers, name).or_else(|| said(&head.headers, name));
    Ok(Answer {
        status: of("grpc-status").and_then(|code| code.parse().ok()),
        message: of("grpc-message")
            .unwrap_or_default()
            .replace("%20", " ")
            .replace("%22", "\""),
        bytes: bytes.split_off(bytes.len().min(5)),
    })
}

/// What a call was answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status; none if the stream ended without.
    pub(crate) status: Option<u32>,
    pub(crate) message: String,
    /// The message, without its frame.
    pub(crate) bytes: Vec<u8>,
}

/// Protocol buffers, by hand: one field of bytes.
pub(crate) fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = varint(u64::from(number << 3 | 2));
    out.extend(varint(bytes.len() as u64));
    out.extend(bytes);
    out
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// The fields of a message that have bytes, with their numbers.
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 127) << shift;
            shift += 7;
            if first & 128 == 0 {
                return value;
            }
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let length = match key & 7 {
            0 => {
                number(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut bytes)).unwrap(),
            _ => 4,
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        if key & 7 == 2 {
            found.push(((key >> 3) as u32, value));
        }
    }
    found
}

/// A message in its frame.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> Self {
        let mut builder = h2::client::Builder::new();
        // Room for ten thousand answers at the same time.
        builder.initial_connection_window_size(64 << 20);
        Self::with(address, builder).await
    }

    /// A connection on which no answer gets through.
    pub(crate) async fn deaf(address: &str) -> Self {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0);
        Self::with(address, builder).await
    }

    async fn with(address: &str, mut builder: h2::client::Builder) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        builder.initial_max_send_streams(20_000);
        let (send, connection) = builder.handshake(stream).await.unwrap();
        tokio::spawn(async move {
            // The server may end it.
            let _ended = connection.await;
        });
        Self(send)
    }

    /// Sends these bytes as the body of a call.
    pub(crate) async fn raw(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
        end: bool,
    ) -> Result<Answer, h2::Error> {
        let mut request = Request::post(format!("http://server{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.0.clone().ready().await?;
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false)?;
        // It may be refused before it is read.
        let _sent = stream.send_data(Cursor::new(body), end);
        answer(response).await
    }

    /// Begins a call of Temporal's service with these bytes, and sends no more of it yet.
    pub(crate) async fn begin(&self, call: &str, part: &[u8]) -> Begun {
        let request = Request::post(format!("http://server{SERVICE}/{call}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut send = self.0.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Cursor::new(part.to_vec()), false).unwrap();
        Begun { stream, response }
    }

    /// Makes a call of Temporal's service.
    pub(crate) async fn call(&self, call: &str, message: &[u8]) -> Answer {
        let path = format!("{SERVICE}/{call}");
        self.raw(&path, &[], framed(message), true).await.unwrap()
    }

    /// Makes a call, waits until its answer has begun, and hangs up.
    pub(crate) async fn hang_up_on(&self, call: &str, message: &[u8]) {
        let request = Request::post(format!("http://server{SERVICE}/{call}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut send = self.0.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
        stream
            .send_data(Cursor::new(framed(message)), true)
            .unwrap();
        let head = response.await.unwrap();
        // With a message to come, or it would have ended with the head.
        assert!(head.headers().get("grpc-status").is_none(), "{head:?}");
        stream.send_reset(h2::Reason::CANCEL);
    }

    /// As [`Wire::call`], given up after a while.
    pub(crate) async fn try_for(
        &self,
        length: Duration,
        call: &str,
        message: &[u8],
    ) -> Option<Result<Answer, h2::Error>> {
        let path = format!("{SERVICE}/{call}");
        let asked = self.raw(&path, &[], framed(message), true);
        tokio::time::timeout(length, asked).await.ok()
    }

    /// Whether others are served: a start is answered as it should be.
    pub(crate) async fn serves(&self, workflow_id: &str) {
        let answer = self
            .call("StartWorkflowExecution", &start("a01", workflow_id))
            .await;
        assert_eq!(answer.status, Some(0), "{answer:?}");
    }
}

/// A request to start a run of the scenarios.
pub(crate) fn start(kind: &str, workflow_id: &str) -> Vec<u8> {
    [
        field(1, b"default"),
        field(2, workflow_id.as_bytes()),
        field(3, &field(1, kind.as_bytes())),
        field(4, &field(1, b"scenarios")),
        field(10, workflow_id.as_bytes()),
    ]
    .concat()
}
