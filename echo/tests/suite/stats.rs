//! The counts that `/stats` shows.

use serde_json::{Value, json};
use tokio::net::TcpStream;
use vipwatch_echo::{Listener, bind_tcp, bind_udp};

use crate::running::{GET, Running, exchange, localhost, settings};

#[tokio::test]
async fn each_listener_is_counted_and_all_together() {
    let server = Running::start(
        vec![
            Listener::Http(bind_tcp(localhost()).unwrap()),
            Listener::Tcp(bind_tcp(localhost()).unwrap()),
            Listener::Udp(bind_udp(localhost()).unwrap()),
        ],
        settings(),
    );
    let [http, tcp, udp] = server.addresses[..] else { panic!() };
    for (address, request) in [(http, GET), (http, b"nonsense\r\n\r\n"), (tcp, b"\n"), (tcp, &[b'x'; 600])] {
        exchange(&mut TcpStream::connect(address).await.unwrap(), request).await;
    }
    let stats = b"GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let reply = exchange(&mut TcpStream::connect(http).await.unwrap(), stats).await;
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let reading: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        reading,
        json!({
            "listeners": [
                { "protocol": "http", "address": http, "answered": 1, "refused": 0, "malformed": 1 },
                { "protocol": "tcp", "address": tcp, "answered": 1, "refused": 0, "malformed": 1 },
                { "protocol": "udp", "address": udp, "answered": 0, "refused": 0, "malformed": 0 },
            ],
            "total": { "answered": 2, "refused": 0, "malformed": 2 },
        })
    );
}
