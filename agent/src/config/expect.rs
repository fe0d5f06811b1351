//! `expect_source`: what the source address that the far side sees ought to be.

use schemars::{Schema, json_schema};
use toml::de::DeValue;
use vipwatch_model::probe::Expectation;

use super::{
    address::AddressOrNet,
    choice::choice,
    reader::{Reader, Toml},
    value::{List, Value},
};

choice! {
    Expectation: "an expectation" {
        "preserved" => Expectation::Preserved,
        "header" => Expectation::InHeader,
        "any" => Expectation::Any,
    }
}

/// An expectation in a word, or a list of addresses and networks.
#[derive(Debug, Clone)]
pub(super) struct ExpectSource(pub(super) Expectation);

impl Value for ExpectSource {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(value.get_ref(), DeValue::Array(_)) {
            return Expectation::read(value, reader).map(Self);
        }
        let list = List::<AddressOrNet>::read(value, reader)?.into_values();
        Some(Self(Expectation::Within(list.into_iter().map(|AddressOrNet(net)| net).collect())))
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [<Expectation as Value>::schema(), List::<AddressOrNet>::schema()] })
    }
}
