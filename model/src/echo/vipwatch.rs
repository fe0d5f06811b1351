//! `vipwatch echo`: the peer is in `peer.address` and `peer.port`, next to the node's and the pod's name.

use serde_json::Value;

use super::{EchoError, EchoFormat, ip, name};
use crate::flow::SourceReport;

pub(super) fn read(value: &Value) -> Result<SourceReport, EchoError> {
    let address = value.pointer("/peer/address").and_then(Value::as_str).and_then(ip);
    let address =
        address.ok_or_else(|| EchoFormat::Vipwatch.shape("peer.address is missing or no address"))?;
    let port = value.pointer("/peer/port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    let (node, pod) = (name(value.get("node")), name(value.get("pod")));
    Ok(SourceReport { node, pod, ..SourceReport::of(address, port) })
}
