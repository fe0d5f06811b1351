//! What a body is made of, looked at once for all parsers: JSON, or text.

use std::borrow::Cow;

use serde_json::Value;

/// A body that is not empty.
pub(super) enum Content<'a> {
    /// A JSON object or list.
    Json(Value),
    /// Anything else; bytes that are no UTF-8 are replaced.
    Text(Cow<'a, str>),
}

impl<'a> Content<'a> {
    /// The content of `body`; nothing when it is blank.
    pub(super) fn of(body: &'a [u8]) -> Option<Self> {
        let body = body.trim_ascii();
        let json = matches!(body.first()?, b'{' | b'[').then(|| serde_json::from_slice(body).ok()).flatten();
        Some(json.map_or_else(|| Self::Text(String::from_utf8_lossy(body)), Self::Json))
    }

    pub(super) fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Text(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Json(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    /// What it looks like, in words that tell nothing of what it holds.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Json(_) => "JSON of another shape",
            Self::Text(text) if text.starts_with('<') => "a web page",
            Self::Text(text) if text.contains(['\0', char::REPLACEMENT_CHARACTER]) => "binary data",
            Self::Text(_) => "text of another shape",
        }
    }
}

/// A node or pod name, if it can be one (RFC 1123 subdomain, at most 253 characters): names go to the
/// page and into alerts, so nothing else is let through.
pub(super) fn name(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    (!name.is_empty() && name.len() <= 253 && name.chars().all(plain)).then(|| name.to_owned())
}

/// The name at `pointer`.
pub(super) fn name_at(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().and_then(name)
}
