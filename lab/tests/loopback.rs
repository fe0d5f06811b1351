//! The loopback cluster as a client meets it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vipwatch_echo::Answer;
use vipwatch_lab::cluster::ExternalTrafficPolicy::{Cluster, Local};
use vipwatch_lab::cluster::decide::announcer;
use vipwatch_lab::loopback::{LoopbackCluster, LoopbackPlan};
use vipwatch_lab::{script, webhook};

const ECHO: &str = "default/echo-server";
const WEB: &str = "default/web-server";

/// Far beyond what an answer within this machine takes, yet short for a test that waits for it.
const SILENCE: Duration = Duration::from_millis(300);

async fn request(stream: TcpStream, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    Response::from_parts(head, body)
}

fn get() -> Request<Full<Bytes>> {
    Request::get("/").header("host", "test").body(Full::default()).unwrap()
}

/// The address the client sent from, and the answer.
async fn echo(target: SocketAddr) -> (SocketAddr, Answer) {
    let stream = TcpStream::connect(target).await.unwrap();
    let source = stream.local_addr().unwrap();
    let response = request(stream, get()).await;
    (source, serde_json::from_slice(response.body()).unwrap())
}

fn vip(cluster: &LoopbackCluster, service: &str) -> SocketAddr {
    cluster.state().service(service).unwrap().vips[0]
}

fn announcing(cluster: &LoopbackCluster, service: &str) -> Option<String> {
    let state = cluster.state();
    announcer(&state, state.service(service).unwrap()).map(|node| node.name.clone())
}

/// What each node says about a service; `None` is a closed port.
async fn health(cluster: &LoopbackCluster, service: &str) -> Vec<Option<StatusCode>> {
    let state = cluster.state();
    let port = state.service(service).unwrap().health_check_node_port;
    let mut answers = Vec::new();
    for node in state.nodes() {
        answers.push(match TcpStream::connect((node.addresses[0], port)).await {
            Err(_) => None,
            Ok(stream) => Some(request(stream, get()).await.status()),
        });
    }
    answers
}

const WELL: Option<StatusCode> = Some(StatusCode::OK);
const EMPTY: Option<StatusCode> = Some(StatusCode::SERVICE_UNAVAILABLE);

#[tokio::test]
async fn local_keeps_the_clients_address_and_port() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    for service in [ECHO, WEB] {
        let (source, answer) = echo(vip(&cluster, service)).await;
        assert_eq!(answer.peer, source.into());
        assert_eq!(answer.node, announcing(&cluster, service));
    }
}

#[tokio::test]
async fn cluster_shows_the_bridge_or_the_announcing_nodes_address() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    cluster.set_endpoints(ECHO, &[("node-1", 1), ("node-2", 1)]).await.unwrap();
    cluster.set_policy(ECHO, Cluster).await.unwrap();
    cluster.pin_announcer(ECHO, "node-1").await.unwrap();
    let state = cluster.state();
    let node = state.node("node-1").unwrap();

    let mut seen: Vec<(Option<String>, IpAddr)> = Vec::new();
    for _ in 0..2 {
        let (_, answer) = echo(vip(&cluster, ECHO)).await;
        seen.push((answer.node, answer.peer.address));
    }
    seen.sort();
    let expected = [("node-1", node.pods[0].gateway()), ("node-2", node.addresses[0])];
    assert_eq!(seen, expected.map(|(name, address)| (Some(name.to_owned()), address)));
}

#[tokio::test]
async fn the_policy_opens_and_closes_the_health_checks() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    assert_eq!(health(&cluster, ECHO).await, [WELL, EMPTY, WELL]);
    cluster.set_policy(ECHO, Cluster).await.unwrap();
    assert_eq!(health(&cluster, ECHO).await, [None, None, None]);
    assert_eq!(health(&cluster, WEB).await, [EMPTY, WELL, WELL], "the other service's are its own");
    cluster.set_policy(ECHO, Local).await.unwrap();
    assert_eq!(health(&cluster, ECHO).await, [WELL, EMPTY, WELL]);
    let (source, answer) = echo(vip(&cluster, ECHO)).await;
    assert_eq!(answer.peer, source.into());
}

#[tokio::test]
async fn a_pod_takes_the_vip_and_the_health_with_it() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    for (node, expected) in [("node-2", [EMPTY, WELL, EMPTY]), ("node-3", [EMPTY, EMPTY, WELL])] {
        cluster.move_pod(ECHO, node).await.unwrap();
        assert_eq!(health(&cluster, ECHO).await, expected);
        let (source, answer) = echo(vip(&cluster, ECHO)).await;
        assert_eq!(answer.node.as_deref(), Some(node));
        assert_eq!(answer.peer, source.into());
    }
}

