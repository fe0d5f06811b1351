//! A small HTTP/1 server that cannot be held up: every connection has a deadline for its headers and an
//! age, their number is capped, and all of them end soon after the shutdown token is cancelled. Knows
//! nothing of what is answered.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::accept::{self, Places};

/// The largest request head; hyper answers 431 beyond it.
const HEAD_BYTES: usize = 16 * 1024;

/// The two ends of a connection, as the answer should name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// Who connected.
    pub peer: SocketAddr,
    /// The address they reached.
    pub local: SocketAddr,
}

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; further ones wait in the listener's backlog.
    pub connections: usize,
    /// Connections of one IPv4 address or IPv6 /64; further ones are closed at once.
    pub connections_per_peer: usize,
    /// The time to receive a request's head, also the time a connection may idle between requests.
    pub header_read: Duration,
    /// The time after which a connection is closed whatever it does.
    pub connection_age: Duration,
    /// The time that requests in progress get once the server shuts down.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 1024,
            header_read: Duration::from_secs(10),
            connection_age: Duration::from_secs(300),
            drain: Duration::from_millis(500),
        }
    }
}

/// Answers requests. The implementation bounds how much of the body it reads.
pub trait Respond: Send + Sync + 'static {
    /// Answers one request that arrived over `flow`.
    fn respond(
        &self,
        request: Request<Incoming>,
        flow: Flow,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Serves connections from `listener` until `shutdown` is cancelled, then closes the listener and
/// returns when the last connection has ended.
///
/// Dropping the future ends all connections at once.
///
/// # Errors
/// When accepting keeps failing.
pub async fn serve(
    listener: TcpListener,
    responder: Arc<impl Respond>,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let places = Places::new(limits.connections, limits.connections_per_peer);
    accept::serve(listener, &places, limits.drain, &shutdown, |arrival| {
        let (responder, shutdown) = (responder.clone(), shutdown.clone());
        async move {
            let flow = arrival.flow;
            if let Some((stream, _place)) = arrival.seated(flow.peer.ip()) {
                serve_connection(stream, flow, responder, limits, shutdown).await;
            }
        }
    })
    .await
}

/// Serves one connection that was accepted elsewhere, as if its two ends were those of `flow`.
pub async fn serve_connection(
    stream: TcpStream,
    flow: Flow,
    responder: Arc<impl Respond>,
    limits: Limits,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "failed to set TCP_NODELAY");
    }
    if let Err(error) = serve_stream(stream, flow, responder, limits, shutdown).await {
        debug!(peer = %flow.peer, %error, "a connection ended early");
    }
}

/// Serves what a connection carries.
pub(crate) async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    flow: Flow,
    responder: Arc<impl Respond>,
    limits: Limits,
    shutdown: CancellationToken,
) -> hyper::Result<()> {
    let service = service_fn(move |request| {
        let responder = responder.clone();
        async move { Ok::<_, Infallible>(responder.respond(request, flow).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(HEAD_BYTES)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shutdown.cancelled() => {}
        () = sleep(limits.connection_age) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(limits.drain, connection).await.unwrap_or(Ok(()))
}

/// Reads and drops a request body. `false` when it is not over after `bytes` or `time`: then the
/// connection cannot serve another request.
pub async fn discard_body(mut body: Incoming, bytes: usize, time: Duration) -> bool {
    let discard = async {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > bytes {
                return false;
            }
        }
        true
    };
    timeout(time, discard).await.unwrap_or(false)
}
