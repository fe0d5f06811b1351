//! A client that sees every byte: hyper on a socket of its own.

use std::{net::SocketAddr, time::Duration};

use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// Long enough for a busy machine; nothing here waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, Method::GET, path, &[]).await
}

pub(crate) async fn ask(address: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    say(address, method, path, headers, "").await
}

/// Asks for a change, as a program on this host does.
pub(crate) async fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    say(address, Method::POST, path, &[("content-type", "application/json")], body).await
}

pub(crate) async fn say(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (parts, body) = send(address, method, path, headers, body).await.into_parts();
    let body = timeout(PATIENCE, body.collect()).await.expect("the body in time").expect("a whole body");
    Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() }
}

/// Sends a request and leaves the body of the answer to the caller.
pub(crate) async fn open(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> axum::http::Response<Incoming> {
    send(address, method, path, headers, "").await
}

async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> axum::http::Response<Incoming> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request");
    timeout(PATIENCE, sender.send_request(request)).await.expect("an answer in time").expect("an answer")
}
