//! A server that answers each datagram by a function of it and of where it came from.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// What is read of a datagram.
const DATAGRAM_BYTES: usize = 1500;

/// Sends what `answer` makes of each datagram until `shutdown` is cancelled.
pub(crate) async fn serve(
    socket: UdpSocket,
    answer: impl Fn(&[u8], SocketAddr) -> Option<Vec<u8>>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        let received = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, peer) = received?;
        if let Some(answer) = answer(&buffer[..length], peer)
            && let Err(error) = socket.send_to(&answer, peer).await
        {
            debug!(%peer, %error, "failed to answer a datagram");
        }
    }
}
