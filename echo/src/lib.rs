//! The echo server: tells a client, as JSON, which source address and port its flow had when it arrived.
//! It runs behind a Service so that whoever asks can compare that address with the one it sent from.
//!
//! [`Service`] is the whole server, with any number of listeners. [`serve`], [`serve_tcp`] and [`serve_udp`]
//! serve one socket each. [`Answer`] is what they send, for readers of that JSON. [`server`] is the small,
//! bounded HTTP/1 server underneath; the lab reuses it for other answers.

mod accept;
mod answer;
mod datagram;
mod desk;
mod dns;
mod echo;
mod http;
mod identity;
mod listener;
mod pace;
mod proxy_protocol;
pub mod server;
mod service;
mod stats;
mod tcp;
mod tls;
mod udp;

pub use answer::{Answer, Endpoint, FORMAT, HttpRequest};
pub use echo::Echo;
pub use http::HEADER_BYTES;
pub use identity::Identity;
pub use listener::{Listener, bind_tcp, bind_udp};
pub use pace::Rates;
pub use service::{Service, Settings};
pub use stats::{Counts, ListenerCounts, Reading, Stats};
pub use tcp::LINE_BYTES;
pub use tls::{Tls, TlsError};
pub use udp::ANSWER_BYTES;

use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

/// Answers every HTTP request on `listener` until `shutdown` is cancelled.
///
/// Connections, header time and request bodies are bounded by [`server::Limits::default`].
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(listener: TcpListener, identity: Identity, shutdown: CancellationToken) -> io::Result<()> {
    let echo = Arc::new(Echo::new(identity));
    server::serve(listener, echo, server::Limits::default(), shutdown).await
}

/// Answers one line per connection on `listener` until `shutdown` is cancelled.
///
/// The commands are those of agnhost's netexec: `clientip`, `hostname` and `echo TEXT`. A client that sends
/// anything else, or nothing within 200 ms, gets the JSON. Answers end with a line end, and the connection
/// is closed after one.
///
/// Lines are bounded by [`LINE_BYTES`] and two seconds, connections by [`server::Limits::default`].
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve_tcp(
    listener: TcpListener,
    identity: Identity,
    shutdown: CancellationToken,
) -> io::Result<()> {
    alone(Listener::Tcp(listener), identity, shutdown).await
}

/// Answers every datagram on `socket` with one, from the address it was sent to, until `shutdown` is
/// cancelled.
///
/// The commands are those of [`serve_tcp`]; answers have no line end. An answer has at most
/// [`ANSWER_BYTES`]; at most 100 a second go to one network and 1,000 a second to all of them, twice that
/// after a pause. Datagrams from ports below 1024 and such that are answers themselves get none.
///
/// # Errors
/// When the socket stops receiving for good.
pub async fn serve_udp(socket: UdpSocket, identity: Identity, shutdown: CancellationToken) -> io::Result<()> {
    alone(Listener::Udp(socket), identity, shutdown).await
}

async fn alone(listener: Listener, identity: Identity, shutdown: CancellationToken) -> io::Result<()> {
    let settings = Settings { identity, ..Settings::default() };
    Service::new(vec![listener], settings)?.run(shutdown).await
}
