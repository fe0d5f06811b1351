//! What the echo server answers, and how a request becomes that answer. Knows nothing of sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response};
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::server::{Flow, Respond, discard_body};

/// The version of the answer's shape: the value of `vipwatch_echo`.
pub const FORMAT: u32 = 1;

/// How many bytes of header names and values an answer repeats at most.
pub const HEADER_BYTES: usize = 8 * 1024;

/// A body is read only so that the client gets to read the answer, and no further than this.
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(5);

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address; never an IPv4-mapped IPv6 one.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.ip().to_canonical(), port: socket.port() }
    }
}

/// The JSON body of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Marks the body as this server's, and its shape: [`FORMAT`].
    #[serde(rename = "vipwatch_echo")]
    pub format: u32,
    /// Where the connection came from, as this server saw it.
    pub peer: Endpoint,
    /// The address of this server that the connection reached.
    pub local: Endpoint,
    /// The node that runs this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The pod that runs this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The request's method.
    pub method: String,
    /// The request's path, without the query.
    pub path: String,
    /// The request's headers by lower-case name; repeated ones are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Whether headers were left out because they exceed [`HEADER_BYTES`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headers_truncated: bool,
}

/// Answers requests with an [`Answer`].
#[derive(Debug, Clone, Default)]
pub struct Echo {
    identity: Identity,
}

impl Echo {
    /// An echo that signs its answers with `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self { identity }
    }

    fn answer(&self, request: &Parts, flow: Flow) -> Answer {
        let (headers, headers_truncated) = repeat_headers(&request.headers);
        Answer {
            format: FORMAT,
            peer: flow.peer.into(),
            local: flow.local.into(),
            node: self.identity.node.clone(),
            pod: self.identity.pod.clone(),
            namespace: self.identity.namespace.clone(),
            method: request.method.to_string(),
            path: request.uri.path().to_owned(),
            headers,
            headers_truncated,
        }
    }
}

impl Respond for Echo {
    async fn respond(&self, request: Request<Incoming>, flow: Flow) -> Response<Full<Bytes>> {
        let (request, body) = request.into_parts();
        let read_whole = discard_body(body, BODY_BYTES, BODY_TIME).await;
        let answer =
            serde_json::to_vec(&self.answer(&request, flow)).expect("an answer has string keys only");

        let mut response = Response::new(Full::new(answer.into()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !read_whole {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn repeat_headers(received: &HeaderMap) -> (BTreeMap<String, String>, bool) {
    let mut repeated: BTreeMap<String, String> = BTreeMap::new();
    let mut room = HEADER_BYTES;
    for (name, value) in received {
        let value = String::from_utf8_lossy(value.as_bytes());
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else {
            return (repeated, true);
        };
        room = left;
        repeated
            .entry(name.as_str().to_owned())
            .and_modify(|earlier| {
                earlier.push_str(", ");
                earlier.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    (repeated, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_mapped_peer_is_shown_as_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.9]:41234".parse().unwrap();
        let endpoint = Endpoint::from(mapped);
        assert_eq!(endpoint.address, "192.0.2.9".parse::<IpAddr>().unwrap());
        assert_eq!(endpoint.port, 41234);
    }

    #[test]
    fn the_answer_has_the_documented_shape() {
        let (request, ()) = Request::get("/any/path?and=query")
            .header("x-forwarded-for", "203.0.113.1")
            .header("x-forwarded-for", "203.0.113.2")
            .body(())
            .unwrap()
            .into_parts();
        let flow =
            Flow { peer: "192.0.2.9:41234".parse().unwrap(), local: "10.244.1.10:8080".parse().unwrap() };
        let echo = Echo::new(Identity {
            node: Some("node-1".to_owned()),
            pod: None,
            namespace: Some("default".to_owned()),
        });
        let answer = echo.answer(&request, flow);
        let json = serde_json::to_value(&answer).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "vipwatch_echo": 1,
                "peer": { "address": "192.0.2.9", "port": 41234 },
                "local": { "address": "10.244.1.10", "port": 8080 },
                "node": "node-1",
                "namespace": "default",
                "method": "GET",
                "path": "/any/path",
                "headers": { "x-forwarded-for": "203.0.113.1, 203.0.113.2" },
            })
        );
        assert_eq!(serde_json::from_value::<Answer>(json).unwrap(), answer);
    }

    #[test]
    fn headers_beyond_the_cap_are_left_out_and_said_to_be() {
        let mut received = HeaderMap::new();
        received.insert("a-small", HeaderValue::from_static("1"));
        received.insert("b-large", HeaderValue::from_str(&"x".repeat(HEADER_BYTES)).unwrap());
        let (headers, truncated) = repeat_headers(&received);
        assert!(truncated);
        assert!(!headers.contains_key("b-large"));
    }
}
