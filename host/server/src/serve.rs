//! The port, and what listens on it.

use crate::{
    body,
    door::Door,
    http,
    keys::{self, ApiKey, Keys},
    listen, named,
    proto::generated::{
        health::health_server::HealthServer,
        workflow::workflow_service_server::WorkflowServiceServer,
    },
    queues::TaskQueues,
    tls::{BadTls, Tls, TlsSettings},
    unsent,
};
use sandglass::{Error, Host};
use sandglass_engine::Digest;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
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

/// A server that listens already, and answers once it is run.
pub struct Server {
    door: Arc<Door>,
    listener: TcpListener,
    address: SocketAddr,
    keys: Keys,
    tls: Option<Tls>,
    closing: watch::Sender<bool>,
    http: Option<TcpListener>,
}

impl Server {
    /// Listens on an address for clients of this host; port 0 takes a free one. Without API keys
    /// nobody is asked who they are: whoever can reach the address may do everything. Without TLS
    /// keys and payloads go over the network as they are.
    ///
    /// # Errors
    /// [`ServeError::Listen`], [`ServeError::Tls`].
    pub async fn bind(
        host: Host,
        address: SocketAddr,
        keys: Vec<ApiKey>,
        tls: Option<TlsSettings>,
    ) -> Result<Self, ServeError> {
        let tls = tls.as_ref().map(Tls::new).transpose()?;
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (closing, closed) = watch::channel(false);
        let mut queues = TaskQueues::default();
        queues.push(host.task_queue_bindings(), None);
        let door = Door {
            queues: RwLock::new(queues),
            host,
            starts: Default::default(),
            workers: Default::default(),
            closing: closed,
        };
        Ok(Self {
            door: Arc::new(door),
            listener,
            address,
            keys: keys::by_digest(keys),
            tls,
            closing,
            http: None,
        })
    }

    /// Listens for HTTP too. Returns where.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub async fn listen_http(&mut self, address: SocketAddr) -> Result<SocketAddr, ServeError> {
        let failed = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.http = Some(listener);
        Ok(address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loads a workflow component and lets new runs of its types that are started in this task
    /// queue begin with it. Returns its digest and its types.
    ///
    /// # Errors
    /// As [`Host::load_component`].
    pub async fn load_component(
        &self,
        task_queue: &str,
        bytes: Vec<u8>,
    ) -> Result<(Digest, Vec<String>), Error> {
        let digest = self.door.host.load_component(bytes).await?;
        let all = self.door.host.workflow_types().into_iter();
        let types: Vec<String> = all
            .filter(|(_, of)| *of == digest)
            .map(|(name, _)| name)
            .collect();
        let mut queues = self
            .door
            .queues
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        queues.add(task_queue, types.clone(), digest);
        Ok((digest, types))
    }

    /// Answers until `stop` resolves. Then nothing new is taken, polls are told that there is
    /// nothing, and calls that are being answered are finished. The host goes on.
    ///
    /// # Errors
    /// [`ServeError::Transport`].
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let limits = self.door.host.limits();
        // A start may bring arguments, headers, a memo and search attributes.
        let message = limits.payload_bytes.saturating_mul(4);
        let workflow = WorkflowServiceServer::from_arc(Arc::clone(&self.door))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(message.max(MESSAGE_BYTES_MIN))
            .max_encoding_message_size(ANSWER_BYTES_MAX);
        let (door, http_keys) = (Arc::clone(&self.door), Arc::clone(&self.keys));
        let health = HealthServer::from_arc(self.door)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let routes = Routes::new(workflow)
            .add_service(health)
            .into_axum_router()
            .layer(axum::middleware::from_fn(unsent::watch))
            .layer(axum::middleware::from_fn_with_state(
                body::Held::default(),
                body::bound,
            ))
            .layer(axum::middleware::from_fn(named::refuse))
            .layer(axum::middleware::from_fn_with_state(self.keys, keys::guard));
        let closing = self.closing;
        let over = closing.clone();
        let http = self
            .http
            .map(|listener| tokio::spawn(http::serve(listener, door, http_keys)));
        transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING))
            .http2_max_local_error_reset_streams(Some(RESETS_OF_OURS))
            .add_routes(Routes::from(routes))
            .serve_with_incoming_shutdown(listen::accept(self.listener, self.tls), async move {
                stop.await;
                // Nobody may be left who listens.
                closing.send_replace(true);
            })
            .await?;
        over.send_replace(true);
        if let Some(http) = http {
            // It ends when all that it answers is answered.
            let _ended = http.await;
        }
        Ok(())
    }
}
