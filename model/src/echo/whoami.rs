//! `traefik/whoami`: at `/` text with `RemoteAddr:`, at `/api` JSON with `remoteAddr` (newer versions). Both carry
//! the addresses of the pod itself, as `IP:` lines and as `ip`: those are never taken.

use serde_json::Value;

use super::{
    content::{Content, name, name_at},
    endpoint::endpoint,
    forwarded::{clients, clients_in},
};
use crate::flow::SourceReport;

pub(super) fn fits(content: &Content<'_>) -> bool {
    match content {
        Content::Json(json) => {
            json.get("remoteAddr").is_some()
                && json.get("ip").is_none_or(Value::is_array)
                && json.get("hostname").is_some()
        }
        Content::Text(text) => {
            let first = text.starts_with("Hostname: ") || text.starts_with("Name: ");
            first && entry(text, "Hostname").is_some() && entry(text, "RemoteAddr").is_some()
        }
    }
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    match content {
        Content::Json(json) => {
            let text = json.get("remoteAddr").ok_or("remoteAddr is missing")?;
            let (address, port) = text.as_str().and_then(endpoint).ok_or("remoteAddr is no address")?;
            let (forwarded, pod) = (clients_in(json.get("headers")), name_at(json, "/hostname"));
            Ok(SourceReport { forwarded, pod, ..SourceReport::of(address, port) })
        }
        Content::Text(text) => {
            let peer = entry(text, "RemoteAddr").ok_or("the line RemoteAddr: is missing")?;
            let (address, port) = endpoint(peer).ok_or("the line RemoteAddr: holds no address")?;
            let (forwarded, pod) = (clients(headers(text)), entry(text, "Hostname").and_then(name));
            Ok(SourceReport { forwarded, pod, ..SourceReport::of(address, port) })
        }
    }
}

/// The value of the first line `key: value` of what the server says itself. Below the request line stands what the
/// client sent.
fn entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let own = text.lines().take_while(|line| !is_request_line(line));
    own.filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == key).map(|(_, value)| value)
}

/// The request's headers: from the request line to the first blank line.
fn headers(text: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    let request = text.lines().skip_while(|line| !is_request_line(line)).skip(1);
    request.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'))
}

/// `GET / HTTP/1.1`.
fn is_request_line(line: &str) -> bool {
    line.rsplit_once(' ').is_some_and(|(_, version)| version.starts_with("HTTP/"))
}
