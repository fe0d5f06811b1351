//! `mendhak/http-https-echo`: the address is in `ip`, without a port. The server believes `X-Forwarded-For` when the
//! peer has a private address: exactly when a node or a bridge has translated it. So `ip` may be what the client
//! itself has sent.

use serde_json::Value;

use super::{
    content::{Content, name_at},
    endpoint::endpoint,
    forwarded::clients_in,
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    let has = |key, is: fn(&Value) -> bool| content.json().and_then(|json| json.get(key)).is_some_and(is);
    has("ip", Value::is_string) && has("ips", Value::is_array) && has("headers", Value::is_object)
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let json = content.json().ok_or("it is no JSON")?;
    let text = json.get("ip").ok_or("ip is missing")?;
    let (address, port) = text.as_str().and_then(endpoint).ok_or("ip is no address")?;
    Ok(SourceReport {
        forwarded: clients_in(json.get("headers")),
        pod: name_at(json, "/os/hostname"),
        ..SourceReport::of(address, port)
    })
}
