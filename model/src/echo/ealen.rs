//! `ealen/echo-server`: the peer is in `host.ip`, usually IPv4-mapped, and there is no port. The body also
//! carries the pod's environment, of which only the host name (the pod's name) is taken.

use serde_json::Value;

use super::{EchoError, EchoFormat, ip, name};
use crate::flow::SourceReport;

pub(super) fn read(value: &Value) -> Result<SourceReport, EchoError> {
    let wrong = |why| EchoFormat::Ealen.shape(why);
    let text = value
        .pointer("/host/ip")
        .ok_or_else(|| wrong("host.ip is missing (ENABLE__HOST=false hides it; leave it on)"))?;
    let address = text.as_str().and_then(ip).ok_or_else(|| wrong("host.ip is no address"))?;
    let pod = name(value.pointer("/environment/HOSTNAME"));
    Ok(SourceReport { pod, ..SourceReport::of(address, None) })
}
