//! Who asks over HTTP: a user with a password, or the bearer of a token.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hyper::header::HeaderValue;

use super::{
    fault::Span,
    meaning::Deciding,
    reader::{At, Reader, Slot},
    secret::{Hidden, Secret},
    table::table,
    value::{Complaint, Text, text_values},
};

table! {
    /// Who asks.
    pub(super) struct AuthTable {
        /// The user's name for HTTP's basic authentication.
        optional username: Username,
        /// The user's password. Never shown.
        optional password: Hidden<Password>,
        /// A file that holds the user's password.
        optional password_file: PathBuf,
        /// A bearer token. Never shown.
        optional bearer_token: Hidden<Token>,
        /// A file that holds the bearer token.
        optional bearer_token_file: PathBuf,
    }
}

/// A user's name (RFC 7617: without a colon).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Username(String);

impl Text for Username {
    const WHAT: &'static str = "a user's name: one line without a colon";
    const EXAMPLE: &'static str = "vipwatch";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || text.contains(':') || text.chars().any(char::is_control) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

/// A user's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Password(Secret);

impl Text for Password {
    const WHAT: &'static str = "a password: one line";
    const EXAMPLE: &'static str = "${PROBE_PASSWORD}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}

/// A bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(Secret);

impl Text for Token {
    const WHAT: &'static str = "a token: printable ASCII without spaces";
    const EXAMPLE: &'static str = "${PROBE_TOKEN}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}

text_values!(Username);

impl AuthTable {
    /// Reports the keys beside `word` where it is none of `logins`, and no token goes with it unless it is one of
    /// `tokens`.
    pub(super) fn check<W: Deciding>(
        &self,
        word: &At<W>,
        logins: &[W],
        tokens: &[W],
        reader: &mut Reader<'_>,
    ) {
        word.takes("username", &self.username, logins, reader);
        word.takes("password", &self.password, logins, reader);
        word.takes("password_file", &self.password_file, logins, reader);
        word.takes("bearer_token", &self.bearer_token, tokens, reader);
        word.takes("bearer_token_file", &self.bearer_token_file, tokens, reader);
    }

    /// The user's name, its place, and the password, where a login takes them as they are; nothing at all after a
    /// fault.
    pub(super) fn login(self, reader: &mut Reader<'_>) -> Option<Option<(Span, String, Secret)>> {
        let password = self.password(reader)?;
        let place = self.username.written();
        let name = self.username.optional()?.map(|Username(name)| name);
        Some(place.zip(name).zip(password).map(|((place, name), password)| (place, name, password)))
    }

    /// The value of the `Authorization` header, if there is to be one; nothing at all after a fault. `own` is the
    /// place where the operator sets that header.
    pub(super) fn resolve(self, own: Option<Span>, reader: &mut Reader<'_>) -> Option<Option<HeaderValue>> {
        reader.exclusive(&[
            ("a header Authorization", own),
            ("username", self.username.written()),
            ("bearer_token", self.bearer_token.written()),
            ("bearer_token_file", self.bearer_token_file.written()),
        ]);
        let password = self.password(reader);
        let token = match (self.bearer_token.optional()?, self.bearer_token_file) {
            (Some(Hidden(token)), _) => Some(token),
            (None, Slot::Absent) => None,
            (None, Slot::Faulty) => return None,
            (None, Slot::Given(file)) => {
                let secret = reader.secret(&file)?;
                let token = Token::parse(secret.expose());
                Some(token.map_err(|complaint| reader.complain(file.place(), complaint)).ok()?)
            }
        };
        let credentials = match (token, self.username.optional()?) {
            (Some(Token(token)), _) => format!("Bearer {}", token.expose()),
            (None, Some(Username(name))) => {
                let pair = format!("{name}:{}", password??.expose());
                format!("Basic {}", BASE64_STANDARD.encode(pair))
            }
            (None, None) => return Some(None),
        };
        sensitive(&credentials).map(Some)
    }

    /// The user's password, if there is one; nothing at all after a fault.
    fn password(&self, reader: &mut Reader<'_>) -> Option<Option<Secret>> {
        let ways = [("password", self.password.written()), ("password_file", self.password_file.written())];
        reader.exclusive(&ways);
        let absent = self.password.is_absent() && self.password_file.is_absent();
        let written = ways.into_iter().find_map(|(_, place)| place);
        match (self.username.written(), written) {
            (Some(username), None) if absent => {
                reader
                    .fault(username, "a user's name without a password")
                    .hint("add password = \"${PROBE_PASSWORD}\", or password_file");
            }
            (None, Some(password)) if self.username.is_absent() => {
                reader.fault(password, "a password without a user's name").hint("add username");
            }
            _ => {}
        }
        match (&self.password, &self.password_file) {
            (Slot::Given(password), _) => {
                let Hidden(Password(password)) = &password.value;
                Some(Some(password.clone()))
            }
            (Slot::Absent, Slot::Given(file)) => reader.secret(file).map(Some),
            (Slot::Absent, Slot::Absent) => Some(None),
            _ => None,
        }
    }
}

/// The value of a header that is not to be shown.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
