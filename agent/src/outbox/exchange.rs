//! What went to and fro in an attempt, for somebody who tries a receiver: without its secrets.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::{Url, header::HeaderMap};
use serde::Serialize;
use url::{Position, form_urlencoded};

use crate::config::Secret;

/// No more of a body is shown, in bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// What stands in the place of a secret.
const MASKED: &str = "***";
/// Shorter texts are no secrets; blanking them would only spoil what is shown.
const SHORTEST_SECRET: usize = 4;
/// Shorter parts of a URL are words like `hook`, if they are made of small letters alone.
const LONGEST_WORD: usize = 7;

/// What was sent, and what came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// What was sent.
    pub sent: Side,
    /// What came back, if anything did.
    pub received: Option<Side>,
}

/// One side of an exchange, as it may be shown: no secrets, no control characters but line breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The first line: `POST https://alerts.example.net/***`, `HTTP/1.1 202 Accepted`.
    pub line: String,
    /// Headers, in their order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Side {
    /// A side without what `mask` knows as secret.
    #[must_use]
    pub fn new(line: &str, headers: Vec<(String, String)>, body: &str, mask: &Mask) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name, mask.apply(&value)));
        let end = body.floor_char_boundary(LONGEST_BODY);
        Self { line: mask.apply(line), headers: headers.collect(), body: mask.apply(&body[..end]) }
    }
}

/// Takes down the exchanges of an attempt, if anybody wants to see them.
#[derive(Debug, Default)]
pub struct Exchanges(Option<Vec<Exchange>>);

impl Exchanges {
    /// For somebody who wants to see them.
    #[must_use]
    pub fn wanted() -> Self {
        Self(Some(Vec::new()))
    }

    /// For deliveries: nothing is kept.
    #[must_use]
    pub fn unwanted() -> Self {
        Self(None)
    }

    /// Whether anybody wants to see them.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Takes down an exchange.
    pub fn push(&mut self, exchange: Exchange) {
        if let Some(exchanges) = &mut self.0 {
            exchanges.push(exchange);
        }
    }

    /// Another one for a part of the attempt that goes on beside others.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self(self.0.as_ref().map(|_| Vec::new()))
    }

    /// Takes in what was taken down apart.
    pub fn take_in(&mut self, apart: Self) {
        apart.into_vec().into_iter().for_each(|exchange| self.push(exchange));
    }

    /// What was taken down.
    #[must_use]
    pub fn into_vec(self) -> Vec<Exchange> {
        self.0.unwrap_or_default()
    }
}

/// Blanks secrets out of what is shown, also where the far side repeats them.
#[derive(Debug, Default)]
pub struct Mask {
    /// The longest first, so that none is spoilt by a part of itself.
    secrets: Vec<Secret>,
}

impl Mask {
    /// Knows `secrets`.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let long_enough = |secret: &Secret| secret.expose().len() >= SHORTEST_SECRET;
        let mut secrets: Vec<Secret> = secrets.into_iter().filter(long_enough).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Self { secrets }
    }

    /// Knows what may be secret in a request, and `more`.
    #[must_use]
    pub fn of_request(url: &Url, headers: &HeaderMap, more: &[Secret]) -> Self {
        let mut secrets = more.to_vec();
        let mut secret = |text: &str| secrets.push(Secret::from(text.to_owned()));
        let login = [url.username(), url.password().unwrap_or_default()];
        login.iter().flat_map(|part| forms(part)).for_each(|part| secret(&part));
        let whole = &url[Position::BeforePath..Position::AfterQuery];
        if whole.get(1..).is_some_and(|rest| rest.contains(['/', '?'])) {
            secret(whole);
        }
        let values = url.query().unwrap_or_default().split('&');
        let values = values.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        let parts = url.path_segments().into_iter().flatten().chain(values).filter(|part| !is_word(part));
        parts.flat_map(forms).for_each(|part| secret(&part));
        for value in headers.values().filter(|value| value.is_sensitive()) {
            // Of credentials, what follows the scheme is the secret, and in it the password.
            let text = String::from_utf8_lossy(value.as_bytes());
            let credentials = text.rsplit(' ').next().unwrap_or_default();
            if text.starts_with("Basic ")
                && let Ok(pair) = BASE64_STANDARD.decode(credentials)
            {
                let pair = String::from_utf8_lossy(&pair);
                secret(&pair);
                secret(pair.split_once(':').map_or("", |(_, password)| password));
            }
            secret(credentials);
            secret(&text);
        }
        Self::new(secrets)
    }

    /// `text` without secrets and control characters.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.secrets {
            shown = shown.replace(secret.expose(), MASKED);
            // Inside JSON it may look different.
            let quoted = serde_json::to_string(secret.expose()).unwrap_or_default();
            shown = shown.replace(quoted.trim_matches('"'), MASKED);
        }
        let mut plain = String::with_capacity(shown.len());
        for c in shown.chars() {
            if c.is_control() && c != '\n' {
                plain.extend(c.escape_default());
            } else {
                plain.push(c);
            }
        }
        plain
    }
}

