//! The listener: who is let in, and for how long somebody may hold a place without saying anything.
//!
//! Accepting never ends by itself. A connection that has not begun to talk in time is closed, and
//! while there are as many as there may be, others wait outside.

use crate::{access::Peer, certificate::Shown, tls::Tls};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

/// Connections at the same time, for each listener, if there may be as many open files.
pub(crate) const CONNECTIONS: usize = 20_000;

/// Places beside them, for those who ask whether the server is up when all others are taken.
pub(crate) const SPARE: usize = 16;

/// How long a new connection may take to agree on TLS, and then to begin to talk.
const GREETING: Duration = Duration::from_secs(10);

/// Bytes that each client begins with: one of HTTP/2 with its preface, one of HTTP/1 with a line of
/// its request and the header `Host`.
const PREFACE: usize = 24;

/// How long to wait after a connection could not be accepted: there are no file descriptors left.
const AFTER_A_FAILURE: Duration = Duration::from_millis(100);

/// Accepted connections that wait to be served.
const READY: usize = 64;

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection.
pub(crate) struct Connection {
    io: Io,
    peer: Peer,
    /// Bytes that have come, as long as the greeting is not complete, and when that is too late.
    greeting: Option<(usize, Pin<Box<Sleep>>)>,
    place: Place,
}

/// A place among the connections.
struct Place {
    _permit: OwnedSemaphorePermit,
    /// One that is there when there are no others.
    is_spare: bool,
}

impl Place {
    /// This place, or one that is no spare one: it was taken before somebody came, and others may
    /// have gone since.
    fn or_own(self, own: &Arc<Semaphore>) -> Self {
        match Arc::clone(own).try_acquire_owned() {
            Ok(_permit) if self.is_spare => Self {
                _permit,
                is_spare: false,
            },
            _ => self,
        }
    }
}

/// How many connections a listener has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) connections: usize,
    pub(crate) spare: usize,
}

impl Room {
    /// A place for each connection, as they come; others wait.
    async fn next(own: &Arc<Semaphore>, spare: &Arc<Semaphore>) -> Option<Place> {
        let (permit, is_spare) = tokio::select! {
            biased;
            permit = Arc::clone(own).acquire_owned() => (permit, false),
            permit = Arc::clone(spare).acquire_owned() => (permit, true),
        };
        // Closed by nobody.
        let _permit = permit.ok()?;
        Some(Place { _permit, is_spare })
    }
}

impl Connection {
    /// Whether there was no other place than one that is to be free again at once.
    pub(crate) fn is_spare(&self) -> bool {
        self.place.is_spare
    }

    async fn new(stream: TcpStream, tls: Option<&Tls>, place: Place) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (io, peer) = match tls {
            None => (Io::Plain(stream), Peer::default()),
            Some(tls) => {
                let agreed = tokio::time::timeout(GREETING, tls.accept(stream)).await;
                let agreed = agreed.map_err(|_| io::ErrorKind::TimedOut)??;
                let certificates = agreed.get_ref().1.peer_certificates();
                let own = certificates.and_then(|certificates| certificates.first());
                let peer = Peer(own.map(|own| Arc::new(Shown::new(own))));
                (Io::Tls(Box::new(agreed)), peer)
            }
        };
        Ok(Self {
            io,
            peer,
            greeting: Some((0, Box::pin(tokio::time::sleep(GREETING)))),
            place,
        })
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let read = match &mut this.io {
            Io::Plain(io) => Pin::new(io).poll_read(context, buffer),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_read(context, buffer),
        };
        if let Some((come, late)) = &mut this.greeting {
            *come += buffer.filled().len() - before;
            if *come >= PREFACE {
                this.greeting = None;
            } else if late.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write(context, bytes),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_flush(context),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_shutdown(context),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(io) => Pin::new(io).poll_write_vectored(context, bytes),
            Io::Tls(io) => Pin::new(io.as_mut()).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(io) => io.is_write_vectored(),
            Io::Tls(io) => io.is_write_vectored(),
        }
    }
}

/// The connections as they come.
pub(crate) struct Incoming(mpsc::Receiver<Connection>);

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Connection>>> {
        self.0.poll_recv(context).map(|next| next.map(Ok))
    }
}

/// Accepts connections until nobody takes them any more.
pub(crate) fn accept(listener: TcpListener, tls: Option<Tls>, room: Room) -> Incoming {
    let (ready, incoming) = mpsc::channel(READY);
    tokio::spawn(async move {
        tokio::select! {
            () = ready.closed() => {}
            () = let_in(listener, tls, room, &ready) => {}
        }
    });
    Incoming(incoming)
}

async fn let_in(
    listener: TcpListener,
    tls: Option<Tls>,
    room: Room,
    ready: &mpsc::Sender<Connection>,
) {
    let own = Arc::new(Semaphore::new(room.connections));
    let spare = Arc::new(Semaphore::new(room.spare));
    let tls = tls.map(Arc::new);
    let mut failing = false;
    loop {
        let Some(place) = Room::next(&own, &spare).await else {
            return;
        };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Such as too many open files: others end meanwhile.
                if !failing {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                failing = true;
                tokio::time::sleep(AFTER_A_FAILURE).await;
                continue;
            }
        };
        failing = false;
        let place = place.or_own(&own);
        let (tls, ready) = (tls.clone(), ready.clone());
        // Each on its own: none waits for another one's handshake.
        tokio::spawn(async move {
            match Connection::new(stream, tls.as_deref(), place).await {
                // Nobody serves any more.
                Ok(connection) => drop(ready.send(connection).await),
                Err(error) => tracing::debug!(%from, %error, "a connection was not begun"),
            }
        });
    }
}
