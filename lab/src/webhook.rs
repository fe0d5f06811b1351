//! A webhook receiver for watching and for tests: takes any POST, and hands the JSON in it to whoever
//! wants to see it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::server::{self, Flow, Limits, Respond};

/// Larger bodies are answered 413.
const BODY_BYTES: usize = 256 * 1024;

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request's path and query.
    pub target: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

/// Takes deliveries on `listener` and hands each to `seen` before answering 204, until `shutdown` is
/// cancelled. What is not JSON is answered 400.
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(
    listener: TcpListener,
    seen: impl Fn(Delivery) + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, Arc::new(Receiver { seen }), Limits::default(), shutdown).await
}

struct Receiver<F> {
    seen: F,
}

impl<F: Fn(Delivery) + Send + Sync + 'static> Respond for Receiver<F> {
    async fn respond(&self, request: Request<Incoming>, _: Flow) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let status = match Limited::new(body, BODY_BYTES).collect().await {
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
                Err(_) => StatusCode::BAD_REQUEST,
                Ok(body) => {
                    let target = head.uri.to_string();
                    (self.seen)(Delivery { target, headers: head.headers, body });
                    StatusCode::NO_CONTENT
                }
            },
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    }
}
