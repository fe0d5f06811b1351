//! `address`: where a probe goes that has no URL.

use std::net::{IpAddr, SocketAddr};

use crate::prober::Host;

use super::{
    name::DnsName,
    value::{Complaint, Text, text_values},
};

/// An address or a name, with a port where one is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: Option<u16>,
}

impl Text for Target {
    const WHAT: &'static str = "an address or a name with a port";
    const EXAMPLE: &'static str = "192.0.2.30:7";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            let host = Host::Address(IpAddr::parse(&address.ip().to_string())?);
            return Ok(Self { host, port: Some(address.port()) });
        }
        if text.parse::<IpAddr>().is_ok() {
            return Ok(Self { host: Host::Address(IpAddr::parse(text)?), port: None });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_| Complaint::expected::<Self>())?)),
            None => (text, None),
        };
        let name = DnsName::parse(name).map_err(|_| Complaint::expected::<Self>())?;
        Ok(Self { host: Host::Name(name.0), port })
    }
}

impl Target {
    /// The target as it stands in a URL.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

text_values!(Target);
