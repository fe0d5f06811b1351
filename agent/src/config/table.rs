//! Tables with known keys. `table!` declares one; reading, faults and schema follow from the declaration.

use schemars::{Schema, json_schema};
use toml::de::{DeTable, DeValue};

use super::{
    fault::Span,
    nearest::nearest,
    reader::{At, Reader, Slot, Toml},
    value::Value,
};

/// Declares a table: its keys, what each may hold, and what each is for (the schema shows the comments).
///
/// The word before a key says what happens without it: `required` (a fault), `optional` (nothing),
/// `default` (the TOML value after the equals sign). `decides` is a required key on which the keys below it
/// hang: while it is missing or faulty, nobody can tell which of them are missing or unknown.
/// `flatten` takes in the keys of another table.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $need:ident $key:ident: $type:ty $(= $default:tt)?, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $doc])+ $vis $key: $crate::config::table::table!(@field $need $type), )+
        }

        impl $crate::config::table::Table for $name {
            const ABOUT: &'static str = concat!($($about),+);

            fn read_keys(table: &mut $crate::config::table::TableReader<'_, '_, '_>) -> Self {
                Self { $( $key: $crate::config::table::table!(@read $need table, $key $(, $default)?), )+ }
            }

            fn entries() -> Vec<$crate::config::table::Entry> {
                let entries = [$( $crate::config::table::table!(
                    @entry $need $type, $key, concat!($($doc),+) $(, $default)?
                ) ),+];
                entries.into_iter().flatten().collect()
            }
        }

        impl $crate::config::value::Value for $name {
            fn read(
                value: &$crate::config::reader::Toml<'_>,
                reader: &mut $crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                $crate::config::table::read(value, reader)
            }

            fn schema() -> schemars::Schema {
                <Self as $crate::config::table::Table>::describe()
            }
        }
    };

    (@field flatten $type:ty) => { $type };
    (@field $need:ident $type:ty) => { $crate::config::reader::Slot<$type> };

    (@read required $table:ident, $key:ident) => { $table.required(stringify!($key)) };
    (@read decides $table:ident, $key:ident) => { $table.decides(stringify!($key)) };
    (@read optional $table:ident, $key:ident) => { $table.optional(stringify!($key)) };
    (@read default $table:ident, $key:ident, $default:tt) => {
        $table.or_default(stringify!($key), stringify!($default))
    };
    (@read flatten $table:ident, $key:ident) => { $crate::config::table::Table::read_keys($table) };

    (@entry flatten $type:ty, $key:ident, $doc:expr) => {
        <$type as $crate::config::table::Table>::entries()
    };
    (@entry optional $type:ty, $key:ident, $doc:expr) => {
        vec![$crate::config::table::Entry::new::<$type>(stringify!($key), $doc)]
    };
    (@entry default $type:ty, $key:ident, $doc:expr, $default:tt) => {
        vec![
            $crate::config::table::Entry::new::<$type>(stringify!($key), $doc)
                .default(serde_json::json!($default)),
        ]
    };
    (@entry $required:ident $type:ty, $key:ident, $doc:expr) => {
        vec![$crate::config::table::Entry::new::<$type>(stringify!($key), $doc).required()]
    };
}
pub(super) use table;

/// What `table!` makes of a declaration.
pub(super) trait Table: Sized {
    /// What the table is for.
    const ABOUT: &'static str;

