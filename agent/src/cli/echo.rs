//! `vipwatch echo`

use std::{io, net::SocketAddr, num::NonZeroU32, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args, value_parser};
use tokio_util::sync::CancellationToken;
use vipwatch_echo::{
    Identity, Listener, Rates, Service, Settings, Stats, Tls, bind_tcp, bind_udp, server::Limits,
};

use crate::{
    exit, lifecycle,
    privileges::{self, User},
};

/// What is served when nothing is asked for.
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 8080);

const LISTENERS: &str = "Listeners";
const LIMITS: &str = "Limits";

const NOTES: &str = "\
Each listener may be given several times, and [::]:PORT takes IPv4 as well. The environment variables \
NODE_NAME, POD_NAME and POD_NAMESPACE go into the answers. What was counted is at /stats, over HTTP and HTTPS.";

#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Echo {
    /// HTTP: JSON at every path, as agnhost's netexec at /clientip and /hostname
    /// [default, when there is no listener at all: [::]:8080]
    #[arg(long, value_name = "ADDR", help_heading = LISTENERS)]
    http: Vec<SocketAddr>,
    /// HTTPS, with a certificate of its own unless --tls-cert names one
    #[arg(long, value_name = "ADDR", help_heading = LISTENERS)]
    https: Vec<SocketAddr>,
    /// A line over TCP: `clientip`, `hostname`, `echo TEXT`; nothing or anything else gets the JSON
    #[arg(long, value_name = "ADDR", help_heading = LISTENERS)]
    tcp: Vec<SocketAddr>,
    /// A datagram, with the same commands
    #[arg(long, value_name = "ADDR", help_heading = LISTENERS)]
    udp: Vec<SocketAddr>,
    /// DNS over UDP and TCP: answers every query as CoreDNS's whoami does
    #[arg(long, value_name = "ADDR", help_heading = LISTENERS)]
    dns: Vec<SocketAddr>,
    /// The certificate chain for HTTPS, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = LISTENERS)]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = LISTENERS)]
    tls_key: Option<PathBuf>,
    /// Take the client's address from the PROXY header (v1 or v2) that every HTTP, HTTPS and TCP connection
    /// then has to begin with. Whoever can connect can forge one: let nobody but the proxy
    #[arg(long, help_heading = LISTENERS)]
    proxy_protocol: bool,

    /// Connections at once, over all listeners; further ones wait
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = value_parser!(u32).range(16..=65536),
        help_heading = LIMITS)]
    max_connections: u32,
    /// Connections at once from one IPv4 address or IPv6 /64; further ones are closed
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = value_parser!(u32).range(1..),
        help_heading = LIMITS)]
    max_connections_per_peer: u32,
    /// Datagrams answered per second, by each listener
    #[arg(long, value_name = "N", default_value_t = Rates::default().total, help_heading = LIMITS)]
    max_rate: NonZeroU32,
    /// Datagrams answered per second to one IPv4 address or IPv6 /64
    #[arg(long, value_name = "N", default_value_t = Rates::default().per_peer, help_heading = LIMITS)]
    max_rate_per_peer: NonZeroU32,
    /// Seconds for a request's head, a PROXY header, a TLS handshake, and between requests
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = value_parser!(u64).range(1..=300),
        help_heading = LIMITS)]
    idle_time: u64,

    /// Whom to become once the sockets are bound and the key is read: NAME, UID or UID:GID
    /// [default, started as root: nobody]
    #[arg(long, value_name = "USER")]
    user: Option<User>,
}

