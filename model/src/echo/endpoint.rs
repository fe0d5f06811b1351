//! Addresses as servers write them, with or without a port.

use std::net::IpAddr;

use crate::address::unmapped;

/// The longest that an address with a zone and a port can be: anything longer is not looked at.
const LONGEST: usize = 80;

/// `192.0.2.9`, `2001:db8::9`, `192.0.2.9:80`, `[2001:db8::9]` or `[2001:db8::9]:80`; IPv4-mapped addresses come
/// back unmapped, zones (`fe80::9%eth0`) are left out.
pub(super) fn endpoint(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    if let Some(address) = ip(text) {
        return Some((address, None));
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let port = if rest.is_empty() { None } else { Some(port(rest.strip_prefix(':')?)?) };
        return Some((ip(address)?, port));
    }
    // Without brackets only a dotted quad tells where an IPv6 address ends and its port begins.
    let (address, digits) = text.rsplit_once(':').filter(|(address, _)| address.contains('.'))?;
    Some((ip(address)?, Some(port(digits)?)))
}

/// A plain address, unmapped.
pub(super) fn ip(text: &str) -> Option<IpAddr> {
    let bare = match text.split_once('%') {
        Some((bare, _)) if bare.contains(':') => bare,
        _ => text,
    };
    bare.parse().ok().map(unmapped)
}

/// A port that a connection can come from.
pub(super) fn port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_of_writing_is_read() {
        for (text, address, port) in [
            ("192.0.2.9", "192.0.2.9", None),
            (" 192.0.2.9 ", "192.0.2.9", None),
            ("192.0.2.9:41234", "192.0.2.9", Some(41234)),
            ("2001:db8::9", "2001:db8::9", None),
            ("[2001:db8::9]", "2001:db8::9", None),
            ("[2001:db8::9]:41234", "2001:db8::9", Some(41234)),
            ("fe80::9%eth0", "fe80::9", None),
            ("[fe80::9%eth0]:41234", "fe80::9", Some(41234)),
            ("::ffff:192.0.2.9", "192.0.2.9", None),
            ("[::ffff:192.0.2.9]:80", "192.0.2.9", Some(80)),
            ("::ffff:192.0.2.9:80", "192.0.2.9", Some(80)),
        ] {
            assert_eq!(endpoint(text), Some((address.parse().unwrap(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for text in [
            "",
            "-",
            "@",
            "localhost",
            "192.0.2",
            "192.0.2.9:",
            "192.0.2.9:0",
            "192.0.2.9:+80",
            "192.0.2.9:65536",
            "192.0.2.9%eth0",
            "192.0.2.9/24",
            "192.0.2.9, 192.0.2.10",
            "[192.0.2.9",
            "[2001:db8::9]80",
            "[2001:db8::9]:",
            "2001:db8::9:99999",
        ] {
            assert_eq!(endpoint(text), None, "{text}");
        }
        assert_eq!(endpoint(&format!("fe80::9%{}", "x".repeat(LONGEST))), None);
    }

    proptest! {
        #[test]
        fn every_socket_address_reads_back(address: IpAddr, port in 1u16..) {
            let socket = std::net::SocketAddr::new(address, port).to_string();
            prop_assert_eq!(endpoint(&socket), Some((unmapped(address), Some(port))));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]:.%0-9a-f]{0,90}|\\PC{0,90}") {
            let _ = endpoint(&text);
        }
    }
}
