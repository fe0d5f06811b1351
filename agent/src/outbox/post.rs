//! One POST, and what the reply means: under every receiver that is told over HTTP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Client, StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

use super::receiver::Reply;
use crate::prober::Roots;

/// An HTTP client for one receiver. It follows no redirect, repeats nothing by itself, and reads no body.
#[derive(Debug, Clone)]
pub(super) struct Post {
    client: Client,
}

impl Post {
    /// A client whose attempts take `timeout` at most, and that trusts `roots`.
    pub(super) fn new(roots: &Roots, timeout: Duration) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("the HTTP client cannot be set up: {error}");
        let client = Client::builder()
            .tls_backend_preconfigured(roots.client().map_err(|error| unusable(&error))?)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("vipwatch/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { client: client.map_err(|error| unusable(&error))? })
    }

    /// Makes one attempt: posts `body` to `url`.
    pub(super) async fn send(
        &self,
        url: &str,
        headers: HeaderMap,
        body: String,
        now: DateTime<Utc>,
    ) -> Reply {
        match self.client.post(url).headers(headers).body(body).send().await {
            Ok(response) => {
                let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                read(response.status(), after.and_then(|after| retry_after(after, now)))
            }
            Err(error) if error.is_builder() => Reply::Refused { error: words(error) },
            Err(error) => Reply::Later { error: words(error), retry_after: None },
        }
    }
}

/// Which replies mean "have it", "later" and "never". Redirects are not followed: an alert must not be
/// carried to a place that nobody configured.
fn read(status: StatusCode, retry_after: Option<Duration>) -> Reply {
    let error = format!("HTTP {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Reply::Taken,
        300..=399 => Reply::Refused { error: format!("{error} (redirects are not followed)") },
        408 | 425 | 429 | 500..=599 => Reply::Later { error, retry_after },
        _ => Reply::Refused { error },
    }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110, 10.2.3).
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    (at.with_timezone(&Utc) - now).to_std().ok()
}

/// The error and its causes, without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = if error.is_timeout() { "no reply in time".to_owned() } else { error.to_string() };
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_by_their_status() {
        let later = |status| matches!(read(status, None), Reply::Later { .. });
        let refused = |status| matches!(read(status, None), Reply::Refused { .. });
        assert_eq!(read(StatusCode::NO_CONTENT, None), Reply::Taken);
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(later(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [301, 302, 400, 401, 403, 404, 410, 413] {
            assert!(refused(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 10:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Mon, 23 Nov 2026 09:00:00 GMT", now), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
