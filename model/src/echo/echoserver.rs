//! `registry.k8s.io/echoserver` (and the one of ingress-nginx): text in sections, the peer in `client_address=`,
//! without a port. Up to 1.4 the sections have other titles and the lines are not indented.

use super::{
    content::{Content, name},
    endpoint::endpoint,
    forwarded::clients,
};
use crate::flow::SourceReport;

/// The titles of the sections: newer ones, older ones.
const REQUEST: [&str; 2] = ["Request Information:", "CLIENT VALUES:"];
const HEADERS: [&str; 2] = ["Request Headers:", "HEADERS RECEIVED:"];
const OTHERS: [&str; 5] = ["Pod Information:", "Server values:", "SERVER VALUES:", "Request Body:", "BODY:"];

pub(super) fn fits(content: &Content<'_>) -> bool {
    content.text().is_some_and(|text| client(text).is_some())
}

pub(super) fn read(content: &Content<'_>) -> Result<SourceReport, &'static str> {
    let text = content.text().ok_or("it is JSON")?;
    let client = client(text).ok_or("client_address= is missing")?;
    let (address, port) = endpoint(client).ok_or("client_address= is no address")?;
    // The template writes quotes as entities.
    let headers: Vec<(&str, String)> = section(text, HEADERS)
        .filter_map(pair)
        .map(|(key, value)| (key, value.replace("&quot;", "\"")))
        .collect();
    let about = |key: &str| section(text, ["Pod Information:"; 2]).find_map(|line| line.strip_prefix(key));
    let host = || text.lines().find_map(|line| line.strip_prefix("Hostname:"));
    Ok(SourceReport {
        forwarded: clients(headers.iter().map(|(key, value)| (*key, value.as_str()))),
        node: about("node name:").map(str::trim).and_then(name),
        pod: about("pod name:").or_else(host).map(str::trim).and_then(name),
        ..SourceReport::of(address, port)
    })
}

fn client(text: &str) -> Option<&str> {
    section(text, REQUEST).filter_map(pair).find(|(key, _)| *key == "client_address").map(|(_, value)| value)
}

/// The lines of the first section that has one of the titles. What follows the body's title is not looked at.
fn section<'a>(text: &'a str, titles: [&'static str; 2]) -> impl Iterator<Item = &'a str> + Clone {
    let is_title = |line: &&str| REQUEST.contains(line) || HEADERS.contains(line) || OTHERS.contains(line);
    let lines = text.lines().map(str::trim_end).skip_while(move |line| !titles.contains(line)).skip(1);
    lines.take_while(move |line| !is_title(line)).map(str::trim)
}

fn pair(line: &str) -> Option<(&str, &str)> {
    line.split_once('=')
}
