//! `[egress]`: the agent's own source address as the far side ought to see it.

use std::{fmt, net::IpAddr, time::Duration};

use ipnet::IpNet;
use schemars::{Schema, json_schema};
use url::Url;
use vipwatch_model::echo::EchoFormat;

use super::{
    address::{AddressOrNet, OpenUrl},
    choice::choice,
    cluster::{ClusterTable, NodeTable},
    duration::{DAY, SECOND, Time},
    fault::Span,
    name::{DnsName, Name},
    nearest::nearest,
    probe::ProbeTable,
    reader::{At, Reader, Slot, Toml},
    server::Server,
    table::{self, table},
    value::{List, Tables, Value},
};

/// How many others may be asked, and over how many source addresses: each learning asks all of them over each.
const MOST_SOURCES: usize = 8;

/// Where the agent's own source address is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// Each flow's own local address.
    pub socket: bool,
    /// Addresses and networks that the operator vouches for.
    pub fixed: Vec<IpNet>,
    /// Who is asked for it.
    pub sources: Vec<EgressSource>,
    /// This host's addresses to ask from, besides the one that the routing table chooses.
    pub source_addresses: Vec<IpAddr>,
    /// How often they are asked.
    pub refresh: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Default for Egress {
    /// As where the file says nothing: a flow's own address is what the far side ought to see.
    fn default() -> Self {
        Self {
            socket: true,
            fixed: Vec::new(),
            sources: Vec::new(),
            source_addresses: Vec::new(),
            refresh: Duration::from_secs(300),
            timeout: Duration::from_secs(3),
        }
    }
}

/// Someone outside who tells the agent what it looks like from there. Shown as `stun stun.example.net:3478`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EgressSource {
    /// A server that answers a datagram with the address that it came from.
    Server {
        /// The server, asked directly.
        server: Server,
        /// What it is asked.
        asked: Asked,
    },
    /// A web page that echoes its client's address.
    Page {
        /// Its URL, without credentials.
        url: Url,
        /// What the page looks like.
        format: EchoFormat,
    },
    /// The echo endpoint of the stand-alone probe of this name.
    Reference(String),
}

/// What a server is asked by a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A Binding request of STUN.
    Stun,
    /// A question of DNS.
    Dns {
        /// The name to ask for.
        name: String,
        /// In which record the address comes.
        record: DnsRecord,
    },
}

/// The record that tells a DNS client its own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsRecord {
    /// A over IPv4, AAAA over IPv6.
    Address,
    /// TXT.
    Text,
}

impl fmt::Display for EgressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { server, asked: Asked::Stun } => write!(f, "stun {server}"),
            Self::Server { server, asked: Asked::Dns { name, .. } } => write!(f, "dns {name} at {server}"),
            // A query may hold a token.
            Self::Page { url, .. } => write!(f, "http {}{}", url.origin().ascii_serialization(), url.path()),
            Self::Reference(probe) => write!(f, "reference {probe}"),
        }
    }
}

/// The words of `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Socket,
    Static,
    Stun,
    Http,
    Dns,
    Reference,
}

choice! {
    Kind: "a source of the egress address" {
        "socket" => Kind::Socket, "static" => Kind::Static, "stun" => Kind::Stun, "http" => Kind::Http,
        "dns" => Kind::Dns, "reference" => Kind::Reference,
    }
}

choice! { DnsRecord: "a record that can hold an address" { "A" => DnsRecord::Address, "TXT" => DnsRecord::Text } }

table! {
    /// The source address that the far side ought to see when nothing on the way translates it.
    pub(super) struct EgressTable {
        /// Where that address is known from. "socket" takes each flow's own local address, which is right
        /// wherever no NAT lies between the agent and the VIPs; "static" takes the addresses listed here. The
        /// others ask somebody on the far side of the NAT, whom the agent must reach by the same way as the VIPs:
        /// "stun", "http", "dns", "reference". Several may be named; whatever any of them says counts.
        default from: List<Kind> = ["socket"],
        /// The addresses and networks that "static" stands for.
        optional r#static: List<AddressOrNet>,
        /// STUN servers, with their ports.
        optional stun: List<Server>,
        /// Web pages that echo their client's address.
        optional http: List<Page>,
        /// DNS servers that answer with their client's address. They are asked directly.
        optional dns: Tables<NameServerTable>,
        /// Stand-alone probes with an echo (outside the cluster, or otherwise known not to be translated) whose
        /// endpoints are asked.
        optional reference: List<Name>,
        /// With several uplinks: this host's addresses to ask from, besides the one that the routing table chooses.
        optional source_addresses: List<IpAddr>,
        /// How often the others are asked. They are asked as well when this host's addresses or routes change,
        /// and when a VIP reports an address that nobody knows. What they said counts for three times as long.
        default refresh: Time<SECOND, DAY> = "5m",
        /// How long each of their answers may take.
        default timeout: Time<100, { 30 * SECOND }> = "3s",
    }
}

