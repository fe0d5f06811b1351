//! Clients that ask for too much, or say too little.

use std::{net::SocketAddr, time::Duration};

use axum::http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use vipwatch_web::Limits;

use crate::{
    client::{PATIENCE, get, open},
    sample::{Server, quick},
};

/// Sends `text` and waits until the server closes the connection.
async fn is_dropped_after(address: SocketAddr, text: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text).await.expect("room to write");
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A reset is as good an end as any.
    read.is_ok()
}

#[tokio::test]
async fn half_sent_and_silent_clients_are_dropped() {
    let server = Server::start_with(Limits { header_timeout: Duration::from_millis(20), ..quick() }).await;
    assert!(is_dropped_after(server.address, b"").await);
    assert!(is_dropped_after(server.address, b"GET / HTTP/1.1\r\nHo").await);
    let idle = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    assert!(is_dropped_after(server.address, idle).await);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let server = Server::start_with(Limits { connections: 1, ..quick() }).await;
    let only = open(server.address, Method::GET, "/api/v1/events", &[]).await;
    assert_eq!(only.status(), StatusCode::OK);
    assert!(is_dropped_after(server.address, b"").await);
}

#[tokio::test]
async fn event_streams_leave_connections_for_others() {
    let server = Server::start_with(Limits { event_streams: 1, ..quick() }).await;
    let only = open(server.address, Method::GET, "/api/v1/events", &[]).await;
    assert_eq!(only.status(), StatusCode::OK);
    let refused = get(server.address, "/api/v1/events").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["status"], 503);
    assert_eq!(get(server.address, "/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_holds_on_does_not_hold_up_shutdown() {
    let server = Server::start_with(Limits { drain_timeout: Duration::from_millis(20), ..quick() }).await;
    let mut stuck = TcpStream::connect(server.address).await.expect("connected");
    stuck.write_all(b"GET / HT").await.expect("room to write");
    assert_eq!(get(server.address, "/healthz").await.status, StatusCode::OK);
    server.shutdown.cancel();
    let ended = timeout(PATIENCE, server.served).await.expect("it ends");
    ended.expect("without a panic").expect("without an error");
}
