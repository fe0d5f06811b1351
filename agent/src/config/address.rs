//! Addresses, networks, hosts, paths and URLs.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use ipnet::IpNet;
use url::{Host, Url};

use super::value::{Complaint, Text, text_values};

impl Text for SocketAddr {
    const WHAT: &'static str = "an address and a port";
    const EXAMPLE: &'static str = "127.0.0.1:9180";

    fn parse(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|_| {
            let complaint = Complaint::expected::<Self>();
            match text.strip_prefix(':') {
                Some(port) if port.parse::<u16>().is_ok() => complaint
                    .hint("name the address too; \"0.0.0.0:9180\" is every IPv4 address of this host"),
                _ => complaint,
            }
        })
    }
}

impl Text for IpAddr {
    const WHAT: &'static str = "an IP address";
    const EXAMPLE: &'static str = "192.0.2.201";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let address: Self = text.parse().map_err(|_| match text.parse::<IpNet>() {
            Ok(_) => Complaint::new("expected a single address, found a network")
                .hint("leave out the prefix length"),
            Err(_) => Complaint::expected::<Self>(),
        })?;
        usable(address)?;
        Ok(address)
    }
}

/// An address that a host can have.
fn usable(address: IpAddr) -> Result<(), Complaint> {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    if address.is_unspecified() || address.is_multicast() || broadcast {
        return Err(Complaint::new("no host can have this address")
            .hint("it is the unspecified, a multicast or the broadcast address"));
    }
    if address.to_canonical() != address {
        return Err(Complaint::new("this is an IPv4 address written as IPv6")
            .hint(format!("write {}", address.to_canonical())));
    }
    Ok(())
}

/// A network, written with its prefix length.
impl Text for IpNet {
    const WHAT: &'static str = "a network in CIDR notation";
    const EXAMPLE: &'static str = "10.244.0.0/16";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let net: Self = text.parse().map_err(|_| match text.parse::<IpAddr>() {
            Ok(address) => Complaint::expected::<Self>()
                .hint(format!("add the prefix length: \"{}\" is that address alone", Self::from(address))),
            Err(_) => Complaint::expected::<Self>(),
        })?;
        if net.trunc() != net {
            return Err(Complaint::new("this network has bits set beyond its prefix length")
                .hint(format!("write \"{}\"", net.trunc())));
        }
        Ok(net)
    }
}

/// An address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AddressOrNet(pub(super) IpNet);

impl Text for AddressOrNet {
    const WHAT: &'static str = "an IP address or a network in CIDR notation";
    const EXAMPLE: &'static str = "198.51.100.7";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.contains('/') {
            return IpNet::parse(text).map(Self);
        }
        let address: IpAddr = text.parse().map_err(|_| Complaint::expected::<Self>())?;
        usable(address)?;
        Ok(Self(address.into()))
    }
}

impl Text for PathBuf {
    const WHAT: &'static str = "the path of a file";
    const EXAMPLE: &'static str = "/var/lib/vipwatch/vipwatch.db";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || text.ends_with('/') || text.contains('\0') {
            return Err(Complaint::expected::<Self>());
        }
        Ok(text.into())
    }
}

/// What to ask for on an HTTP server: `/`, or `/path?query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestPath(pub(super) String);

impl Text for RequestPath {
    const WHAT: &'static str = "a path that begins with a slash";
    const EXAMPLE: &'static str = "/clientip";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !text.starts_with('/') || !text.bytes().all(fits) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The value of a `Host` header, and with TLS the server's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostName(pub(super) String);

impl Text for HostName {
    const WHAT: &'static str = "a host name, with or without a port";
    const EXAMPLE: &'static str = "echo.example.net";

    fn parse(text: &str) -> Result<Self, Complaint> {
        // A port is digits at the end; the colons of a bracketed IPv6 address are not.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok());
        let plain = host.is_ascii() && !host.contains(['/', '%', '@', '?', '#', ' ']);
        if !port_fits || !plain || Host::parse(host).is_err() {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

/// The URL of a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebUrl(pub(super) Url);

impl Text for WebUrl {
    const WHAT: &'static str = "an http or https URL";
    const EXAMPLE: &'static str = "http://192.0.2.30:8080/";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let url = Url::parse(text).map_err(|_| Complaint::expected::<Self>())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(url))
    }
}

/// The URL of a web server, without a user's name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OpenUrl(pub(super) Url);

impl Text for OpenUrl {
    const WHAT: &'static str = WebUrl::WHAT;
    const EXAMPLE: &'static str = WebUrl::EXAMPLE;

    fn parse(text: &str) -> Result<Self, Complaint> {
        let WebUrl(url) = WebUrl::parse(text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Complaint::new("the URL holds a user's name or password")
                .hint("this URL is shown on the page and in alerts: it must hold no credentials"));
        }
        Ok(Self(url))
    }
}

text_values!(SocketAddr, IpAddr, IpNet, AddressOrNet, PathBuf, RequestPath, HostName, OpenUrl);
