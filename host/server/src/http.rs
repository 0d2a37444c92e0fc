//! The HTTP API: Temporal's routes for what Temporal has, ours beside them.
//!
//! `routes` is the table of all there is, of which `openapi` tells; `calls` hands a request to the
//! same functions that answer gRPC, `json` has their messages as JSON. `runs` and `components` are
//! what Temporal's API cannot say. `guard` keeps browsers' pages and strangers out.

mod answer;
mod calls;
mod command;
mod components;
mod guard;
mod json;
mod openapi;
mod request;
mod routes;
mod runs;

use crate::{
    door::Door,
    keys::{self, Keys},
    named,
};
use answer::{Answer, Refusal};
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service};
use hyper_util::rt::{TokioIo, TokioTimer};
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
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// How long a client may take for the head of a request, or keep a connection without one.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// Most bytes of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Most connections. Further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1000;

/// Most components that are taken at the same time: each is held in memory and compiled.
const PUSHES_MAX: usize = 2;

/// How long a connection on which nothing is answered may take to end when the server stops.
const LEAVE_AFTER: Duration = Duration::from_secs(1);

/// What all connections share.
struct Shared {
    door: Arc<Door>,
    keys: Keys,
    /// Whether only this machine can reach it: then it is asked under a name of this machine.
    is_local: bool,
    pushes: Semaphore,
}

/// Answers on this listener until the door closes; requests that are being answered are finished.
pub(crate) async fn serve(listener: TcpListener, door: Arc<Door>, keys: Keys) {
    let is_local = listener
        .local_addr()
        .is_ok_and(|address| address.ip().is_loopback());
    let mut closing = door.closing.clone();
    let shared = Arc::new(Shared {
        door,
        keys,
        is_local,
        pushes: Semaphore::new(PUSHES_MAX),
    });
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let seat = tokio::select! {
            () = closed(&mut closing) => break,
            seat = Arc::clone(&room).acquire_owned() => seat,
        };
        // Those that have ended are forgotten.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = closed(&mut closing) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    connection(stream, shared).await;
                    drop(seat);
                });
            }
            Err(error) => {
                // Such as too many open files: others end meanwhile.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Returns when no new work is to be begun.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // Who could tell is gone: then it is over too.
    let _closed = closing.wait_for(|closing| *closing).await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let mut closing = shared.door.closing.clone();
    let is_sending = Arc::new(AtomicBool::new(false));
    let stream = request::Patient::new(stream, Arc::clone(&is_sending));
    let busy = Arc::new(AtomicBool::new(false));
    let answering = Arc::clone(&busy);
    let service = service::service_fn(move |request| {
        let (shared, busy) = (Arc::clone(&shared), Arc::clone(&answering));
        busy.store(true, Ordering::Release);
        async move {
            let answer = answer(&shared, request).await;
            busy.store(false, Ordering::Release);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closed(&mut closing) => None,
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
async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let form = answer::Form::of(request.headers(), request.uri());
    let answered = route(shared, request, &form).await;
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
    request: Request<Incoming>,
    form: &answer::Form,
) -> Result<Answer, Refusal> {
    guard::check(request.headers(), request.uri(), shared.is_local)?;
    let (route, values) = match routes::find(request.method().as_str(), request.uri().path())? {
        Found::Route(route, values) => (route, values),
        Found::Verbs(verbs) => return Err(Refusal::verb(&verbs)),
        Found::Nothing => return Err(Refusal::no_route(request.uri().path())),
    };
    if let Some(call) = route.call() {
        let path = format!("/{}/{call}", named::WORKFLOW_SERVICE);
        keys::check(&shared.keys, &path, request.headers())?;
    }
    let door = &shared.door;
    let asked = Asked::new(request, values, door.closing.clone())?;
    match route.target {
        Target::Call(call) => calls::answer(door, call, asked, form).await,
        Target::Ours(ours) => match ours {
            Ours::Health => Ok(Answer::json(json!({ "status": "up" }))),
            Ours::Ready => ready(door),
            Ours::OpenApi => Ok(Answer::json(openapi::document())),
            Ours::Command => command::answer(door, asked, &shared.keys).await,
            Ours::Describe => runs::describe(door, asked, form).await,
            Ours::Cancel => runs::cancel(door, asked).await,
            Ours::Force => runs::force(door, asked, false).await,
            Ours::Kill => runs::force(door, asked, true).await,
            Ours::ListComponents => components::list(door),
            Ours::PushComponent => components::push(door, asked, &shared.pushes).await,
            Ours::DescribeComponent => components::describe(door, asked).await,
            Ours::RemoveComponent => components::remove(door, asked).await,
        },
    }
}

/// Whether requests should be sent here.
fn ready(door: &Door) -> Result<Answer, Refusal> {
    if *door.closing.borrow() {
        let status = tonic::Status::unavailable("the server is stopping");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, status));
    }
    Ok(Answer::json(json!({ "status": "ready" })))
}
