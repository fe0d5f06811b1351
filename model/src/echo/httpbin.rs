//! httpbin (and go-httpbin) at `/ip`, `/get` or `/anything`: the address is in `origin`. That is `X-Forwarded-For` if
//! the request has it, as it came, so it may be a list: the client first, then proxies.

use serde_json::Value;

use super::{
    content::Content,
    forwarded::{clients_in, report_of},
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    let Some(object) = content.json().and_then(Value::as_object) else { return false };
    let at_ip = object.len() == 1;
    object.get("origin").is_some_and(Value::is_string)
        && (at_ip || object.contains_key("url") && object.get("headers").is_some_and(Value::is_object))
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let json = content.json().ok_or("it is no JSON")?;
    let text = json.get("origin").ok_or("origin is missing: ask for /ip")?;
    let mut report =
        text.as_str().and_then(|text| report_of("origin", text)).ok_or("origin is no address")?;
    if report.forwarded.is_empty() {
        // go-httpbin shows the headers of proxies and gives the peer with its port. httpbin hides them and gives
        // no port, so that nobody can tell where its origin is from.
        report.forwarded = clients_in(json.get("headers"));
        if report.forwarded.is_empty() && report.port.is_none() {
            report.forwarded.push(report.address);
        }
    }
    Ok(report)
}
