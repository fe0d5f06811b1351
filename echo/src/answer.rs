//! What the echo server answers: the two ends of a flow and who saw them. Knows nothing of sockets.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The version of the answer's shape: the value of `vipwatch_echo`.
pub const FORMAT: u32 = 1;

/// One end of a flow. Shown as `ADDRESS:PORT`, an IPv6 address in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address; never an IPv4-mapped IPv6 one.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.ip().to_canonical(), port: socket.port() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// The JSON of an answer. Over TCP and UDP it ends with the namespace; over HTTP the request follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Marks the body as this server's, and its shape: [`FORMAT`].
    #[serde(rename = "vipwatch_echo")]
    pub format: u32,
    /// Where the flow came from, as this server saw it or as a PROXY header says.
    pub peer: Endpoint,
    /// The address of this server that the flow reached.
    pub local: Endpoint,
    /// Where the connection itself came from, if a PROXY header names another peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<Endpoint>,
    /// The node that runs this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The pod that runs this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The HTTP request, if it was one.
    #[serde(flatten)]
    pub request: Option<HttpRequest>,
}

/// What an answer repeats of an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The headers by lower-case name; repeated ones are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Whether headers were left out because they exceed [`HEADER_BYTES`](crate::HEADER_BYTES).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headers_truncated: bool,
}

impl Answer {
    /// The answer as one line of JSON, without a line end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an answer has string keys only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_mapped_peer_is_shown_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.9]:41234".parse().unwrap();
        let endpoint = Endpoint::from(mapped);
        assert_eq!(endpoint.address, "192.0.2.9".parse::<IpAddr>().unwrap());
        assert_eq!(endpoint.to_string(), "192.0.2.9:41234");
    }

    #[test]
    fn an_ipv6_endpoint_is_shown_in_brackets_and_without_its_scope() {
        let scoped: SocketAddr = "[fe80::9%2]:41234".parse().unwrap();
        assert_eq!(Endpoint::from(scoped).to_string(), "[fe80::9]:41234");
    }
}
