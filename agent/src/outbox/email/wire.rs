//! A connection to a mail server of which little is read, and never more at once than a line.
//!
//! `lettre` (0.11.23) reads lines without a bound of its own. And what somebody on the way says in clear text behind the
//! server's answer to `STARTTLS` would count as said under TLS, as it is read along with that answer: a mail would be
//! taken that no server has. Here it is left to the handshake, which breaks on it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};

/// The most that a server may say on one connection, in bytes, its certificates included.
const MOST: usize = 64 * 1024;

/// A connection to a mail server.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: BufReader<S>,
    peer: SocketAddr,
    left: usize,
}

impl<S: AsyncRead> Wire<S> {
    /// Speaks to `peer` through `stream`.
    pub(super) fn new(stream: S, peer: SocketAddr) -> Self {
        Self { stream: BufReader::new(stream), peer, left: MOST }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let heard = ready!(Pin::new(&mut this.stream).poll_fill_buf(cx))?;
        let line = heard.iter().position(|byte| *byte == b'\n').map_or(heard.len(), |end| end + 1);
        let taken = line.min(into.remaining());
        let Some(left) = this.left.checked_sub(taken) else {
            return Poll::Ready(Err(io::Error::other("the server says more than a mail needs")));
        };
        into.put_slice(&heard[..taken]);
        this.left = left;
        Pin::new(&mut this.stream).consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Sync + Unpin> AsyncTokioStream for Wire<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn wire(text: &[u8]) -> Wire<&[u8]> {
        Wire::new(text, "127.0.0.1:25".parse().unwrap())
    }

    #[tokio::test]
    async fn what_follows_a_line_is_not_read_along_with_it() {
        let mut wire = wire(b"220 go ahead\r\n250 said in clear text\r\n");
        let mut buffer = [0; 100];
        let read = wire.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], b"220 go ahead\r\n");
        let read = wire.read(&mut buffer[..10]).await.unwrap();
        assert_eq!(&buffer[..read], b"250 said i");
        let mut rest = Vec::new();
        wire.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"n clear text\r\n");
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let endless = vec![b'a'; MOST + 1];
        let error = wire(&endless).read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "the server says more than a mail needs");
        let mut all = Vec::new();
        wire(&endless[..MOST]).read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), MOST);
    }
}
