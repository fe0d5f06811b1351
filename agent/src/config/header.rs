//! HTTP headers that an operator may set, and those that only vipwatch or the network may.

use super::{
    secret::Secret,
    value::{Complaint, Text},
};

/// What frames a message.
const FRAMING: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// What belongs to one connection and not to the request (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// By these proxies name the client: a server that believes them would tell what was sent here, and not what it sees.
const NAMES_A_CLIENT: [&str; 15] = [
    "forwarded",
    "x-forwarded-for",
    "x-original-forwarded-for",
    "x-forwarded",
    "forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-originating-ip",
    "x-cluster-client-ip",
    "x-envoy-external-address",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
];

/// The name of an HTTP header that an operator may set.
#[derive(Debug, Clone)]
pub(super) struct HeaderName;

impl Text for HeaderName {
    const WHAT: &'static str = "the name of an HTTP header";
    const EXAMPLE: &'static str = "Authorization";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(fits) {
            return Err(Complaint::expected::<Self>());
        }
        if is_one_of(text, &FRAMING) {
            return Err(Complaint::new("this header is set by vipwatch itself"));
        }
        Ok(Self)
    }
}

/// The name of a header that may go along with a flow.
#[derive(Debug, Clone)]
pub(super) struct FlowHeaderName;

impl Text for FlowHeaderName {
    const WHAT: &'static str = HeaderName::WHAT;
    const EXAMPLE: &'static str = "Accept-Language";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.eq_ignore_ascii_case("host") {
            return Err(Complaint::new("this header has a key of its own").hint("write host = \"...\""));
        }
        if is_one_of(text, &HOP_BY_HOP) {
            return Err(Complaint::new("this header belongs to the connection, which is vipwatch's affair"));
        }
        if is_one_of(text, &NAMES_A_CLIENT) {
            return Err(Complaint::new("this header names a client, which would falsify what is measured")
                .hint(
                    "leave it out; to find out whether the server believes it, write echo = { canary = true }",
                ));
        }
        HeaderName::parse(text)?;
        Ok(Self)
    }
}

fn is_one_of(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(text))
}

/// The value of an HTTP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeaderValue(pub(super) Secret);

impl Text for HeaderValue {
    const WHAT: &'static str = "the value of an HTTP header: printable ASCII";
    const EXAMPLE: &'static str = "Bearer ${HOOK_TOKEN}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.trim() != text || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}
