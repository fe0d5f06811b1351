//! Reading the source address out of an echo server's answer.
//!
//! Each format is a small parser of its own behind [`EchoFormat::read`]. Bodies are hostile: parsers take
//! any bytes, give a report or a named error, and no error text quotes the body (some echo servers put
//! their whole environment into it).

mod address;
mod ealen;
mod vipwatch;

use std::net::IpAddr;

use serde_json::Value;
use thiserror::Error;

use crate::{address::unmapped, flow::SourceReport, words::words};

words! {
    /// Which echo server is asked. The words are those of the configuration.
    pub enum EchoFormat {
        /// Recognise the format from the body.
        Auto = "auto",
        /// `vipwatch echo`: JSON with `vipwatch_echo` and `peer`.
        Vipwatch = "vipwatch",
        /// `ealen/echo-server`: JSON with `host.ip`.
        Ealen = "ealen",
        /// A bare address, or `address:port`: nginx `return 200 $remote_addr`, agnhost `/clientip`.
        Address = "address",
    }
}

/// Why an echo answer told no source address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EchoError {
    /// The answer has no body.
    #[error("the answer is empty")]
    Empty,
    /// The body does not have the shape of the format.
    #[error("the answer is not in the format \"{format}\": {why}")]
    Shape {
        /// The format that was expected.
        format: EchoFormat,
        /// What is missing or wrong.
        why: &'static str,
    },
    /// No known format fits.
    #[error("the answer is in no format that vipwatch knows; set echo.format if it is one of {}", known())]
    Unrecognised,
}

fn known() -> String {
    let words: Vec<&str> = EchoFormat::ALL.iter().skip(1).map(|format| format.as_str()).collect();
    words.join(", ")
}

impl EchoFormat {
    /// Reads the source address out of `body`.
    ///
    /// # Errors
    /// When the body does not hold one in this format.
    pub fn read(self, body: &[u8]) -> Result<SourceReport, EchoError> {
        let text = body.trim_ascii();
        if text.is_empty() {
            return Err(EchoError::Empty);
        }
        match self {
            Self::Auto => auto(text),
            Self::Vipwatch => vipwatch::read(&json(self, text)?),
            Self::Ealen => ealen::read(&json(self, text)?),
            Self::Address => address::read(text),
        }
    }

    fn shape(self, why: &'static str) -> EchoError {
        EchoError::Shape { format: self, why }
    }
}

/// Tells the formats apart by what only they have, so that a body is never read by the wrong parser.
fn auto(text: &[u8]) -> Result<SourceReport, EchoError> {
    if text.first() != Some(&b'{') {
        return address::read(text).map_err(|_| EchoError::Unrecognised);
    }
    let value = json(EchoFormat::Auto, text).map_err(|_| EchoError::Unrecognised)?;
    if value.get("vipwatch_echo").is_some() {
        vipwatch::read(&value)
    } else if value.get("host").is_some() && value.get("request").is_some() {
        ealen::read(&value)
    } else {
        Err(EchoError::Unrecognised)
    }
}

fn json(format: EchoFormat, text: &[u8]) -> Result<Value, EchoError> {
    serde_json::from_slice(text).map_err(|_| format.shape("it is no JSON"))
}

/// An address as servers write it: plain, IPv4-mapped, or in brackets.
fn ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(unmapped)
}

