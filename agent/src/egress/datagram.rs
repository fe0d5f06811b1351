//! One request and its answer over UDP, from a fresh socket that hears nobody but the one who is asked.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// When an unanswered request is sent again for the first time; twice as long for every further time. RFC 8489, 6.2.1
/// asks for it, and it does for DNS as well.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longer answers are cut off. Neither STUN nor DNS without EDNS has any.
const LONGEST_ANSWER: usize = 2048;

/// Sends `request` to `server`, from `source` if one is given, until `read` makes something of an answer, at most for
/// `limit`. What `read` gives nothing for is not for us, and waited past. Gives this host's own address on the way
/// there along with it.
///
/// # Errors
/// Why there is no answer, in words that follow a colon.
pub(super) async fn ask<T>(
    server: SocketAddr,
    source: Option<IpAddr>,
    request: &[u8],
    limit: Duration,
    read: impl Fn(&[u8]) -> Option<Result<T, String>>,
) -> Result<(IpAddr, T), String> {
    let deadline = Instant::now() + limit;
    let socket = socket(server, source).await.map_err(|error| match (error.kind(), source) {
        (io::ErrorKind::AddrNotAvailable, Some(source)) => format!("{source} is no address of this host"),
        _ => format!("no way there: {error}"),
    })?;
    let local = socket.local_addr().map_err(|error| error.to_string())?.ip();
    let mut wait = FIRST_WAIT;
    loop {
        let again = (Instant::now() + wait).min(deadline);
        let exchange = async {
            socket.send(request).await?;
            answer(&socket, &read).await
        };
        match timeout_at(again, exchange).await {
            Ok(Ok(answer)) => return answer.map(|answer| (local, answer)),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) if again == deadline => {
                return Err(format!("no answer within {} ms", limit.as_millis()));
            }
            Err(_) => wait *= 2,
        }
    }
}

async fn socket(server: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(source.unwrap_or(any), 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

async fn answer<T>(
    socket: &UdpSocket,
    read: impl Fn(&[u8]) -> Option<Result<T, String>>,
) -> io::Result<Result<T, String>> {
    let mut buffer = [0; LONGEST_ANSWER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = read(&buffer[..length]) {
            return Ok(answer);
        }
    }
}
