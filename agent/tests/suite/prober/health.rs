//! Polls of health ports.

use vipwatch::prober::{HttpPoll, Method, Prober};
use vipwatch_model::{
    flow::FailureKind, node_health::HealthAnswer, observation::Observation, proxy_health::ProxyAnswer,
};

use super::{
    planned,
    server::{Server, closed, ok},
};

#[tokio::test]
async fn node_health_keeps_its_answers_apart() {
    async fn poll(reply: &str) -> HealthAnswer {
        let server = Server::saying(reply).await;
        let method = Method::NodeHealth(HttpPoll::healthz(server.address));
        match Prober::new(4).observe(&planned(method, 1)).await {
            Observation::NodeHealth(health) => health.answer,
            other => panic!("a node-health probe gave {other:?}"),
        }
    }
    let body = r#"{"service":{"namespace":"default","name":"web"},"localEndpoints":1}"#;
    let ready = poll(&format!(
        "HTTP/1.1 200 OK\r\nx-load-balancing-endpoint-weight: 3\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;
    let HealthAnswer::Ready(detail) = ready else { panic!("{ready:?}") };
    assert_eq!(
        (detail.local_endpoints, detail.weight, detail.service.as_deref()),
        (Some(1), Some(3), Some("default/web"))
    );
    assert!(matches!(
        poll("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await,
        HealthAnswer::NotReady(_)
    ));
    assert!(matches!(
        poll("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await,
        HealthAnswer::Unreadable(_)
    ));
    assert!(matches!(poll("SSH-2.0-OpenSSH_9.2\r\n").await, HealthAnswer::Unreadable(_)));
}

#[tokio::test]
async fn kube_proxys_own_port_is_asked_for_healthz() {
    async fn poll(address: std::net::SocketAddr) -> ProxyAnswer {
        let method = Method::ProxyHealth(HttpPoll::healthz(address));
        match Prober::new(4).observe(&planned(method, 1)).await {
            Observation::ProxyHealth(health) => {
                assert!(health.took_us > 0);
                health.answer
            }
            other => panic!("a poll of kube-proxy gave {other:?}"),
        }
    }
    let body = r#"{"lastUpdated":"x","currentTime":"y","nodeEligible":false}"#;
    let (server, mut told) = Server::telling(ok(body)).await;
    assert_eq!(poll(server.address).await, ProxyAnswer::Healthy);
    let head = told.recv().await.unwrap();
    assert!(head.starts_with(&format!("GET /healthz HTTP/1.1\r\nhost: {}\r\n", server.address)), "{head}");
    let leaving = format!("HTTP/1.1 503 Service Unavailable\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    assert_eq!(poll(Server::saying(leaving).await.address).await, ProxyAnswer::Ineligible);
    let other = Server::saying("SSH-2.0-OpenSSH_9.2\r\n").await;
    assert!(matches!(poll(other.address).await, ProxyAnswer::Unreadable(_)));
    let refused = poll(closed().await).await;
    assert!(matches!(refused, ProxyAnswer::Failed(failure) if failure.kind == FailureKind::Refused));
}