    /// Reads the table's keys out of `table`.
    fn read_keys(table: &mut TableReader<'_, '_, '_>) -> Self;

    /// The keys, for the schema.
    fn entries() -> Vec<Entry>;

    /// Reads a whole file.
    fn read_document(document: &DeTable<'_>, reader: &mut Reader<'_>) -> Self {
        TableReader::read(document, 0..0, reader)
    }

    /// The JSON Schema of the table.
    fn describe() -> Schema {
        let entries = Self::entries();
        let required: Vec<&str> =
            entries.iter().filter(|entry| entry.required).map(|entry| entry.key).collect();
        let properties: serde_json::Map<_, _> =
            entries.iter().map(|entry| (entry.key.to_owned(), entry.schema.clone().to_value())).collect();
        let mut schema = json_schema!({
            "description": Self::ABOUT.trim(),
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        schema
    }
}

/// Reads a nested table.
pub(super) fn read<T: Table>(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<T> {
    match value.get_ref() {
        DeValue::Table(table) => Some(TableReader::read(table, value.span(), reader)),
        _ => {
            let key = T::entries()[0].key;
            reader.wrong_type(value, "a table").hint(format!("for example {{ {key} = ... }}"));
            None
        }
    }
}

/// A key, as the schema sees it.
pub(super) struct Entry {
    key: &'static str,
    schema: Schema,
    required: bool,
}

impl Entry {
    pub(super) fn new<T: Value>(key: &'static str, doc: &str) -> Self {
        let mut schema = T::schema();
        schema.insert("description".into(), doc.trim().into());
        Self { key: plain(key), schema, required: false }
    }

    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn default(mut self, default: serde_json::Value) -> Self {
        self.schema.insert("default".into(), default);
        self
    }
}

/// Hands out the values of one table, and knows afterwards what was not asked for.
pub(super) struct TableReader<'t, 'r, 'a> {
    table: &'t DeTable<'t>,
    /// The header; nothing for the file as a whole.
    span: Span,
    reader: &'r mut Reader<'a>,
    known: Vec<&'static str>,
    /// A key on which the others hang is missing or faulty.
    undecided: bool,
}

impl<'t, 'r, 'a> TableReader<'t, 'r, 'a> {
    fn read<T: Table>(table: &'t DeTable<'_>, span: Span, reader: &'r mut Reader<'a>) -> T {
        let mut table = Self { table, span, reader, known: Vec::new(), undecided: false };
        let keys = T::read_keys(&mut table);
        table.finish();
        keys
    }

    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Slot<T> {
        let key = plain(key);
        self.known.push(key);
        match self.table.get(key) {
            None => Slot::Absent,
            // The stand-in for a value that the syntax error before it has swallowed.
            Some(value) if value.span().is_empty() => Slot::Faulty,
            Some(value) => T::read(value, self.reader)
                .map_or(Slot::Faulty, |read| Slot::Given(At { value: read, span: Some(value.span()) })),
        }
    }

    pub(super) fn required<T: Value>(&mut self, key: &'static str) -> Slot<T> {
        let slot = self.optional(key);
        if !slot.is_absent() {
            return slot;
        }
        if !self.undecided {
            let key = plain(key);
            let (message, hint) = if self.span.is_empty() {
                (format!("the section [{key}] is missing"), format!("begin it with the header [{key}]"))
            } else {
                let hint = match example(T::schema().as_value()) {
                    Some(example) => format!("for example {key} = {example}"),
                    None => "add it below this header".to_owned(),
                };
                (format!("the key {key} is missing"), hint)
            };
            self.reader.missing(self.span.clone(), message).hint(hint);
        }
        Slot::Faulty
    }

    pub(super) fn decides<T: Value>(&mut self, key: &'static str) -> Slot<T> {
        let slot = self.required(key);
        self.undecided = slot.given().is_none();
        slot
    }

    pub(super) fn or_default<T: Value>(&mut self, key: &'static str, default: &str) -> Slot<T> {
        let slot = self.optional(key);
        if !slot.is_absent() {
            return slot;
        }
        let value = DeValue::parse(default).ok().and_then(|value| T::read(&value, self.reader));
        value.map_or(Slot::Faulty, |value| Slot::Given(At { value, span: None }))
    }

    /// Reports the keys that nobody asked for.
    fn finish(self) {
        let what = if self.span.is_empty() { "section" } else { "key" };
        for (key, value) in self.table.iter() {
            if self.known.contains(&key.get_ref().as_ref()) {
                continue;
            }
            // It may be a secret under a mistyped key. The span of a section is its header: nothing to hide.
            if value.span().start >= key.span().end {
                self.reader.conceal(value.span());
            }
            if self.undecided {
                continue;
            }
            let hint = match nearest(key.get_ref(), self.known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.reader.fault(key.span(), format!("unknown {what} {:?}", key.get_ref())).hint(hint);
        }
    }
}

/// A value that would fit, as TOML. Numbers have none: whatever is shown, someone would copy it.
fn example(schema: &serde_json::Value) -> Option<String> {
    if let Some(element) = schema.get("items") {
        return Some(format!("[{}]", example(element)?));
    }
    let text = schema["examples"][0].as_str().or_else(|| schema["anyOf"][0]["enum"][0].as_str())?;
    Some(format!("{text:?}"))
}

/// A key as it stands in the file: `r#static` is `static`.
fn plain(key: &'static str) -> &'static str {
    key.trim_start_matches("r#")
}
