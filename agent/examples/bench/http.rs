//! The least HTTP client there is on hyper: one connection, one GET, closed.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
    header::{CONNECTION, HOST},
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// The request side of a connection.
pub(crate) type Sender = SendRequest<Empty<Bytes>>;
/// The side of a connection that has to be polled for anything to happen.
pub(crate) type Driver = Connection<TokioIo<TcpStream>, Empty<Bytes>>;

/// Connects to `address`.
pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<(Sender, Driver)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(http1::handshake(TokioIo::new(stream)).await?)
}

/// Asks for `path`; `close` makes it the connection's last request.
pub(crate) async fn ask(
    sender: &mut Sender,
    address: SocketAddr,
    path: &str,
    close: bool,
) -> anyhow::Result<Response<Incoming>> {
    let mut request = Request::get(path).header(HOST, address.to_string());
    if close {
        request = request.header(CONNECTION, "close");
    }
    Ok(sender.send_request(request.body(Empty::new())?).await?)
}

/// Gets `path` from `address` on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, driver) = open(address).await?;
    let exchange = async {
        let response = ask(&mut sender, address, path, true).await?;
        let status = response.status();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let (answer, _) = tokio::join!(exchange, driver);
    answer.with_context(|| format!("failed to get http://{address}{path}"))
}

/// An address on loopback that nobody listens on now.
pub(crate) async fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()
}
