//! What one client, and all clients together, may take.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use vipwatch_echo::server::Limits;
use vipwatch_echo::{Counts, Listener, bind_tcp};

use crate::dns::{ask, query};
use crate::running::{GET, Running, answer_in, exchange, localhost, rest, with_limits};

async fn connect_from(source: &str, server: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(source.parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

#[tokio::test]
async fn a_peer_has_its_share_of_connections_over_all_listeners() {
    let listener = || bind_tcp(localhost()).unwrap();
    let server = Running::start(
        vec![Listener::Http(listener()), Listener::DnsOverTcp(listener())],
        with_limits(Limits { connections_per_peer: 2, ..Limits::default() }),
    );
    let [http, dns] = server.addresses[..] else { panic!() };

    let mut first = TcpStream::connect(http).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    first.readable().await.unwrap();
    let mut second = TcpStream::connect(dns).await.unwrap();
    ask(&mut second, &query(1)).await;
    let mut third = TcpStream::connect(http).await.unwrap();
    assert_eq!(rest(&mut third).await, "");
    let mut stranger = connect_from("127.0.0.2:0", http).await;
    assert_eq!(answer_in(&exchange(&mut stranger, GET).await).peer.address.to_string(), "127.0.0.2");

    second.shutdown().await.unwrap();
    rest(&mut second).await;
    let mut again = TcpStream::connect(http).await.unwrap();
    answer_in(&exchange(&mut again, GET).await);
    assert_eq!(server.end().await, Counts { answered: 4, refused: 1, malformed: 0 });
}

#[tokio::test]
async fn clients_that_let_time_pass_are_refused() {
    let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
    let listener = || bind_tcp(localhost()).unwrap();
    let server = Running::start(
        vec![Listener::Http(listener()), Listener::DnsOverTcp(listener())],
        with_limits(limits),
    );
    for (address, start) in
        server.addresses.iter().flat_map(|address| [(address, b"".as_slice()), (address, b"\0\x30GE")])
    {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(!exchange(&mut stream, start).await.contains("vipwatch"));
    }
    let counts = server.end().await;
    assert_eq!((counts.answered, counts.refused + counts.malformed), (0, 4), "{counts:?}");
}
