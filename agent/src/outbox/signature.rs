//! The signature of the Standard Webhooks specification, by which a webhook knows who tells it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::config::SigningKey;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The headers for `body`, with a signature by each of the `keys`: while they are being changed, the far side
/// knows one of them. Nothing where there is no key, or where `id` cannot stand in a header.
pub(super) fn headers(keys: &[SigningKey], id: &str, now: DateTime<Utc>, body: &str) -> HeaderMap {
    let timestamp = now.timestamp();
    let signatures: Vec<String> = keys.iter().filter_map(|key| sign(key, id, timestamp, body)).collect();
    let mut headers = HeaderMap::new();
    if let (Ok(id), Ok(signature), false) =
        (HeaderValue::from_str(id), HeaderValue::from_str(&signatures.join(" ")), signatures.is_empty())
    {
        headers.insert(ID, id);
        headers.insert(TIMESTAMP, timestamp.into());
        headers.insert(SIGNATURE, signature);
    }
    headers
}

fn sign(key: &SigningKey, id: &str, timestamp: i64, body: &str) -> Option<String> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    for part in [id, ".", &timestamp.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the specification's libraries are tested with, in its repository
    /// github.com/standard-webhooks/standard-webhooks, for example libraries/rust/src/lib.rs and
    /// libraries/python/tests/test_webhooks.py.
    #[test]
    fn the_published_vector_comes_out() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let now = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "{\"test\": 2432232314}");
        let headers = headers(&[key], id, now, body);
        assert_eq!(headers["webhook-id"], id);
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_key_signs() {
        let old = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let new = SigningKey::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").unwrap();
        let now = DateTime::UNIX_EPOCH;
        let of = |keys: &[SigningKey]| {
            headers(keys, "id", now, "{}")["webhook-signature"].to_str().unwrap().to_owned()
        };
        let (one, other) = (of(std::slice::from_ref(&old)), of(std::slice::from_ref(&new)));
        assert_ne!(one, other);
        assert_eq!(of(&[old, new]), format!("{one} {other}"));
        assert!(headers(&[], "id", now, "{}").is_empty());
    }
}
