//! `[connectivity]`: who is asked whether this agent sees anything at all.

use std::{fmt, net::IpAddr, time::Duration};

use ipnet::IpNet;
use url::Url;

use crate::prober::Host;

use super::{
    address::OpenUrl,
    cluster::{ClusterTable, NodeTable},
    departure::{Departure, DepartureLayer},
    duration::{HOUR, SECOND, Time, show},
    reader::{At, Reader},
    server::Server,
    service::ServiceTable,
    table::table,
    value::{Complaint, List, Text, text_values},
};

/// How many targets there may be: each check asks all of them.
const MOST_TARGETS: usize = 8;

/// Who is asked whether this agent sees anything at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connectivity {
    /// Whom to ask; at least one.
    pub targets: Vec<ConnectivityTarget>,
    /// How often.
    pub every: Duration,
    /// How long all of their answers may take together; shorter than `every`.
    pub timeout: Duration,
    /// How the questions leave this host: as the probes do that say nothing else.
    pub departure: Departure,
}

/// Somebody who does not depend on the cluster. Shown as it is written, but for a URL's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectivityTarget {
    /// It is pinged.
    Ping(IpAddr),
    /// It takes TCP connections.
    Connect(Server),
    /// It answers over HTTP, whatever the status.
    Page(Url),
}

table! {
    /// Who is asked whether this agent sees anything at all. While none of them answers, silence counts as the agent's
    /// own trouble and not as the cluster's.
    pub(super) struct ConnectivityTable {
        /// Up to 8 that do not depend on the cluster and are reached by the same way: "192.0.2.1" is pinged,
        /// "tcp://198.51.100.1:443" has to take a connection, "https://control.example.net/healthz" has to answer.
        required targets: List<ConnectivityTarget>,
        /// How often they are asked. They are asked as well whenever a round got no answer.
        default every: Time<SECOND, HOUR> = "5s",
        /// How long they may take to answer. Shorter than every.
        default timeout: Time<100, { 30 * SECOND }> = "1s",
    }
}

impl Text for ConnectivityTarget {
    const WHAT: &'static str = "an IP address, tcp://HOST:PORT, or an http or https URL";
    const EXAMPLE: &'static str = "192.0.2.1";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.parse::<IpAddr>().is_ok() {
            return IpAddr::parse(text).map(Self::Ping);
        }
        match text.split_once("://") {
            Some(("tcp", server)) => Server::parse(server).map(Self::Connect).map_err(|_| {
                Complaint::new("this has no host and port behind tcp://")
                    .hint("for example \"tcp://198.51.100.1:443\"")
            }),
            Some(("http" | "https", _)) => OpenUrl::parse(text).map(|OpenUrl(url)| Self::Page(url)),
            _ => Err(Complaint::new(format!("expected {}", Self::WHAT)).hint(
                "for example \"192.0.2.1\", \"tcp://198.51.100.1:443\" or \"https://control.example.net/healthz\"",
            )),
        }
    }
}

text_values!(ConnectivityTarget);

impl fmt::Display for ConnectivityTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping(address) => address.fmt(f),
            Self::Connect(server) => write!(f, "tcp://{server}"),
            // A query may hold a token.
            Self::Page(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

impl ConnectivityTarget {
    /// Its address, unless it takes a name server to know it.
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Ping(address) | Self::Connect(Server { host: Host::Address(address), .. }) => {
                Some(*address)
            }
            Self::Connect(Server { host: Host::Name(_), .. }) => None,
            Self::Page(url) => match url.host()? {
                url::Host::Ipv4(address) => Some(address.into()),
                url::Host::Ipv6(address) => Some(address.into()),
                url::Host::Domain(_) => None,
            },
        }
    }
}

impl ConnectivityTable {
    pub(super) fn resolve(self, departure: &DepartureLayer, reader: &mut Reader<'_>) -> Option<Connectivity> {
        if let Some(targets) = self.targets.given().filter(|targets| targets.value.0.len() > MOST_TARGETS) {
            reader
                .fault(targets.place(), format!("more than {MOST_TARGETS} targets"))
                .hint("two or three are enough: one that answers says that this agent sees");
        }
        if let (Some(every), Some(timeout)) = (self.every.given(), self.timeout.given())
            && timeout.value.get() >= every.value.get()
        {
            let (place, other) = match &timeout.span {
                Some(span) => (span.clone(), &every.span),
                None => (every.place(), &timeout.span),
            };
            let (every, timeout) = (show(every.value.get()), show(timeout.value.get()));
            reader
                .fault(place, format!("they are asked every {every}, but may take {timeout} to answer"))
                .hint("the timeout has to be shorter than the interval")
                .also(other.as_ref(), "the interval is here");
        }
        Some(Connectivity {
            targets: self.targets.required()?.into_values(),
            every: self.every.required()?.get(),
            timeout: self.timeout.required()?.get(),
            departure: departure.clone().departure()?,
        })
    }

    /// A target in the cluster goes down with it: nobody could tell the agent's fault from the cluster's.
    pub(super) fn check_cluster(
        &self,
        cluster: Option<&ClusterTable>,
        services: &[ServiceTable],
        reader: &mut Reader<'_>,
    ) {
        let nodes = cluster.and_then(|cluster| cluster.node.given()).map_or(&[][..], |nodes| &nodes.value.0);
        let of_nodes = nodes.iter().filter_map(|node| node.addresses.given()).flat_map(|list| &list.value.0);
        let vips = services.iter().filter_map(|service| service.vips.given()).flat_map(|list| &list.value.0);
        let pods =
            cluster.and_then(|cluster| cluster.pod_cidrs.given()).map_or(&[][..], |list| &list.value.0);
        let pods = pods.iter().chain(nodes.iter().flat_map(NodeTable::pods));
        let single =
            |what: &'static str| move |at: &At<IpAddr>| (IpNet::from(at.value), what, at.span.clone());
        let theirs: Vec<_> = of_nodes
            .map(single("the address of a node"))
            .chain(vips.map(single("a VIP")))
            .chain(pods.map(|at| (at.value, "an address of the pod network", at.span.clone())))
            .collect();
        for target in self.targets.given().map_or(&[][..], |list| &list.value.0) {
            let Some(address) = target.value.address() else { continue };
            if let Some((_, what, span)) = theirs.iter().find(|(net, ..)| net.contains(&address)) {
                reader
                    .fault(target.place(), format!("this target is {what}"))
                    .hint("it goes down with the cluster: ask this host's gateway, or a server elsewhere")
                    .also(span.as_ref(), "the cluster's is here");
            }
        }
    }
}
