//! The secrets that webhooks are signed with, as the Standard Webhooks specification writes them.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::config::value::{Complaint, Text};

/// What every such secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a key may have (specification 1.0.0, "Signature scheme").
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A key to sign with.
#[derive(Clone)]
pub struct SigningKey(SecretSlice<u8>);

impl SigningKey {
    /// Reads `whsec_` and the key in base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        LENGTHS.contains(&key.len()).then(|| Self(key.into()))
    }

    /// The key itself. Hand it to the signature and to nothing else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl Text for SigningKey {
    const WHAT: &'static str = "a secret: whsec_, and 24 to 64 bytes in base64";
    const EXAMPLE: &'static str = "${HOOK_SECRET}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        Self::parse(text).ok_or_else(|| {
            Complaint::expected::<Self>().hint("make one: `echo whsec_$(head -c 32 /dev/urandom | base64)`")
        })
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for SigningKey {}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}
