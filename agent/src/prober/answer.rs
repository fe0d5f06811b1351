//! What an answer means to a probe, whatever it came by.

use bytes::Bytes;
use vipwatch_model::{
    echo::{EchoFormat, Reply},
    flow::{Failure, FailureKind, Outcome},
};

use super::method::Pattern;

/// The most of an answer that is read: 64 KiB.
pub(super) const CAP: usize = 64 * 1024;

/// What was read of an answer.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// At most [`CAP`] bytes.
    pub(super) bytes: Bytes,
    /// Whether there was more.
    pub(super) cut_off: bool,
}

impl Body {
    /// The failure that it is not to hold `expected`.
    pub(super) fn unexpected(&self, expected: Option<&Pattern>) -> Option<Failure> {
        let pattern = expected.filter(|pattern| !pattern.is_found_in(&self.bytes))?;
        let read = if self.cut_off { "first 64 KiB of the answer do" } else { "answer does" };
        Some(Failure::new(FailureKind::Unexpected, format!("the {read} not match {pattern:?}")))
    }

    /// What it says about the source address, if it is asked for that.
    pub(super) fn outcome(&self, echo: Option<&EchoFormat>) -> Outcome {
        self.outcome_with(echo, &|_| None)
    }

    /// The same for an answer with headers.
    pub(super) fn outcome_with<'a>(
        &'a self,
        echo: Option<&EchoFormat>,
        header: &'a dyn Fn(&str) -> Option<&'a str>,
    ) -> Outcome {
        let Some(format) = echo else { return Outcome::Answered };
        if self.cut_off {
            return Outcome::Unreadable(format!("the answer is longer than {CAP} bytes"));
        }
        match format.read(&Reply { body: &self.bytes, header }) {
            Ok(report) => Outcome::Echoed(report),
            Err(error) => Outcome::Unreadable(error.to_string()),
        }
    }
}
