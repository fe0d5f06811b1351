//! kube-proxy's own health server: `/healthz`, which load balancers ask about services whose policy is
//! Cluster, and `/livez`, which cares for kube-proxy alone.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::server::{self, Flow, Limits, Respond, discard_body};

use crate::cluster::ProxyHealth;

/// Where kube-proxy answers unless told otherwise.
pub const PORT: u16 = 10256;

const BODY_BYTES: usize = 4096;
const BODY_TIME: Duration = Duration::from_secs(1);

/// Answers on `listener` from the latest of `health` until `shutdown` is cancelled.
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(
    listener: TcpListener,
    health: watch::Receiver<Told>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, Arc::new(Server { health }), Limits::default(), shutdown).await
}

/// How kube-proxy is, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// How it is.
    pub health: ProxyHealth,
    /// When it last became so.
    pub since: SystemTime,
}

struct Server {
    health: watch::Receiver<Told>,
}

impl Respond for Server {
    async fn respond(&self, request: Request<Incoming>, _: Flow) -> Response<Full<Bytes>> {
        let (request, body) = request.into_parts();
        discard_body(body, BODY_BYTES, BODY_TIME).await;
        let told = *self.health.borrow();
        answer(request.uri.path(), told, SystemTime::now()).map(|body| Full::new(body.into()))
    }
}

/// kube-proxy's answer at `path`.
#[must_use]
pub fn answer(path: &str, told: Told, now: SystemTime) -> Response<String> {
    let up_to_date = told.health != ProxyHealth::Stale;
    let eligible = told.health != ProxyHealth::Leaving;
    let (healthy, eligibility) = match path {
        "/healthz" => (up_to_date && eligible, format!(", \"nodeEligible\": {eligible}")),
        "/livez" => (up_to_date, String::new()),
        _ => {
            let mut response = Response::new("404 page not found\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
    };
    let last_updated = if up_to_date { now } else { told.since };
    let mut response = Response::new(format!(
        "{{\"lastUpdated\": \"{}\",\"currentTime\": \"{}\"{eligibility}}}",
        written(last_updated),
        written(now),
    ));
    if !healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// As Go writes a time.
fn written(time: SystemTime) -> impl std::fmt::Display {
    DateTime::<Utc>::from(time).format("%Y-%m-%d %H:%M:%S%.9f +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(path: &str, health: ProxyHealth) -> (StatusCode, String) {
        let told = Told { health, since: SystemTime::UNIX_EPOCH };
        let response = answer(path, told, SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
        (response.status(), response.into_body())
    }

    #[test]
    fn a_healthy_proxy_is_up_to_date() {
        let (status, body) = answered("/healthz", ProxyHealth::Healthy);
        assert_eq!(status, 200);
        assert_eq!(
            body,
            "{\"lastUpdated\": \"1970-01-01 00:00:01.500000000 +0000 UTC\",\
             \"currentTime\": \"1970-01-01 00:00:01.500000000 +0000 UTC\", \"nodeEligible\": true}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    }

    #[test]
    fn a_stale_proxy_tells_since_when() {
        for (path, eligibility) in [("/healthz", ", \"nodeEligible\": true}"), ("/livez", "}")] {
            let (status, body) = answered(path, ProxyHealth::Stale);
            assert_eq!(status, 503);
            assert!(body.starts_with("{\"lastUpdated\": \"1970-01-01 00:00:00.000000000"), "{body}");
            assert!(body.ends_with(&format!("UTC\"{eligibility}")), "{body}");
        }
    }

    #[test]
    fn a_leaving_node_is_alive_and_not_eligible() {
        let (status, body) = answered("/healthz", ProxyHealth::Leaving);
        assert_eq!(status, 503);
        assert!(body.ends_with("\"nodeEligible\": false}"), "{body}");
        assert_eq!(answered("/livez", ProxyHealth::Leaving).0, 200);
        assert_eq!(answered("/", ProxyHealth::Healthy).0, 404);
    }
}
