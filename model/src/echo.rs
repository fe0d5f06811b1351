//! Reading the source address out of an echo server's answer.
//!
//! Each server that is known has a small parser of its own; `known` is the table of them. For anything else there
//! are `json:`, `regex:` and `header:`. Answers are hostile: any bytes give a report or a named error, and no
//! error text quotes them (some echo servers put their whole environment into the body).

mod address;
mod content;
mod ealen;
mod echoserver;
mod endpoint;
mod forwarded;
mod httpbin;
mod known;
mod kubenurse;
mod mendhak;
mod notation;
mod pattern;
mod pointer;
mod unusable;
mod vipwatch;
mod whoami;

use std::fmt;

use thiserror::Error;

use self::content::Content;
pub use self::{
    known::KnownFormat,
    notation::BadFormat,
    pattern::Pattern,
    pointer::JsonPointer,
    unusable::{UNUSABLE, Unusable},
};
use crate::flow::SourceReport;

/// How an echo answer tells the source address. Written and shown as in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EchoFormat {
    /// `auto`: the known format that the answer turns out to have.
    Auto,
    /// That of a known server, by its word.
    Known(KnownFormat),
    /// `json:/client/ip`: the string, or list of strings, at that place of a JSON body.
    Json(JsonPointer),
    /// `regex:client=(\S+)`: what the group holds where the pattern first matches the body.
    Regex(Pattern),
    /// `header:x-client-ip`: that header of the answer, by its lower-case name.
    Header(String),
}

/// An answer, as far as formats look at it.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    /// The body; of a TCP or UDP echo all that came back.
    pub body: &'a [u8],
    /// Gives the value of the header with this lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// An answer that has no headers.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        Self { body, header: &|_| None }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the body: it may hold secrets.
        f.debug_struct("Reply").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Why an echo answer told no source address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EchoError {
    /// The answer has no body.
    #[error("the answer is empty")]
    Empty,
    /// The answer does not have the shape of the format.
    #[error("the answer is not in the format \"{format}\": {why}")]
    Shape {
        /// The format that was expected.
        format: EchoFormat,
        /// What is missing or wrong.
        why: &'static str,
    },
    /// The answer has the shape of another format.
    #[error(
        "the answer is not in the format \"{format}\", but in \"{found}\": set echo.format to that, or to \"auto\""
    )]
    Other {
        /// The format that was expected.
        format: KnownFormat,
        /// The format that it has.
        found: KnownFormat,
    },
    /// The server is known, and holds no peer.
    #[error("the answer is that of {server}, which does not tell where a connection comes from: {mend}")]
    NoPeer {
        /// Which server it is.
        server: &'static str,
        /// What to do about it.
        mend: &'static str,
    },
    /// No known format fits.
    #[error(
        "the answer is no echo that vipwatch knows, but {found}: ask for another path, put a server behind it that \
         speaks one of {}, or tell where the address stands by json:, regex: or header:",
        known::words()
    )]
    Unrecognised {
        /// What it looks like.
        found: &'static str,
    },
}

impl EchoFormat {
    /// Reads the source address out of `reply`.
    ///
    /// # Errors
    /// When it does not hold one in this format.
    pub fn read(&self, reply: &Reply<'_>) -> Result<SourceReport, EchoError> {
        let content = || Content::of(reply.body).ok_or(EchoError::Empty);
        match self {
            Self::Auto => known::recognise(&content()?),
            Self::Known(format) => format.read(&content()?),
            Self::Json(pointer) => pointer.read(&content()?).map_err(|why| self.shape(why)),
            Self::Regex(pattern) => pattern.read(reply.body).map_err(|why| self.shape(why)),
            Self::Header(name) => header(name, (reply.header)(name)).map_err(|why| self.shape(why)),
        }
    }

    fn shape(&self, why: &'static str) -> EchoError {
        EchoError::Shape { format: self.clone(), why }
    }
}

fn header(name: &str, value: Option<&str>) -> Result<SourceReport, &'static str> {
    let value = value.ok_or("the answer has no such header")?;
    forwarded::report_of(name, value).ok_or("the header holds no address")
}
