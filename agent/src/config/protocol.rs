//! What is spoken to a target, and which keys go with it.

use super::{
    choice::choice,
    fault::Span,
    reader::{Reader, Slot},
};

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

impl Protocol {
    /// The word that stands for it.
    pub(super) fn word(self) -> &'static str {
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
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    pub(super) protocol: Protocol,
    pub(super) span: Option<Span>,
}

impl Spoken {
    /// The place, for pointing a fault at.
    pub(super) fn place(&self) -> Span {
        self.span.clone().unwrap_or(0..0)
    }

    pub(super) fn is_one_of(&self, takers: Takers) -> bool {
        takers.contains(&self.protocol)
    }

    /// Reports `key` where it is written beside a protocol that does not take it.
    pub(super) fn takes<T>(&self, key: &str, slot: &Slot<T>, takers: Takers, reader: &mut Reader<'_>) {
        let Some(place) = slot.written().filter(|_| !self.is_one_of(takers)) else { return };
        let word = self.protocol.word();
        let takers: Vec<&str> = takers.iter().map(|taker| taker.word()).collect();
        let mut hint = format!("it goes with {}", takers.join(", "));
        if self.span.is_none() {
            hint += &format!("; where nothing else is said, {word} is spoken");
        }
        reader
            .fault(place, format!("{key} has no meaning for {word}"))
            .hint(hint)
            .also(self.span.as_ref(), format!("this makes it {word}"));
    }
}
