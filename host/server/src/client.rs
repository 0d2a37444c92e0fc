//! The other end of `sandglass.v1.Commands`, for the command line. Blocking: one connection for
//! each request, and nobody to wait for beside it.

use crate::{
    commands::{OfComponent, REQUEST_BYTES_MAX},
    proto::generated::commands::{CommandRequest, commands_client::CommandsClient},
    tls::{ClientTls, Connector},
    working,
};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::{
    error::Error as _,
    io::ErrorKind,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::{
    Code, Request, Status,
    body::Body,
    codegen::{Service, http},
    metadata::{Ascii, MetadataValue},
};

/// How long the server may take to be there, and to answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ANSWER_MAX: Duration = Duration::from_secs(330);

/// How long a server is tried for that is not there, as while it is started again, and the pauses
/// between two tries.
const TRIED_FOR: Duration = Duration::from_secs(20);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// How often a call is made whose connection breaks.
const TRIES: u32 = 3;

/// Which server, which namespace of it, and who asks.
#[derive(Clone)]
pub struct ClientSettings {
    /// `HOST:PORT`.
    pub address: String,
    /// The namespace.
    pub namespace: String,
    /// The API key, if the server asks for one.
    pub api_key: Option<String>,
    /// TLS, if the server speaks it.
    pub tls: Option<ClientTls>,
}

/// What is said of a component beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Component {
    /// Its digest, in hexadecimal digits.
    pub digest: String,
    /// In which task queues new runs begin with it.
    pub task_queues: Vec<String>,
    /// Whether open runs keep it when it is removed.
    pub keep_runs: bool,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Call {
    /// A request to runs, as it goes to the owner of a store.
    Run(Vec<u8>),
    /// A start, in the JSON form of Temporal's request.
    Start(Value),
    /// A signal with a start, in the JSON form of Temporal's request.
    SignalWithStart(Value),
    /// Open runs are to go on with a component: which, as JSON, and its bytes.
    Upgrade(Vec<u8>, Vec<u8>),
    /// The components of the server's store.
    ListComponents,
    /// One of them.
    DescribeComponent(Component),
    /// Another one, and its bytes.
    PushComponent(Component, Vec<u8>),
    /// One of them is not wanted any more.
    RemoveComponent(Component),
}

impl Call {
    /// Whether it may be made again if nobody knows whether it was answered. A start has an id; who
    /// asks for something else of runs that changes them knows best.
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Run(request) => {
                let request = sandglass::CommandRequest::read(request);
                request.is_ok_and(|request| request.is_read() && !request.waits())
            }
            Self::Start(_)
            | Self::SignalWithStart(_)
            | Self::ListComponents
            | Self::DescribeComponent(_)
            | Self::PushComponent(..) => true,
            Self::Upgrade(..) | Self::RemoveComponent(_) => false,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The settings are no such.
    #[error("{0}")]
    Settings(String),
    /// The server cannot be reached, or is not one.
    #[error("{0}")]
    Unreachable(String),
    /// It has refused.
    #[error("{message}")]
    Refused {
        /// Of what kind the reason is.
        reason: Reason,
        /// What it says.
        message: String,
    },
}

/// Why a server refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request makes no sense, or whoever asks may not.
    Request,
    /// It does not fit how things stand.
    State,
    /// The server cannot do it now.
    Server,
}

/// Asks a server.
#[derive(Clone)]
pub struct Client {
    settings: ClientSettings,
    key: Option<MetadataValue<Ascii>>,
    tls: Option<Connector>,
}

