//! The ports, and what listens on them.

use crate::{
    commands,
    entrance::{self, Entrance},
    front::Front,
    http,
    keys::{ApiKey, Callers, ClientCertificate},
    listen::{self, Room},
    proto::generated::{
        commands::commands_server::CommandsServer, health::health_server::HealthServer,
        operator::operator_service_server::OperatorServiceServer,
        workflow::workflow_service_server::WorkflowServiceServer,
    },
    tls::{BadTls, Tls, TlsSettings},
};
use sandglass::{Error, Host};
use sandglass_engine::Digest;
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};
use tonic::{codec::CompressionEncoding, service::Routes, transport};

/// The largest message that is sent.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// The least that the largest message may have that is taken: what is too large for the host by
/// some is to be refused by the host, whose errors are better.
const MESSAGE_BYTES_MIN: usize = 16 << 20;

/// Bytes of a request's headers.
const HEADER_BYTES_MAX: u32 = 16 << 10;

/// How often a silent connection is asked for a sign of life, and how long that may take: a client
/// whose machine is gone is not waited for.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Calls of one connection that are answered at the same time. Idle polls count.
const STREAMS_PER_CONNECTION: u32 = 10_000;

/// Calls that a client gave up before they were looked at, and those that were refused because of
/// it, after which its connection is closed: it does nothing but make work.
const RESETS_PENDING: usize = 100;
const RESETS_OF_OURS: usize = 1024;

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates or the key make no sense.
    #[error(transparent)]
    Tls(#[from] BadTls),
    /// Serving ended by itself.
    #[error("the server ended: {0}")]
    Transport(#[from] transport::Error),
}

/// Where a server listens, and for whom.
///
/// Without keys and certificates nobody is asked who they are: whoever can reach the addresses may
/// do everything. Without TLS keys and payloads go over the network as they are.
#[derive(Clone)]
pub struct Settings {
    /// Where to listen for gRPC; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where to listen for HTTP; port 0 takes a free one.
    pub http: SocketAddr,
    /// Who may do what, by API keys.
    pub keys: Vec<ApiKey>,
    /// Who may do what, by certificates that clients show.
    pub certificates: Vec<ClientCertificate>,
    /// TLS, of both ports.
    pub tls: Option<TlsSettings>,
    /// Most connections of each port; more than 20,000 are not taken.
    pub connections: usize,
}

/// A port that is listened on.
struct Port {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Port {
    async fn new(
        address: SocketAddr,
        tls: Option<&TlsSettings>,
        protocol: &[u8],
    ) -> Result<Self, ServeError> {
        let tls = tls.map(|tls| Tls::new(tls, protocol)).transpose()?;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            tls,
        })
    }
}

/// A server that listens already, and answers once it is run.
pub struct Server {
    front: Arc<Front>,
    grpc: Port,
    http: Port,
    callers: Arc<Callers>,
    closing: watch::Sender<bool>,
    connections: usize,
}

impl Server {
    /// Listens for clients of these hosts, one for each namespace.
    ///
    /// # Errors
    /// [`ServeError::Listen`], [`ServeError::Tls`].
    pub async fn bind(
        hosts: BTreeMap<String, Host>,
        settings: Settings,
    ) -> Result<Self, ServeError> {
        let tls = settings.tls.as_ref();
        let grpc = Port::new(settings.address, tls, b"h2").await?;
        let http = Port::new(settings.http, tls, b"http/1.1").await?;
        let (closing, closed) = watch::channel(false);
        Ok(Self {
            front: Arc::new(Front::new(hosts, closed)),
            grpc,
            http,
            callers: Arc::new(Callers::new(settings.keys, settings.certificates)),
            closing,
            connections: settings.connections.clamp(1, listen::CONNECTIONS),
        })
    }

    /// Where it listens for gRPC.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.grpc.address
    }

    /// Where it listens for HTTP.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http.address
    }

    /// Loads a workflow component and lets new runs of its types that are started in this task
    /// queue of the namespace begin with it. Returns its digest and its types.
    ///
    /// # Panics
    /// There is no such namespace.
    ///
    /// # Errors
    /// As [`Host::load_component`].
    pub async fn load_component(
        &self,
        namespace: &str,
        task_queue: &str,
        bytes: Vec<u8>,
    ) -> Result<(Digest, Vec<String>), Error> {
        let door = self
            .front
            .named(namespace)
            .expect("the caller has named it");
        let digest = door.host.load_component(bytes).await?;
        let all = door.host.workflow_types().into_iter();
        let types: Vec<String> = all
            .filter(|(_, of)| *of == digest)
            .map(|(name, _)| name)
            .collect();
        let mut queues = door.queues.write().unwrap_or_else(PoisonError::into_inner);
        queues.add(task_queue, types.clone(), digest);
        Ok((digest, types))
    }

    /// Answers until `stop` resolves. Then nothing new is begun, polls are told that there is
    /// nothing, and calls that are being answered are finished; until they are, whoever asks for
    /// something else hears that the server is stopping. The hosts go on.
    ///
    /// # Errors
    /// [`ServeError::Transport`].
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        // A start may bring arguments, headers, a memo and search attributes.
        let message = self.front.payload_bytes().saturating_mul(4);
        let workflow = WorkflowServiceServer::from_arc(Arc::clone(&self.front))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(message.max(MESSAGE_BYTES_MIN))
            .max_encoding_message_size(ANSWER_BYTES_MAX);
        let (over, ended) = watch::channel(false);
        let http = http::Shared::new(
            Arc::clone(&self.front),
            Arc::clone(&self.callers),
            http::Address {
                is_local: self.http.address.ip().is_loopback(),
                has_tls: self.http.tls.is_some(),
            },
            ended,
        );
        let connections = self.connections;
        let room = |spare| Room { connections, spare };
        let http = http::serve(
            listen::accept(self.http.listener, self.http.tls, room(listen::SPARE)),
            http,
        );
        let commands = CommandsServer::from_arc(Arc::clone(&self.front))
            .max_decoding_message_size(commands::REQUEST_BYTES_MAX)
            .max_encoding_message_size(ANSWER_BYTES_MAX);
        let operator = OperatorServiceServer::from_arc(Arc::clone(&self.front))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let entrance = Entrance {
            callers: self.callers,
            held: Arc::clone(&self.front.held),
            working: self.front.working.clone(),
        };
        let working = self.front.working.clone();
        let health = HealthServer::from_arc(self.front)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let routes = Routes::new(workflow)
            .add_service(health)
            .add_service(commands)
            .add_service(operator)
            .into_axum_router()
            .layer(axum::middleware::from_fn_with_state(
                entrance,
                entrance::pass,
            ));
        let closing = self.closing;
        let closed = closing.clone();
        let http = tokio::spawn(http);
        transport()
            .add_routes(Routes::from(routes))
            .serve_with_incoming_shutdown(
                listen::accept(self.grpc.listener, self.grpc.tls, room(0)),
                async move {
                    stop.await;
                    closing.send_replace(true);
                    working.ended().await;
                },
            )
            .await?;
        // Serving may have ended by itself.
        closed.send_replace(true);
        over.send_replace(true);
        // It ends when all that it answers is answered.
        let _ended = http.await;
        Ok(())
    }
}

/// How connections are served.
fn transport() -> transport::Server {
    transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING))
        .http2_max_local_error_reset_streams(Some(RESETS_OF_OURS))
}
