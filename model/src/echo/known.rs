//! The table of the known formats. Everything that goes through all of them follows from it: recognising one, the
//! list in error texts, the configuration's words, and the test that holds docs/echo-formats.md against it.

use super::{
    EchoError, EchoFormat, address, content::Content, ealen, echoserver, httpbin, kubenurse, mendhak,
    unusable, vipwatch, whoami,
};
use crate::{flow::SourceReport, words::words};

words! {
    /// The format of a known echo server. The words are those of the configuration.
    pub enum KnownFormat {
        /// JSON with `vipwatch_echo` and `peer`.
        Vipwatch = "vipwatch",
        /// JSON with `host.ip`.
        Ealen = "ealen",
        /// A bare address, with or without a port.
        Address = "address",
        /// Text with `RemoteAddr:`, or JSON with `remoteAddr`.
        Whoami = "whoami",
        /// JSON with `ip` and `ips`.
        Mendhak = "mendhak",
        /// Text with `client_address=`.
        Echoserver = "echoserver",
        /// JSON with `origin`.
        Httpbin = "httpbin",
        /// JSON with `remote_addr`.
        Kubenurse = "kubenurse",
    }
}

/// Whether a body has what only this format has.
type Fits = fn(&Content<'_>) -> bool;

/// Reads the source address, or says what is missing or wrong.
type Read = fn(&Content<'_>) -> Result<SourceReport, &'static str>;

struct Row {
    server: &'static str,
    fits: Fits,
    read: Read,
    trusts_headers: bool,
}

impl Row {
    const fn of(server: &'static str, fits: Fits, read: Read) -> Self {
        Self { server, fits, read, trusts_headers: false }
    }

    const fn trusting_headers(self) -> Self {
        Self { trusts_headers: true, ..self }
    }
}

impl KnownFormat {
    const fn row(self) -> Row {
        match self {
            Self::Vipwatch => Row::of("vipwatch echo", vipwatch::fits, vipwatch::read),
            Self::Ealen => Row::of("ealen/echo-server", ealen::fits, ealen::read),
            Self::Address => Row::of("agnhost netexec, nginx", address::fits, address::read),
            Self::Whoami => Row::of("traefik/whoami", whoami::fits, whoami::read),
            Self::Mendhak => {
                Row::of("mendhak/http-https-echo", mendhak::fits, mendhak::read).trusting_headers()
            }
            Self::Echoserver => Row::of("registry.k8s.io/echoserver", echoserver::fits, echoserver::read),
            Self::Httpbin => Row::of("httpbin", httpbin::fits, httpbin::read).trusting_headers(),
            Self::Kubenurse => Row::of("postfinance/kubenurse", kubenurse::fits, kubenurse::read),
        }
    }

    /// Who speaks this format.
    #[must_use]
    pub fn server(self) -> &'static str {
        self.row().server
    }

    /// Whether such a server takes the address that it reports out of a request header when there is one. Then
    /// a proxy, or whoever asks, can make it report anything.
    #[must_use]
    pub fn trusts_headers(self) -> bool {
        self.row().trusts_headers
    }

    pub(super) fn read(self, content: &Content<'_>) -> Result<SourceReport, EchoError> {
        let row = self.row();
        match (row.read)(content) {
            Ok(report) => {
                let trusts_headers = row.trusts_headers || report.trusts_headers;
                Ok(SourceReport { trusts_headers, ..report })
            }
            Err(why) => Err(match (unusable::recognise(content), only_fit(content)) {
                (Some(no_peer), _) => no_peer,
                (None, Some(found)) if found != self => EchoError::Other { format: self, found },
                _ => EchoError::Shape { format: EchoFormat::Known(self), why },
            }),
        }
    }
}

/// Reads `content` in the one known format that it has.
pub(super) fn recognise(content: &Content<'_>) -> Result<SourceReport, EchoError> {
    if let Some(format) = only_fit(content) {
        return format.read(content);
    }
    Err(unusable::recognise(content).unwrap_or_else(|| EchoError::Unrecognised { found: content.kind() }))
}

/// The format that fits, if it is the only one: a body that could be two things is not guessed at.
fn only_fit(content: &Content<'_>) -> Option<KnownFormat> {
    let mut fitting = KnownFormat::ALL.iter().filter(|format| (format.row().fits)(content));
    let first = fitting.next();
    if fitting.next().is_some() { None } else { first.copied() }
}

/// The words of all known formats, for people.
pub(super) fn words() -> String {
    let words: Vec<&str> = KnownFormat::ALL.iter().map(|format| format.as_str()).collect();
    words.join(", ")
}
