//! HTTPS probes: the certificate is checked against the name in `host`, not against the VIP.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::Runtime,
};

use crate::{
    agent::{Home, vipwatch},
    authority::{Authority, named},
};

/// An HTTPS echo for `name` and the authority that vouches for it, as PEM.
fn serve(runtime: &Runtime, name: &str) -> (SocketAddr, String) {
    let authority = Authority::new("Test CA");
    let acceptor = authority.issue(&named(name, &[name])).acceptor(None, false);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.77:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            // A client that does not trust us breaks off the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
            let body = peer.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, authority.pem)
}

fn probe(address: SocketAddr, host: &str, authority: &str) -> (Option<i32>, Value) {
    let home = Home::new(&format!(
        r#"
[agent]
vantage = "test"
[defaults]
every = "10s"
timeout = "3s"
flows = 2
[[service]]
name = "default/secure"
vips = ["{}"]
port = {}
protocol = "https"
host = "{host}"
external_traffic_policy = "Local"
echo = {{ format = "auto" }}
"#,
        address.ip(),
        address.port(),
    ));
    let trusted = home.path().with_file_name("authority.pem");
    std::fs::write(&trusted, authority).unwrap();
    let mut command = vipwatch();
    command.args(["probe", "--json", "--config"]).arg(home.path()).env("SSL_CERT_FILE", trusted);
    let output = command.output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_certificate_is_checked_against_the_host() {
    let runtime = Runtime::new().unwrap();
    let (address, authority) = serve(&runtime, "echo.example.net");
    let (code, verdicts) = probe(address, "echo.example.net", &authority);
    assert_eq!(
        (code, verdicts[0]["verdict"]["finding"].as_str()),
        (Some(0), Some("preserved")),
        "{verdicts:#}"
    );

    let (code, verdicts) = probe(address, "other.example.net", &authority);
    assert_eq!(
        (code, verdicts[0]["verdict"]["finding"].as_str()),
        (Some(1), Some("unreachable")),
        "{verdicts:#}"
    );
    let reason = verdicts[0]["verdict"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("failed in the TLS handshake") && reason.contains("other.example.net"),
        "{reason}"
    );
}

#[test]
fn an_unknown_authority_is_named() {
    let runtime = Runtime::new().unwrap();
    let (address, _) = serve(&runtime, "echo.example.net");
    let (_, another) = serve(&runtime, "echo.example.net");
    let (code, verdicts) = probe(address, "echo.example.net", &another);
    assert_eq!(code, Some(1));
    let reason = verdicts[0]["verdict"]["reason"].as_str().unwrap();
    assert!(reason.contains("is not signed by"), "{reason}");
}
