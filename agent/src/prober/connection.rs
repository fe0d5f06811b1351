//! A TCP connection on a fresh socket, with a PROXY header and TLS where they are asked for.

use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use vipwatch_model::flow::Failure;

use super::{
    blame,
    flow::Progress,
    method::{Bind, ProxyVersion, Tls},
    proxy_header, socket,
    tls::Handshakes,
};

/// What bytes go over. TLS is boxed, so that plain flows, of which there are most, stay small.
pub(super) type Wire = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Connects to where `progress` leads.
pub(super) async fn open(
    bind: &Bind,
    proxy_header: Option<ProxyVersion>,
    tls: Option<(&Tls, &Handshakes)>,
    progress: &mut Progress,
) -> Result<Wire, Failure> {
    let failure = |error| blame::failure(&error);
    let remote = progress.remote;
    let mut stream = socket::tcp(bind, remote.ip())?.connect(remote).await.map_err(failure)?;
    let local = stream.local_addr().map_err(failure)?;
    progress.local = Some(local);
    progress.phases.connect_us = Some(progress.lap());
    // Small requests and answers: without this, Nagle and delayed ACKs would add to the latency.
    stream.set_nodelay(true).map_err(failure)?;
    if let Some(version) = proxy_header {
        stream.write_all(&proxy_header::of(version, local, remote)).await.map_err(failure)?;
    }
    let Some((tls, handshakes)) = tls else { return Ok(Either::Left(stream)) };
    let stream = handshakes.make(tls, stream, &mut progress.certificate).await?;
    progress.phases.tls_us = Some(progress.lap());
    Ok(Either::Right(Box::new(stream)))
}
