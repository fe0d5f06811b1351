//! Echo formats: a word, or a prefix and the place where the address stands.

use schemars::{Schema, json_schema};
use vipwatch_model::echo::EchoFormat;

use super::{
    nearest::nearest,
    reader::{Reader, Toml},
    value::{Complaint, Text, Value},
};

impl Text for EchoFormat {
    const WHAT: &'static str = "an echo format";
    const EXAMPLE: &'static str = "auto";

    fn parse(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(|fault: vipwatch_model::echo::BadFormat| {
            let hint = match nearest(text, Self::words()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => fault.mend.into_owned(),
            };
            Complaint::new(fault.what).hint(hint)
        })
    }
}

impl Value for EchoFormat {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(value)
    }

    fn schema() -> Schema {
        let words: Vec<&str> = Self::words().collect();
        let pattern = format!("^({}).|\\$\\{{", Self::PREFIXES.join("|"));
        json_schema!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": pattern }] })
    }
}
