//! `vipwatch echo`: the peer is in `peer.address` and `peer.port`, next to the node's and the pod's name.

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
    let address = json.pointer("/peer/address").and_then(Value::as_str).and_then(ip);
    let address = address.ok_or("peer.address is missing or no address")?;
    let port = json.pointer("/peer/port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Ok(SourceReport {
        forwarded: clients_in(json.get("headers")),
        node: name_at(json, "/node"),
        pod: name_at(json, "/pod"),
        ..SourceReport::of(address, port)
    })
}
