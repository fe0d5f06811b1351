//! What a node's health check node port said.
//!
//! kube-proxy serves it per node for services with `externalTrafficPolicy: Local`
//! (`pkg/proxy/healthcheck/service_health.go`); Cilium, Antrea, Calico, kube-router and OVN-Kubernetes
//! serve the like with small differences. What all agree on is the status code, so that decides; the
//! body only adds to it.

use serde_json::Value;

use crate::flow::{Failure, FailureKind};

/// The answer of one poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HealthAnswer {
    /// 200: the node has at least one ready endpoint.
    Ready(HealthDetail),
    /// 503: the node has none (or its service proxy is unhealthy).
    NotReady(HealthDetail),
    /// Something answered, but not as a health check node port does; what it was, in words.
    Unreadable(String),
    /// No answer: refused, timed out, no way there.
    Failed(Failure),
}

/// What the body and headers added to the status code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthDetail {
    /// Ready endpoints of the service on this node (`localEndpoints`).
    pub local_endpoints: Option<u32>,
    /// `X-Load-Balancing-Endpoint-Weight` (Kubernetes 1.28 and later; may be above 0 on a 503).
    pub weight: Option<u32>,
    /// `serviceProxyHealthy` (Kubernetes 1.27 and later).
    pub proxy_healthy: Option<bool>,
    /// `namespace/name` of the service that the port belongs to.
    pub service: Option<String>,
}

/// One poll of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealth {
    /// What came back.
    pub answer: HealthAnswer,
    /// How long it took, in microseconds.
    pub took_us: u32,
}

impl HealthAnswer {
    /// Reads an HTTP answer: its status, the weight header's value, and its body.
    #[must_use]
    pub fn read(status: u16, weight: Option<&str>, body: &[u8]) -> Self {
        let mut detail = detail(body);
        detail.weight = weight.and_then(|weight| weight.trim().parse().ok());
        match status {
            // A request that races the port's closing may get an empty 200: that is no health.
            200 if body.trim_ascii().is_empty() => Self::Unreadable("HTTP 200 without a body".into()),
            200 if detail.local_endpoints.is_none() && detail.service.is_none() => {
                Self::Unreadable("HTTP 200, but no body of a health check node port".into())
            }
            200 => Self::Ready(detail),
            503 => Self::NotReady(detail),
            _ => Self::Unreadable(format!("HTTP {status}")),
        }
    }

    /// A poll that got no answer.
    #[must_use]
    pub fn failed(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Failed(Failure::new(kind, detail))
    }

    /// The detail, where there was a readable answer.
    #[must_use]
    pub fn detail(&self) -> Option<&HealthDetail> {
        match self {
            Self::Ready(detail) | Self::NotReady(detail) => Some(detail),
            _ => None,
        }
    }
}

fn detail(body: &[u8]) -> HealthDetail {
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return HealthDetail { local_endpoints: kube_router(body), ..HealthDetail::default() };
    };
    let part = |key: &str| value.pointer(key).and_then(Value::as_str).filter(|part| is_label(part));
    let service = part("/service/namespace").zip(part("/service/name"));
    HealthDetail {
        local_endpoints: value.get("localEndpoints").and_then(number),
        weight: None,
        proxy_healthy: value.get("serviceProxyHealthy").and_then(Value::as_bool),
        service: service.map(|(namespace, name)| format!("{namespace}/{name}")),
    }
}

/// kube-router answers in plain text: `3 Service Endpoints found`.
fn kube_router(body: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(body).ok()?.trim();
    text.strip_suffix(" Service Endpoints found")?.parse().ok()
}

fn is_label(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.len() <= 63 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoints(answer: &HealthAnswer) -> Option<u32> {
        answer.detail().and_then(|detail| detail.local_endpoints)
    }

    #[test]
    fn kube_proxy_of_every_age() {
        let body = b"{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": \"web-server\"\n\t},\n\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}";
        let answer = HealthAnswer::read(200, Some("2"), body);
        let expected = HealthDetail {
            local_endpoints: Some(2),
            weight: Some(2),
            proxy_healthy: Some(true),
            service: Some("default/web-server".into()),
        };
        assert_eq!(answer, HealthAnswer::Ready(expected));
        let old = br#"{"service":{"namespace":"default","name":"web-server"},"localEndpoints":0}"#;
        let answer = HealthAnswer::read(503, None, old);
        assert!(matches!(answer, HealthAnswer::NotReady(_)));
        assert_eq!(endpoints(&answer), Some(0));
    }

    #[test]
    fn kube_router_answers_in_text() {
        let answer = HealthAnswer::read(200, None, b"3 Service Endpoints found");
        assert!(matches!(answer, HealthAnswer::Ready(_)));
        assert_eq!(endpoints(&answer), Some(3));
        let answer = HealthAnswer::read(503, None, b"No Service Endpoints Found");
        assert!(matches!(answer, HealthAnswer::NotReady(_)));
    }

    #[test]
    fn what_is_no_health_check_is_unreadable() {
        for (status, body) in [(200, ""), (200, "<html>hello</html>"), (404, "{}"), (302, "")] {
            let answer = HealthAnswer::read(status, None, body.as_bytes());
            assert!(matches!(answer, HealthAnswer::Unreadable(_)), "{status} {body:?} gave {answer:?}");
        }
    }

    #[test]
    fn a_service_name_that_is_none_is_dropped() {
        let body = br#"{"service":{"namespace":"default","name":"<b>"},"localEndpoints":1}"#;
        let answer = HealthAnswer::read(200, None, body);
        assert_eq!(answer.detail().unwrap().service, None);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(status in 0u16..1000, weight in ".{0,8}", body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = HealthAnswer::read(status, Some(&weight), &body);
        }
    }
}