impl Client {
    /// # Errors
    /// [`ClientError::Settings`]: the address is none, the key cannot be sent, or what TLS needs
    /// makes no sense.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        let address = &settings.address;
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/@?#".contains(&byte);
        if !matches!(port, Some(Ok(_))) || !address.bytes().all(is_plain) {
            let message = format!("{address:?} is no address like 127.0.0.1:7233");
            return Err(ClientError::Settings(message));
        }
        let header = |key: &String| {
            let value = MetadataValue::try_from(format!("Bearer {key}"));
            let message = "the API key has characters that no key has";
            let mut value = value.map_err(|_| ClientError::Settings(message.into()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let tls = settings
            .tls
            .as_ref()
            .map(|tls| Connector::new(tls, address));
        let tls = tls.transpose();
        Ok(Self {
            key: settings.api_key.as_ref().map(header).transpose()?,
            tls: tls.map_err(|error| ClientError::Settings(error.to_string()))?,
            settings,
        })
    }

    /// Where the server is.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.settings.address
    }

    /// Asks, and waits for the document that is answered. Blocks; not for a thread of a runtime.
    ///
    /// A server that is not there, or is stopping, is tried for twenty seconds, and asked again
    /// what can be asked twice if it went away before it answered: it may be started again
    /// meanwhile.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], [`ClientError::Refused`].
    pub fn ask(&self, call: Call) -> Result<Vec<u8>, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ClientError::Unreachable(error.to_string()))?;
        runtime.block_on(async {
            let mut tries = match call.is_repeatable() {
                true => TRIES,
                false => 1,
            };
            // Counted from when it is stopping: it may have waited with the answer before.
            let mut end = None;
            let mut is_early = move |asked: tokio::time::Instant| {
                let now = tokio::time::Instant::now();
                if now - asked > TRIED_FOR {
                    // It was there and served for a while: this is another stop.
                    end = None;
                }
                now < *end.get_or_insert(now + TRIED_FOR)
            };
            loop {
                let asked = tokio::time::Instant::now();
                match self.try_once(call.clone()).await {
                    Err(Again::Broken(_)) if tries > 1 => tries -= 1,
                    Err(Again::Later(_)) if is_early(asked) => {
                        tokio::time::sleep(PAUSE_MIN).await;
                    }
                    Err(Again::Broken(error) | Again::Later(error)) | Ok(Err(error)) => {
                        return Err(error);
                    }
                    Ok(answered) => return answered,
                }
            }
        })
    }

    async fn try_once(&self, call: Call) -> Result<Result<Vec<u8>, ClientError>, Again> {
        let unreachable = |reason: String| {
            let address = self.address();
            ClientError::Unreachable(format!("ask the server at {address}: {reason}"))
        };
        let connection = match self.reach().await {
            Ok(connection) => connection,
            Err(reason) => return Ok(Err(unreachable(reason))),
        };
        match tokio::time::timeout(ANSWER_MAX, self.call(connection, call)).await {
            Ok(Ok(document)) => Ok(Ok(document)),
            Ok(Err(status)) => match foreign(&status) {
                Some(reason) if status.source().is_some() => {
                    Err(Again::Broken(unreachable(reason)))
                }
                Some(reason) => Ok(Err(unreachable(reason))),
                None if is_stopping(&status) => Err(Again::Later(refused(&status))),
                None => Ok(Err(refused(&status))),
            },
            Err(_) => Ok(Err(unreachable(format!("no answer within {ANSWER_MAX:?}")))),
        }
    }

    /// Connects to the server as soon as it is there.
    async fn reach(&self) -> Result<Connection, String> {
        let end = tokio::time::Instant::now() + TRIED_FOR;
        let mut pause = PAUSE_MIN;
        loop {
            match tokio::time::timeout(CONNECT_MAX, self.connect()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(Absent::Now(_))) if tokio::time::Instant::now() + pause < end => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 17 / 10).min(PAUSE_MAX);
                }
                Ok(Err(Absent::Now(reason) | Absent::Always(reason))) => return Err(reason),
                Err(_) => return Err(format!("it did not answer within {CONNECT_MAX:?}")),
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Absent> {
        let always = |error: std::io::Error| Absent::Always(error.to_string());
        let stream = TcpStream::connect(self.address()).await;
        let stream = stream.map_err(|error| match error.kind() {
            ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted => Absent::Now(error.to_string()),
            _ => always(error),
        })?;
        stream.set_nodelay(true).map_err(always)?;
        let begun = match &self.tls {
            None => begin(stream).await,
            Some(tls) => {
                let stream = tls.connect(stream).await;
                let stream = stream.map_err(|error| Absent::Always(format!("TLS: {error}")))?;
                begin(stream).await
            }
        };
        begun.map_err(Absent::Always)
    }

    async fn call(&self, connection: Connection, call: Call) -> Result<Vec<u8>, Status> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let origin = http::Uri::try_from(format!("{scheme}://{}", self.address()));
        let origin = origin.map_err(|error| Status::unknown(error.to_string()))?;
        let mut client = CommandsClient::with_origin(connection, origin)
            .max_decoding_message_size(REQUEST_BYTES_MAX)
            .max_encoding_message_size(REQUEST_BYTES_MAX);
        let request = |document: Vec<u8>, content: Vec<u8>| {
            let mut request = Request::new(CommandRequest {
                namespace: self.settings.namespace.clone(),
                document,
                content,
            });
            if let Some(key) = &self.key {
                request.metadata_mut().insert("authorization", key.clone());
            }
            request
        };
        let of = |component: Component| {
            let said = OfComponent {
                digest: component.digest,
                task_queues: component.task_queues,
                keep_runs: component.keep_runs,
            };
            serde_json::to_vec(&said).expect("its keys are texts")
        };
        let none = Vec::new;
        let answered = match call {
            Call::Run(document) => client.run(request(document, none())).await,
            Call::Start(document) => {
                let document = document.to_string().into_bytes();
                client.start(request(document, none())).await
            }
            Call::SignalWithStart(document) => {
                let document = document.to_string().into_bytes();
                client.signal_with_start(request(document, none())).await
            }
            Call::Upgrade(document, bytes) => client.upgrade(request(document, bytes)).await,
            Call::ListComponents => {
                let document = of(Component::default());
                client.list_components(request(document, none())).await
            }
            Call::DescribeComponent(component) => {
                let request = request(of(component), none());
                client.describe_component(request).await
            }
            Call::PushComponent(component, bytes) => {
                client.push_component(request(of(component), bytes)).await
            }
            Call::RemoveComponent(component) => {
                client
                    .remove_component(request(of(component), none()))
                    .await
            }
        };
        Ok(answered?.into_inner().document)
    }
}

