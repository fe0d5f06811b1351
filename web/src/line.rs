//! Texts that people wrote: one line, of a bounded length, with nothing in it that drives a terminal or turns text around.

use crate::problem::Declined;

/// The most characters of who asks.
pub(crate) const BY: usize = 100;
/// The most characters of a comment.
pub(crate) const COMMENT: usize = 500;
/// The most characters of a name or a pattern.
pub(crate) const NAME: usize = 253;

/// `text` as one line of at most `most` characters; `field` is how the request calls it.
pub(crate) fn line(field: &str, text: &str, most: usize) -> Result<String, Declined> {
    let visible: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !turns_text(*c)).collect();
    let line = visible.trim();
    if line.chars().count() > most {
        return Err(Declined::unfit(format!("{field} is longer than {most} characters")));
    }
    Ok(line.to_owned())
}

/// Characters that change the direction of what follows, so that it reads as something else.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_taken_out() {
        let clean = |text| line("by", text, BY).ok();
        assert_eq!(clean(" kim\u{1b}[31m\n\u{202e}evil\u{7} ").as_deref(), Some("kim [31m evil"));
        assert_eq!(clean("\t\n").as_deref(), Some(""));
        assert_eq!(clean("Zoë 木"), Some("Zoë 木".to_owned()));
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(line("by", &"木".repeat(BY), BY).is_ok());
        assert!(line("by", &"k".repeat(BY + 1), BY).is_err());
    }
}
