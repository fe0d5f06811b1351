//! The TCP listener on real sockets: its commands, and clients that do not behave.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch_echo::{Answer, Identity, LINE_BYTES};

async fn start() -> (SocketAddr, DropGuard) {
    let listener = TcpListener::bind("[::]:0").await.unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().unwrap().port()));
    let shutdown = CancellationToken::new();
    let identity = Identity { pod: Some("echo-1".to_owned()), ..Identity::default() };
    tokio::spawn(vipwatch_echo::serve_tcp(listener, identity, shutdown.clone()));
    (address, shutdown.drop_guard())
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_command_is_answered_by_a_line() {
    let (address, _server) = start().await;
    for (command, answer) in [
        ("clientip\n", None),
        ("clientip\r\n", None),
        ("hostname\n", Some("echo-1")),
        ("echo a b\n", Some("a b")),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let source = stream.local_addr().unwrap().to_string();
        stream.write_all(command.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut stream).await, format!("{}\n", answer.unwrap_or(&source)), "{command:?}");
    }
}

#[tokio::test]
async fn a_client_with_nothing_to_say_gets_the_json() {
    let (address, _server) = start().await;
    for sent in [None, Some("\n"), Some("\r\n"), Some("GET / HTTP/1.1\r\n\r\n")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let (source, local) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        if let Some(sent) = sent {
            stream.write_all(sent.as_bytes()).await.unwrap();
        }
        let line = rest(&mut stream).await;
        let answer: Answer = serde_json::from_str(line.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!((answer.peer, answer.local), (source.into(), local.into()), "{sent:?}");
        assert_eq!((answer.pod.as_deref(), answer.request), (Some("echo-1"), None));
        assert!(!line.contains("headers"), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_answered_at_once() {
    let (address, _server) = start().await;
    for (sent, answer) in [("", "{\"vipwatch_echo\":1"), ("hostname", "echo-1\n")] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let line = rest(&mut stream).await;
        assert!(line.starts_with(answer), "{line}");
    }
}

#[tokio::test]
async fn a_command_in_pieces_is_one_command() {
    let (address, _server) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in ["host", "na", "me\nrest"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(rest(&mut stream).await, "echo-1\n");
}

#[tokio::test]
async fn a_line_that_does_not_end_is_cut_off() {
    let (address, _server) = start().await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    slow.write_all(b"x").await.unwrap();
    assert!(rest(&mut slow).await.starts_with("{\"vipwatch_echo\":1"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    let mut long = TcpStream::connect(address).await.unwrap();
    long.write_all(&[b'x'; LINE_BYTES]).await.unwrap();
    let mut answer = Vec::new();
    let _ = long.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn an_answer_survives_what_the_client_sends_beside_the_line() {
    let (address, _server) = start().await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"hostname\nGET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "echo-1\n");
}
