//! `address`: where a probe goes that has no URL.

use std::{fmt, net::IpAddr};

use crate::prober::Host;

use super::{
    name::DnsName,
    server::Server,
    value::{Complaint, Text, text_values},
};

/// A server and its port, or a host alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Server(Server),
    Host(Host),
}

impl Text for Target {
    const WHAT: &'static str = "an address or a name with a port";
    const EXAMPLE: &'static str = "192.0.2.30:7";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self::Host(Host::Address(IpAddr::parse(text)?)));
        }
        match DnsName::parse(text) {
            Ok(DnsName(name)) => Ok(Self::Host(Host::Name(name))),
            Err(_) => Server::parse(text).map(Self::Server).map_err(|_| Complaint::expected::<Self>()),
        }
    }
}

/// As it stands in a URL.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(server) => server.fmt(f),
            Self::Host(Host::Address(IpAddr::V6(address))) => write!(f, "[{address}]"),
            Self::Host(Host::Address(address)) => address.fmt(f),
            Self::Host(Host::Name(name)) => f.write_str(name),
        }
    }
}

text_values!(Target);
