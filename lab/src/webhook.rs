//! A webhook receiver for watching and for tests: takes any POST, and hands the JSON in it to whoever
//! wants to see it.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::server::{self, Flow, Limits, Respond};

/// Larger bodies are answered 413.
const BODY_BYTES: usize = 256 * 1024;
/// What one delivery may take up on a terminal.
const LINES: usize = 24;
const LINE_CHARACTERS: usize = 140;

/// One request that arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The request's path and query.
    pub target: String,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

/// Takes deliveries on `listener` and hands each to `seen` before answering 204, until `shutdown` is
/// cancelled. What is not JSON is answered 400.
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(
    listener: TcpListener,
    seen: impl Fn(Delivery) + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, Arc::new(Receiver { seen }), Limits::default(), shutdown).await
}

/// Shows a delivery on standard output.
pub fn print(delivery: &Delivery) {
    // A demo whose output nobody reads any more goes on.
    let _ = writeln!(io::stdout(), "{}", summary(&delivery.body));
}

struct Receiver<F> {
    seen: F,
}

impl<F: Fn(Delivery) + Send + Sync + 'static> Respond for Receiver<F> {
    async fn respond(&self, request: Request<Incoming>, _: Flow) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let status = match Limited::new(body, BODY_BYTES).collect().await {
            Err(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Ok(body) => match serde_json::from_slice(&body.to_bytes()) {
                Err(_) => StatusCode::BAD_REQUEST,
                Ok(body) => {
                    let target = head.uri.to_string();
                    (self.seen)(Delivery { target, headers: head.headers, body });
                    StatusCode::NO_CONTENT
                }
            },
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = status;
        response
    }
}

/// `body` as a short block of text: a line per value under its path, whatever the body's shape.
#[must_use]
pub fn summary(body: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", body, &mut lines);
    let left_out = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    let mut text = "webhook received".to_owned();
    for line in lines {
        text.push_str("\n    ");
        // Whoever sends must not be able to drive the terminal.
        text.extend(line.chars().filter(|character| !character.is_control()).take(LINE_CHARACTERS));
    }
    if left_out > 0 {
        text.push_str(&format!("\n    ({left_out} more)"));
    }
    text
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, member) in members {
                flatten(&below(key), member, lines);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, lines);
            }
        }
        Value::String(text) => lines.push(format!("{path}: {text}")),
        other => lines.push(format!("{path}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_of_any_shape_becomes_a_short_block() {
        let body = serde_json::json!({
            "event": "opened",
            "probe": { "name": "default/echo-server", "flows": [1, 2] },
            "resolved_at": null,
            "reasons": [{ "text": "red \u{1b}[31m" }],
        });
        assert_eq!(
            summary(&body),
            "webhook received\n    event: opened\n    probe.flows: [1,2]\n    \
             probe.name: default/echo-server\n    reasons.0.text: red [31m"
        );
    }

    #[test]
    fn a_large_body_is_cut() {
        let long = "x".repeat(1000);
        let members = (0..100).map(|number| (format!("{number:03}"), Value::from(long.as_str())));
        let text = summary(&Value::Object(members.collect()));
        assert!(text.ends_with("(76 more)"));
        assert!(text.lines().all(|line| line.len() < 150));
    }
}