/// Why there is no connection.
enum Absent {
    /// Nobody listens there now.
    Now(String),
    Always(String),
}

/// Why a call may be made again.
enum Again {
    /// Its connection broke before it was answered.
    Broken(ClientError),
    /// The server is stopping.
    Later(ClientError),
}

/// Begins with HTTP/2.
async fn begin<S>(stream: S) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (send, connection) = begun.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        // What it breaks of, the call is told.
        let _ended = connection.await;
    });
    Ok(Connection(send))
}

/// One connection, as the generated client wants it.
#[derive(Clone)]
struct Connection(SendRequest<Body>);

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

/// Why a status is not one that such a server has answered.
fn foreign(status: &Status) -> Option<String> {
    if let Some(source) = status.source() {
        let broken = source.downcast_ref::<hyper::Error>().is_some();
        let reason = match broken {
            true => {
                "the connection broke: is it the port for gRPC, and is TLS as the server has it?"
            }
            false => return None,
        };
        return Some(format!("{reason} ({source})"));
    }
    (status.code() == Code::Unimplemented)
        .then(|| "it is no Sandglass server of this version".to_owned())
}

/// Whether the server has done nothing of it, as it is stopping.
fn is_stopping(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.message() == working::STOPPING
}

fn refused(status: &Status) -> ClientError {
    let reason = match status.code() {
        Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => Reason::State,
        Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::Internal
        | Code::Unknown
        | Code::Cancelled
        | Code::DataLoss => Reason::Server,
        _ => Reason::Request,
    };
    ClientError::Refused {
        reason,
        message: status.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str, key: Option<&str>) -> Result<Client, ClientError> {
        Client::new(ClientSettings {
            address: address.into(),
            namespace: "default".into(),
            api_key: key.map(Into::into),
            tls: None,
        })
    }

    #[test]
    fn addresses_are_those_of_ports() {
        for text in ["localhost:1", "127.0.0.1:7233", "[::1]:7233"] {
            assert!(at(text, None).is_ok(), "{text}");
        }
        for text in [
            "",
            "localhost",
            "https://a:1",
            "a:1/b",
            "a b:1",
            "a:1\r\nx",
            "a:70000",
        ] {
            assert!(at(text, None).is_err(), "{text}");
        }
        let error = at("a:1", Some("x\r\ny"))
            .err()
            .map(|error| error.to_string());
        let expected = "the API key has characters that no key has";
        assert_eq!(error.as_deref(), Some(expected));
    }
}
