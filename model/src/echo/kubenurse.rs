//! `postfinance/kubenurse` at `/alive`: the peer is in `remote_addr`, with its port.

use super::{
    content::{Content, name_at},
    endpoint::endpoint,
    forwarded::clients_in,
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    let has = |key| content.json().is_some_and(|json| json.get(key).is_some());
    has("remote_addr") && has("request_uri") && has("user_agent")
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let json = content.json().ok_or("it is no JSON")?;
    let text = json.get("remote_addr").ok_or("remote_addr is missing: ask for /alive")?;
    let (address, port) = text.as_str().and_then(endpoint).ok_or("remote_addr is no address")?;
    Ok(SourceReport {
        forwarded: clients_in(json.get("headers")),
        pod: name_at(json, "/hostname"),
        ..SourceReport::of(address, port)
    })
}
