//! Where a receiver listens that is told over HTTP.

use std::{fmt, path::PathBuf};

use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HeaderName},
};
use url::Url;

use super::kind::{CERTIFIED, HTTP, Kind, URL};
use crate::{
    config::{
        address::WebUrl,
        auth::{self, AuthTable},
        header,
        reader::{At, Reader, Slot},
        secret::{Hidden, Secret},
        table::table,
        tls,
        value::{Complaint, Pairs, Text},
    },
    prober::Roots,
};

/// Where a receiver listens, and what goes along with every request.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Secret,
    origin: String,
    /// Headers to send along, all of them marked as sensitive.
    pub headers: HeaderMap,
    /// Who may vouch for the server.
    pub roots: Roots,
    /// The URL of the proxy that requests go through, if any. Secret, because it may hold a password.
    pub proxy: Option<Secret>,
}

impl Endpoint {
    pub(super) fn new(url: Url, headers: HeaderMap, roots: Roots, proxy: Option<Secret>) -> Self {
        Self {
            origin: url.origin().ascii_serialization(),
            url: Secret::from(String::from(url)),
            headers,
            roots,
            proxy,
        }
    }

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
        /// Where deliveries are sent. Never shown, as it may hold a token. pagerduty and ntfy have a usual one.
        optional url: Hidden<WebUrl>,
        /// Headers to send along. Their values are never shown.
        optional headers: Pairs<header::HeaderName, Hidden<header::HeaderValue>>,
        /// A PEM file with the authorities that may vouch for the server. Left out: those of this host.
        optional ca_file: PathBuf,
        /// The HTTP proxy to go through. Left out: none, whatever the environment says. Never shown, as it may hold a
        /// password.
        optional proxy: Hidden<ProxyUrl>,
    }
}

/// The URL of an HTTP proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct ProxyUrl(Secret);

impl Text for ProxyUrl {
    const WHAT: &'static str = "the http URL of a proxy, without a path";
    const EXAMPLE: &'static str = "http://192.0.2.80:3128";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let url = WebUrl::parse(text).map_err(|_| Complaint::expected::<Self>())?.0;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if url.scheme() != "http" || !bare {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(String::from(url))))
    }
}

impl EndpointTable {
    /// Reports the keys that mean nothing to a receiver of this `kind`.
    pub(super) fn check(&self, kind: &At<Kind>, reader: &mut Reader<'_>) {
        kind.takes("url", &self.url, URL, reader);
        kind.takes("headers", &self.headers, HTTP, reader);
        kind.takes("ca_file", &self.ca_file, CERTIFIED, reader);
        kind.takes("proxy", &self.proxy, HTTP, reader);
    }

    /// The endpoint at `url`, where `auth` says who asks.
    pub(super) fn resolve(
        self,
        kind: &At<Kind>,
        auth: AuthTable,
        reader: &mut Reader<'_>,
    ) -> Option<Endpoint> {
        let url = self.url(kind, reader);
        let (headers, roots) = (self.headers(auth, reader), self.roots(reader));
        Some(Endpoint::new(url?, headers?, roots?, self.proxy()?))
    }

    fn url(&self, kind: &At<Kind>, reader: &mut Reader<'_>) -> Option<Url> {
        match (&self.url, kind.value.usual_url()) {
            (Slot::Given(At { value: Hidden(WebUrl(url)), .. }), _) => Some(url.clone()),
            (Slot::Absent, Some(usual)) => Url::parse(usual).ok(),
            (Slot::Absent, None) => {
                kind.needs("url", &self.url, "${ALERT_HOOK}", reader);
                None
            }
            (Slot::Faulty, _) => None,
        }
    }

    /// The headers that go along with every request: `Authorization` among them, where `auth` asks for it.
    pub(super) fn headers(&self, auth: AuthTable, reader: &mut Reader<'_>) -> Option<HeaderMap> {
        headers(&self.headers, auth, reader)
    }

    /// The URL of the proxy to go through, if there is one; nothing at all after a fault.
    pub(super) fn proxy(&self) -> Option<Option<Secret>> {
        Some(self.proxy.clone().optional()?.map(|Hidden(ProxyUrl(url))| url))
    }

    /// Who may vouch for the server.
    pub(super) fn roots(&self, reader: &mut Reader<'_>) -> Option<Roots> {
        tls::roots(&self.ca_file, reader)
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
