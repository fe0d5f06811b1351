//! What requests say: ids, query strings and JSON bodies, bounded in size and time, with nothing unknown in them.

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{StatusCode, header, request::Parts},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    line::{NAME, line},
    problem::Declined,
    routes::Shared,
};

/// The largest body that is read, in bytes. A silence with every field full is a fraction of it.
const LARGEST: usize = 64 << 10;

/// A JSON body. Only `application/json` is taken: what a form of another site's page sends never is.
pub(crate) struct Told<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Told<T> {
    type Rejection = Declined;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Declined> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail = "the body has to be JSON, with \"Content-Type: application/json\"";
            return Err(Declined::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = timeout(shared.limits.body_timeout, read(request.into_body()))
            .await
            .map_err(|_| Declined::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"))??;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            // Well-formed JSON that says something else than it should is another mistake than broken JSON.
            let status =
                if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            Declined::new(status, format!("the body cannot be read: {error}"))
        })
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, Declined> {
    match Limited::new(body, LARGEST).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Declined::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {LARGEST} bytes"),
        )),
        Err(_) => Err(Declined::new(StatusCode::BAD_REQUEST, "the body ended before its time")),
    }
}

/// A query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Shared> for Asked<T> {
    type Rejection = Declined;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Declined> {
        Query::try_from_uri(&parts.uri).map(|Query(asked)| Self(asked)).map_err(|rejection| {
            Declined::new(
                StatusCode::BAD_REQUEST,
                format!("the query cannot be read: {}", rejection.body_text()),
            )
        })
    }
}

/// The id in a path.
pub(crate) struct Id(pub(crate) String);

impl FromRequestParts<Shared> for Id {
    type Rejection = Declined;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Declined> {
        let Path(id) = Path::<String>::from_request_parts(parts, shared)
            .await
            .map_err(|_| Declined::new(StatusCode::BAD_REQUEST, "the id in the path is no text"))?;
        line("the id", &id, NAME).map(Self)
    }
}
