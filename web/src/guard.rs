//! Lets in who may change something. With a token, that is its bearer. Without one it is whoever connects from this
//! host's loopback, in its own name: not a proxy that passes on what others sent, and not a browser that was lured to a
//! page of somebody else's, be it under a name that was made to lead here.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts, uri::Authority},
};

use crate::{
    access::Access,
    control::Operator,
    line::{BY, line},
    problem::Declined,
    routes::Shared,
};

/// How to be let in from elsewhere.
const MEND: &str = "set agent.api_token or agent.api_token_file in the agent's configuration and send that token as \
                    \"Authorization: Bearer TOKEN\"";

/// What proxies add to requests that are not their own.
const FORWARDED: [HeaderName; 5] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
];

/// What a browser says about the page that sends a request; scripts cannot forge it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Proof that a request may change something; handlers that change something ask for it.
pub(crate) struct Admitted {
    peer: SocketAddr,
}

impl Admitted {
    /// The one who asks, calling themselves `by`.
    pub(crate) fn operator(&self, by: &str) -> Result<Operator, Declined> {
        let by = line("by", by, BY)?;
        if by.is_empty() {
            return Err(Declined::unfit("by is empty: say who asks for this"));
        }
        Ok(Operator { by, peer: self.peer })
    }
}

impl FromRequestParts<Shared> for Admitted {
    type Rejection = Declined;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Declined> {
        let Some(Peer(peer)) = parts.extensions.get().copied() else {
            return turn("nobody knows where this request comes from");
        };
        admit(&parts.headers, peer.ip(), &shared.access.borrow()).map(|()| Self { peer }).inspect_err(
            |declined| tracing::debug!(%peer, path = parts.uri.path(), why = declined.why, "turned a change away"),
        )
    }
}

