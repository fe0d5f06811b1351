//! Shares as people write them: `25%`.

use super::value::{Complaint, Text, text_values};

/// A share in whole percent, less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent(u32);

impl Percent {
    pub(super) fn get(self) -> u32 {
        self.0
    }
}

impl Text for Percent {
    const WHAT: &'static str = "a share in percent";
    const EXAMPLE: &'static str = "25%";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let number = text.strip_suffix('%').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let share = number.and_then(|number| number.parse().ok()).filter(|share| *share < 100);
        share.map(Self).ok_or_else(|| {
            Complaint::new("this is not a share in percent").hint("a whole number from \"0%\" to \"99%\"")
        })
    }

    fn pattern() -> Option<String> {
        Some("[0-9]{1,2}%".to_owned())
    }
}

text_values!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_and_less_than_all() {
        for (text, share) in [("0%", 0), ("7%", 7), ("25%", 25), ("99%", 99)] {
            assert_eq!(Percent::parse(text).unwrap().get(), share);
        }
        for text in ["", "%", "25", "25 %", "-1%", "+1%", "2.5%", "100%", "99999999999%", "é%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
    }
}
