//! One request, and what the reply means: under every receiver that is told over HTTP.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Method, Proxy, Request, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT},
};

use super::{
    exchange::{Exchange, Exchanges, Mask, Side, shown_url},
    receiver::Reply,
};
use crate::config::{Endpoint, Secret};

/// As much of a reply's body is read where somebody wants to see it, in bytes.
const REPLY_BYTES: usize = 4096;

/// An HTTP client for one endpoint. It follows no redirect, repeats nothing by itself, and reads no body unless
/// somebody wants to see it.
#[derive(Debug, Clone)]
pub(super) struct Post {
    client: Client,
    url: Url,
    headers: HeaderMap,
    /// What must not be shown of a body.
    secrets: Vec<Secret>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// POST, for most.
    pub(super) method: Method,
    /// Where to, instead of the endpoint's own URL.
    pub(super) url: Option<Url>,
    /// Goes along unless the operator wants another one.
    pub(super) content_type: HeaderValue,
    /// Go along whatever the operator wants.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: String,
}

impl Letter {
    /// A POST of JSON.
    pub(super) fn json(body: String) -> Self {
        let content_type = HeaderValue::from_static("application/json");
        Self { method: Method::POST, url: None, content_type, headers: HeaderMap::new(), body }
    }
}

impl Post {
    /// A client whose attempts take `timeout` at most.
    pub(super) fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("the HTTP client cannot be set up: {error}");
        // Whoever sets the environment must not decide where alerts go through.
        let mut client = Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(endpoint.roots.client().map_err(|error| unusable(&error))?)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if let Some(proxy) = &endpoint.proxy {
            let proxy =
                Proxy::all(proxy.expose()).map_err(|_| unusable(&"its proxy's URL cannot be read"))?;
            client = client.proxy(proxy);
        }
        let client = client.build().map_err(|error| unusable(&error))?;
        let url = endpoint.url().expose().parse().map_err(|_| "the URL cannot be read".to_owned())?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("vipwatch/", env!("CARGO_PKG_VERSION"))));
        headers.extend(endpoint.headers.clone());
        Ok(Self { client, url, headers, secrets: Vec::new() })
    }

    /// Keeps `secret`, which stands in the bodies, out of what is shown.
    pub(super) fn hiding(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Makes one attempt.
    pub(super) async fn send(&self, letter: Letter, now: DateTime<Utc>, exchanges: &mut Exchanges) -> Reply {
        let url = letter.url.unwrap_or_else(|| self.url.clone());
        // Takes a user's name and password out of the URL and into a header.
        let mut request = match self.client.request(letter.method, url.clone()).build() {
            Ok(request) => request,
            Err(error) => return Reply::Refused { error: words(&error) },
        };
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.entry(CONTENT_TYPE).or_insert(letter.content_type);
        headers.extend(letter.headers);
        let mask = exchanges.are_wanted().then(|| {
            let mask = Mask::of_request(&url, request.headers(), &self.secrets);
            (Side::of_request(&request, &letter.body, &mask), mask)
        });
        *request.body_mut() = Some(letter.body.into());
        let answered = self.client.execute(request).await;
        let reply = match &answered {
            Ok(response) => {
                let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                read(response.status(), after.and_then(|after| retry_after(after, now)))
            }
            Err(error) if error.is_builder() => Reply::Refused { error: words(error) },
            Err(error) => Reply::Later { error: words(error), retry_after: None },
        };
        if let Some((sent, mask)) = mask {
            let received = match answered {
                Ok(response) => Some(Side::of_response(response, &mask).await),
                Err(_) => None,
            };
            exchanges.push(Exchange { sent, received });
        }
        reply
    }
}

impl Side {
    fn of_request(request: &Request, body: &str, mask: &Mask) -> Self {
        let line = format!("{} {}", request.method(), shown_url(request.url()));
        Self::new(&line, shown(request.headers()), body, mask)
    }

    async fn of_response(mut response: Response, mask: &Mask) -> Self {
        let line = format!("{:?} {}", response.version(), response.status());
        let headers = shown(response.headers());
        let mut body = Vec::new();
        while body.len() < REPLY_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk[..chunk.len().min(REPLY_BYTES - body.len())]);
        }
        Self::new(&line, headers, &String::from_utf8_lossy(&body), mask)
    }
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Which replies mean "have it", "later" and "never". Redirects are not followed: an alert must not be carried to a
/// place that nobody configured. But they pass: a login page or maintenance answers so for some minutes.
fn read(status: StatusCode, retry_after: Option<Duration>) -> Reply {
    let error = format!("HTTP {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Reply::Taken,
        300..=399 => Reply::Later { error: format!("{error} (redirects are not followed)"), retry_after },
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

/// What went wrong, and the cause at the bottom of it, without the URL.
fn words(error: &reqwest::Error) -> String {
    let what = match error {
        error if error.is_timeout() => return "no reply in time".to_owned(),
        error if error.is_builder() => "the request cannot be made",
        error if error.is_connect() => "failed to connect",
        _ => "the reply cannot be read",
    };
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    match causes.last() {
        Some(cause) => format!("{what}: {cause}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_by_their_status() {
        let later = |status| matches!(read(status, None), Reply::Later { .. });
        let refused = |status| matches!(read(status, None), Reply::Refused { .. });
        assert_eq!(read(StatusCode::NO_CONTENT, None), Reply::Taken);
        for status in [301, 302, 307, 408, 425, 429, 500, 502, 503, 504] {
            assert!(later(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [400, 401, 403, 404, 410, 413] {
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
