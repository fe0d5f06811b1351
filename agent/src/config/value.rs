//! What may stand on the right of a key: texts, whole numbers, lists, tables of tables, and pairs.

use std::{
    collections::{BTreeMap, BTreeSet},
    marker::PhantomData,
};

use schemars::{Schema, json_schema};
use toml::de::DeValue;

use super::reader::{At, Reader, Toml};

/// More elements than this are a mistake, or an attack.
const LONGEST_LIST: usize = 4096;

/// A kind of value. Reading and schema stand side by side, so that they say the same.
pub(super) trait Value: Sized {
    /// Reads the value; whatever is wrong with it has been reported when nothing comes back.
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self>;

    /// The JSON Schema of the value.
    fn schema() -> Schema;
}

/// A value that is written as a string. Implementors get [`Value`] by `text_values!`.
pub(super) trait Text: Sized {
    /// Completes "expected ...".
    const WHAT: &'static str;
    /// Such a text.
    const EXAMPLE: &'static str;

    /// Reads the text, after interpolation. Complaints must not repeat it: it may come from the environment.
    fn parse(text: &str) -> Result<Self, Complaint>;

    /// What the schema demands of the text, beyond being a string.
    fn pattern() -> Option<String> {
        None
    }
}

/// What is wrong with a value, and what to do about it.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// "expected ..., for example ...".
    pub(super) fn expected<T: Text>() -> Self {
        Self::new(format!("expected {}", T::WHAT)).hint(format!("for example {:?}", T::EXAMPLE))
    }
}

/// Makes values of texts.
macro_rules! text_values {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::config::value::Value for $type {
            fn read(
                value: &$crate::config::reader::Toml<'_>,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                reader.text(value)
            }

            fn schema() -> schemars::Schema {
                $crate::config::value::text_schema::<Self>()
            }
        })+
    };
}
pub(super) use text_values;

/// The schema of a text; a `${NAME}` in it may stand for anything.
pub(super) fn text_schema<T: Text>() -> Schema {
    let mut schema = json_schema!({ "type": "string", "examples": [T::EXAMPLE] });
    if let Some(pattern) = T::pattern() {
        schema.insert("pattern".into(), format!("^({pattern})$|\\$\\{{").into());
    }
    schema
}

impl Value for bool {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            reader.wrong_type(value, "true or false");
        }
        boolean
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

/// A whole number within bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Whole<N, const MIN: u32, const MAX: u32>(N);

impl<N, const MIN: u32, const MAX: u32> Whole<N, MIN, MAX> {
    pub(super) fn get(self) -> N {
        self.0
    }
}

impl<N: TryFrom<u32>, const MIN: u32, const MAX: u32> Value for Whole<N, MIN, MAX> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let DeValue::Integer(integer) = value.get_ref() else {
            reader.wrong_type(value, &format!("a whole number from {MIN} to {MAX}"));
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            reader.fault(value.span(), format!("expected a whole number from {MIN} to {MAX}"));
        }
        number.map(Self)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A list that is neither empty nor repeats itself. Faulty elements are reported and left out.
#[derive(Debug, Clone)]
pub(super) struct List<T>(pub(super) Vec<At<T>>);

impl<T> List<T> {
    pub(super) fn into_values(self) -> Vec<T> {
        self.0.into_iter().map(|element| element.value).collect()
    }
}

impl<T: Value + PartialEq> Value for List<T> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let elements = elements(value, "a list", reader)?;
        if elements.is_empty() {
            reader.fault(value.span(), "the list is empty").hint("fill it, or leave the key out");
        }
        let mut list: Vec<At<T>> = Vec::new();
        for element in elements {
            let Some(value) = T::read(element, reader) else { continue };
            if let Some(first) = list.iter().find(|other| other.value == value) {
                reader
                    .fault(element.span(), "the list holds this twice")
                    .also(first.span.as_ref(), "first here");
            }
            list.push(At { value, span: Some(element.span()) });
        }
        Some(Self(list))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "array", "items": T::schema(), "minItems": 1, "uniqueItems": true })
    }
}

/// One value, or a list of several.
#[derive(Debug, Clone)]
pub(super) struct OneOrMore<T>(pub(super) Vec<At<T>>);

impl<T> OneOrMore<T> {
    pub(super) fn into_values(self) -> Vec<T> {
        List(self.0).into_values()
    }
}

impl<T: Value + PartialEq> Value for OneOrMore<T> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if value.get_ref().is_array() {
            return List::read(value, reader).map(|List(list)| Self(list));
        }
        let one = T::read(value, reader)?;
        Some(Self(vec![At { value: one, span: Some(value.span()) }]))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [T::schema(), List::<T>::schema()] })
    }
}

/// The tables of a `[[...]]` section. Whatever is no table is reported and left out.
#[derive(Debug, Clone)]
pub(super) struct Tables<T>(pub(super) Vec<T>);

impl<T> Tables<T> {
    /// Turns every table into something else; nothing comes back when one of them cannot be.
    pub(super) fn map<U>(self, f: impl FnMut(T) -> Option<U>) -> Option<Vec<U>> {
        // All of them first: each reports its own faults.
        let turned: Vec<Option<U>> = self.0.into_iter().map(f).collect();
        turned.into_iter().collect()
    }
}

impl<T: Value> Value for Tables<T> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let elements = elements(value, "a list of tables", reader)?;
        Some(Self(elements.iter().filter_map(|element| T::read(element, reader)).collect()))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "array", "items": T::schema() })
    }
}

fn elements<'t, 'i>(value: &'t Toml<'i>, expected: &str, reader: &mut Reader<'_>) -> Option<&'t [Toml<'i>]> {
    let DeValue::Array(array) = value.get_ref() else {
        reader.wrong_type(value, expected).hint(if value.get_ref().is_table() {
            "write its header in double brackets: [[...]]"
        } else {
            "put it in brackets: [...]"
        });
        return None;
    };
    if array.len() > LONGEST_LIST {
        reader.fault(
            value.span(),
            format!("{} elements are more than the {LONGEST_LIST} allowed", array.len()),
        );
        return None;
    }
    Some(array)
}

/// A table whose keys are the operator's own.
#[derive(Debug, Clone)]
pub(super) struct Pairs<K, V> {
    pub(super) pairs: BTreeMap<String, V>,
    keys: PhantomData<K>,
}

impl<K: Text, V: Value> Value for Pairs<K, V> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            // Among headers there may be a token.
            reader.conceal(value.span());
            reader.wrong_type(value, "a table").hint(format!("for example {{ {} = \"...\" }}", K::EXAMPLE));
            return None;
        };
        let mut pairs = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (key, value) in table.iter() {
            if let Err(complaint) = K::parse(key.get_ref()) {
                reader.complain(key.span(), complaint);
            } else if !seen.insert(key.get_ref().to_ascii_lowercase()) {
                reader.fault(key.span(), "this key differs from another one in case only");
            }
            if let Some(value) = V::read(value, reader) {
                pairs.insert(key.get_ref().clone().into_owned(), value);
            }
        }
        Some(Self { pairs, keys: PhantomData })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "object", "additionalProperties": V::schema() })
    }
}
