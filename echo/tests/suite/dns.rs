//! DNS over UDP and TCP, as a client that knows CoreDNS's whoami asks.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use vipwatch_echo::{Counts, Listener, Settings, bind_tcp, bind_udp};

use crate::running::{Running, localhost, rates, rest, settings};

pub(crate) fn query(id: u16) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.add_query(Query::query(Name::from_ascii("who.example.").unwrap(), RecordType::A));
    message.to_vec().unwrap()
}

fn start(settings: Settings) -> Running {
    let udp = bind_udp(localhost()).unwrap();
    let tcp = bind_tcp(udp.local_addr().unwrap()).unwrap();
    Running::start(vec![Listener::DnsOverUdp(udp), Listener::DnsOverTcp(tcp)], settings)
}

fn additionals(response: &[u8]) -> Vec<String> {
    let message = Message::from_vec(response).unwrap();
    assert!(message.answers.is_empty());
    message.additionals.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn over_udp_the_datagrams_source_is_told_and_garbage_is_not_answered() {
    let server = start(settings());
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(server.addresses[0]).await.unwrap();
    let mut response_to_another = query(1);
    response_to_another[2] |= 0x80;
    for garbage in [b"".as_slice(), b"clientip", &[0xff; 1232], &[0; 12], &[0; 5000], &response_to_another] {
        client.send(garbage).await.unwrap();
    }
    client.send(&query(4711)).await.unwrap();
    let mut buffer = [0; 512];
    let length = client.recv(&mut buffer).await.unwrap();
    assert_eq!(buffer[..2], 4711_u16.to_be_bytes(), "the first answer is that to the query");
    let port = client.local_addr().unwrap().port();
    assert_eq!(
        additionals(&buffer[..length]),
        [
            "who.example. 0 IN A 127.0.0.1".to_owned(),
            format!("_udp.who.example. 0 IN SRV 0 0 {port} ."),
            "who.example. 0 IN TXT node=node-1pod=echo-1".to_owned(),
        ]
    );
    assert_eq!(server.end().await, Counts { answered: 1, refused: 0, malformed: 6 });
}

#[tokio::test]
async fn one_peer_cannot_have_any_number_of_responses() {
    let server = start(Settings { rates: rates(1000, 1), ..settings() });
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(server.addresses[0]).await.unwrap();
    for id in 0..50 {
        client.send(&query(id)).await.unwrap();
    }
    let counts = server.counted(50).await;
    assert!((2..10).contains(&counts.answered) && counts.malformed == 0, "{counts:?}");
}

pub(crate) async fn ask(stream: &mut TcpStream, query: &[u8]) -> Vec<u8> {
    let length = u16::try_from(query.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, query].concat()).await.unwrap();
    let mut response = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn over_tcp_the_connections_source_is_told_for_each_query() {
    let server = start(settings());
    let mut stream = server.connect().await;
    let port = stream.local_addr().unwrap().port();
    for id in [1, 2] {
        let response = ask(&mut stream, &query(id)).await;
        assert_eq!(response[..2], id.to_be_bytes());
        assert_eq!(additionals(&response)[1], format!("_tcp.who.example. 0 IN SRV 0 0 {port} ."));
    }
    drop(stream);
    assert_eq!(server.end().await, Counts { answered: 2, refused: 0, malformed: 0 });
}

#[tokio::test]
async fn over_tcp_garbage_ends_the_connection() {
    let server = start(settings());
    for garbage in [b"\0\x04abcd".as_slice(), b"\0\0", b"\xff\xff", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(garbage).await.unwrap();
        assert_eq!(rest(&mut stream).await, "", "{garbage:?}");
    }
    let mut endless = server.connect().await;
    for id in 0..16 {
        ask(&mut endless, &query(id)).await;
    }
    assert_eq!(rest(&mut endless).await, "", "a connection has its share of queries");
    assert_eq!(server.end().await, Counts { answered: 16, refused: 0, malformed: 4 });
}
