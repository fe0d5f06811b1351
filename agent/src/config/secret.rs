//! Values that must never be shown: not in a log, not on the page, not in a diagnostic.

use std::fmt;

use schemars::Schema;
use secrecy::{ExposeSecret, SecretString};

use super::{
    fault::Span,
    reader::{Reader, Toml},
    value::{Text, Value, text_schema},
};

/// A text that hides itself from `Debug` and is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself. Hand it to the request that needs it and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A text that is blanked out wherever the file is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hidden<T>(pub(super) T);

impl<T: Text> Value for Hidden<T> {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.conceal(value.span());
        reader.text(value).map(Self)
    }

    fn schema() -> Schema {
        text_schema::<T>()
    }
}

/// `source` with an asterisk for every byte inside the `secrets`, each of them a TOML string.
///
/// Quotes stay, and so do the names of `${NAME}` references, which say where a secret comes from and
/// not what it is.
pub(super) fn blank(source: &str, secrets: &[Span]) -> String {
    let mut shown = source.as_bytes().to_vec();
    for span in secrets {
        let mut in_name = false;
        for at in span.clone() {
            let byte = shown[at];
            let opens = byte == b'{' && at > span.start && source.as_bytes()[at - 1] == b'$';
            let follows = source.as_bytes().get(at + 1) == Some(&b'{') && byte == b'$';
            in_name = opens || in_name && (byte.is_ascii_alphanumeric() || byte == b'_');
            if !in_name && !follows && !matches!(byte, b'"' | b'\'' | b'}' | b'\n' | b'\r') {
                shown[at] = b'*';
            }
        }
    }
    // Whole characters became ASCII, or stayed: spans begin and end at character boundaries.
    String::from_utf8(shown).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_and_references_stay_readable() {
        for (source, shown) in [
            (r#"url = "https://x/é?t=1""#, r#"url = "****************""#),
            (r#"url = "x${TOKEN}y""#, r#"url = "*${TOKEN}*""#),
            (r#"url = "${TOKEN:-hidden}""#, r#"url = "${TOKEN********}""#),
        ] {
            assert_eq!(blank(source, std::slice::from_ref(&(6..source.len()))), shown);
        }
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{:?}", Secret::from("token".to_owned())), "Secret(..)");
    }
}
