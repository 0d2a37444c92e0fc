//! The port, and what listens on it.

use crate::{
    door::Door,
    http,
    keys::{self, ApiKey, Keys},
    named,
    proto::generated::{
        health::health_server::HealthServer,
        workflow::workflow_service_server::WorkflowServiceServer,
    },
    queues::TaskQueues,
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
use tonic::{
    codec::CompressionEncoding,
    service::Routes,
    transport::{self, server::TcpIncoming},
};

/// The largest message that is taken. The host's own limits are lower and have better errors.
const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// How often a silent connection is asked for a sign of life, and how long that may take: a client
/// whose machine is gone is not waited for.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Calls of one connection that are answered at the same time. Idle polls count.
const STREAMS_PER_CONNECTION: u32 = 10_000;

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
    closing: watch::Sender<bool>,
    http: Option<TcpListener>,
}

impl Server {
    /// Listens on an address for clients of this host; port 0 takes a free one. Without API keys
    /// nobody is asked who they are: whoever can reach the address may do everything.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub async fn bind(
        host: Host,
        address: SocketAddr,
        keys: Vec<ApiKey>,
    ) -> Result<Self, ServeError> {
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
        let workflow = WorkflowServiceServer::from_arc(Arc::clone(&self.door))
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let (door, http_keys) = (Arc::clone(&self.door), Arc::clone(&self.keys));
        let health = HealthServer::from_arc(self.door)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let routes = Routes::new(workflow)
            .add_service(health)
            .into_axum_router()
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
            .add_routes(Routes::from(routes))
            .serve_with_incoming_shutdown(
                TcpIncoming::from(self.listener).with_nodelay(Some(true)),
                async move {
                    stop.await;
                    // Nobody may be left who listens.
                    closing.send_replace(true);
                },
            )
            .await?;
        over.send_replace(true);
        if let Some(http) = http {
            // It ends when all that it answers is answered.
            let _ended = http.await;
        }
        Ok(())
    }
}
