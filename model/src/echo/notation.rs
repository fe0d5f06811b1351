//! How an echo format is written, in the configuration and wherever it is shown.

use std::{borrow::Cow, fmt, str::FromStr};

use thiserror::Error;

use super::{EchoFormat, JsonPointer, KnownFormat, Pattern, known};

/// A text that is no echo format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}; {mend}")]
pub struct BadFormat {
    /// What is wrong. It does not repeat the text.
    pub what: Cow<'static, str>,
    /// What to write instead.
    pub mend: Cow<'static, str>,
}

impl BadFormat {
    pub(super) fn new(what: impl Into<Cow<'static, str>>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}

impl EchoFormat {
    /// What the formats begin with that tell where the address stands.
    pub const PREFIXES: [&'static str; 3] = ["json:", "regex:", "header:"];

    /// The formats that are written as one word.
    pub fn words() -> impl Iterator<Item = &'static str> {
        std::iter::once("auto").chain(KnownFormat::ALL.iter().map(|format| format.as_str()))
    }
}

impl FromStr for EchoFormat {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        if let Some(pointer) = text.strip_prefix("json:") {
            return JsonPointer::new(pointer).map(Self::Json);
        }
        if let Some(pattern) = text.strip_prefix("regex:") {
            return Pattern::new(pattern).map(Self::Regex);
        }
        if let Some(name) = text.strip_prefix("header:") {
            return header(name).map(Self::Header);
        }
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Known).map_err(|_| {
            let mend = format!(
                "one of auto, {}, or where the address stands: \"json:/client/ip\", 'regex:client=(\\S+)' or \
                 \"header:x-client-ip\"",
                known::words()
            );
            BadFormat::new("this is not an echo format", mend)
        })
    }
}

/// The name of a header (RFC 9110, 5.1), in lower case.
fn header(name: &str) -> Result<String, BadFormat> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(BadFormat::new("no header has such a name", "for example \"header:x-client-ip\""));
    }
    Ok(name.to_ascii_lowercase())
}

impl fmt::Display for EchoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Known(format) => write!(f, "{format}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Regex(pattern) => write!(f, "regex:{pattern}"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}
