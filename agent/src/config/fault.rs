//! Faults: what is wrong with a configuration, where, and what to do about it.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Serialize;

/// A range of bytes of the file.
pub(super) type Span = Range<usize>;

/// Everything that is wrong with one file, in the order of the text. There is at least one fault.
#[derive(Debug, Clone, Serialize)]
pub struct Faults {
    pub(super) file: PathBuf,
    pub(super) faults: Vec<Fault>,
    /// The text of the file with its secrets blanked out, byte for byte as long as the original.
    #[serde(skip)]
    pub(super) shown: String,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong. Never holds a secret, nor a value from the environment.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other places that have to do with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    #[serde(skip)]
    pub(super) span: Span,
}

/// Another place that has to do with a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is there.
    pub message: String,
    #[serde(skip)]
    pub(super) span: Span,
}

impl Faults {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many faults there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.faults.len()
    }

    /// The faults, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.faults.iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One line for a log: how many faults, and the first of them. [`Faults::render`] shows them all.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        let Some(first) = self.faults.first() else { return write!(f, "{file} is unusable") };
        write!(f, "{file}:{}:{}: {}", first.line, first.column, first.message)?;
        match self.faults.len() {
            1 => Ok(()),
            2 => f.write_str(" (and 1 more fault)"),
            len => write!(f, " (and {} more faults)", len - 1),
        }
    }
}

impl std::error::Error for Faults {}

/// A fault while it is being put together; its positions are worked out at the end.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) related: Vec<(Span, String)>,
    pub(super) cause: Cause,
}

/// What kind of fault it is, as far as it decides what a syntax error makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The text is not TOML.
    Syntax,
    /// A key is missing; which nobody can tell of a text that is not TOML.
    Absence,
    /// Anything else.
    Content,
}

impl Draft {
    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn also(&mut self, span: Option<&Span>, message: impl Into<String>) -> &mut Self {
        self.related.extend(span.map(|span| (span.clone(), message.into())));
        self
    }
}

/// Finds lines and columns by halving, so that a file full of faults stays cheap.
pub(super) struct Lines<'a> {
    source: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1));
        Self { source, starts: starts.collect() }
    }

    /// The line (from 0) that holds the byte `at`.
    pub(super) fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// Line and column, both from 1.
    pub(super) fn position(&self, at: usize) -> (usize, usize) {
        let line = self.line(at);
        let before = self.source.get(self.starts[line]..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }
}
