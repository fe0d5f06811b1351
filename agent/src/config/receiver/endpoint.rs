//! Where a receiver listens that is told over HTTP.

use std::fmt;

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName},
};

use super::kind::{Kind, Takers};
use crate::config::{
    address::WebUrl,
    auth::{self, AuthTable},
    header,
    reader::{At, Reader, Slot},
    secret::{Hidden, Secret},
    table::table,
    value::{Pairs, Text as _},
};

/// Where a receiver listens, and what goes along with every request.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Secret,
    origin: String,
    /// Headers to send along, all of them marked as sensitive.
    pub headers: HeaderMap,
}

impl Endpoint {
    /// The URL: `http` or `https`. Secret, because many services put a token into it.
    #[must_use]
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// What may be shown of the URL: scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({}, {:?})", self.origin, self.headers)
    }
}

table! {
    /// Where a receiver listens.
    pub(in crate::config) struct EndpointTable {
        /// Where deliveries are sent. Never shown, as it may hold a token.
        optional url: Hidden<WebUrl>,
        /// Headers to send along. Their values are never shown.
        optional headers: Pairs<header::HeaderName, Hidden<header::HeaderValue>>,
    }
}

impl EndpointTable {
    /// Reports the keys beside a `kind` that is none of `takers`.
    pub(super) fn check(&self, kind: &At<Kind>, takers: Takers, reader: &mut Reader<'_>) {
        kind.takes("url", &self.url, takers, reader);
        kind.takes("headers", &self.headers, takers, reader);
    }

    /// The endpoint at `url`, where `auth` says who asks.
    pub(super) fn resolve(
        self,
        kind: &At<Kind>,
        auth: AuthTable,
        reader: &mut Reader<'_>,
    ) -> Option<Endpoint> {
        let url = self.url(kind, reader);
        let headers = headers(&self.headers, auth, reader);
        let url = url?;
        Some(Endpoint {
            origin: url.origin().ascii_serialization(),
            url: Secret::from(String::from(url)),
            headers: headers?,
        })
    }

    fn url(&self, kind: &At<Kind>, reader: &mut Reader<'_>) -> Option<url::Url> {
        match &self.url {
            Slot::Given(At { value: Hidden(WebUrl(url)), .. }) => Some(url.clone()),
            Slot::Faulty => None,
            Slot::Absent => {
                reader
                    .missing(kind.place(), format!("{} needs a url to send to", kind.value.word()))
                    .hint(format!("add for example url = {:?}", WebUrl::EXAMPLE));
                None
            }
        }
    }
}

/// The headers that the operator wants sent, and `Authorization` where `auth` asks for it.
fn headers(
    given: &Slot<Pairs<header::HeaderName, Hidden<header::HeaderValue>>>,
    auth: AuthTable,
    reader: &mut Reader<'_>,
) -> Option<HeaderMap> {
    let own = given.given().filter(|headers| {
        headers.value.pairs.keys().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()))
    });
    let authorization = auth.resolve(own.and_then(|own| own.span.clone()), reader);
    let mut headers = HeaderMap::new();
    for (name, Hidden(header::HeaderValue(value))) in
        given.clone().optional()?.map(|headers| headers.pairs).unwrap_or_default()
    {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, auth::sensitive(value.expose())?);
    }
    headers.extend(authorization?.map(|value| (AUTHORIZATION, value)));
    Some(headers)
}
