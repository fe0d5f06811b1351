//! Servers to be probed, each on a port of its own.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::mpsc,
    task::JoinSet,
};

/// A server that ends with the test.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    /// Does `serve` with every connection.
    pub(super) async fn doing<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at("127.0.0.1:0", serve).await
    }

    /// Does `serve` with every connection to `address`.
    pub(super) async fn at<F>(address: &str, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(serve(stream));
            }
        });
        Self { address, _task: task }
    }

    /// Writes `reply` after it has read a request's head, and closes.
    pub(super) async fn saying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::doing(move |mut stream| {
            let reply = reply.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(&reply).await;
            }
        })
        .await
    }

    /// Answers every request with `reply`, and tells the heads of the requests.
    pub(super) async fn telling(reply: String) -> (Self, mpsc::Receiver<String>) {
        let (tell, told) = mpsc::channel(16);
        let server = Self::doing(move |mut stream| {
            let (tell, reply) = (tell.clone(), reply.clone());
            async move {
                let head = read_head(&mut stream).await;
                let _ = stream.write_all(reply.as_bytes()).await;
                let _ = tell.send(head).await;
            }
        });
        (server.await, told)
    }

    /// Accepts and says nothing.
    pub(super) async fn silent() -> Self {
        Self::doing(|stream| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(stream);
        })
        .await
    }

    /// Answers the datagrams that come from one address: `answer` is given each with its number, from 0.
    pub(super) async fn datagrams(
        at: &str,
        answer: impl Fn(usize, &[u8], SocketAddr) -> Vec<Vec<u8>> + Send + 'static,
    ) -> Self {
        let socket = UdpSocket::bind(at).await.unwrap();
        let address = socket.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut seen = std::collections::HashMap::<SocketAddr, usize>::new();
            let mut datagram = [0; 2048];
            loop {
                let (n, peer) = socket.recv_from(&mut datagram).await.unwrap();
                let nth = seen.entry(peer).or_default();
                for reply in answer(*nth, &datagram[..n], peer) {
                    socket.send_to(&reply, peer).await.unwrap();
                }
                *nth += 1;
            }
        });
        Self { address, _task: task }
    }
}

/// An address where nothing listens.
pub(super) async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Makes the drop of the stream send RST instead of FIN.
pub(super) fn reset_on_drop(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

pub(super) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
