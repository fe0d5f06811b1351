//! How a probe is carried out: everything that it takes to make its flows, as plain data.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper::header::{HeaderName, HeaderValue};
use regex::bytes::{Regex, RegexBuilder};
use url::{Host as UrlHost, Url};
use vipwatch_model::{dns::Question, echo::EchoFormat};

use super::trust::{Identity, Roots};

/// How a probe is carried out.
#[derive(Debug, Clone, PartialEq)]
pub enum Method {
    /// Flows to a target.
    Flows(Box<FlowMethod>),
    /// One poll of a health check node port.
    NodeHealth(HttpPoll),
    /// One poll of a kube-proxy's own health port.
    ProxyHealth(HttpPoll),
    /// Echo requests of ICMP to a node.
    Ping {
        /// The node's address.
        address: IpAddr,
        /// Where they leave this host.
        bind: Bind,
    },
}

/// A plain GET whose answer is read by a health parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPoll {
    /// A node's address and the health port.
    pub address: SocketAddr,
    /// Path and query, starting with `/`.
    pub path: String,
    /// Where the poll leaves this host.
    pub bind: Bind,
}

/// Flows to a target, each from a fresh socket with a source port of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowMethod {
    /// Where to.
    pub host: Host,
    /// The port there.
    pub port: u16,
    /// The name servers to ask for `host` and `dns_name`; none: the system's. The way to them is up to the routing
    /// table, whatever `bind` says.
    pub name_servers: Vec<SocketAddr>,
    /// A name that ought to lead to the target. It is looked up beside the flows, and nothing else is done with
    /// what is found.
    pub dns_name: Option<String>,
    /// Where the flows leave this host.
    pub bind: Bind,
    /// The PROXY protocol's header, sent before anything else.
    pub proxy_header: Option<ProxyVersion>,
    /// What is said on each flow.
    pub exchange: Exchange,
    /// How the answer tells the source address that the far side sees; `None` for reachability only. What DNS has
    /// instead is [`DnsPurpose::Whoami`].
    pub echo: Option<EchoFormat>,
    /// Whether each round has one more flow (HTTP only) that claims to come from
    /// [`CANARY`](vipwatch_model::observation::CANARY), to find out whether the far side believes such headers.
    pub canary: bool,
}

/// The host of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A plain address.
    Address(IpAddr),
    /// A name, looked up once a round. The flows take turns on its addresses.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Where flows leave this host; the default leaves it to the routing table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bind {
    /// Source addresses, at most one per family. Where there are any, flows of a family without one fail.
    pub addresses: Vec<IpAddr>,
    /// The interface (`SO_BINDTODEVICE`), whatever the routing table says.
    pub interface: Option<String>,
}

/// The versions of the PROXY protocol's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyVersion {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// What is said on a flow.
#[derive(Debug, Clone, PartialEq)]
pub enum Exchange {
    /// An HTTP/1.1 request and its answer.
    Http(HttpExchange),
    /// Plain words on a TCP connection.
    Tcp(TcpExchange),
    /// A datagram and the one that answers it.
    Udp(UdpExchange),
    /// A question to a name server and its answer.
    Dns(DnsExchange),
    /// A TLS handshake and nothing more: what counts is the certificate.
    Tls(Tls),
}

/// An HTTP/1.1 request, and what its answer ought to be.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpExchange {
    /// HTTPS.
    pub tls: Option<Tls>,
    /// The request's method.
    pub method: hyper::Method,
    /// The `Host` header.
    pub authority: String,
    /// Path and query, starting with `/`.
    pub path: String,
    /// Further headers. Secret values are marked so with [`HeaderValue::set_sensitive`]. Headers by which proxies
    /// name a client do not belong here: they would spoil what is measured.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the answer ought to be, besides being an echo.
    pub expect: HttpExpectation,
}

/// What an HTTP answer ought to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpExpectation {
    /// Ranges of statuses, both ends included. None: any below 500, since a redirect or a client error proves that
    /// the target answers.
    pub status: Vec<(u16, u16)>,
    /// What is found in the body, as far as the body is read.
    pub body: Option<Pattern>,
}

/// Plain words on a TCP connection. With neither an echo nor anything expected it is enough that the connection
/// stands; otherwise the answer is read until it holds what is expected, until a line end at which the echo can be
/// read, or until the far side closes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TcpExchange {
    /// What is sent first; may be nothing.
    pub send: Vec<u8>,
    /// TLS, before anything is sent.
    pub tls: Option<Tls>,
    /// What is found in the answer, as far as it is read.
    pub expect: Option<Pattern>,
}

