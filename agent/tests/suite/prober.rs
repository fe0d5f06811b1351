//! The prober against servers that behave as servers on the network do.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use vipwatch::{
    plan::Planned,
    prober::{Exchange, FlowMethod, Host, HttpExchange, HttpPoll, Method, Prober},
    schedule::Schedule,
};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Flow, Outcome},
    node_health::HealthAnswer,
    observation::{Observation, Sight},
    probe::{Expectation, Probe, ProbeName, Subject, Transport},
    state::Thresholds,
};

const TIMEOUT: Duration = Duration::from_millis(400);

fn method(address: SocketAddr, echo: Option<EchoFormat>) -> Method {
    let exchange = Exchange::Http(HttpExchange::get(address.to_string(), "/"));
    let mut method = FlowMethod::new(Host::Address(address.ip()), address.port(), exchange);
    method.echo = echo;
    Method::Flows(Box::new(method))
}

fn planned(method: Method, flows: u32) -> Planned {
    let gap = Duration::from_secs(1);
    Planned {
        probe: Probe {
            name: ProbeName::new("test"),
            subject: Subject::Endpoint { url: "http://test/".into() },
            transport: Transport::Tcp,
            expectation: Expectation::Preserved,
            thresholds: Thresholds {
                alert_after: 2,
                resolve_after: 2,
                stale_after: chrono::TimeDelta::minutes(10),
            },
            labels: std::collections::BTreeMap::new(),
        },
        method,
        schedule: Schedule::Every(gap),
        gap,
        timeout: TIMEOUT,
        flows,
    }
}

/// A server that writes `reply` after it has read a request's head, and closes.
struct Server {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Server {
    async fn saying(reply: impl Into<Vec<u8>>) -> Self {
        let reply = reply.into();
        Self::doing(move |mut stream| {
            let reply = reply.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(&reply).await;
            }
        })
        .await
    }

    async fn doing<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(serve(stream));
            }
        });
        Self { address, _task: task }
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

async fn flows(address: SocketAddr, echo: Option<EchoFormat>, n: u32) -> Vec<Flow> {
    match Prober::new(64).observe(&planned(method(address, echo), n)).await {
        Observation::Flows(sight) => sight.flows,
        other => panic!("a source probe gave {other:?}"),
    }
}

async fn outcome(reply: impl Into<Vec<u8>>) -> Outcome {
    let server = Server::saying(reply).await;
    flows(server.address, Some(EchoFormat::Auto), 1).await.remove(0).outcome
}

fn kind(outcome: &Outcome) -> Option<FailureKind> {
    match outcome {
        Outcome::Failed(failure) => Some(failure.kind),
        _ => None,
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn each_flow_has_its_own_connection_and_source_port_and_all_phases() {
    let server = Server::saying(ok("192.0.2.9:4711")).await;
    let flows = flows(server.address, Some(EchoFormat::Auto), 8).await;
    let ports: std::collections::HashSet<u16> = flows.iter().map(|flow| flow.local.unwrap().port()).collect();
    assert_eq!(ports.len(), 8);
    for flow in flows {
        let Outcome::Echoed(report) = &flow.outcome else { panic!("{flow:?}") };
        assert_eq!((report.address.to_string().as_str(), report.port), ("192.0.2.9", Some(4711)));
        assert_eq!(flow.remote, Some(server.address));
        let phases = flow.phases;
        assert!(phases.connect_us.is_some() && phases.first_byte_us.is_some() && phases.body_us.is_some());
        assert!(phases.resolve_us.is_none() && phases.tls_us.is_none());
    }
}

#[tokio::test]
async fn the_request_says_who_asks_and_forges_no_source() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let server = Server::doing(move |mut stream| {
        let tell = tell.clone();
        async move {
            let head = read_head(&mut stream).await;
            let _ = stream.write_all(ok("192.0.2.9").as_bytes()).await;
            let _ = tell.send(head).await;
        }
    })
    .await;
    flows(server.address, Some(EchoFormat::Auto), 1).await;
    let head = told.recv().await.unwrap().to_ascii_lowercase();
    assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: {}\r\n", server.address)) && head.contains("user-agent: vipwatch/"),
        "{head}"
    );
    assert!(head.contains("connection: close"), "{head}");
    for forged in ["x-forwarded-for", "x-real-ip", "forwarded:"] {
        assert!(!head.contains(forged), "{head}");
    }
}

