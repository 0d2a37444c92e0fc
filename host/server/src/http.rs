//! The HTTP API: Temporal's routes for what Temporal has, ours beside them.
//!
//! `routes` is the table of all there is, of which `openapi` tells; `calls` hands a request to the
//! same functions that answer gRPC, `json` has their messages as JSON. `runs` and `components` are
//! what Temporal's API cannot say. `guard` keeps browsers' pages and strangers out.

mod answer;
mod calls;
mod components;
mod guard;
mod json;
mod openapi;
mod request;
mod routes;
mod runs;

use crate::{
    access::{Access, Peer},
    front::{self, Front},
    keys::Callers,
    listen::{Connection, Incoming as Connections},
    served::Needs,
    working,
};
use answer::{Answer, Refusal};
pub(crate) use calls::dispatch;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service};
use hyper_util::rt::{TokioIo, TokioTimer};
pub(crate) use json::{from_json, of_service, to_json};
use prost::bytes::Bytes;
use request::Asked;
use routes::{Found, Ours, Target};
use serde_json::json;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_stream::StreamExt as _;
use tonic::transport::server::Connected as _;

/// How long a client may take for the head of a request, or keep a connection without one.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// The same, where all places for connections but a few are taken.
const SPARE_HEAD_MAX: Duration = Duration::from_secs(5);

/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long a connection on which nothing is answered may take to end when the server stops.
const LEAVE_AFTER: Duration = Duration::from_secs(1);

/// How the port is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address {
    /// Whether only this machine can reach it: then it is asked under a name of this machine.
    pub(crate) is_local: bool,
    pub(crate) has_tls: bool,
}

/// What all connections share.
pub(crate) struct Shared {
    front: Arc<Front>,
    callers: Arc<Callers>,
    address: Address,
    /// True once no connections are taken any more.
    over: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn new(
        front: Arc<Front>,
        callers: Arc<Callers>,
        address: Address,
        over: watch::Receiver<bool>,
    ) -> Self {
        Self {
            front,
            callers,
            address,
            over,
        }
    }
}

/// Answers on these connections until it is over; requests that are being answered are finished.
pub(crate) async fn serve(mut incoming: Connections, shared: Shared) {
    let mut over = shared.over.clone();
    let shared = Arc::new(shared);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = closed(&mut over) => break,
            accepted = incoming.next() => accepted,
        };
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        match accepted {
            Some(Ok(stream)) => connections.spawn(connection(stream, Arc::clone(&shared))),
            // Accepting never ends by itself.
            Some(Err(_)) | None => break,
        };
    }
    drop(incoming);
    while connections.join_next().await.is_some() {}
}

/// Returns when this has become true.
pub(crate) async fn closed(told: &mut watch::Receiver<bool>) {
    // Who could tell is gone: then it is over too.
    let _closed = told.wait_for(|told| *told).await;
}

async fn connection(stream: Connection, shared: Arc<Shared>) {
    let mut over = shared.over.clone();
    let peer = stream.connect_info();
    let is_spare = stream.is_spare();
    let is_sending = Arc::new(AtomicBool::new(false));
    let stream = request::Patient::new(stream, Arc::clone(&is_sending));
    let busy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&busy);
    let service = service::service_fn(move |request| {
        let (shared, busy) = (Arc::clone(&shared), Arc::clone(&answering));
        let peer = peer.clone();
        busy.store(true, Ordering::Release);
        async move {
            let answer = answer(&shared, &peer, is_spare, request).await;
            busy.store(false, Ordering::Release);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(if is_spare { SPARE_HEAD_MAX } else { HEAD_MAX })
        .keep_alive(!is_spare)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closed(&mut over) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
    }
    while ended.is_none() {
        ended = tokio::time::timeout(LEAVE_AFTER, connection.as_mut())
            .await
            .ok();
        let is_busy = busy.load(Ordering::Acquire) || is_sending.load(Ordering::Acquire);
        if ended.is_none() && !is_busy {
            // Nothing was asked, or only a part of it.
            return;
        }
    }
    if let Some(Err(error)) = ended {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

/// One request, from its head to its answer. Whatever it is, it gets one.
async fn answer(
    shared: &Shared,
    peer: &Peer,
    is_spare: bool,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let form = answer::Form::of(request.headers(), request.uri());
    let answered = route(shared, peer, is_spare, request, &form).await;
    if let Err(refusal) = &answered {
        tracing::debug!(
            status = refusal.http.as_u16(),
            // Its message may quote what was sent.
            code = ?refusal.status.code(),
            "refused over HTTP"
        );
    }
    answer::respond(answered, &form)
}

async fn route(
    shared: &Shared,
    peer: &Peer,
    is_spare: bool,
    request: Request<Incoming>,
    form: &answer::Form,
) -> Result<Answer, Refusal> {
    guard::check(request.headers(), request.uri(), shared.address)?;
    let (route, values) = match routes::find(request.method().as_str(), request.uri().path())? {
        Found::Route(route, values) => (route, values),
        Found::Verbs(verbs) => return Err(Refusal::verb(&verbs)),
        Found::Nothing => return Err(Refusal::no_route(request.uri().path())),
    };
    if is_spare && route.needs != Needs::Nothing {
        let status = tonic::Status::unavailable("there are too many connections; try again");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, status));
    }
    let front = &shared.front;
    let access = match route.needs {
        Needs::Nothing => None,
        needs => {
            let caller = shared.callers.who(request.headers(), peer.0.as_deref());
            let refused = |status: &tonic::Status| {
                tracing::warn!(what = route.name, reason = status.message(), "refused");
            };
            Some(Access::new(caller.inspect_err(refused)?, route.name, needs))
        }
    };
    // Whether the server is up is told to the last.
    let _work = access
        .is_some()
        .then(|| front.working.begin())
        .transpose()?;
    let asked = Asked::new(request, values, front, access.as_ref())?;
    let Some(access) = access else {
        return match route.target {
            Target::Ours(Ours::Ready) => ready(front),
            _ => Ok(Answer::json(json!({ "status": "up" }))),
        };
    };
    let ours = match route.target {
        Target::Call(call) => return calls::answer(front, access, call, asked, form).await,
        Target::Ours(Ours::OpenApi) => return Ok(Answer::json(openapi::document())),
        Target::Ours(Ours::Describe) => return runs::describe(front, access, asked, form).await,
        Target::Ours(ours) => ours,
    };
    // Routes without one are about the namespace that is meant where none is named.
    let namespace = match asked.value("namespace") {
        "" => front::DEFAULT,
        named => named,
    };
    let door = front.door(&access, namespace)?;
    match ours {
        Ours::Health | Ours::Ready | Ours::OpenApi | Ours::Describe => {
            unreachable!("they are of no one namespace, or a call too")
        }
        Ours::Cancel => runs::cancel(door, asked).await,
        Ours::Force => runs::force(door, asked, false).await,
        Ours::Kill => runs::force(door, asked, true).await,
        Ours::ListComponents => components::list(door, &asked),
        Ours::PushComponent => components::push(door, asked, &front.pushes).await,
        Ours::DescribeComponent => components::describe(door, asked).await,
        Ours::RemoveComponent => components::remove(door, asked).await,
    }
}

/// Whether requests should be sent here.
fn ready(front: &Front) -> Result<Answer, Refusal> {
    if front.working.is_closing() {
        return Err(working::stopping().into());
    }
    Ok(Answer::json(json!({ "status": "ready" })))
}
