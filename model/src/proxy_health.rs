//! What a node's kube-proxy said about itself (`/healthz` on port 10256; `pkg/proxy/healthcheck/proxy_health.go`).
//!
//! Load balancers ask there for services with the policy Cluster, for which there is no health check node port
//! (KEP-3836). Cilium and others that replace kube-proxy serve the like. The status code decides.

use serde_json::Value;

use crate::flow::{Failure, FailureKind};

/// The answer of one poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyAnswer {
    /// 200: the proxy is up to date, and the node takes traffic.
    Healthy,
    /// 503, and the node is about to be taken out: deleted, or tainted so by an autoscaler (Kubernetes 1.28 and later).
    Ineligible,
    /// 503: the proxy has not written its rules for too long.
    Unhealthy,
    /// Something answered, but not as kube-proxy does; what it was, in words.
    Unreadable(String),
    /// No answer: refused, timed out, no way there.
    Failed(Failure),
}

/// One poll of one node's kube-proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyHealth {
    /// What came back.
    pub answer: ProxyAnswer,
    /// How long it took, in microseconds.
    pub took_us: u32,
}

impl ProxyAnswer {
    /// Reads an HTTP answer: its status and its body, `{"lastUpdated":..,"currentTime":..,"nodeEligible":true}`.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let body = serde_json::from_slice::<Value>(body).ok();
        let eligible = body.as_ref().and_then(|body| body.get("nodeEligible")).and_then(Value::as_bool);
        let is_proxy = body.as_ref().is_some_and(|body| body.get("lastUpdated").is_some());
        match status {
            200 if is_proxy => Self::Healthy,
            200 => Self::Unreadable("HTTP 200, but no body of kube-proxy's health port".into()),
            503 if eligible == Some(false) => Self::Ineligible,
            503 => Self::Unhealthy,
            _ => Self::Unreadable(format!("HTTP {status}")),
        }
    }

    /// A poll that got no answer.
    #[must_use]
    pub fn failed(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Failed(Failure::new(kind, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_decides_and_the_body_says_why() {
        let body = |eligible| {
            format!(
                "{{\"lastUpdated\": \"2026-11-23 03:00:00 +0000 UTC\",\"currentTime\": \"2026-11-23 03:00:01 +0000 UTC\", \"nodeEligible\": {eligible}}}"
            )
        };
        let before_1_28 = r#"{"lastUpdated": "x","currentTime": "y"}"#;
        assert_eq!(ProxyAnswer::read(200, body(true).as_bytes()), ProxyAnswer::Healthy);
        assert_eq!(ProxyAnswer::read(200, before_1_28.as_bytes()), ProxyAnswer::Healthy);
        assert_eq!(ProxyAnswer::read(503, body(false).as_bytes()), ProxyAnswer::Ineligible);
        assert_eq!(ProxyAnswer::read(503, body(true).as_bytes()), ProxyAnswer::Unhealthy);
        assert_eq!(ProxyAnswer::read(503, b"\xff"), ProxyAnswer::Unhealthy);
        assert!(matches!(ProxyAnswer::read(200, b"<html>"), ProxyAnswer::Unreadable(_)));
        assert!(matches!(ProxyAnswer::read(404, b""), ProxyAnswer::Unreadable(_)));
    }
}