table! {
    /// A web page that echoes its client's address.
    pub(super) struct PageTable {
        /// The page.
        required url: OpenUrl,
        /// What it looks like: one of the echo formats.
        default format: EchoFormat = "auto",
    }
}

table! {
    /// A DNS server that answers with its client's address.
    pub(super) struct NameServerTable {
        /// The server, with its port.
        required server: Server,
        /// The name to ask for.
        required name: DnsName,
        /// The record to ask for: "A" (over IPv6: AAAA), or "TXT".
        default record: DnsRecord = "A",
    }
}

/// A web page: its URL alone, or a table that says what it looks like as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    url: Url,
    format: EchoFormat,
}

impl Value for Page {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if value.get_ref().is_table() {
            let table: PageTable = table::read(value, reader)?;
            return Some(Self { url: table.url.required()?.0, format: table.format.required()? });
        }
        let OpenUrl(url) = reader.text(value)?;
        Some(Self { url, format: EchoFormat::Auto })
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [OpenUrl::schema(), PageTable::schema()] })
    }
}

impl EgressTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Egress> {
        self.check_sources(reader);
        let from = self.from.required()?.into_values();
        let fixed = list(self.r#static)?.into_iter().map(|AddressOrNet(net)| net).collect();
        let stun =
            list(self.stun)?.into_iter().map(|server| EgressSource::Server { server, asked: Asked::Stun });
        let http =
            list(self.http)?.into_iter().map(|Page { url, format }| EgressSource::Page { url, format });
        let dns = self.dns.optional()?.map_or(Some(Vec::new()), |dns| dns.map(NameServerTable::resolve))?;
        let reference = list(self.reference)?.into_iter().map(|Name(probe)| EgressSource::Reference(probe));
        Some(Egress {
            socket: from.contains(&Kind::Socket),
            fixed,
            sources: stun.chain(http).chain(dns).chain(reference).collect(),
            source_addresses: list(self.source_addresses)?,
            refresh: self.refresh.required()?.get(),
            timeout: self.timeout.required()?.get(),
        })
    }

