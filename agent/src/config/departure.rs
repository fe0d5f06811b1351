//! How flows leave this host: source address, interface, and who is asked for names before. In
//! `[defaults]`, and the same keys in every service and probe.

use std::net::{IpAddr, SocketAddr};

use crate::prober::Bind;

use super::{
    reader::{At, Reader, Slot},
    table::table,
    value::{Complaint, List, Text, text_values},
};

/// The longest name of a network interface (IFNAMSIZ without its final zero).
const LONGEST_INTERFACE: usize = 15;

/// How flows leave this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Departure {
    /// Source addresses and interface.
    pub bind: Bind,
    /// The name servers to ask for names; none: the system's.
    pub name_servers: Vec<SocketAddr>,
}

table! {
    /// How flows leave this host.
    pub(super) struct DepartureTable {
        /// Addresses of this host that flows leave from; at most one per address family. Left out: the
        /// routing table chooses.
        optional source_addresses: List<IpAddr>,
        /// The network interface of this host that flows leave by. Left out: the routing table chooses.
        optional source_interface: Interface,
        /// The name servers that are asked for the addresses of names. Left out: those of this host.
        optional name_servers: List<NameServer>,
    }
}

/// A network interface's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface(String);

impl Text for Interface {
    const WHAT: &'static str = "the name of a network interface";
    const EXAMPLE: &'static str = "eth1";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
        if text.is_empty() || text.len() > LONGEST_INTERFACE || !text.bytes().all(fits) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

/// A name server: an address, with a port where it is not 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NameServer(SocketAddr);

impl Text for NameServer {
    const WHAT: &'static str = "the address of a name server, with or without a port";
    const EXAMPLE: &'static str = "192.0.2.53";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        let server = address.or_else(|_| text.parse()).map_err(|_| Complaint::expected::<Self>())?;
        IpAddr::parse(&server.ip().to_string())?;
        Ok(Self(server))
    }
}

text_values!(Interface, NameServer);

/// The settings that hold at one level.
#[derive(Debug, Clone)]
pub(super) struct DepartureLayer {
    source_addresses: Slot<List<IpAddr>>,
    source_interface: Slot<Interface>,
    name_servers: Slot<List<NameServer>>,
}

impl DepartureLayer {
    /// What holds where the file says nothing.
    pub(super) fn built_in() -> Self {
        Self { source_addresses: Slot::Absent, source_interface: Slot::Absent, name_servers: Slot::Absent }
    }

    pub(super) fn departure(self) -> Option<Departure> {
        let addresses = self.source_addresses.optional()?.map(List::into_values);
        let interface = self.source_interface.optional()?.map(|Interface(name)| name);
        let servers = self.name_servers.optional()?.map(List::into_values).unwrap_or_default();
        Some(Departure {
            bind: Bind { addresses: addresses.unwrap_or_default(), interface },
            name_servers: servers.into_iter().map(|NameServer(server)| server).collect(),
        })
    }
}

impl DepartureTable {
    /// Lays these settings over those of the level below.
    pub(super) fn layer(self, below: &DepartureLayer, reader: &mut Reader<'_>) -> DepartureLayer {
        if let Some(list) = self.source_addresses.given() {
            one_per_family(&list.value.0, reader);
        }
        DepartureLayer {
            source_addresses: self.source_addresses.over(&below.source_addresses),
            source_interface: self.source_interface.over(&below.source_interface),
            name_servers: self.name_servers.over(&below.name_servers),
        }
    }

    /// Reports name servers that nobody would ask, because there is no name. `instead` says what is missing.
    pub(super) fn names_nothing(&self, instead: &str, reader: &mut Reader<'_>) {
        if let Some(place) = self.name_servers.written() {
            reader.fault(place, "these name servers have no name to look up").hint(instead);
        }
    }

    /// Reports source addresses from which none of the `targets` can be reached.
    pub(super) fn families(&self, targets: &[IpAddr], reader: &mut Reader<'_>) {
        for address in self.source_addresses.given().map_or(&[][..], |list| &list.value.0) {
            let same = |target: &IpAddr| target.is_ipv4() == address.value.is_ipv4();
            if !targets.is_empty() && !targets.iter().any(same) {
                let family = if address.value.is_ipv4() { "IPv4" } else { "IPv6" };
                reader
                    .fault(address.place(), format!("no {family} target goes with this source address"))
                    .hint("leave it out, or take an address of the target's family");
            }
        }
    }
}

fn one_per_family(addresses: &[At<IpAddr>], reader: &mut Reader<'_>) {
    for (index, address) in addresses.iter().enumerate() {
        let same = |other: &&At<IpAddr>| other.value.is_ipv4() == address.value.is_ipv4();
        if let Some(first) = addresses[..index].iter().find(same).filter(|first| first.value != address.value)
        {
            reader
                .fault(address.place(), "a second source address of the same family")
                .hint("a flow has one: keep one IPv4 and one IPv6 address")
                .also(first.span.as_ref(), "first here");
        }
    }
}
