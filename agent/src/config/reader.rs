//! What the reading of a file has found out so far: its faults, and the places of its secrets.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{Spanned, de::DeValue};

use super::{
    fault::{Cause, Draft, Fault, Faults, Lines, Related, Span},
    interpolate,
    secret::{self, Secret},
    value::{Complaint, Text},
};

/// A parsed TOML value and its place.
pub(super) type Toml<'i> = Spanned<DeValue<'i>>;

/// A value and its place; a default has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Option<Span>,
}

impl<T> At<T> {
    /// The place, for pointing a fault at.
    pub(super) fn place(&self) -> Span {
        self.span.clone().unwrap_or(0..0)
    }
}

/// What was found under a key. Faults stand apart from absence, so that one is never reported as the other.
#[derive(Debug, Clone)]
pub(super) enum Slot<T> {
    Absent,
    /// There was a fault, and it has been reported.
    Faulty,
    Given(At<T>),
}

impl<T> Slot<T> {
    /// A value that holds where the file says nothing.
    pub(super) fn built_in(value: T) -> Self {
        Self::Given(At { value, span: None })
    }

    pub(super) fn given(&self) -> Option<&At<T>> {
        match self {
            Self::Given(at) => Some(at),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// The place of a value that stands in the file, rather than being a default.
    pub(super) fn written(&self) -> Option<Span> {
        self.given().and_then(|at| at.span.clone())
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value of a key that has to be there.
    pub(super) fn required(self) -> Option<T> {
        self.optional().flatten()
    }

    /// The value of a key that may be left out; nothing at all after a fault.
    pub(super) fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Faulty => None,
            Self::Given(at) => Some(Some(at.value)),
        }
    }

    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Slot<U> {
        match self {
            Self::Absent => Slot::Absent,
            Self::Faulty => Slot::Faulty,
            Self::Given(at) => Slot::Given(At { value: f(at.value), span: at.span }),
        }
    }
}

impl<T: Clone> Slot<T> {
    /// This value, or `below` where there is none.
    pub(super) fn over(self, below: &Self) -> Self {
        if self.is_absent() { below.clone() } else { self }
    }
}

/// Gathers the faults of one file.
pub(super) struct Reader<'a> {
    source: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Where relative paths start.
    base: &'a Path,
    /// The files that have been read so far.
    pub(super) contents: BTreeMap<PathBuf, Arc<[u8]>>,
    drafts: Vec<Draft>,
    secrets: Vec<Span>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str, base: &'a Path, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { source, env, base, contents: BTreeMap::new(), drafts: Vec::new(), secrets: Vec::new() }
    }

    /// Where relative paths start: the directory of the file.
    pub(super) fn base(&self) -> &'a Path {
        self.base
    }

    pub(super) fn fault(&mut self, span: Span, message: impl Into<String>) -> &mut Draft {
        self.draft(span, message.into(), Cause::Content)
    }

    pub(super) fn missing(&mut self, span: Span, message: impl Into<String>) -> &mut Draft {
        self.draft(span, message.into(), Cause::Absence)
    }

    pub(super) fn syntax(&mut self, span: Span, message: &str) {
        // A string behind the error may never become a value, so this is the last chance to hide it.
        let line = self.source.get(span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if let Some(quote) = line.find(['"', '\'']) {
            self.conceal(span.end + quote..span.end + line.len());
        }
        self.draft(span, message.to_owned(), Cause::Syntax);
    }

    pub(super) fn complain(&mut self, span: Span, complaint: Complaint) {
        let draft = self.fault(span, complaint.message);
        draft.hint = complaint.hint;
    }

    /// Reports when more than one of these keys stands in the file.
    pub(super) fn exclusive(&mut self, keys: &[(&str, Option<Span>)]) {
        let mut written = keys.iter().filter_map(|(key, span)| Some((key, span.clone()?)));
        let Some((first, first_span)) = written.next() else { return };
        for (key, span) in written {
            self.fault(span, format!("{first} and {key} exclude each other"))
                .hint("leave one of them out")
                .also(Some(&first_span), format!("{first} is here"));
        }
    }

    /// Whether the value at `span` was put together from the environment.
    pub(super) fn is_interpolated(&self, span: &Span) -> bool {
        self.source.get(span.clone()).is_none_or(|text| text.contains("${"))
    }

    pub(super) fn wrong_type(&mut self, value: &Toml<'_>, expected: &str) -> &mut Draft {
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i']) { "an" } else { "a" };
        self.fault(value.span(), format!("expected {expected}, found {article} {found}"))
    }

    /// Reads a string: interpolates it, then parses it.
    pub(super) fn text<T: Text>(&mut self, value: &Toml<'_>) -> Option<T> {
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(value, T::WHAT).hint(format!("for example {:?}", T::EXAMPLE));
            return None;
        };
        let text = match interpolate::interpolate(text, self.env) {
            Ok(text) => text,
            Err(errors) => {
                for error in errors {
                    let span = self.locate(&value.span(), &error.piece);
                    self.complain(span, error.complaint);
                }
                return None;
            }
        };
        T::parse(&text).map_err(|complaint| self.complain(value.span(), complaint)).ok()
    }

    /// What the references to the environment in a string stand for.
    pub(super) fn references(&self, value: &Toml<'_>) -> Vec<Secret> {
        self.stand_for(value.get_ref().as_str().unwrap_or_default())
    }

    /// The `text` of a file that is named at `place`, with its references to the environment replaced, and what they stand
    /// for.
    pub(super) fn interpolated(&mut self, text: &str, place: &Span) -> Option<(String, Vec<Secret>)> {
        match interpolate::interpolate(text, self.env) {
            Ok(replaced) => Some((replaced, self.stand_for(text))),
            Err(errors) => {
                errors.into_iter().for_each(|error| self.complain(place.clone(), error.complaint));
                None
            }
        }
    }

    fn stand_for(&self, text: &str) -> Vec<Secret> {
        interpolate::values(text, self.env).into_iter().map(Secret::from).collect()
    }

    /// Keeps the text at `span` out of everything that is ever shown.
    pub(super) fn conceal(&mut self, span: Span) {
        self.secrets.push(span);
    }

    pub(super) fn is_clean(&self) -> bool {
        self.drafts.is_empty()
    }

    /// The faults, without those that only follow from a syntax error.
    pub(super) fn finish(self, file: &Path) -> Faults {
        let lines = Lines::new(self.source);
        let broken: Vec<usize> = self
            .drafts
            .iter()
            .filter(|draft| draft.cause == Cause::Syntax)
            .map(|draft| lines.line(draft.span.start))
            .collect();
        let stands = |draft: &Draft| match draft.cause {
            Cause::Syntax => true,
            Cause::Absence => broken.is_empty(),
            Cause::Content => !broken.contains(&lines.line(draft.span.start)),
        };
        let mut faults: Vec<Fault> = self
            .drafts
            .into_iter()
            .filter(stands)
            .map(|draft| {
                let (line, column) = lines.position(draft.span.start);
                let related = draft.related.into_iter().map(|(span, message)| {
                    let (line, column) = lines.position(span.start);
                    Related { line, column, message, span }
                });
                let related = related.collect();
                Fault { line, column, message: draft.message, hint: draft.hint, related, span: draft.span }
            })
            .collect();
        faults.sort_by_key(|fault| (fault.span.start, fault.span.end));
        Faults { file: file.to_owned(), faults, shown: secret::blank(self.source, &self.secrets) }
    }

    fn draft(&mut self, span: Span, message: String, cause: Cause) -> &mut Draft {
        self.drafts.push(Draft { span, message, hint: None, related: Vec::new(), cause });
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    /// Where `piece` stands inside the string at `span`; the whole string where it is written with escapes.
    fn locate(&self, span: &Span, piece: &str) -> Span {
        let found = self.source.get(span.clone()).and_then(|text| text.find(piece));
        found.map_or(span.clone(), |at| span.start + at..span.start + at + piece.len())
    }
}
