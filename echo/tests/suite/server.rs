//! The echo server on real sockets: what it answers, and what it does not put up with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::server::{self, Limits};
use vipwatch_echo::{Answer, Echo, HttpRequest, Identity, Listener};

use crate::running::{Running, settings};

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(bind: &str, limits: Limits) -> Server {
    let listener = TcpListener::bind(bind).await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let identity =
        Identity { node: Some("node-1".to_owned()), pod: Some("echo-1".to_owned()), namespace: None };
    let task = tokio::spawn(server::serve(listener, Arc::new(Echo::new(identity)), limits, shutdown.clone()));
    Server { address, shutdown, task }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

fn body_of(reply: &str) -> &str {
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    body
}

fn answer_in(reply: &str) -> Answer {
    serde_json::from_str(body_of(reply)).unwrap()
}

fn request_in(reply: &str) -> HttpRequest {
    answer_in(reply).request.unwrap()
}

#[tokio::test]
async fn names_both_ends_and_itself() {
    let server = start("127.0.0.1:0", Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let source = stream.local_addr().unwrap();
    let reply = exchange(
        &mut stream,
        "GET /where/am/i HTTP/1.1\r\nHost: x\r\nX-Probe: 7\r\nConnection: close\r\n\r\n",
    )
    .await;
    let answer = answer_in(&reply);
    assert_eq!(answer.peer, source.into());
    assert_eq!(answer.local, server.address.into());
    assert_eq!(answer.node.as_deref(), Some("node-1"));
    assert_eq!(answer.pod.as_deref(), Some("echo-1"));
    assert_eq!(answer.namespace, None);
    let request = answer.request.unwrap();
    assert_eq!(request.path, "/where/am/i");
    assert_eq!(request.headers["x-probe"], "7");
}

#[tokio::test]
async fn the_paths_of_netexec_are_answered_as_it_does() {
    let server = start("[::1]:0", Limits::default()).await;
    for (path, answer) in [("/clientip", None), ("/clientip?x", None), ("/hostname", Some("echo-1"))] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let source = stream.local_addr().unwrap().to_string();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let reply = exchange(&mut stream, &request).await;
        assert_eq!(body_of(&reply), answer.unwrap_or(&source), "{path}");
    }
}

#[tokio::test]
async fn a_dual_stack_socket_shows_each_client_in_its_own_family() {
    let listener = vipwatch_echo::bind_tcp("[::]:0".parse().unwrap()).unwrap();
    let server = Running::start(vec![Listener::Http(listener)], settings());
    for host in ["127.0.0.1", "::1"] {
        let mut stream = TcpStream::connect((host, server.addresses[0].port())).await.unwrap();
        let source = stream.local_addr().unwrap();
        let answer =
            answer_in(&exchange(&mut stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await);
        assert_eq!((answer.peer, source.ip().to_string().as_str()), (source.into(), host));
    }
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_still_gets_the_answer() {
    let server = start("127.0.0.1:0", Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("\"vipwatch_echo\":1"), "{reply}");
}

#[tokio::test]
async fn a_body_is_ignored_and_an_endless_one_ends_the_connection() {
    let server = start("127.0.0.1:0", Limits::default()).await;

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
    let reply = exchange(&mut stream, request).await;
    assert_eq!(request_in(&reply).method, "POST");
    assert!(!reply.contains("secret"));

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // As much as it takes to pass the cap, and no more: unread bytes would turn the close into a reset.
    stream.write_all(&vec![0; 64 * 1024 + 1]).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("connection: close"), "{reply}");
}

#[tokio::test]
async fn silent_and_half_sent_clients_are_disconnected() {
    let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
    let server = start("127.0.0.1:0", limits).await;
    for sent in ["", "GET / HTTP/1.1\r\nHost:"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let reply = exchange(&mut stream, sent).await;
        assert!(!reply.contains("200 OK"), "{reply}");
    }
}

#[tokio::test]
async fn connections_over_the_cap_wait_for_a_free_place() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let server = start("127.0.0.1:0", limits).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.readable().await.unwrap();

    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(b"GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), second.readable()).await;
    assert!(early.is_err(), "the second connection was served beside the first");

    drop(first);
    let mut reply = String::new();
    second.read_to_string(&mut reply).await.unwrap();
    assert_eq!(request_in(&reply).path, "/2");
}

#[tokio::test]
async fn shutdown_ends_idle_connections_and_the_server() {
    let server = start("127.0.0.1:0", Limits::default()).await;
    let mut never_used = TcpStream::connect(server.address).await.unwrap();
    let mut kept_alive = TcpStream::connect(server.address).await.unwrap();
    kept_alive.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    kept_alive.readable().await.unwrap();

    server.shutdown.cancel();
    server.task.await.unwrap().unwrap();
    let mut reply = String::new();
    never_used.read_to_string(&mut reply).await.unwrap();
    kept_alive.read_to_string(&mut reply).await.unwrap();
    assert!(reply.contains("200 OK"));
    assert!(TcpStream::connect(server.address).await.is_err());
}
