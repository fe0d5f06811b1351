//! `ealen/echo-server`: the peer is in `host.ip`, usually IPv4-mapped, and there is no port. The body also
//! carries the pod's environment, of which only the host name (the pod's name) is taken.

use super::{
    content::{Content, name_at},
    endpoint::endpoint,
    forwarded::clients_in,
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    let host = content.json().and_then(|json| json.get("host"));
    host.is_some_and(|host| host.get("ip").is_some() && host.get("ips").is_some())
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let json = content.json().ok_or("it is no JSON")?;
    let text = json.pointer("/host/ip").ok_or("host.ip is missing")?;
    let (address, port) = text.as_str().and_then(endpoint).ok_or("host.ip is no address")?;
    Ok(SourceReport {
        forwarded: clients_in(json.pointer("/request/headers")),
        pod: name_at(json, "/environment/HOSTNAME"),
        ..SourceReport::of(address, port)
    })
}
