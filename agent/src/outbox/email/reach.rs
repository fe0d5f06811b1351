//! The way to a mail server that has several addresses: one that nobody answers at does not use up the time of the others.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::config::Server;

/// No more addresses than these are tried.
const MOST: usize = 8;

/// A connection to `server`, for an attempt that takes `time` at most.
pub(super) async fn connect(server: &Server, time: Duration) -> io::Result<TcpStream> {
    let found = lookup_host((server.host.to_string(), server.port)).await?;
    let addresses: Vec<SocketAddr> = found.take(MOST).collect();
    connect_to_any(&addresses, time).await
}

/// A connection to the first of `addresses` that takes one. Each has an equal share of `time`, the mail itself another one; the
/// last has all that is left.
async fn connect_to_any(addresses: &[SocketAddr], time: Duration) -> io::Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "its name has no address"));
    };
    let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    for address in others {
        if let Ok(Ok(tcp)) = timeout(time / shares, TcpStream::connect(address)).await {
            return Ok(tcp);
        }
    }
    TcpStream::connect(last).await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A port that does not even refuse: nobody takes connections from its queue, which is full. Gives what has to stay open.
    async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
            waiting.push(stream.unwrap());
        }
        (address, listener, waiting)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_leaves_the_others_their_time() {
        let (silent, _listener, _waiting) = black_hole().await;
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = there.local_addr().unwrap();
        let time = Duration::from_secs(3);
        let began = Instant::now();
        let tcp = connect_to_any(&[silent, address], time).await.unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), address);
        assert!((time / 3..time).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(connect_to_any(&[], time).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
