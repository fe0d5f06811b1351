//! The PROXY protocol's header, read by somebody else's parser.

use ppp::{v1, v2};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc,
};
use vipwatch::prober::{Exchange, HttpExchange, ProxyVersion};
use vipwatch_model::flow::Outcome;

use super::{
    server::{Server, ok},
    sight, to,
};

/// Answers every connection and tells all that came before the answer.
async fn recording(at: &str) -> (Server, mpsc::Receiver<Vec<u8>>) {
    let (tell, told) = mpsc::channel(1);
    let server = Server::at(at, move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut read = Vec::new();
            let is_whole = |read: &[u8]| read.ends_with(b"accept: */*\r\nconnection: close\r\n\r\n");
            while !is_whole(&read) && stream.read_buf(&mut read).await.unwrap() > 0 {}
            let _ = stream.write_all(ok("").as_bytes()).await;
            let _ = tell.send(read).await;
        }
    });
    (server.await, told)
}

#[tokio::test]
async fn the_header_comes_first_and_names_the_flows_own_ends() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let (server, mut told) = recording(at).await;
            let mut method = to(server.address, Exchange::Http(HttpExchange::get("www.example.net", "/")));
            method.proxy_header = Some(version);
            let flow = sight(method, 1).await.flows.remove(0);
            assert_eq!(flow.outcome, Outcome::Answered);
            let ends = (flow.local.unwrap(), flow.remote.unwrap());
            let read = told.recv().await.unwrap();
            let length = match version {
                ProxyVersion::V1 => {
                    let header = v1::Header::try_from(read.as_slice()).unwrap();
                    assert_eq!(header.addresses, v1::Addresses::from(ends));
                    header.header.len()
                }
                ProxyVersion::V2 => {
                    let header = v2::Header::try_from(read.as_slice()).unwrap();
                    assert_eq!((header.command, header.protocol), (v2::Command::Proxy, v2::Protocol::Stream));
                    assert_eq!(header.addresses, v2::Addresses::from(ends));
                    header.len()
                }
            };
            assert!(read[length..].starts_with(b"GET / HTTP/1.1\r\n"), "{version:?}");
        }
    }
}
