//! DNS messages on the wire: a question to send, and what a name server answers to it. Knows nothing of sockets; over
//! TCP a message is preceded by its length in two bytes (RFC 1035, 4.2.2), which is up to whoever sends it.

mod whoami;

use std::{fmt, net::IpAddr};

use hickory_proto::{
    op::{Header, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
    serialize::binary::BinDecodable,
};
use thiserror::Error;

use crate::words::words;

/// More records or texts of an answer than this are not kept.
const MOST: usize = 64;

words! {
    /// What is asked for.
    pub enum RecordKind {
        /// IPv4 addresses.
        A = "A",
        /// IPv6 addresses.
        Aaaa = "AAAA",
        /// Texts.
        Txt = "TXT",
    }
}

/// What is asked of a name server.
#[derive(Clone, PartialEq, Eq)]
pub struct Question {
    name: Name,
    kind: RecordKind,
    /// The query as it is sent, but for its id.
    query: Vec<u8>,
}

/// A text that cannot be the name in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no domain name: up to 255 letters, digits, '-' and '_', with at most 63 between two dots")]
pub struct BadName;

/// What a name server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it could.
    pub rcode: Rcode,
    /// The addresses in the answer section and how many seconds they may be kept, in their order. IPv4-mapped
    /// addresses are left as they are: a record of its own kind held them.
    pub addresses: Vec<(IpAddr, u32)>,
    /// The texts in the answer section, the parts of each put together. They come from the network: to be read, not
    /// to be shown.
    pub texts: Vec<String>,
}

/// How a name server says whether it could answer (RFC 1035, 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rcode {
    /// It could; there may still be nothing in the answer.
    NoError,
    /// It did not understand the question.
    FormErr,
    /// It failed itself, or the servers that it asked did.
    ServFail,
    /// The name does not exist.
    NxDomain,
    /// It does not know how to.
    NotImp,
    /// It will not.
    Refused,
    /// Another code.
    Other(u16),
}

/// Why a message does not answer the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DnsError {
    /// Not DNS, or damaged.
    #[error("the answer is no DNS message")]
    Malformed,
    /// A query came back.
    #[error("the answer is a DNS query instead of a response")]
    NotAResponse,
    /// It answers another query: late, or forged.
    #[error("the answer is that to another query: its id differs")]
    OtherId,
    /// It answers another question.
    #[error("the answer is that to another question")]
    OtherQuestion,
    /// It was too long for a datagram.
    #[error("the answer was cut off to fit into a datagram (TC): ask over TCP")]
    Truncated,
    /// The name server could not, or would not.
    #[error("the name server answers {0}")]
    Failed(Rcode),
    /// There is no client's address in it.
    #[error(
        "the answer does not tell the client's address: ask a CoreDNS with the plug-in whoami for this name"
    )]
    NoClient,
}

impl Question {
    /// A question for records of `kind` under `name`, which is taken to be complete: no search domain is added.
    ///
    /// # Errors
    /// When no domain can have that name.
    pub fn new(name: &str, kind: RecordKind) -> Result<Self, BadName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(BadName);
        }
        let mut name = Name::from_ascii(name).map_err(|_| BadName)?;
        name.set_fqdn(true);
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), kind.record_type()));
        let query = message.to_vec().map_err(|_| BadName)?;
        Ok(Self { name, kind, query })
    }

    /// The message that asks it. `id` ought to be random, and so ought the port that it is sent from: both have to be
    /// guessed by whoever wants to forge an answer (RFC 5452).
    #[must_use]
    pub fn query(&self, id: u16) -> Vec<u8> {
        let mut query = self.query.clone();
        query[..2].copy_from_slice(&id.to_be_bytes());
        query
    }

    /// Reads the answer to the query with this `id`. That a name does not exist is an answer, too.
    ///
    /// # Errors
    /// When the message does not answer this question.
    pub fn read(&self, id: u16, message: &[u8]) -> Result<Answer, DnsError> {
        let message = self.response(id, message)?;
        let mut answer =
            Answer { rcode: message.metadata.response_code.into(), addresses: Vec::new(), texts: Vec::new() };
        for record in message.answers.into_iter().take(MOST) {
            if let Some(address) = address_in(&record) {
                answer.addresses.push((address, record.ttl));
            } else if let RData::TXT(txt) = record.data {
                answer.texts.push(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned());
            }
        }
        Ok(answer)
    }

    /// The response in `message`, if it is that to this question.
    fn response(&self, id: u16, message: &[u8]) -> Result<Message, DnsError> {
        let header = Header::from_bytes(message).map_err(|_| DnsError::Malformed)?;
        if header.message_type != MessageType::Response {
            return Err(DnsError::NotAResponse);
        }
        if header.id != id {
            return Err(DnsError::OtherId);
        }
        // Whatever else it holds may break off anywhere.
        if header.truncation {
            return Err(DnsError::Truncated);
        }
        let message = Message::from_vec(message).map_err(|_| DnsError::Malformed)?;
        let asked = |query: &Query| query.name == self.name && query.query_type == self.kind.record_type();
        match message.queries.as_slice() {
            [query] if asked(query) => Ok(message),
            // A name server that fails may leave the question out.
            [] if header.response_code != ResponseCode::NoError => Ok(message),
            _ => Err(DnsError::OtherQuestion),
        }
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({self})")
    }
}

/// `whoami.example.net. A`.
impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.kind)
    }
}

impl RecordKind {
    fn record_type(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Txt => RecordType::TXT,
        }
    }
}

impl From<ResponseCode> for Rcode {
    fn from(code: ResponseCode) -> Self {
        match code {
            ResponseCode::NoError => Self::NoError,
            ResponseCode::FormErr => Self::FormErr,
            ResponseCode::ServFail => Self::ServFail,
            ResponseCode::NXDomain => Self::NxDomain,
            ResponseCode::NotImp => Self::NotImp,
            ResponseCode::Refused => Self::Refused,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR (it did not understand the question)",
            Self::ServFail => "SERVFAIL (it failed, or those that it asked did)",
            Self::NxDomain => "NXDOMAIN (the name does not exist)",
            Self::NotImp => "NOTIMP (it does not know how to)",
            Self::Refused => "REFUSED (it will not)",
            Self::Other(code) => return write!(f, "with code {code}"),
        })
    }
}

/// The address in a record, if it is one.
fn address_in(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(a.0.into()),
        RData::AAAA(aaaa) => Some(aaaa.0.into()),
        _ => None,
    }
}
