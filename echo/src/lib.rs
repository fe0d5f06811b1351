//! The echo server: tells a client, as JSON, which source address and port its connection had when it
//! arrived. It runs behind a Service so that whoever asks can compare that address with the one it
//! sent from.
//!
//! [`serve`] is the whole server. [`Answer`] is what it sends, for readers of that JSON.
//! [`server`] is the small, bounded HTTP/1 server underneath; the lab reuses it for other answers.

mod answer;
mod identity;
pub mod server;

pub use answer::{Answer, Echo, Endpoint, FORMAT, HEADER_BYTES};
pub use identity::Identity;

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Answers every request on `listener` until `shutdown` is cancelled.
///
/// Connections, header time and request bodies are bounded by [`server::Limits::default`].
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(listener: TcpListener, identity: Identity, shutdown: CancellationToken) -> io::Result<()> {
    let echo = Arc::new(Echo::new(identity));
    server::serve(listener, echo, server::Limits::default(), shutdown).await
}
