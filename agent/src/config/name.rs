//! Names and other short texts.

use std::{fmt, net::IpAddr};

use super::value::{Complaint, Text, text_values};

/// Longer names do not fit on a page, nor into a metric's label.
const LONGEST: usize = 200;

/// The name of a probe, a receiver or a node: letters, digits, `.`, `_` and `-`. Without `/` and `@`, so
/// that it is never mistaken for a probe that follows from a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(pub(super) String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Text for Name {
    const WHAT: &'static str = "a name of letters, digits, '.', '_' and '-'";
    const EXAMPLE: &'static str = "web-1";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(fits) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }

    fn pattern() -> Option<String> {
        Some(format!("[A-Za-z0-9._-]{{1,{LONGEST}}}"))
    }
}

/// One line of any text that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line(pub(super) String);

impl Text for Line {
    const WHAT: &'static str = "one line of text";
    const EXAMPLE: &'static str = "office-fra";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let problem = if text.trim().is_empty() {
            "the text is empty"
        } else if text.len() > LONGEST {
            "the text is longer than 200 bytes"
        } else if text.chars().any(char::is_control) {
            "the text holds a control character"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Complaint::new(problem))
    }
}

/// A name in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DnsName(pub(super) String);

impl Text for DnsName {
    const WHAT: &'static str = "a DNS name";
    const EXAMPLE: &'static str = "echo.example.net";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(Complaint::new("expected a DNS name, found an address"));
        }
        let label = |label: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=63).contains(&label.len()) && label.bytes().all(fits)
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

text_values!(Name, Line, DnsName);
