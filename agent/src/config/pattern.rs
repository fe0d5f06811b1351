//! Regular expressions that answers are held against.

use crate::prober::Pattern;

use super::value::{Complaint, Text, text_values};

impl Text for Pattern {
    const WHAT: &'static str = "a regular expression";
    const EXAMPLE: &'static str = "^ok";

    fn parse(text: &str) -> Result<Self, Complaint> {
        Self::new(text).map_err(|error| match error {
            // The error quotes the expression, but for its last line, which says what is wrong.
            regex::Error::Syntax(text) => {
                let why = text.lines().last().and_then(|line| line.strip_prefix("error: "));
                Complaint::new(format!("this is not a regular expression: {}", why.unwrap_or("syntax")))
                    .hint("the syntax is that of Rust's regex crate: no look-around, no back-references")
            }
            _ => Complaint::new("this regular expression takes too much memory")
                .hint("make its repetitions smaller"),
        })
    }
}

text_values!(Pattern);