#[tokio::test]
async fn what_does_not_answer_is_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let refused = flows(closed, None, 1).await.remove(0).outcome;
    assert_eq!(kind(&refused), Some(FailureKind::Refused));

    let silent = Server::doing(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let started = Instant::now();
    let timed_out = flows(silent.address, None, 4).await.remove(0).outcome;
    assert_eq!(kind(&timed_out), Some(FailureKind::Timeout));
    assert!(started.elapsed() < TIMEOUT * 2, "a round of four took {:?}", started.elapsed());

    let reset = Server::doing(|stream| async move {
        socket_reset(&stream);
        drop(stream);
    })
    .await;
    assert_eq!(kind(&flows(reset.address, None, 1).await.remove(0).outcome), Some(FailureKind::Reset));

    let hangs_up = Server::doing(|mut stream| async move { drop(read_head(&mut stream).await) }).await;
    assert_eq!(kind(&flows(hangs_up.address, None, 1).await.remove(0).outcome), Some(FailureKind::Reset));
}

/// Makes the drop of the stream send RST instead of FIN.
fn socket_reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

#[tokio::test]
async fn answers_that_are_no_echo_are_read_as_what_they_are() {
    assert_eq!(kind(&outcome("SSH-2.0-OpenSSH_9.2\r\n").await), Some(FailureKind::Protocol));
    assert_eq!(
        kind(&outcome("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await),
        Some(FailureKind::Status)
    );
    for reply in [
        "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ok(""),
        ok("<html>hello</html>"),
    ] {
        let outcome = outcome(reply.clone()).await;
        assert!(matches!(outcome, Outcome::Unreadable(_)), "{reply:?} gave {outcome:?}");
    }
    let broken = outcome("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n192.0.2.9").await;
    assert!(kind(&broken).is_some(), "{broken:?}");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let endless = Server::doing(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        while stream.write_all(&[b'1'; 8192]).await.is_ok() {}
    })
    .await;
    let outcome = flows(endless.address, Some(EchoFormat::Auto), 1).await.remove(0).outcome;
    let Outcome::Unreadable(why) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(why, "the answer is longer than 65536 bytes");
    // Without an echo the body is not read at all.
    let answered = flows(endless.address, None, 1).await.remove(0).outcome;
    assert_eq!(answered, Outcome::Answered);
}

#[tokio::test]
async fn a_dripping_server_is_held_to_the_time_out() {
    let dripping = Server::doing(|mut stream| async move {
        read_head(&mut stream).await;
        for byte in
            b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".iter().chain(std::iter::repeat_n(&b'x', 1000))
        {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let started = Instant::now();
    let outcome = flows(dripping.address, Some(EchoFormat::Auto), 1).await.remove(0).outcome;
    assert_eq!(kind(&outcome), Some(FailureKind::Timeout));
    assert!(started.elapsed() < TIMEOUT * 2);
}

#[tokio::test]
async fn too_many_flows_wait_and_are_not_the_targets_fault() {
    let silent = Server::doing(|stream| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    let method = method(silent.address, None);
    let started = Instant::now();
    let Observation::Flows(Sight { flows, .. }) = Prober::new(1).observe(&planned(method, 6)).await else {
        panic!()
    };
    assert!(started.elapsed() < Duration::from_secs(1), "the round must end before the next is due");
    let of = |wanted| flows.iter().filter(|flow| kind(&flow.outcome) == Some(wanted)).count();
    assert!(of(FailureKind::Timeout) >= 1 && of(FailureKind::Agent) >= 1, "{flows:?}");
    assert_eq!(of(FailureKind::Timeout) + of(FailureKind::Agent), 6);
}

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