/// A datagram and the one that answers it.
#[derive(Debug, Clone, PartialEq)]
pub struct UdpExchange {
    /// What is sent; may be empty.
    pub send: Vec<u8>,
    /// How long to wait before it is sent again; doubled each time.
    pub retransmit_after: Duration,
    /// What is found in the answer.
    pub expect: Option<Pattern>,
}

/// A question to a name server and its answer. In a datagram it is sent again as [`UdpExchange::RETRANSMIT_AFTER`] has
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsExchange {
    /// The question.
    pub question: Question,
    /// Whether it is asked on a connection instead of in a datagram.
    pub tcp: bool,
    /// What the answer is for.
    pub purpose: DnsPurpose,
}

/// What the answer of a name server is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsPurpose {
    /// It tells the client's address, as CoreDNS' plug-in whoami does.
    Whoami,
    /// It is of use to clients.
    Answer {
        /// The addresses that it holds, in any order, and no others; none: whatever it holds.
        addresses: Vec<IpAddr>,
        /// The shortest time that they may be kept, in seconds.
        min_ttl: Option<u32>,
        /// The longest time that they may be kept, in seconds.
        max_ttl: Option<u32>,
    },
}

/// The TLS of a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// The name that the server proves with its certificate, and the SNI unless it is an address.
    pub server_name: String,
    /// Who may vouch for the server.
    pub roots: Roots,
    /// The client's own certificate.
    pub identity: Option<Identity>,
    /// Accept any certificate. What is wrong with it is recorded all the same.
    pub insecure: bool,
}

/// A regular expression for answers, which need not be text: its classes are those of ASCII. Equal when written the
/// same.
#[derive(Clone)]
pub struct Pattern(Regex);

/// The most memory that a compiled pattern may take: 1 MiB.
const PATTERN_CAP: usize = 1024 * 1024;

impl FlowMethod {
    /// Flows that leave by the routing table, with nothing but `exchange` on them.
    #[must_use]
    pub fn new(host: Host, port: u16, exchange: Exchange) -> Self {
        Self {
            host,
            port,
            name_servers: Vec::new(),
            dns_name: None,
            bind: Bind::default(),
            proxy_header: None,
            exchange,
            echo: None,
            canary: false,
        }
    }

    /// A GET of the web page at `url`.
    #[must_use]
    pub fn get(url: &Url) -> Self {
        let host = match url.host() {
            Some(UrlHost::Ipv4(address)) => Host::Address(address.into()),
            Some(UrlHost::Ipv6(address)) => Host::Address(address.into()),
            Some(UrlHost::Domain(name)) => Host::Name(name.to_owned()),
            None => Host::Name(String::new()),
        };
        let path =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        // The url crate leaves a scheme's own port out of the authority.
        let mut exchange = HttpExchange::get(url.authority(), path);
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        exchange.tls = (url.scheme() == "https").then(|| Tls::new(name));
        Self::new(host, url.port_or_known_default().unwrap_or(80), Exchange::Http(exchange))
    }
}

impl UdpExchange {
    /// How long a datagram is usually waited for.
    pub const RETRANSMIT_AFTER: Duration = Duration::from_millis(500);

    /// Sends `datagram`, and again after [`Self::RETRANSMIT_AFTER`].
    #[must_use]
    pub fn new(datagram: impl Into<Vec<u8>>) -> Self {
        Self { send: datagram.into(), retransmit_after: Self::RETRANSMIT_AFTER, expect: None }
    }
}

impl HttpPoll {
    /// A poll of `/healthz`, the path that every implementation of health ports knows.
    #[must_use]
    pub fn healthz(address: SocketAddr) -> Self {
        Self { address, path: "/healthz".to_owned(), bind: Bind::default() }
    }
}

impl HttpExchange {
    /// A GET without TLS.
    #[must_use]
    pub fn get(authority: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            tls: None,
            method: hyper::Method::GET,
            authority: authority.into(),
            path: path.into(),
            headers: Vec::new(),
            expect: HttpExpectation::default(),
        }
    }
}

impl Tls {
    /// TLS with `server_name` as the system's certificate authorities vouch for it.
    #[must_use]
    pub fn new(server_name: impl Into<String>) -> Self {
        Self { server_name: server_name.into(), roots: Roots::System, identity: None, insecure: false }
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is no regular expression, or one that takes too much memory.
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(pattern).unicode(false).size_limit(PATTERN_CAP).build().map(Self)
    }

    /// Whether the pattern is found in `answer`.
    #[must_use]
    pub fn is_found_in(&self, answer: &[u8]) -> bool {
        self.0.is_match(answer)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}
