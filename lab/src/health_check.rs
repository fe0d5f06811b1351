//! The health check node port, answered as kube-proxy does it: any path and method, the status code and
//! a weight header from the number of ready pods on the node and kube-proxy's own health, tab-indented JSON.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::server::{self, Flow, Limits, Respond, discard_body};

use crate::cluster::decide::NodeHealth;

const WEIGHT: HeaderName = HeaderName::from_static("x-load-balancing-endpoint-weight");
const BODY_BYTES: usize = 4096;
const BODY_TIME: Duration = Duration::from_secs(1);

/// Answers on `listener` with the latest of `health` until `shutdown` is cancelled.
///
/// # Errors
/// When the listener stops accepting connections for good.
pub async fn serve(
    listener: TcpListener,
    health: watch::Receiver<NodeHealth>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    server::serve(listener, Arc::new(HealthCheck { health }), Limits::default(), shutdown).await
}

struct HealthCheck {
    health: watch::Receiver<NodeHealth>,
}

impl Respond for HealthCheck {
    async fn respond(&self, request: Request<Incoming>, _: Flow) -> Response<Full<Bytes>> {
        discard_body(request.into_body(), BODY_BYTES, BODY_TIME).await;
        answer(&self.health.borrow()).map(|body| Full::new(body.into()))
    }
}

/// The answer of kube-proxy for `health`.
#[must_use]
pub fn answer(health: &NodeHealth) -> Response<String> {
    let body = format!(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": {namespace},\n\t\t\"name\": {name}\n\t}},\n\
         \t\"localEndpoints\": {count},\n\t\"serviceProxyHealthy\": {healthy}\n}}",
        namespace = serde_json::Value::from(health.namespace.as_str()),
        name = serde_json::Value::from(health.name.as_str()),
        count = health.local_endpoints,
        healthy = health.proxy_healthy,
    );
    let mut response = Response::new(body);
    if health.local_endpoints == 0 || !health.proxy_healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(WEIGHT, health.local_endpoints.into());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(local_endpoints: usize, proxy_healthy: bool) -> Response<String> {
        let (namespace, name) = ("default".to_owned(), "web-server".to_owned());
        answer(&NodeHealth { namespace, name, local_endpoints, proxy_healthy })
    }

    #[test]
    fn a_node_with_pods_is_well() {
        let response = answered(2, true);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[&WEIGHT], "2");
        assert_eq!(
            response.body(),
            "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web-server\"\n\t},\n\
             \t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(response.body()).is_ok());
    }

    #[test]
    fn a_node_without_pods_is_unavailable() {
        let response = answered(0, true);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[&WEIGHT], "0");
    }

    #[test]
    fn an_unhealthy_proxy_makes_a_node_with_pods_unavailable() {
        let response = answered(2, false);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[&WEIGHT], "2");
        assert!(response.body().contains("\"serviceProxyHealthy\": false"), "{}", response.body());
    }
}
