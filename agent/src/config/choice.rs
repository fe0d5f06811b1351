//! Values that are one word of a few.

use schemars::{Schema, json_schema};

use super::{nearest::nearest, value::Complaint};

/// Something that is written as one of a few words.
pub(super) trait Choice: Clone + Sized + 'static {
    /// What the words stand for, as in "an echo format".
    const WHAT: &'static str;
    /// The words and their meaning.
    const WORDS: &'static [(&'static str, Self)];
    /// Words that a later version will understand.
    const LATER: &'static [&'static str];
    /// Words for what is said in another way, and how.
    const ELSEWHERE: &'static [(&'static str, &'static str)];
}

/// Makes a value of an enum, given the words for its variants; of one of the model's, in its stored words.
macro_rules! choice {
    ($type:ty: $what:literal, in stored words) => {
        impl $crate::config::choice::Choice for $type {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(&'static str, Self)] = &{
                let mut words = [("", <$type>::ALL[0]); <$type>::ALL.len()];
                let mut nth = 0;
                while nth < words.len() {
                    words[nth] = (<$type>::ALL[nth].as_str(), <$type>::ALL[nth]);
                    nth += 1;
                }
                words
            };
            const LATER: &'static [&'static str] = &[];
            const ELSEWHERE: &'static [(&'static str, &'static str)] = &[];
        }

        $crate::config::choice::choice! { @text $type: $what }
    };

    (@text $type:ty: $what:literal) => {
        impl $crate::config::value::Text for $type {
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = <Self as $crate::config::choice::Choice>::WORDS[0].0;

            fn parse(text: &str) -> Result<Self, $crate::config::value::Complaint> {
                $crate::config::choice::choose(text)
            }
        }

        impl $crate::config::value::Value for $type {
            fn read(
                value: &$crate::config::reader::Toml<'_>,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                reader.text(value)
            }

            fn schema() -> schemars::Schema {
                $crate::config::choice::schema::<Self>()
            }
        }
    };

    (
        $type:ty: $what:literal { $($word:literal => $value:expr),+ $(,)? }
        $(later { $($later:literal),+ })?
        $(elsewhere { $($other:literal => $how:literal),+ $(,)? })?
    ) => {
        impl $crate::config::choice::Choice for $type {
            const WHAT: &'static str = $what;
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $value)),+];
            const LATER: &'static [&'static str] = &[$($($later),+)?];
            const ELSEWHERE: &'static [(&'static str, &'static str)] = &[$($(($other, $how)),+)?];
        }

        $crate::config::choice::choice! { @text $type: $what }
    };
}
pub(super) use choice;

pub(super) fn choose<T: Choice>(text: &str) -> Result<T, Complaint> {
    if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(value.clone());
    }
    if let Some((_, how)) = T::ELSEWHERE.iter().find(|(other, _)| *other == text) {
        return Err(Complaint::new(format!("{text:?} is not {} here", T::WHAT)).hint(*how));
    }
    let words = || T::WORDS.iter().map(|(word, _)| *word);
    let hint = match (nearest(text, words()), T::WORDS) {
        (Some(near), _) => format!("did you mean {near:?}?"),
        (None, [(only, _)]) => format!("there is only {only:?}"),
        (None, _) => {
            format!("one of {}", words().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "))
        }
    };
    Err(match T::LATER.iter().find(|later| **later == text) {
        Some(later) => Complaint::new(format!("{later:?} is not supported in this version")).hint(hint),
        None => Complaint::new(format!("this is not {}", T::WHAT)).hint(hint),
    })
}

pub(super) fn schema<T: Choice>() -> Schema {
    let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
    json_schema!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "\\$\\{" }] })
}
