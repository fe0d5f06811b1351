//! `json:/client/ip`: a place in a JSON body.

use std::fmt;

use super::{
    content::Content,
    forwarded::{report_of, texts},
    notation::BadFormat,
};
use crate::flow::SourceReport;

/// A JSON pointer (RFC 6901) to a string that holds an address, with or without a port, or a list of addresses with
/// the client first; or to a list of such strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPointer(String);

impl JsonPointer {
    pub(super) fn new(text: &str) -> Result<Self, BadFormat> {
        if !text.starts_with('/') {
            return Err(BadFormat::new(
                "a JSON pointer begins with a slash",
                "for example \"json:/client/ip\"",
            ));
        }
        let escaped = |part: &str| part.starts_with(['0', '1']);
        if !text.split('~').skip(1).all(escaped) {
            return Err(BadFormat::new(
                "in a JSON pointer \"~\" is followed by 0 or 1",
                "write \"~0\" for a tilde and \"~1\" for a slash within a key",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn read(&self, content: &Content<'_>) -> Result<SourceReport, &'static str> {
        let json = content.json().ok_or("it is no JSON")?;
        let value = json.pointer(&self.0).ok_or("there is nothing at that place")?;
        let text = texts(value).collect::<Vec<_>>().join(",");
        report_of(self.name(), &text).ok_or("what stands at that place is no address")
    }

    /// The last key on the way; the places within a list have none.
    fn name(&self) -> &str {
        let is_index = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        self.0.rsplit('/').find(|part| !is_index(part)).unwrap_or_default()
    }
}

impl fmt::Display for JsonPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
