//! Servers that are often found behind a VIP and do not tell the peer's address. To say which one it is helps more
//! than to say that the answer was not understood.

use serde_json::Value;

use super::{EchoError, content::Content};

/// Servers that hold no peer.
pub const UNUSABLE: &[Unusable] = &[
    Unusable {
        server: "ealen/echo-server without its host section",
        mend: "start it with ENABLE__HOST=true",
        fits: |content| {
            let json = content.json();
            let section =
                |name| json.and_then(|json| json.pointer(name)).is_some_and(|value| !value.is_null());
            !section("/host")
                && section("/http/originalUrl")
                && (section("/request/headers") || section("/environment"))
        },
    },
    Unusable {
        server: "an old traefik/whoami at /api",
        mend: "ask it for / instead",
        fits: |content| {
            let has = |key| content.json().is_some_and(|json| json.get(key).is_some());
            ["hostname", "ip", "headers", "url", "host", "method"].into_iter().all(has)
                && !has("remoteAddr")
                && content.json().is_some_and(|json| json["ip"].is_array())
        },
    },
    Unusable {
        server: "agnhost netexec at another path",
        mend: "ask it for /clientip",
        fits: |content| starts(content, &["NOW: "]),
    },
    Unusable {
        server: "gateway-api echo-basic",
        mend: REPLACE,
        fits: |content| {
            let pod = ["namespace", "ingress", "service", "pod"];
            let text = |key| content.json().and_then(|json| json.get(key)).is_some_and(Value::is_string);
            pod.into_iter().all(text) || starts(content, &["Gateway API Test TCP Server"])
        },
    },
    Unusable {
        server: "jmalloc/echo-server",
        mend: REPLACE,
        fits: |content| starts(content, &["Request served by ", "Server hostname unknown: "]),
    },
    Unusable {
        server: "nginxdemos/hello",
        mend: REPLACE,
        fits: |content| starts(content, &["Server address: "]),
    },
    Unusable {
        server: "Google's hello-app",
        mend: REPLACE,
        fits: |content| starts(content, &["Hello, world!\nVersion: "]),
    },
];

const REPLACE: &str = "put vipwatch echo, traefik/whoami or agnhost netexec in its place";

/// A server that holds no peer.
#[derive(Debug)]
pub struct Unusable {
    /// Which server it is.
    pub server: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    fits: fn(&Content<'_>) -> bool,
}

/// The server that answers so, if it is one of those.
pub(super) fn recognise(content: &Content<'_>) -> Option<EchoError> {
    let found = UNUSABLE.iter().find(|unusable| (unusable.fits)(content))?;
    Some(EchoError::NoPeer { server: found.server, mend: found.mend })
}

fn starts(content: &Content<'_>, beginnings: &[&str]) -> bool {
    content.text().is_some_and(|text| beginnings.iter().any(|beginning| text.starts_with(beginning)))
}
