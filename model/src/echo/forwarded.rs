//! What proxies say of the client: `Forwarded` (RFC 7239), `X-Forwarded-For` and `X-Real-IP`.

use std::net::IpAddr;

use serde_json::Value;

use super::endpoint::endpoint;
use crate::flow::SourceReport;

/// The headers, in the order in which they are read.
const HEADERS: [&str; 3] = [FORWARDED, "x-forwarded-for", "x-real-ip"];

/// The one with pairs (`for=192.0.2.9;proto=http`) in place of addresses.
const FORWARDED: &str = "forwarded";

/// More addresses than this are not kept: no path has so many proxies, and whoever asks can send any list.
const MOST: usize = 16;

/// The clients in request headers that a body repeats, as names (in any case) and values.
pub(super) fn clients<'a>(headers: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for wanted in HEADERS {
        for (_, value) in headers.clone().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)) {
            keep(&mut found, addresses(wanted, value));
        }
    }
    found
}

/// The clients in request headers that a body repeats as a JSON object, with strings or lists of strings.
pub(super) fn clients_in(headers: Option<&Value>) -> Vec<IpAddr> {
    let headers = headers.and_then(Value::as_object).into_iter().flatten();
    clients(headers.flat_map(|(name, value)| texts(value).map(move |text| (name.as_str(), text))))
}

/// The source address that stands in a place called `name`: an address, or a list of them with the client first,
/// as in `X-Forwarded-For`.
///
/// A connection comes from one address only. So a list was taken from a header, and so was whatever stands under
/// such a header's name: the server that tells it trusts headers.
pub(super) fn report_of(name: &str, text: &str) -> Option<SourceReport> {
    let header = HEADERS.into_iter().find(|header| name.eq_ignore_ascii_case(header));
    let mut forwarded = Vec::new();
    keep(&mut forwarded, addresses(header.unwrap_or_default(), text));
    let report = if header == Some(FORWARDED) {
        SourceReport::of(*forwarded.first()?, None)
    } else {
        let (address, port) = endpoint(text.split(',').next()?)?;
        SourceReport::of(address, port)
    };
    if header.is_none() && !text.contains(',') {
        return Some(report);
    }
    Some(SourceReport { forwarded, trusts_headers: true, ..report })
}

/// The strings of a value that is one, or a list of them.
pub(super) fn texts(value: &Value) -> impl Iterator<Item = &str> + Clone {
    let (one, many) = match value {
        Value::Array(many) => (None, many.as_slice()),
        _ => (value.as_str(), [].as_slice()),
    };
    one.into_iter().chain(many.iter().filter_map(Value::as_str))
}

/// The addresses in the value of `header`, in its order. Whatever else proxies put there (`unknown`, names) is
/// left out.
fn addresses<'a>(header: &str, value: &'a str) -> impl Iterator<Item = IpAddr> + use<'a> {
    let pairs = header == FORWARDED;
    let mut quoted = false;
    let parts = value.split(move |c| {
        quoted ^= pairs && c == '"';
        !quoted && (c == ',' || (pairs && c == ';'))
    });
    parts.filter_map(move |part| if pairs { client_of(part) } else { address_of(part) })
}

/// The address in `for="[2001:db8::9]:41234"`.
fn client_of(pair: &str) -> Option<IpAddr> {
    let (key, value) = pair.split_once('=')?;
    key.trim().eq_ignore_ascii_case("for").then(|| address_of(value.trim().trim_matches('"'))).flatten()
}

fn address_of(text: &str) -> Option<IpAddr> {
    endpoint(text).map(|(address, _)| address)
}

fn keep(found: &mut Vec<IpAddr>, addresses: impl Iterator<Item = IpAddr>) {
    for address in addresses {
        if found.len() < MOST && !found.contains(&address) {
            found.push(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_header_is_read_in_its_order() {
        let headers = [
            ("X-Real-IP", "198.51.100.3"),
            ("x-forwarded-for", "203.0.113.1, unknown,203.0.113.2:4711 ,, [2001:db8::1]:80"),
            (
                "Forwarded",
                r#"for=192.0.2.60;proto=http;by=203.0.113.43, For="[2001:db8:cafe::17]:4711", for=_hidden"#,
            ),
            ("X-Forwarded-For", "::ffff:203.0.113.1"),
            ("X-Forwarded-Host", "192.0.2.77"),
        ];
        let expected =
            ["192.0.2.60", "2001:db8:cafe::17", "203.0.113.1", "203.0.113.2", "2001:db8::1", "198.51.100.3"];
        assert_eq!(words(&clients(headers.into_iter())), expected);
    }

    #[test]
    fn a_list_has_an_end() {
        let long: Vec<String> = (0..1000).map(|n| format!("10.0.{}.{}", n / 250, n % 250)).collect();
        let found = clients([("x-forwarded-for", long.join(",").as_str())].into_iter());
        assert_eq!(words(&found), long[..MOST]);
    }

    #[test]
    fn a_list_and_a_forwarding_header_show_trust() {
        let one = report_of("ip", "192.0.2.9:80").unwrap();
        assert_eq!((one.port, one.trusts_headers, one.forwarded.len()), (Some(80), false, 0));

        let list = report_of("origin", "203.0.113.1, 10.0.0.1").unwrap();
        assert_eq!((list.address.to_string().as_str(), list.trusts_headers), ("203.0.113.1", true));
        assert_eq!(words(&list.forwarded), ["203.0.113.1", "10.0.0.1"]);

        let header = report_of("X-Real-IP", "203.0.113.1").unwrap();
        assert!(header.trusts_headers);
        assert_eq!(words(&header.forwarded), ["203.0.113.1"]);

        let forwarded = report_of("Forwarded", "for=203.0.113.1;by=10.0.0.1").unwrap();
        assert!(forwarded.trusts_headers);
        assert_eq!(words(&forwarded.forwarded), ["203.0.113.1"]);

        assert_eq!(report_of("ip", "unknown, 192.0.2.9"), None);
        assert_eq!(report_of("forwarded", "by=192.0.2.9"), None);
    }
}
