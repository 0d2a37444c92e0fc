//! What goes back: a JSON document, or an error in the form `{code, message, details}`.

use crate::{
    http::json::{self, pool},
    proto::rpc,
};
use http_body_util::Full;
use hyper::{
    HeaderMap, Response, StatusCode, Uri,
    header::{self, HeaderValue},
};
use prost::{Message as _, bytes::Bytes};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// What a JSON answer looks like, as the client asks for it. Temporal's clients do so in `Accept`.
pub(crate) struct Form {
    /// With line breaks.
    is_pretty: bool,
    /// Values that are JSON stand as what they are, not as base64 with metadata.
    pub(crate) shorthand: bool,
}

impl Form {
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Self {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|accept| accept.to_str().ok());
        let asks = |what: &str| accept.is_some_and(|accept| accept.contains(what));
        let query = uri.query().unwrap_or_default();
        Self {
            is_pretty: asks("+pretty") || query.split('&').any(|pair| pair == "pretty"),
            shorthand: !asks("+no-payload-shorthand"),
        }
    }
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) http: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn json(body: Value) -> Self {
        Self {
            http: StatusCode::OK,
            body,
        }
    }
}

/// Why nothing is answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) http: StatusCode,
    pub(crate) status: Box<Status>,
    /// The verbs that the path has.
    verbs: Option<String>,
}

impl Refusal {
    pub(crate) fn new(http: StatusCode, status: Status) -> Self {
        Self {
            http,
            status: Box::new(status),
            verbs: None,
        }
    }

    pub(crate) fn no_route(path: &str) -> Self {
        let message =
            format!("there is no route {path:?}; GET /openapi.json tells which there are");
        Self::new(StatusCode::NOT_FOUND, Status::not_found(message))
    }

    pub(crate) fn verb(verbs: &str) -> Self {
        let message = format!("this path is for {verbs} only");
        Self {
            verbs: Some(verbs.into()),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Status::unimplemented(message),
            )
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Status::invalid_argument(message).into()
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::new(http_status(status.code()), status)
    }
}

/// As grpc-gateway maps them, and with it Temporal.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::from_u16(499).expect("three digits are a status"),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as JSON. Its code is that of gRPC, its details are Temporal's.
fn error(status: &Status) -> Value {
    let packed = rpc::Status::decode(status.details()).unwrap_or_default();
    let details = packed.details.into_iter().filter_map(|any| {
        let name = any.type_url.rsplit('/').next()?;
        pool().get_message_by_name(name)?;
        let mut detail = json::to_json(name, &any.value, true).ok()?;
        let fields = detail.as_object_mut()?;
        fields.insert("@type".into(), any.type_url.clone().into());
        Some(detail)
    });
    json!({
        "code": i32::from(status.code()),
        "message": status.message(),
        "details": details.collect::<Vec<_>>(),
    })
}

pub(crate) fn respond(answered: Result<Answer, Refusal>, form: &Form) -> Response<Full<Bytes>> {
    let (http, body, verbs) = match answered {
        Ok(answer) => (answer.http, answer.body, None),
        Err(refusal) => (refusal.http, error(&refusal.status), refusal.verbs),
    };
    let text = match form.is_pretty {
        true => serde_json::to_vec_pretty(&body),
        false => serde_json::to_vec(&body),
    };
    let text = text.expect("its keys are texts");
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = http;
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, value);
    set(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    set(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What a browser is shown is never taken for a page.
    set(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if http == StatusCode::UNAUTHORIZED {
        set(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(verbs) = verbs.and_then(|verbs| HeaderValue::from_str(&verbs).ok()) {
        set(header::ALLOW, verbs);
    }
    response
}
