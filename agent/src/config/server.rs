//! Servers that are asked directly, and names that they are asked for.

use std::{fmt, net::IpAddr};

use super::{
    name::DnsName,
    value::{Complaint, Text, text_values},
};
use crate::prober::Host;

/// A server and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub host: Host,
    /// The port there.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Address(address) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Text for Server {
    const WHAT: &'static str = "a host and a port";
    const EXAMPLE: &'static str = "stun.example.net:3478";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let (host, port) = text.rsplit_once(':').ok_or_else(Complaint::expected::<Self>)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(Complaint::expected::<Self>)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match (bare, host.parse::<IpAddr>()) {
            (Some(bare), _) => Host::Address(IpAddr::parse(bare)?),
            // Without brackets nobody can tell where the address ends.
            (None, Ok(IpAddr::V6(_))) => return Err(Complaint::expected::<Self>()),
            (None, Ok(IpAddr::V4(_))) => Host::Address(IpAddr::parse(host)?),
            (None, Err(_)) => Host::Name(DnsName::parse(host).map_err(|_| Complaint::expected::<Self>())?.0),
        };
        Ok(Self { host, port })
    }
}

text_values!(Server);
