//! HTTP flows.

use std::{collections::HashSet, net::SocketAddr};

use hyper::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use tokio::{
    io::AsyncWriteExt as _,
    time::{Duration, Instant},
};
use vipwatch::prober::{Exchange, HttpExchange, Method, Pattern, Prober};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Flow, Outcome},
    observation::{CANARY, Observation},
};

use super::{
    TIMEOUT, detail, kind, outcome, planned,
    server::{Server, closed, ok, read_head, reset_on_drop},
    sight, to,
};

fn get(address: SocketAddr) -> HttpExchange {
    HttpExchange::get(address.to_string(), "/")
}

async fn flows(address: SocketAddr, echo: Option<EchoFormat>, n: u32) -> Vec<Flow> {
    let mut method = to(address, Exchange::Http(get(address)));
    method.echo = echo;
    sight(method, n).await.flows
}

async fn answered(reply: impl Into<Vec<u8>>) -> Outcome {
    let server = Server::saying(reply).await;
    flows(server.address, Some(EchoFormat::Auto), 1).await.remove(0).outcome
}

#[tokio::test]
async fn each_flow_has_its_own_connection_and_source_port_and_all_phases() {
    let server = Server::saying(ok("192.0.2.9:4711")).await;
    let flows = flows(server.address, Some(EchoFormat::Auto), 8).await;
    let ports: HashSet<u16> = flows.iter().map(|flow| flow.local.unwrap().port()).collect();
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
    let (server, mut told) = Server::telling(ok("192.0.2.9")).await;
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
    let refused = flows(closed().await, None, 1).await.remove(0).outcome;
    assert_eq!(kind(&refused), Some(FailureKind::Refused));

    let silent = Server::silent().await;
    let started = Instant::now();
    let timed_out = flows(silent.address, None, 4).await.remove(0).outcome;
    assert_eq!(kind(&timed_out), Some(FailureKind::Timeout));
    assert!(started.elapsed() < TIMEOUT * 2, "a round of four took {:?}", started.elapsed());

    let reset = Server::doing(|stream| async move {
        reset_on_drop(&stream);
        drop(stream);
    })
    .await;
    assert_eq!(kind(&flows(reset.address, None, 1).await.remove(0).outcome), Some(FailureKind::Reset));

    let hangs_up = Server::doing(|mut stream| async move { drop(read_head(&mut stream).await) }).await;
    assert_eq!(kind(&flows(hangs_up.address, None, 1).await.remove(0).outcome), Some(FailureKind::Reset));
}

