//! Shares as people write them: `25%`.

use schemars::Schema;

use super::{
    reader::{Reader, Toml},
    value::{Complaint, Text, Value, text_schema},
};

/// A share of at least `MIN` and at most `MAX` percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Percent<MIN, MAX> {
    pub(super) fn get(self) -> u32 {
        self.0
    }
}

impl<const MIN: u32, const MAX: u32> Text for Percent<MIN, MAX> {
    const WHAT: &'static str = "a share in percent";
    const EXAMPLE: &'static str = "25%";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let share = digits.and_then(|digits| digits.parse().ok()).filter(|share| (MIN..=MAX).contains(share));
        share.map(Self).ok_or_else(|| {
            let hint = format!("a whole number from \"{MIN}%\" to \"{MAX}%\"");
            Complaint::new("this is not a share in percent").hint(hint)
        })
    }

    fn pattern() -> Option<String> {
        Some("[0-9]{1,3}%".to_owned())
    }
}

impl<const MIN: u32, const MAX: u32> Value for Percent<MIN, MAX> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.text(value)
    }

    fn schema() -> Schema {
        text_schema::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_and_carry_their_sign() {
        for (text, share) in [("0%", 0), ("7%", 7), ("25%", 25), ("100%", 100)] {
            assert_eq!(Percent::<0, 100>::parse(text).unwrap().get(), share);
        }
        for text in ["", "%", "25", "25 %", "-1%", "+1%", "2.5%", "101%", "99999999999%", "é%"] {
            assert!(Percent::<0, 100>::parse(text).is_err(), "{text}");
        }
        assert!(Percent::<1, 99>::parse("0%").is_err() && Percent::<1, 99>::parse("100%").is_err());
    }
}