/// A node or pod name, if it can be one (RFC 1123 subdomain, at most 253 characters): names go to the
/// page and into alerts, so nothing else is let through.
fn name(value: Option<&Value>) -> Option<String> {
    let name = value?.as_str()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.len() <= 253 && name.chars().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(address: &str, port: Option<u16>) -> SourceReport {
        SourceReport::of(address.parse().unwrap(), port)
    }

    #[test]
    fn auto_recognises_each_format() {
        let ealen = br#"{"host":{"hostname":"192.0.2.201","ip":"::ffff:10.244.0.1","ips":[]},
            "http":{"method":"GET"},"request":{"headers":{"x-forwarded-for":"203.0.113.50"}},
            "environment":{"HOSTNAME":"echo-7f9"}}"#;
        let report = EchoFormat::Auto.read(ealen).unwrap();
        assert_eq!(report, SourceReport { pod: Some("echo-7f9".into()), ..plain("10.244.0.1", None) });

        let own =
            br#"{"vipwatch_echo":1,"peer":{"address":"192.0.2.9","port":41234},"node":"node-1","pod":"e-1"}"#;
        let report = EchoFormat::Auto.read(own).unwrap();
        let names = SourceReport {
            node: Some("node-1".into()),
            pod: Some("e-1".into()),
            ..plain("192.0.2.9", Some(41234))
        };
        assert_eq!(report, names);

        for (body, address, port) in [
            ("192.0.2.9", "192.0.2.9", None),
            ("192.0.2.9\n", "192.0.2.9", None),
            ("192.0.2.9:41234", "192.0.2.9", Some(41234)),
            ("192.0.2.9 41234\n", "192.0.2.9", Some(41234)),
            ("2001:db8::9", "2001:db8::9", None),
            ("[2001:db8::9]:41234", "2001:db8::9", Some(41234)),
            ("::ffff:192.0.2.9", "192.0.2.9", None),
            ("[::ffff:192.0.2.9]:80", "192.0.2.9", Some(80)),
        ] {
            assert_eq!(EchoFormat::Auto.read(body.as_bytes()).unwrap(), plain(address, port), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let wrong = |format: EchoFormat, body: &str| format.read(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(wrong(EchoFormat::Auto, " \n"), "the answer is empty");
        assert!(
            wrong(EchoFormat::Auto, "<html>").starts_with("the answer is in no format that vipwatch knows")
        );
        assert!(wrong(EchoFormat::Auto, "{\"a\":1}").starts_with("the answer is in no format"));
        assert!(wrong(EchoFormat::Auto, "192.0.2.9, 192.0.2.10").starts_with("the answer is in no format"));
        assert_eq!(wrong(EchoFormat::Ealen, "x"), "the answer is not in the format \"ealen\": it is no JSON");
        assert!(wrong(EchoFormat::Ealen, r#"{"host":{}}"#).contains("host.ip is missing"));
        assert!(wrong(EchoFormat::Vipwatch, r#"{"vipwatch_echo":1}"#).contains("peer.address"));
        assert!(wrong(EchoFormat::Address, "192.0.2.9:99999").contains("neither an address nor"));
    }

    #[test]
    fn names_that_are_no_names_are_dropped() {
        let body = r#"{"vipwatch_echo":1,"peer":{"address":"192.0.2.9"},"node":"<b>x</b>","pod":7}"#;
        assert_eq!(EchoFormat::Auto.read(body.as_bytes()).unwrap(), plain("192.0.2.9", None));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_report_or_an_error(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            for format in EchoFormat::ALL {
                let _ = format.read(&body);
            }
        }

        #[test]
        fn an_error_never_quotes_the_body(secret in "[a-z]{12}") {
            for body in [secret.clone(), format!("{{\"host\":{{\"ip\":\"{secret}\"}},\"request\":1}}")] {
                for format in EchoFormat::ALL {
                    let error = format.read(body.as_bytes()).unwrap_err();
                    prop_assert!(!error.to_string().contains(&secret));
                }
            }
        }

        #[test]
        fn every_socket_address_reads_back(octets: [u8; 16], v6: bool, port in 1u16..) {
            let address = if v6 { IpAddr::from(octets) } else { IpAddr::from([octets[0], octets[1], octets[2], octets[3]]) };
            let body = std::net::SocketAddr::new(address, port).to_string();
            let report = EchoFormat::Auto.read(body.as_bytes()).unwrap();
            prop_assert_eq!(report.address, unmapped(address));
            prop_assert_eq!(report.port, Some(port));
        }
    }
}
