//! `vipwatch echo`: the peer is in `peer.address` and `peer.port`, next to the node's and the pod's name. Behind a
//! PROXY protocol header the peer is the one that the header names, and the connection's own is in `proxy`.

use std::net::IpAddr;

use serde_json::Value;

use super::{
    content::{Content, name_at},
    endpoint::ip,
    forwarded::clients_in,
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    content.json().is_some_and(|json| json.get("vipwatch_echo").is_some())
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let json = content.json().ok_or("it is no JSON")?;
    let (address, port) = end(json.get("peer")).ok_or("peer.address is missing or no address")?;
    let mut forwarded = clients_in(json.get("headers"));
    let report = match end(json.get("proxy")) {
        Some((own, port)) => {
            forwarded.insert(0, address);
            SourceReport::of(own, port)
        }
        None => SourceReport::of(address, port),
    };
    Ok(SourceReport { forwarded, node: name_at(json, "/node"), pod: name_at(json, "/pod"), ..report })
}

fn end(value: Option<&Value>) -> Option<(IpAddr, Option<u16>)> {
    let address = value?.get("address").and_then(Value::as_str).and_then(ip)?;
    let port = value?.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Some((address, port))
}

#[cfg(test)]
mod tests {
    use crate::echo::{EchoFormat, Reply};

    #[test]
    fn behind_a_proxy_header_the_connections_own_peer_is_the_one_that_counts() {
        let body = br#"{"vipwatch_echo":1,"peer":{"address":"192.0.2.9","port":41234},
            "proxy":{"address":"10.244.1.1","port":2311},"node":"node-1"}"#;
        let report = EchoFormat::Auto.read(&Reply::of(body)).unwrap();
        assert_eq!((report.address.to_string().as_str(), report.port), ("10.244.1.1", Some(2311)));
        assert_eq!(report.forwarded, ["192.0.2.9".parse::<std::net::IpAddr>().unwrap()]);
    }
}