/// Whether a part of a URL says what is there, rather than being a secret.
fn is_word(part: &str) -> bool {
    part.len() <= LONGEST_WORD && part.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// A part of a URL as it stands there, and as what it may mean: a plus sign, or a space.
fn forms(part: &str) -> [String; 3] {
    let decoded = |part: &str| {
        let pair = format!("={}", part.replace('&', "%26"));
        form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect::<String>()
    };
    [part.to_owned(), decoded(part), decoded(&part.replace('+', "%2B"))]
}

/// What may be shown of `url`: where it leads to, not what for.
pub(super) fn shown_url(url: &Url) -> String {
    let rest = if url.path() == "/" && url.query().is_none() { "" } else { MASKED };
    format!("{}/{rest}", url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn secrets_are_blanked_wherever_they_turn_up() {
        let url = "https://user:pa55word@alerts.example.net/hook/T0PSECRET?key=0123456789".parse().unwrap();
        let mut headers = HeaderMap::new();
        let mut value = reqwest::header::HeaderValue::from_static("Bearer t0ken-1");
        value.set_sensitive(true);
        headers.insert("authorization", value);
        headers.insert("content-type", reqwest::header::HeaderValue::from_static("application/json"));
        let mask = Mask::of_request(&url, &headers, &[secret("r0uting\"key"), secret("v2")]);
        let told = r#"no T0PSECRET/0123456789 for user, pa55word, Bearer t0ken-1, t0ken-1, r0uting\"key, v2"#;
        assert_eq!(mask.apply(told), "no ***/*** for ***, ***, ***, ***, ***, v2");
        assert_eq!(shown_url(&url), "https://alerts.example.net/***");
        assert_eq!(shown_url(&"https://ntfy.example.net".parse().unwrap()), "https://ntfy.example.net/");
    }

    #[test]
    fn secrets_of_a_url_are_blanked_encoded_or_not() {
        let url: Url =
            "https://us%40er:p%2Fss@alerts.example.net/hook/T0%2FPS/k3y?sig=a%2Bb%3D%3D&v=x1&plain"
                .parse()
                .unwrap();
        let mut headers = HeaderMap::new();
        let mut value = reqwest::header::HeaderValue::from_static("Basic dXNlcjpvcGVuIHNlc2FtZQ==");
        value.set_sensitive(true);
        headers.insert("authorization", value);
        let mask = Mask::of_request(&url, &headers, &[]);
        for (told, shown) in [
            ("no T0%2FPS or T0/PS", "no *** or ***"),
            ("sig=a%2Bb%3D%3D or a+b==", "sig=*** or ***"),
            ("POST /hook/T0%2FPS/k3y?sig=a%2Bb%3D%3D&v=x1&plain refused", "POST *** refused"),
            ("us%40er us@er p%2Fss p/ss", "*** *** *** ***"),
            ("password open sesame of dXNlcjpvcGVuIHNlc2FtZQ==", "password *** of ***"),
            ("a hook", "a hook"),
        ] {
            assert_eq!(mask.apply(told), shown);
        }
        let mask =
            Mask::of_request(&"https://alerts.example.net/hook/s3cr3t".parse().unwrap(), &headers, &[]);
        assert_eq!(mask.apply("no s3cr3t in /hook/s3cr3t"), "no *** in ***");
    }

    #[test]
    fn nothing_that_is_shown_moves_the_cursor() {
        let mask = Mask::default();
        assert_eq!(mask.apply("a\u{1b}[2Jb\r\nc\u{9b}d\té"), "a\\u{1b}[2Jb\\r\nc\\u{9b}d\\té");
    }

    #[test]
    fn bodies_are_cut() {
        let side = Side::new("", Vec::new(), &"é".repeat(LONGEST_BODY), &Mask::default());
        assert!(side.body.len() <= LONGEST_BODY && side.body.ends_with('é'));
    }
}
