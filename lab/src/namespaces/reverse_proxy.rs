//! A reverse proxy in a pod, as an ingress controller is one: it connects to the backend itself, and tells
//! it the client's address in headers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use vipwatch_echo::server::{Flow, Respond, discard_body};

use super::namespace::Namespace;
use crate::cluster::{Endpoint, Family};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(1);
const EXCHANGE_TIME: Duration = Duration::from_secs(5);

/// A proxy in `namespace` that hands requests to `backends` in turn.
pub(super) struct ReverseProxy {
    namespace: Arc<Namespace>,
    backends: watch::Receiver<Vec<Endpoint>>,
    turn: AtomicUsize,
}

impl ReverseProxy {
    pub(super) fn new(namespace: Arc<Namespace>, backends: watch::Receiver<Vec<Endpoint>>) -> Self {
        Self { namespace, backends, turn: AtomicUsize::new(0) }
    }

    async fn forward(&self, mut request: Request<Empty<Bytes>>, flow: Flow) -> Result<Response<Full<Bytes>>> {
        let stream = self.connect(Family::of(flow.local.ip())).await?;
        let client = HeaderValue::from_str(&flow.peer.ip().to_string())?;
        let headers = request.headers_mut();
        for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        // In the place of what the client sent: otherwise anybody could say who they are.
        headers.insert(FORWARDED_FOR, client.clone());
        headers.insert(REAL_IP, client);

        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = Limited::new(body, BODY_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
            let mut response = Response::new(Full::new(body.to_bytes()));
            *response.status_mut() = head.status;
            if let Some(kind) = head.headers.get(CONTENT_TYPE) {
                response.headers_mut().insert(CONTENT_TYPE, kind.clone());
            }
            anyhow::Ok(response)
        };
        let (exchanged, _) = tokio::join!(exchange, connection);
        exchanged
    }

    async fn connect(&self, family: Family) -> Result<TcpStream> {
        let backends: Vec<_> =
            self.backends.borrow().iter().filter_map(|endpoint| endpoint.address(family)).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let backend = *backends.get(turn % backends.len().max(1)).context("there is no backend")?;
        let namespace = self.namespace.clone();
        let open = move || -> Result<io::Result<TcpSocket>> {
            namespace.within(|| match family {
                Family::V4 => TcpSocket::new_v4(),
                Family::V6 => TcpSocket::new_v6(),
            })
        };
        Ok(spawn_blocking(open).await???.connect(backend).await?)
    }
}

impl Respond for ReverseProxy {
    async fn respond(&self, request: Request<Incoming>, flow: Flow) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        discard_body(body, BODY_BYTES, BODY_TIME).await;
        let request = Request::from_parts(head, Empty::new());
        let forwarded = timeout(EXCHANGE_TIME, self.forward(request, flow)).await;
        forwarded.unwrap_or_else(|late| Err(late.into())).unwrap_or_else(|error| {
            let mut response = Response::new(Full::from(format!("{error:#}\n")));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}
