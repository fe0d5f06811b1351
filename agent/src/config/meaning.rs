//! Keys that mean something only beside certain words: a path beside http, a method beside webhook.

use std::fmt::Debug;

use super::reader::{At, Reader, Slot};

/// A word that decides which other keys mean anything.
pub(super) trait Deciding: Copy + PartialEq + 'static {
    /// The word as it is written.
    fn word(self) -> &'static str;
}

impl<W: Deciding> At<W> {
    pub(super) fn is_one_of(&self, takers: &[W]) -> bool {
        takers.contains(&self.value)
    }

    /// Reports `key` where it is written beside a word that does not take it.
    pub(super) fn takes<T>(&self, key: &str, slot: &Slot<T>, takers: &[W], reader: &mut Reader<'_>) {
        let Some(place) = slot.written().filter(|_| !self.is_one_of(takers)) else { return };
        let word = self.value.word();
        let takers: Vec<&str> = takers.iter().map(|taker| taker.word()).collect();
        let mut hint = format!("it goes with {}", takers.join(", "));
        if self.span.is_none() {
            hint += &format!("; where nothing else is said, it is {word}");
        }
        reader
            .fault(place, format!("{key} has no meaning for {word}"))
            .hint(hint)
            .also(self.span.as_ref(), format!("this makes it {word}"));
    }

    /// Reports that `key` is missing beside a word that needs it. An example is a text, or a list of texts.
    pub(super) fn needs<T>(&self, key: &str, slot: &Slot<T>, example: impl Debug, reader: &mut Reader<'_>) {
        if slot.is_absent() {
            reader
                .missing(self.place(), format!("{} needs the key {key}", self.value.word()))
                .hint(format!("for example {key} = {example:?}"));
        }
    }
}