#[tokio::test]
async fn a_silent_vip_hangs_and_comes_back() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    let vip = vip(&cluster, ECHO);
    let connecting = async || timeout(SILENCE, TcpStream::connect(vip)).await.map(Result::unwrap);

    cluster.silence_vip(ECHO, true).await.unwrap();
    for _ in 0..3 {
        assert!(connecting().await.is_err(), "a silent VIP let a client connect");
    }
    assert_eq!(health(&cluster, ECHO).await, [WELL, EMPTY, WELL], "the nodes are as they were");
    cluster.silence_vip(ECHO, false).await.unwrap();
    assert_eq!(echo(vip).await.1.node, announcing(&cluster, ECHO));

    cluster.set_endpoints(ECHO, &[]).await.unwrap();
    assert!(connecting().await.is_err(), "nobody announces a service without pods");
    cluster.heal_all().await.unwrap();
    echo(vip).await;
}

#[tokio::test]
async fn a_service_without_pods_that_is_still_announced_is_refused() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    cluster.set_endpoints(ECHO, &[]).await.unwrap();
    cluster.pin_announcer(ECHO, "node-1").await.unwrap();
    let refused = TcpStream::connect(vip(&cluster, ECHO)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_node_without_a_pod_drops_under_local() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    cluster.set_endpoints(ECHO, &[("node-1", 1)]).await.unwrap();
    cluster.pin_announcer(ECHO, "node-2").await.unwrap();
    let connecting = timeout(SILENCE, TcpStream::connect(vip(&cluster, ECHO)));
    assert!(connecting.await.is_err());
}

#[tokio::test]
async fn the_control_is_outside_the_cluster() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    let (source, answer) = echo(cluster.plan().control).await;
    assert_eq!(answer.peer, source.into());
    assert_eq!(answer.node, None);
}

#[tokio::test]
async fn unknown_names_are_refused_and_change_nothing() {
    let cluster = LoopbackCluster::start_apart().await.unwrap();
    let before = cluster.state();
    assert!(cluster.set_policy("default/absent", Local).await.is_err());
    assert!(cluster.move_pod(ECHO, "node-9").await.is_err());
    assert_eq!(cluster.state(), before);
}

#[tokio::test]
async fn everything_ends_within_a_second() {
    let cluster = Arc::new(LoopbackCluster::start_apart().await.unwrap());
    let stop = CancellationToken::new();
    let story = tokio::spawn({
        let (cluster, stop) = (cluster.clone(), stop.clone());
        async move { script::run(&cluster, stop).await }
    });
    let vip = vip(&cluster, WEB);
    let held: Vec<_> = [vip, cluster.plan().control].map(TcpStream::connect).into();
    let mut connections = Vec::new();
    for connection in held {
        connections.push(connection.await.unwrap());
    }

    stop.cancel();
    story.await.unwrap();
    let cluster = Arc::into_inner(cluster).unwrap();
    timeout(Duration::from_secs(1), cluster.shutdown()).await.unwrap();
    assert!(TcpStream::connect(vip).await.is_err());
}

#[tokio::test]
async fn two_clusters_do_not_meet() {
    let first = LoopbackCluster::start_apart().await.unwrap();
    let second = LoopbackCluster::start_apart().await.unwrap();
    assert_ne!(vip(&first, ECHO), vip(&second, ECHO));
    let error = LoopbackCluster::start(first.plan().clone()).await.unwrap_err();
    assert!(format!("{error:#}").contains("in use"), "{error:#}");
    assert_ne!(first.plan(), &LoopbackPlan::demo());
}

#[tokio::test]
async fn the_webhook_receiver_hands_on_what_it_gets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, mut seen) = mpsc::channel(8);
    let stop = CancellationToken::new();
    let served =
        tokio::spawn(webhook::serve(listener, move |got| sender.try_send(got).unwrap(), stop.clone()));

    for (body, status) in [("{\"event\":\"opened\"}", 204), ("no JSON", 400)] {
        let stream = TcpStream::connect(address).await.unwrap();
        let post = Request::post("/hook").header("host", "test").header("webhook-id", "1");
        let response = request(stream, post.body(Full::from(body)).unwrap()).await;
        assert_eq!(response.status(), status);
    }
    let delivery = seen.recv().await.unwrap();
    assert_eq!(delivery.target, "/hook");
    assert_eq!(delivery.headers["webhook-id"], "1");
    assert_eq!(delivery.body["event"], "opened");

    stop.cancel();
    served.await.unwrap().unwrap();
    assert!(seen.recv().await.is_none());
}
