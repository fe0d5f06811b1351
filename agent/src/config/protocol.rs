//! What is spoken to a target, and which keys go with it.

use super::{choice::choice, meaning::Deciding, reader::At};

/// What is spoken to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    Dns,
    Icmp,
}

choice! {
    Protocol: "a protocol" {
        "http" => Protocol::Http,
        "https" => Protocol::Https,
        "tcp" => Protocol::Tcp,
        "tls" => Protocol::Tls,
        "udp" => Protocol::Udp,
        "dns" => Protocol::Dns,
    }
}

/// The protocols that a key goes with.
pub(super) type Takers = &'static [Protocol];

pub(super) const HTTP: Takers = &[Protocol::Http, Protocol::Https];
pub(super) const TLS: Takers = &[Protocol::Https, Protocol::Tls];
pub(super) const TALK: Takers = &[Protocol::Tcp, Protocol::Tls, Protocol::Udp];
pub(super) const ANSWER: Takers =
    &[Protocol::Http, Protocol::Https, Protocol::Tcp, Protocol::Tls, Protocol::Udp];
pub(super) const STREAM: Takers =
    &[Protocol::Http, Protocol::Https, Protocol::Tcp, Protocol::Tls, Protocol::Dns];
pub(super) const ECHO: Takers =
    &[Protocol::Http, Protocol::Https, Protocol::Tcp, Protocol::Tls, Protocol::Udp, Protocol::Dns];
pub(super) const DNS: Takers = &[Protocol::Dns];

impl Deciding for Protocol {
    fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Icmp => "icmp",
        }
    }
}

/// What is spoken, and the place that says so (none where it is the default).
pub(super) type Spoken = At<Protocol>;
