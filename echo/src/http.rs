//! Answers HTTP requests. `/clientip` and `/hostname` are answered as agnhost's netexec does, every other
//! path with the JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, Response};

use crate::answer::HttpRequest;
use crate::server::{Flow, Respond, discard_body};
use crate::stats::{Counter, Stats};
use crate::{Answer, Echo};

/// How many bytes of header names and values an answer repeats at most.
pub const HEADER_BYTES: usize = 8 * 1024;

/// A body is read only so that the client gets to read the answer, and no further than this.
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(5);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Respond for Echo {
    async fn respond(&self, request: Request<Incoming>, flow: Flow) -> Response<Full<Bytes>> {
        let (request, body) = request.into_parts();
        let read_whole = discard_body(body, BODY_BYTES, BODY_TIME).await;
        let (kind, body) = self.body(&request, flow);

        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !read_whole {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// An [`Echo`] over HTTP that counts, and shows the counts at `/stats`.
pub(crate) struct Site {
    pub(crate) echo: Echo,
    pub(crate) stats: Arc<Stats>,
    pub(crate) counter: Arc<Counter>,
}

impl Respond for Site {
    async fn respond(&self, request: Request<Incoming>, flow: Flow) -> Response<Full<Bytes>> {
        let asks_for_stats = request.uri().path() == "/stats";
        let mut response = self.echo.respond(request, flow).await;
        if asks_for_stats {
            let reading = serde_json::to_vec(&self.stats.read()).expect("a reading has string keys only");
            *response.body_mut() = Full::new(reading.into());
        } else {
            self.counter.answered();
        }
        response
    }
}

impl Echo {
    fn body(&self, request: &Parts, flow: Flow) -> (HeaderValue, Bytes) {
        let answer = self.answer(flow);
        match request.uri.path() {
            "/clientip" => (TEXT, answer.peer.to_string().into()),
            "/hostname" => (TEXT, self.host_name().into()),
            path => {
                let request = repeat(request, path);
                (JSON, Answer { request: Some(request), ..answer }.to_json().into())
            }
        }
    }
}

fn repeat(request: &Parts, path: &str) -> HttpRequest {
    let (headers, headers_truncated) = repeat_headers(&request.headers);
    HttpRequest { method: request.method.to_string(), path: path.to_owned(), headers, headers_truncated }
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
    use crate::Identity;

    fn echo() -> Echo {
        Echo::new(Identity {
            node: Some("node-1".to_owned()),
            pod: None,
            namespace: Some("default".to_owned()),
        })
    }

    fn flow() -> Flow {
        Flow { peer: "192.0.2.9:41234".parse().unwrap(), local: "10.244.1.10:8080".parse().unwrap() }
    }

    #[test]
    fn the_answer_has_the_documented_shape() {
        let (request, ()) = Request::get("/any/path?and=query")
            .header("x-forwarded-for", "203.0.113.1")
            .header("x-forwarded-for", "203.0.113.2")
            .body(())
            .unwrap()
            .into_parts();
        let (kind, body) = echo().body(&request, flow());
        assert_eq!(kind, JSON);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
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
        let answer: Answer = serde_json::from_value(json).unwrap();
        assert_eq!(answer.to_json(), body);
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