#[tokio::test]
async fn answers_that_are_no_echo_are_read_as_what_they_are() {
    assert_eq!(kind(&answered("SSH-2.0-OpenSSH_9.2\r\n").await), Some(FailureKind::Protocol));
    assert_eq!(
        kind(&answered("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await),
        Some(FailureKind::Status)
    );
    for reply in [
        "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ok(""),
        ok("<html>hello</html>"),
    ] {
        let outcome = answered(reply.clone()).await;
        assert!(matches!(outcome, Outcome::Unreadable(_)), "{reply:?} gave {outcome:?}");
    }
    let broken = answered("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n192.0.2.9").await;
    assert!(kind(&broken).is_some(), "{broken:?}");
}

/// A header of the answer is enough, whatever the body: not even its length matters.
#[tokio::test]
async fn a_header_of_the_answer_can_tell_the_address() {
    let server = Server::doing(|mut stream| async move {
        read_head(&mut stream).await;
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\nX-Seen: {}\r\n\r\n",
            stream.peer_addr().unwrap()
        );
        let _ = stream.write_all(head.as_bytes()).await;
        while stream.write_all(&[b'1'; 8192]).await.is_ok() {}
    })
    .await;
    let flow = flows(server.address, Some("header:x-seen".parse().unwrap()), 1).await.remove(0);
    let Outcome::Echoed(report) = &flow.outcome else { panic!("{flow:?}") };
    let local = flow.local.unwrap();
    assert_eq!((report.address, report.port), (local.ip(), Some(local.port())));

    let outcome = flows(server.address, Some("header:x-other".parse().unwrap()), 1).await.remove(0).outcome;
    let Outcome::Unreadable(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("the answer has no such header"), "{why}");
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
    let silent = Server::silent().await;
    let method = Method::Flows(Box::new(to(silent.address, Exchange::Http(get(silent.address)))));
    let started = Instant::now();
    let Observation::Flows(sight) = Prober::new(1).observe(&planned(method, 6)).await else { panic!() };
    let flows = sight.flows;
    assert!(started.elapsed() < Duration::from_secs(1), "the round must end before the next is due");
    let of = |wanted| flows.iter().filter(|flow| kind(&flow.outcome) == Some(wanted)).count();
    assert!(of(FailureKind::Timeout) >= 1 && of(FailureKind::Agent) >= 1, "{flows:?}");
    assert_eq!(of(FailureKind::Timeout) + of(FailureKind::Agent), 6);
}

#[tokio::test]
async fn a_request_is_made_as_it_is_described() {
    let (server, mut told) = Server::telling(ok("fine")).await;
    let mut exchange = HttpExchange::get("www.example.net", "/status?verbose=1");
    exchange.method = hyper::Method::HEAD;
    exchange.headers = vec![
        (USER_AGENT, HeaderValue::from_static("probe of the shop")),
        (AUTHORIZATION, HeaderValue::from_static("Bearer secret")),
    ];
    assert_eq!(outcome(to(server.address, Exchange::Http(exchange))).await, Outcome::Answered);
    let head = told.recv().await.unwrap();
    assert!(head.starts_with("HEAD /status?verbose=1 HTTP/1.1\r\nhost: www.example.net\r\n"), "{head}");
    assert!(head.contains("user-agent: probe of the shop\r\n") && !head.contains("vipwatch/"), "{head}");
    assert!(head.contains("authorization: Bearer secret\r\n"), "{head}");
}

#[tokio::test]
async fn another_status_or_body_than_expected_is_a_failure_that_does_not_quote_it() {
    async fn of(reply: String, status: &[(u16, u16)], body: Option<&str>) -> Outcome {
        let server = Server::saying(reply).await;
        let mut exchange = get(server.address);
        exchange.expect.status = status.to_vec();
        exchange.expect.body = body.map(|pattern| Pattern::new(pattern).unwrap());
        outcome(to(server.address, Exchange::Http(exchange))).await
    }
    let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n".to_owned();
    let busy = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
    assert_eq!(of(gone.clone(), &[], None).await, Outcome::Answered);
    assert_eq!(of(gone.clone(), &[(200, 299), (410, 410)], None).await, Outcome::Answered);
    let wrong = of(gone, &[(200, 299)], None).await;
    assert_eq!(kind(&wrong), Some(FailureKind::Unexpected));
    assert_eq!(detail(&wrong), "HTTP 410 Gone, which is not an expected status");
    assert_eq!(kind(&of(busy.clone(), &[], None).await), Some(FailureKind::Status));
    assert_eq!(of(busy, &[(503, 503)], None).await, Outcome::Answered);

    assert_eq!(of(ok("all is well"), &[], Some("is (well|fine)$")).await, Outcome::Answered);
    let wrong = of(ok("password=hunter2"), &[], Some("is (well|fine)$")).await;
    assert_eq!(kind(&wrong), Some(FailureKind::Unexpected));
    assert_eq!(detail(&wrong), r#"the answer does not match "is (well|fine)$""#);
    let long = ok(&"x".repeat(200_000));
    assert_eq!(of(long.clone(), &[], Some("^xxx")).await, Outcome::Answered);
    assert!(
        detail(&of(long, &[], Some("y")).await).starts_with("the first 64 KiB of the answer do not match")
    );
}

#[tokio::test]
async fn a_canary_flow_claims_another_address_and_is_kept_apart() {
    let (server, mut told) = Server::telling(ok(&CANARY.to_string())).await;
    let mut method = to(server.address, Exchange::Http(get(server.address)));
    method.echo = Some(EchoFormat::Auto);
    method.canary = true;
    let sight = sight(method, 3).await;
    assert_eq!(sight.flows.len(), 3);
    let Outcome::Echoed(report) = sight.canary.unwrap().outcome else { panic!("the canary got no answer") };
    assert_eq!(report.address, CANARY);
    let claim = format!("x-forwarded-for: {CANARY}\r\nx-real-ip: {CANARY}\r\n");
    let mut claims = 0;
    for _ in 0..4 {
        let head = told.recv().await.unwrap();
        claims += usize::from(head.contains(&claim));
        assert_eq!(head.contains("203.0.113."), head.contains(&claim), "{head}");
    }
    assert_eq!(claims, 1);
}