    /// What `from` names has to be given, and what is given has to be named; and it must not be too much.
    fn check_sources(&self, reader: &mut Reader<'_>) {
        let Some(from) = self.from.given() else { return };
        let named = |source: Kind| from.value.0.iter().find(|named| named.value == source);
        for (source, word, what, example, slot) in [
            (Kind::Static, "static", "a list of addresses", "[\"198.51.100.7\"]", place(&self.r#static)),
            (Kind::Stun, "stun", "a list of servers", "[\"stun.example.net:3478\"]", place(&self.stun)),
            (Kind::Http, "http", "a list of pages", "[\"https://ip.example.net/\"]", place(&self.http)),
            (
                Kind::Dns,
                "dns",
                "a list of servers",
                "[{ server = \"198.51.100.53:53\", name = \"myip.example.net\" }]",
                place(&self.dns),
            ),
            (Kind::Reference, "reference", "a list of probes", "[\"control\"]", place(&self.reference)),
        ] {
            match (named(source), slot) {
                (Some(wanted), Slot::Absent) => {
                    reader
                        .fault(wanted.place(), format!("{word:?} refers to {what} that is not there"))
                        .hint(format!("add for example: {word} = {example}"));
                }
                (None, Slot::Given(at)) => {
                    reader
                        .fault(at.place(), format!("this is not used: from does not name {word:?}"))
                        .hint(format!("write from = [{word:?}], or leave {word} out"))
                        .also(from.span.as_ref(), "from is here");
                }
                _ => {}
            }
        }
        self.check_amount(reader);
        if from.value.0.iter().any(|from| !matches!(from.value, Kind::Socket | Kind::Static)) {
            return;
        }
        for (key, span) in [
            ("source_addresses", written(&self.source_addresses)),
            ("refresh", written(&self.refresh)),
            ("timeout", written(&self.timeout)),
        ] {
            let Some(span) = span else { continue };
            reader
                .fault(span, format!("{key} has no use here: nobody is asked for the egress address"))
                .hint("leave it out, or let from name whom to ask")
                .also(from.span.as_ref(), "from is here");
        }
    }

    fn check_amount(&self, reader: &mut Reader<'_>) {
        let lists = [
            self.stun.given().map(|list| (list.value.0.len(), list.place())),
            self.http.given().map(|list| (list.value.0.len(), list.place())),
            self.dns.given().map(|list| (list.value.0.len(), list.place())),
            self.reference.given().map(|list| (list.value.0.len(), list.place())),
        ];
        let mut sources = 0;
        for (length, place) in lists.into_iter().flatten() {
            if sources <= MOST_SOURCES && sources + length > MOST_SOURCES {
                reader
                    .fault(
                        place,
                        format!("these make more than {MOST_SOURCES} to ask for the egress address"),
                    )
                    .hint("two or three are enough to go on when one fails");
            }
            sources += length;
        }
        if let Some(list) = self.source_addresses.given()
            && list.value.0.len() > MOST_SOURCES
        {
            reader.fault(list.place(), format!("more than {MOST_SOURCES} addresses to ask from"));
        }
    }

    /// References have to be probes that tell what address they see.
    pub(super) fn check_references(&self, probes: &[ProbeTable], reader: &mut Reader<'_>) {
        for name in self.reference.given().map_or(&[][..], |list| &list.value.0) {
            let named = |probe: &&ProbeTable| probe.name.given().is_some_and(|own| own.value == name.value);
            match probes.iter().find(named) {
                None => {
                    let names = probes.iter().filter_map(|probe| Some(probe.name.given()?.value.0.as_str()));
                    let fault = reader.fault(name.place(), format!("there is no probe named {}", name.value));
                    match nearest(&name.value.0, names) {
                        Some(near) => fault.hint(format!("did you mean {near:?}?")),
                        None => fault.hint("a reference is the name of a [[probe]]"),
                    };
                }
                Some(probe) if probe.echo.is_absent() => {
                    reader
                        .fault(
                            name.place(),
                            format!("the probe {} has no echo to tell an address", name.value),
                        )
                        .hint("add echo = { format = \"auto\" } to it")
                        .also(probe.name.given().and_then(|own| own.span.as_ref()), "the probe is here");
                }
                Some(_) => {}
            }
        }
    }

    /// An address of the cluster must not pass for the agent's own: then no translation to it would ever be seen.
    pub(super) fn check_cluster(&self, cluster: Option<&ClusterTable>, reader: &mut Reader<'_>) {
        let nodes = cluster.and_then(|cluster| cluster.node.given()).map_or(&[][..], |nodes| &nodes.value.0);
        let addresses = nodes.iter().filter_map(|node| node.addresses.given()).flat_map(|list| &list.value.0);
        let pods =
            cluster.and_then(|cluster| cluster.pod_cidrs.given()).map_or(&[][..], |list| &list.value.0);
        let parts = nodes.iter().flat_map(NodeTable::pods);
        let addresses = addresses.map(|at| (IpNet::from(at.value), &at.span));
        let theirs: Vec<_> =
            addresses.chain(pods.iter().chain(parts).map(|at| (at.value, &at.span))).collect();
        for own in self.r#static.given().map_or(&[][..], |list| &list.value.0) {
            let AddressOrNet(net) = own.value;
            let overlaps = |(other, _): &&(IpNet, _)| net.contains(other) || other.contains(&net);
            if let Some((_, span)) = theirs.iter().find(overlaps) {
                reader
                    .fault(own.place(), "this holds addresses of the cluster")
                    .hint("a flow that a node translates would pass for this agent's own: name your addresses alone")
                    .also(span.as_ref(), "the cluster's are here");
            }
        }
    }
}

impl NameServerTable {
    fn resolve(self) -> Option<EgressSource> {
        let (server, DnsName(name)) = (self.server.required()?, self.name.required()?);
        let asked = Asked::Dns { name, record: self.record.required()? };
        Some(EgressSource::Server { server, asked })
    }
}

/// The values of a list that may be left out; nothing at all after a fault.
fn list<T>(slot: Slot<List<T>>) -> Option<Vec<T>> {
    Some(slot.optional()?.map(List::into_values).unwrap_or_default())
}

/// What was found under a key, without its value.
fn place<T>(slot: &Slot<T>) -> Slot<()> {
    match slot {
        Slot::Absent => Slot::Absent,
        Slot::Faulty => Slot::Faulty,
        Slot::Given(at) => Slot::Given(At { value: (), span: at.span.clone() }),
    }
}

/// The place of a value that stands in the file.
fn written<T>(slot: &Slot<T>) -> Option<Span> {
    slot.given().and_then(|at| at.span.clone())
}
