//! One HTTP exchange on a fresh connection: socket, connect, TLS, request, capped answer, with a time
//! stamp after each phase. No redirects, no proxy, no retries, no reuse: a flow shows one path.

use std::{
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Request, StatusCode,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpSocket,
    sync::OnceCell,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig, rustls::pki_types::ServerName};
use vipwatch_model::flow::{Failure, FailureKind, Phases};

use super::{blame, lap, resolve};

/// Where an HTTP exchange goes and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// Whether to speak TLS.
    pub tls: bool,
    /// Address or name to connect to.
    pub host: Host,
    /// Port to connect to.
    pub port: u16,
    /// The name that the server proves with its certificate, and the SNI unless it is an address.
    pub server_name: String,
    /// The `Host` header.
    pub authority: String,
    /// Path and query, starting with `/`.
    pub path: String,
}

/// The host of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A plain address.
    Address(IpAddr),
    /// A name to be resolved on every flow.
    Name(String),
}

impl HttpTarget {
    /// The socket address, unless it takes a name server to know it.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Address(address) => Some(SocketAddr::new(address, self.port)),
            Host::Name(_) => None,
        }
    }
}

/// An answer that arrived.
pub(super) struct Answer {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) phases: Phases,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body, or why there is none to be read. Empty when none was asked for.
    pub(super) body: Result<Bytes, String>,
}

/// An exchange without an answer.
pub(super) struct Failed {
    pub(super) local: Option<SocketAddr>,
    pub(super) remote: Option<SocketAddr>,
    pub(super) phases: Phases,
    pub(super) failure: Failure,
}

/// What has been learnt of a flow so far; what is left of it when it fails.
#[derive(Default)]
struct Progress {
    local: Option<SocketAddr>,
    remote: Option<SocketAddr>,
    phases: Phases,
}

/// Makes exchanges. Holds what can be shared between flows without tying them together: the TLS
/// configuration (session resumption is off).
pub(super) struct Exchanger {
    tls: OnceCell<TlsConnector>,
}

impl Exchanger {
    pub(super) fn new() -> Self {
        Self { tls: OnceCell::new() }
    }

    /// Gets `target` within `limit`, reading at most `cap` bytes of body (none at all for 0).
    ///
    /// A name with several addresses gives each flow of a round another one: the `nth`, counted around.
    pub(super) async fn get(
        &self,
        target: &HttpTarget,
        nth: u32,
        cap: usize,
        limit: Duration,
    ) -> Result<Answer, Failed> {
        let deadline = Instant::now() + limit;
        let mut progress = Progress::default();
        let failure = match timeout_at(deadline, self.attempt(target, nth, cap, &mut progress)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            // Not even an address by then: that is up to this host's name servers, not to the target.
            Err(_) if progress.remote.is_none() => {
                Failure::new(FailureKind::Vantage, "no name server of this host answered in time")
            }
            Err(_) => {
                Failure::new(FailureKind::Timeout, format!("no answer within {} ms", limit.as_millis()))
            }
        };
        let Progress { local, remote, phases } = progress;
        Err(Failed { local, remote, phases, failure })
    }

    async fn attempt(
        &self,
        target: &HttpTarget,
        nth: u32,
        cap: usize,
        progress: &mut Progress,
    ) -> Result<Answer, Failure> {
        let mut mark = Instant::now();
        let remote = match &target.host {
            Host::Address(address) => SocketAddr::new(*address, target.port),
            Host::Name(name) => {
                let addresses = resolve::addresses(name).await?;
                progress.phases.resolve_us = Some(lap(&mut mark));
                let address = addresses.iter().cycle().nth(nth as usize);
                let address = address
                    .ok_or_else(|| Failure::new(FailureKind::Resolve, format!("{name} has no address")))?;
                SocketAddr::new(*address, target.port)
            }
        };
        progress.remote = Some(remote);
        let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let stream = socket.map_err(|error| blame::failure(&error))?.connect(remote).await;
        let stream = stream.map_err(|error| blame::failure(&error))?;
        let local = stream.local_addr().map_err(|error| blame::failure(&error))?;
        progress.local = Some(local);
        progress.phases.connect_us = Some(lap(&mut mark));
        // A small request and answer: without this, Nagle and delayed ACKs would add to the latency.
        stream.set_nodelay(true).map_err(|error| blame::failure(&error))?;

        let (status, headers, body) = if target.tls {
            let connector = self.tls().await?;
            let name = ServerName::try_from(target.server_name.clone()).map_err(|_| {
                Failure::new(FailureKind::Tls, format!("{} cannot be a server name", target.server_name))
            })?;
            let stream = connector.connect(name, stream).await;
            let stream = stream.map_err(|error| Failure::new(FailureKind::Tls, error.to_string()))?;
            progress.phases.tls_us = Some(lap(&mut mark));
            request(stream, target, cap, &mut progress.phases, mark).await?
        } else {
            request(stream, target, cap, &mut progress.phases, mark).await?
        };
        Ok(Answer { local, remote, phases: progress.phases, status, headers, body })
    }

    async fn tls(&self) -> Result<&TlsConnector, Failure> {
        let connector = self.tls.get_or_try_init(|| async {
            let mut config = ClientConfig::with_platform_verifier()?;
            config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
            Ok(TlsConnector::from(Arc::new(config)))
        });
        let unusable = |error: tokio_rustls::rustls::Error| {
            Failure::new(FailureKind::Agent, format!("this host's certificate store cannot be used: {error}"))
        };
        connector.await.map_err(unusable)
    }
}

async fn request<S>(
    stream: S,
    target: &HttpTarget,
    cap: usize,
    phases: &mut Phases,
    mut mark: Instant,
) -> Result<(StatusCode, HeaderMap, Result<Bytes, String>), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(super::BODY_CAP)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| hyper_failure(&e))?;
    let request = Request::get(target.path.as_str())
        .header(HOST, target.authority.as_str())
        .header(USER_AGENT, concat!("vipwatch/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "*/*")
        // The server closes first, so that the waiting time of TCP is its own and our source ports stay free.
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::new(FailureKind::Agent, format!("the request cannot be made: {error}")))?;

    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(|e| hyper_failure(&e))?;
        phases.first_byte_us = Some(lap(&mut mark));
        let (head, body) = response.into_parts();
        if cap == 0 {
            return Ok((head.status, head.headers, Ok(Bytes::new())));
        }
        let body = match Limited::new(body, cap).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(format!("the answer is longer than {cap} bytes"))
            }
            Err(error) => return Err(error.downcast_ref().map_or_else(broken_off, hyper_failure)),
        };
        phases.body_us = Some(lap(&mut mark));
        Ok((head.status, head.headers, body))
    });
    // The connection is driven here, next to the exchange, and ends with it.
    let mut connection = pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            done = &mut exchange => return done,
            _ = &mut connection, if open => open = false,
        }
    }
}

fn broken_off() -> Failure {
    Failure::new(FailureKind::Protocol, "the answer broke off")
}

fn hyper_failure(error: &hyper::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return blame::failure(io);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Failure::new(FailureKind::Reset, "the connection was closed without an answer");
    }
    Failure::new(FailureKind::Protocol, error.to_string())
}