impl Echo {
    pub(super) fn run(self) -> ExitCode {
        // One thread is plenty, and there may be no other before root's rights are given up.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "failed to start the runtime");
                return exit::INTERNAL.into();
            }
        };
        match runtime.block_on(self.serve()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => code.into(),
        }
    }

    async fn serve(self) -> Result<(), exit::Code> {
        let internal = |error: io::Error| {
            tracing::error!(%error, "failed to serve");
            exit::INTERNAL
        };
        // Before anybody can connect: whoever sees it listen may end it.
        let mut signals = lifecycle::Signals::catch().map_err(internal)?;
        let settings = self.settings();
        let listeners = self.listeners(&settings.identity)?;
        privileges::give_up(self.user).map_err(|error| {
            tracing::error!(%error, "failed to drop privileges");
            exit::CONFIG
        })?;
        let service = Service::new(listeners, settings).map_err(internal)?;
        let stats = service.stats();
        for listener in stats.read().listeners {
            tracing::info!(protocol = listener.protocol, listen = %listener.address, "echoing source addresses");
        }
        let shutdown = CancellationToken::new();
        let served = service.run(shutdown.clone());
        tokio::pin!(served);
        let outcome = tokio::select! {
            outcome = &mut served => outcome,
            () = signals.terminated() => {
                shutdown.cancel();
                served.await
            }
        };
        tell(&stats);
        outcome.map_err(internal)
    }

    fn settings(&self) -> Settings {
        let count = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        Settings {
            identity: Identity::from_env(),
            limits: Limits {
                connections: count(self.max_connections),
                connections_per_peer: count(self.max_connections_per_peer),
                header_read: Duration::from_secs(self.idle_time),
                ..Limits::default()
            },
            rates: Rates { total: self.max_rate, per_peer: self.max_rate_per_peer },
            proxy_protocol: self.proxy_protocol,
        }
    }

    fn listeners(&self, identity: &Identity) -> Result<Vec<Listener>, exit::Code> {
        let mut listeners = Vec::new();
        for address in &self.http {
            listeners.push(Listener::Http(bound("--http", *address, bind_tcp)?));
        }
        if !self.https.is_empty() {
            let tls = self.tls(identity)?;
            for address in &self.https {
                listeners.push(Listener::Https(bound("--https", *address, bind_tcp)?, tls.clone()));
            }
        }
        for address in &self.tcp {
            listeners.push(Listener::Tcp(bound("--tcp", *address, bind_tcp)?));
        }
        for address in &self.udp {
            listeners.push(Listener::Udp(bound("--udp", *address, bind_udp)?));
        }
        for address in &self.dns {
            listeners.push(Listener::DnsOverUdp(bound("--dns", *address, bind_udp)?));
            listeners.push(Listener::DnsOverTcp(bound("--dns", *address, bind_tcp)?));
        }
        if listeners.is_empty() {
            listeners.push(Listener::Http(bound("--http", DEFAULT_HTTP, bind_tcp)?));
        }
        Ok(listeners)
    }

    fn tls(&self, identity: &Identity) -> Result<Tls, exit::Code> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Tls::from_files(certificate, key),
            _ => Tls::self_signed(identity),
        };
        tls.map_err(|error| {
            tracing::error!(%error, "failed to set up HTTPS; mend --tls-cert and --tls-key, or leave both out");
            exit::CONFIG
        })
    }
}

fn bound<S>(
    flag: &'static str,
    address: SocketAddr,
    bind: fn(SocketAddr) -> io::Result<S>,
) -> Result<S, exit::Code> {
    bind(address).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "somebody has this port",
            io::ErrorKind::PermissionDenied => "ports this low are for root",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address",
            _ if address.is_ipv6() => "where there is no IPv6, 0.0.0.0 will do",
            _ => "the system refuses",
        };
        tracing::error!(listen = %address, %error, "failed to listen; {why}: name another address with {flag}");
        exit::UNAVAILABLE
    })
}

fn tell(stats: &Stats) {
    for listener in stats.read().listeners {
        let counts = listener.counts;
        tracing::info!(
            protocol = listener.protocol,
            listen = %listener.address,
            answered = counts.answered,
            refused = counts.refused,
            malformed = counts.malformed,
            "stopped"
        );
    }
}
