//! How many bad rounds it takes: `3` on end, or `"3 of 5"`.

use schemars::{Schema, json_schema};
use vipwatch_model::rule::LONGEST_WINDOW;

use super::{
    reader::{Reader, Toml},
    value::{Complaint, Text, Value, Whole, text_schema},
};

/// So many rounds.
pub(super) type Rounds = Whole<u32, 1, LONGEST_WINDOW>;

/// So many bad rounds among so many of the latest; the same number where they have to be consecutive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct After {
    pub(super) rounds: u32,
    pub(super) of: u32,
}

impl Text for After {
    const WHAT: &'static str = "a whole number of rounds, or how many of the latest";
    const EXAMPLE: &'static str = "3 of 5";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let (rounds, of) = text.split_once(" of ").ok_or_else(Complaint::expected::<Self>)?;
        let number =
            |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok());
        let (Some(Some(rounds)), Some(Some(of))) = (number(rounds), number(of)) else {
            return Err(Complaint::expected::<Self>());
        };
        if rounds == 0 || rounds > of {
            return Err(Complaint::new("so many rounds are never bad among so few")
                .hint("the first number is from 1 up to the second"));
        }
        if of > LONGEST_WINDOW {
            return Err(Complaint::new(format!("only the latest {LONGEST_WINDOW} rounds are remembered"))
                .hint("for a longer time, use for = \"10m\""));
        }
        Ok(Self { rounds, of })
    }

    fn pattern() -> Option<String> {
        Some("[0-9]{1,2} of [0-9]{1,2}".to_owned())
    }
}

impl Value for After {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if value.get_ref().is_integer() {
            let rounds = Rounds::read(value, reader)?.get();
            return Some(Self { rounds, of: rounds });
        }
        reader.text(value)
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [Rounds::schema(), text_schema::<Self>()] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_so_many() {
        assert_eq!(After::parse("3 of 5").unwrap(), After { rounds: 3, of: 5 });
        assert_eq!(After::parse("64 of 64").unwrap(), After { rounds: 64, of: 64 });
        for text in [
            "",
            "3",
            "3 of",
            "of 5",
            "3 of 2",
            "0 of 5",
            "3 of 65",
            "+3 of 5",
            "3  of 5",
            "3/5",
            "3 of 99999999999",
        ] {
            assert!(After::parse(text).is_err(), "{text}");
        }
    }
}
