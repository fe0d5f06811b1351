//! `regex:client=(\S+)`: a pattern that finds the address in any body.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

use super::{
    endpoint::{endpoint, port},
    forwarded::report_of,
    notation::BadFormat,
};
use crate::flow::SourceReport;

/// The longest pattern, in bytes, and the most memory that it may take when it is compiled.
const LONGEST: usize = 1024;
const SIZE: usize = 256 * 1024;

/// A regular expression with one group around the address, or with groups named `address` and `port`. Its classes
/// are those of ASCII, and it looks at bytes.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    /// The number of the group around the address.
    address: usize,
    /// That of the group around the port.
    port: Option<usize>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, BadFormat> {
        if text.len() > LONGEST {
            return Err(BadFormat::new(format!("the pattern is longer than {LONGEST} bytes"), "simplify it"));
        }
        let regex =
            RegexBuilder::new(text).unicode(false).size_limit(SIZE).build().map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => BadFormat::new("the pattern is too large", "simplify it"),
                error => {
                    // The last line names the fault; those before it repeat the pattern.
                    let text = error.to_string();
                    let why = text.rsplit_once("error: ").map_or("", |(_, why)| why);
                    BadFormat::new(format!("this is no regular expression: {why}"), EXAMPLE)
                }
            })?;
        let group = |name| regex.capture_names().position(|found| found == Some(name));
        let address = match (group("address"), regex.captures_len()) {
            (Some(address), _) => address,
            (None, 2) => 1,
            (None, 1) => return Err(BadFormat::new("the pattern has no group around the address", EXAMPLE)),
            (None, _) => {
                return Err(BadFormat::new(
                    "the pattern has several groups, and none is named \"address\"",
                    "name it (?<address>...), or make the others (?:...)",
                ));
            }
        };
        let port = group("port");
        Ok(Self { regex, address, port })
    }

    pub(super) fn read(&self, body: &[u8]) -> Result<SourceReport, &'static str> {
        let captures = self.regex.captures(body).ok_or("the pattern matches nothing")?;
        let text = |group| captures.get(group).and_then(|found| std::str::from_utf8(found.as_bytes()).ok());
        let address = text(self.address).ok_or("the group around the address matches no text")?;
        let Some(group) = self.port else {
            return report_of("", address).ok_or("what the group holds is no address");
        };
        let (address, _) = endpoint(address).ok_or("what the group \"address\" holds is no address")?;
        let port = text(group).and_then(|digits| port(digits.trim()));
        Ok(SourceReport::of(address, Some(port.ok_or("what the group \"port\" holds is no port")?)))
    }
}

const EXAMPLE: &str = r#"for example 'regex:client=(\S+)'"#;

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.regex.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

impl Eq for Pattern {}
