//! What connections meet at one listener: the PROXY header, the limit of their peer, TLS, and only then the
//! protocol. Whatever ends them early is counted here.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::accept::{self, Arrival, Place, Places};
use crate::http::Site;
use crate::listener::Listener;
use crate::pace::Rates;
use crate::proxy_protocol::{self, HeaderError, Source};
use crate::server::{self, Flow, Limits};
use crate::stats::{Counter, Stats};
use crate::tls::Tls;
use crate::{Echo, dns, tcp, udp};

/// Serves one listener.
pub(crate) struct Desk {
    pub(crate) echo: Echo,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) proxy_protocol: bool,
    pub(crate) places: Arc<Places>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) shutdown: CancellationToken,
}

/// A connection that may be served.
struct Guest {
    stream: TcpStream,
    /// Its peer is the client, also behind a proxy.
    flow: Flow,
    /// Tells of the proxy, if there is one.
    echo: Echo,
    _place: Place,
}

impl Desk {
    pub(crate) async fn serve(self: Arc<Self>, listener: Listener) -> io::Result<()> {
        match listener {
            Listener::Http(listener) => self.accept(listener, Self::http).await,
            Listener::Https(listener, tls) => {
                self.accept(listener, move |desk, arrival| desk.https(arrival, tls.clone())).await
            }
            Listener::Tcp(listener) => self.accept(listener, Self::tcp).await,
            Listener::DnsOverTcp(listener) => self.accept(listener, Self::dns).await,
            Listener::Udp(socket) => {
                udp::serve(socket, &self.echo, self.rates, &self.counter, &self.shutdown).await
            }
            Listener::DnsOverUdp(socket) => {
                dns::serve(socket, &self.echo, self.rates, &self.counter, &self.shutdown).await
            }
        }
    }

    async fn accept<F>(
        self: Arc<Self>,
        listener: TcpListener,
        attend: impl Fn(Arc<Self>, Arrival) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let attend = |arrival| attend(Arc::clone(&self), arrival);
        accept::serve(listener, &self.places, self.limits.drain, &self.shutdown, attend).await
    }

    async fn http(self: Arc<Self>, arrival: Arrival) {
        let Some(guest) = self.admit(arrival, self.proxy_protocol).await else { return };
        let Guest { stream, flow, echo, _place } = guest;
        if self.hears_from(&stream).await {
            Box::pin(self.converse_in_http(stream, flow, echo)).await;
        }
    }

    async fn https(self: Arc<Self>, arrival: Arrival, tls: Tls) {
        let Some(guest) = self.admit(arrival, self.proxy_protocol).await else { return };
        let Guest { stream, flow, echo, _place } = guest;
        if !self.hears_from(&stream).await {
            return;
        }
        let handshake = Box::pin(timeout(self.limits.header_read, tls.acceptor().accept(stream)));
        match handshake.await {
            Ok(Ok(stream)) => Box::pin(self.converse_in_http(stream, flow, echo)).await,
            Ok(Err(error)) => {
                self.counter.malformed();
                debug!(peer = %flow.peer, %error, "a TLS handshake failed");
            }
            Err(_) => self.counter.refused(),
        }
    }

    /// Waits until there is something to read, so that a client that says nothing does not cost the buffers of
    /// a server.
    async fn hears_from(&self, stream: &TcpStream) -> bool {
        let mut byte = [0];
        let heard = timeout(self.limits.header_read, stream.peek(&mut byte));
        match self.shutdown.run_until_cancelled(heard).await {
            Some(Ok(_)) => true,
            Some(Err(_)) => {
                self.counter.refused();
                false
            }
            None => false,
        }
    }

    async fn converse_in_http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        flow: Flow,
        echo: Echo,
    ) {
        let site = Site { echo, stats: Arc::clone(&self.stats), counter: Arc::clone(&self.counter) };
        let (limits, shutdown) = (self.limits, self.shutdown.clone());
        if let Err(error) = server::serve_stream(stream, flow, Arc::new(site), limits, shutdown).await {
            if error.is_parse() {
                self.counter.malformed();
            } else if error.is_timeout() {
                self.counter.refused();
            }
            debug!(peer = %flow.peer, %error, "a connection ended early");
        }
    }

    async fn tcp(self: Arc<Self>, arrival: Arrival) {
        if let Some(Guest { stream, flow, echo, _place }) = self.admit(arrival, self.proxy_protocol).await {
            self.note(flow, tcp::converse(stream, flow, &echo, &self.counter).await);
        }
    }

    async fn dns(self: Arc<Self>, arrival: Arrival) {
        // Those who ask a DNS server through a proxy ask over UDP as well, which has no PROXY header.
        if let Some(Guest { stream, flow, echo, _place }) = self.admit(arrival, false).await {
            let patience = self.limits.header_read;
            self.note(flow, dns::converse(stream, flow, &echo, patience, &self.counter).await);
        }
    }

    fn note(&self, flow: Flow, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            if error.kind() == io::ErrorKind::TimedOut {
                self.counter.refused();
            }
            debug!(peer = %flow.peer, %error, "a connection ended early");
        }
    }

    async fn admit(&self, mut arrival: Arrival, behind_proxy: bool) -> Option<Guest> {
        let mut flow = arrival.flow;
        let mut echo = self.echo.clone();
        if behind_proxy {
            let header = proxy_protocol::read(&mut arrival.stream);
            match timeout(self.limits.header_read, header).await {
                Ok(Ok(Source::Proxy)) => {}
                Ok(Ok(Source::Client(client))) => {
                    echo = echo.behind(flow.peer);
                    flow.peer = client;
                }
                Ok(Err(error)) => {
                    if matches!(error, HeaderError::Malformed) {
                        self.counter.malformed();
                    }
                    debug!(peer = %flow.peer, %error, "a connection was refused");
                    return None;
                }
                Err(_) => {
                    self.counter.refused();
                    return None;
                }
            }
        }
        let Some((stream, place)) = arrival.seated(flow.peer.ip()) else {
            self.counter.refused();
            return None;
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(peer = %flow.peer, %error, "failed to set TCP_NODELAY");
        }
        Some(Guest { stream, flow, echo, _place: place })
    }
}