/// Whether a request with these headers, from this address, may change something.
fn admit(headers: &HeaderMap, peer: IpAddr, access: &Access) -> Result<(), Declined> {
    match access {
        Access::Bearer(token) => match bearer(headers) {
            Some(presented) if token.is(presented) => {}
            Some(_) => {
                let why = "that is not the token in agent.api_token or agent.api_token_file of the agent's configuration";
                return Err(Declined::new(StatusCode::UNAUTHORIZED, why));
            }
            None => {
                let why = "changes need the token in agent.api_token or agent.api_token_file of the agent's configuration, sent as \
                           \"Authorization: Bearer TOKEN\"";
                return Err(Declined::new(StatusCode::UNAUTHORIZED, why));
            }
        },
        Access::ThisHost => from_this_host(headers, peer)?,
    }
    from_own_page(headers)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn from_this_host(headers: &HeaderMap, peer: IpAddr) -> Result<(), Declined> {
    if !peer.to_canonical().is_loopback() {
        return turn(format!(
            "without a token, changes are taken from 127.0.0.1 and ::1 of the agent's own host alone: {MEND}"
        ));
    }
    if let Some(name) = FORWARDED.iter().find(|name| headers.contains_key(*name)) {
        return turn(format!("this came through a proxy ({name}), so it may be from anywhere: {MEND}"));
    }
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
    let host = authority(&hosts);
    if !host.is_some_and(|host| is_loopback(host.host())) {
        return turn(format!(
            "without a token, changes are taken under the names localhost, 127.0.0.1 and [::1] alone, lest a stranger's name leads \
             here: go to one of these, or {MEND}"
        ));
    }
    Ok(())
}

/// Turns away what a browser sends on behalf of another site's page.
fn from_own_page(headers: &HeaderMap) -> Result<(), Declined> {
    let sites: Vec<_> = headers.get_all(SEC_FETCH_SITE).iter().collect();
    if !sites.is_empty() {
        // Newer browsers say it themselves, and a proxy that rewrites Host cannot confuse that.
        let own = sites.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        return if own { Ok(()) } else { turn("a page of another site sent this: use the agent's own") };
    }
    let origins: Vec<_> = headers.get_all(header::ORIGIN).iter().collect();
    if origins.is_empty() {
        return Ok(());
    }
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
    let own = authority(&hosts).zip(origin(&origins)).is_some_and(|(host, origin)| host == origin);
    if own {
        return Ok(());
    }
    turn(
        "the page that sent this (Origin) has another address than it was sent to (Host): use the agent's own page, and let a \
         reverse proxy pass the Host header on",
    )
}

/// The host and port in the only one of `values`.
fn authority(values: &[&HeaderValue]) -> Option<Authority> {
    let [value] = values else { return None };
    Authority::try_from(value.as_bytes()).ok()
}

fn origin(values: &[&HeaderValue]) -> Option<Authority> {
    let [value] = values else { return None };
    let (_scheme, rest) = value.to_str().ok()?.split_once("://")?;
    Authority::try_from(rest).ok()
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().map_or_else(
        |_| host.eq_ignore_ascii_case("localhost"),
        |address| address.to_canonical().is_loopback(),
    )
}

fn turn<T>(why: impl Into<String>) -> Result<T, Declined> {
    Err(Declined::new(StatusCode::FORBIDDEN, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Token;

    /// What becomes of a request: its status when it is turned away.
    fn judged(peer: &str, headers: &[(&str, &str)], access: &Access) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        admit(&map, peer.parse().unwrap(), access).err().map(|declined| declined.status.as_u16())
    }

    #[test]
    fn without_a_token_only_this_host_is_let_in() {
        let host = [("host", "localhost:9180")];
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(judged(peer, &host, &Access::ThisHost), None, "{peer}");
        }
        for peer in ["192.0.2.9", "2001:db8::1", "0.0.0.0", "::ffff:192.0.2.9"] {
            assert_eq!(judged(peer, &host, &Access::ThisHost), Some(403), "{peer}");
        }
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_turned_away() {
        for host in ["127.0.0.1:9180", "[::1]:9180", "LOCALHOST", "127.1.2.3", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(judged("127.0.0.1", &[("host", host)], &Access::ThisHost), None, "{host}");
        }
        for host in [
            "rebound.example.net:9180",
            "192.0.2.9:9180",
            "localhost.example.net",
            "127.0.0.1.example.net",
            "",
        ] {
            assert_eq!(judged("127.0.0.1", &[("host", host)], &Access::ThisHost), Some(403), "{host}");
        }
        assert_eq!(judged("127.0.0.1", &[], &Access::ThisHost), Some(403), "no host at all");
        let two = [("host", "localhost"), ("host", "rebound.example.net")];
        assert_eq!(judged("127.0.0.1", &two, &Access::ThisHost), Some(403));
    }

    #[test]
    fn what_a_proxy_passes_on_is_turned_away() {
        for name in FORWARDED {
            let headers = [("host", "127.0.0.1:9180"), (name.as_str(), "192.0.2.9")];
            assert_eq!(judged("127.0.0.1", &headers, &Access::ThisHost), Some(403), "{name}");
        }
    }

    #[test]
    fn the_bearer_of_the_token_is_let_in_from_anywhere() {
        let access = Access::Bearer(Token::new("open-sesame"));
        let by = |value| [("host", "vipwatch.example.net"), ("authorization", value)];
        assert_eq!(judged("192.0.2.9", &by("Bearer open-sesame"), &access), None);
        assert_eq!(judged("192.0.2.9", &by("bearer  open-sesame"), &access), None);
        for wrong in [
            "Bearer open-sesam",
            "Bearer open-sesame1",
            "Bearer ",
            "Bearer",
            "Basic open-sesame",
            "open-sesame",
        ] {
            assert_eq!(judged("127.0.0.1", &by(wrong), &access), Some(401), "{wrong}");
        }
        assert_eq!(judged("127.0.0.1", &[("host", "localhost")], &access), Some(401), "not even this host");
    }

    #[test]
    fn another_sites_page_is_turned_away() {
        let access = Access::Bearer(Token::new("t"));
        let with = |more: &[(&'static str, &'static str)]| {
            let mut headers = vec![("host", "127.0.0.1:9180"), ("authorization", "Bearer t")];
            headers.extend(more);
            judged("127.0.0.1", &headers, &access)
        };
        assert_eq!(with(&[("sec-fetch-site", "same-origin")]), None);
        assert_eq!(with(&[("sec-fetch-site", "none")]), None);
        assert_eq!(with(&[("sec-fetch-site", "same-site")]), Some(403));
        assert_eq!(with(&[("sec-fetch-site", "cross-site")]), Some(403));
        assert_eq!(with(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]), Some(403));
        assert_eq!(with(&[("origin", "http://127.0.0.1:9180")]), None);
        for origin in ["http://127.0.0.1:9181", "http://localhost:9180", "null", "https://example.net", ""] {
            assert_eq!(with(&[("origin", origin)]), Some(403), "{origin}");
        }
        let proxied = [("sec-fetch-site", "same-origin"), ("origin", "https://vipwatch.example.net")];
        assert_eq!(with(&proxied), None, "a proxy may rewrite Host; the browser's own word counts");
    }
}
