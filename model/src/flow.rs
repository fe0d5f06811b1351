//! What one connection saw.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::words::words;

/// Microseconds from the start of a phase to its end; `None` where the flow never got that far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Turning the target's name into an address; `None` for plain addresses.
    pub resolve_us: Option<u32>,
    /// TCP handshake.
    pub connect_us: Option<u32>,
    /// TLS handshake.
    pub tls_us: Option<u32>,
    /// From the request's first byte sent to the answer's head received.
    pub first_byte_us: Option<u32>,
    /// From the answer's head to the end of its body.
    pub body_us: Option<u32>,
}

impl Phases {
    /// All phases together, in microseconds.
    #[must_use]
    pub fn total_us(&self) -> u32 {
        [self.resolve_us, self.connect_us, self.tls_us, self.first_byte_us, self.body_us]
            .into_iter()
            .flatten()
            .fold(0, u32::saturating_add)
    }
}

/// The source address that the far side reports for this very connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// The peer address, IPv4-mapped addresses unmapped.
    pub address: IpAddr,
    /// The peer port, where the format carries it.
    pub port: Option<u16>,
    /// The client addresses that the far side found in `Forwarded`, `X-Forwarded-For` or `X-Real-IP`, in their
    /// order: what a proxy on the way says.
    pub forwarded: Vec<IpAddr>,
    /// Whether servers of this format take `address` out of such a header when there is one.
    pub trusts_headers: bool,
    /// The node that answered, where the far side names it.
    pub node: Option<String>,
    /// The pod that answered, where the far side names it.
    pub pod: Option<String>,
}

impl SourceReport {
    /// A report of `address` and `port`, and of nothing else.
    #[must_use]
    pub fn of(address: IpAddr, port: Option<u16>) -> Self {
        Self { address, port, forwarded: Vec::new(), trusts_headers: false, node: None, pod: None }
    }
}

words! {
    /// Why a flow gave no answer. The words are stored with every flow.
    pub enum FailureKind {
        /// The name could not be resolved.
        Resolve = "resolve",
        /// The connection was refused: RST or ICMP port unreachable.
        Refused = "refused",
        /// The connection was reset after it stood.
        Reset = "reset",
        /// Nothing came back in time.
        Timeout = "timeout",
        /// A router or the neighbour table says that there is no way to the target.
        Unreachable = "unreachable",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The answer was of another protocol, or broke off.
        Protocol = "protocol",
        /// An HTTP status that means failure.
        Status = "status",
        /// An answer that is not the expected one: another status, body, or DNS record.
        Unexpected = "unexpected",
        /// The agent's own network is at fault: no link, no route, no address. Says nothing of the target.
        Vantage = "vantage",
        /// No answer, at a time when none of the connectivity targets answered either. Says nothing of the target.
        Blind = "blind",
        /// The agent itself is at fault: out of sockets, out of time slots, a panic. Says nothing of the target.
        Agent = "agent",
    }
}

impl FailureKind {
    /// Whether the fault lies on the agent's side, so that the target cannot be blamed.
    #[must_use]
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Vantage | Self::Blind | Self::Agent)
    }

    /// The failure in words that complete "N connections …" (or "1 …").
    #[must_use]
    pub fn words(self, n: u32) -> &'static str {
        match self {
            Self::Refused if n == 1 => "was refused",
            Self::Reset if n == 1 => "was reset",
            Self::Agent if n == 1 => "was not made by the agent",
            Self::Resolve => "found no address for the name",
            Self::Refused => "were refused",
            Self::Reset => "were reset",
            Self::Timeout => "timed out",
            Self::Unreachable => "found no host there",
            Self::Tls => "failed in the TLS handshake",
            Self::Protocol => "got an answer that broke off or is of another protocol",
            Self::Status => "got an HTTP error status",
            Self::Unexpected => "got another answer than expected",
            Self::Vantage => "could not leave this host",
            Self::Blind => "fell silent like everything else",
            Self::Agent => "were not made by the agent",
        }
    }
}

/// A failed flow: the kind is for deciding, the detail for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// What exactly happened: an error text or a status line, never a body.
    pub detail: String,
}

impl Failure {
    /// A failure of `kind`, told by `detail`.
    #[must_use]
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// How a flow ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The far side told which source address it saw.
    Echoed(SourceReport),
    /// The far side answered but told no source address that could be read; why not, in words.
    Unreadable(String),
    /// The far side answered and no echo was asked for.
    Answered,
    /// No answer.
    Failed(Failure),
}

/// One connection from a fresh socket with its own source port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The agent's end of the connection, once there was one.
    pub local: Option<SocketAddr>,
    /// The target's end; `None` when its name could not be resolved.
    pub remote: Option<SocketAddr>,
    /// How long each phase took.
    pub phases: Phases,
    /// How often the request was sent again because no answer came (UDP only).
    pub retransmits: u8,
    /// How it ended.
    pub outcome: Outcome,
}

impl Flow {
    /// A flow that never got as far as a connection.
    #[must_use]
    pub fn failed(remote: Option<SocketAddr>, kind: FailureKind, detail: impl Into<String>) -> Self {
        let outcome = Outcome::Failed(Failure::new(kind, detail));
        Self { local: None, remote, phases: Phases::default(), retransmits: 0, outcome }
    }

    /// The failure, if the flow failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}
