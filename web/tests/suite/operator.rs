//! What operators ask for: what is done, what is refused with which mend, and who may ask at all.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use vipwatch_web::{Access, Limits, Token};

use crate::{
    client::{Answer, PATIENCE, ask, get, post, say},
    sample::{Server, quick},
};

const ACK: &str = "/api/v1/alerts/known/acknowledgement";
const SILENCES: &str = "/api/v1/silences";
const JSON: (&str, &str) = ("content-type", "application/json");
const BY_KIM: &str = r#"{"by": "kim", "comment": "on it"}"#;

/// The refusal's status, and that it says `mend`.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, mend: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let told = answer.json();
    assert_eq!(told["status"], status);
    let detail = told["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(mend), "{mend:?} is not in {detail:?}");
}

#[tokio::test]
async fn an_alert_is_acknowledged_once_it_is_known_by_whom() {
    let server = Server::start().await;
    let done = post(server.address, ACK, BY_KIM).await;
    assert_eq!(done.status, StatusCode::OK);
    assert_eq!((&done.json()["by"], &done.json()["not_stored"]), (&"kim".into(), &Value::Null));
    assert_eq!(done.header("cache-control"), "no-store");
    assert_eq!(server.done(), ["kim acknowledges known: on it"]);

    assert_refused(&post(server.address, ACK, r#"{"comment": "x"}"#).await, 422, "missing field `by`");
    assert_refused(&post(server.address, ACK, r#"{"by": " "}"#).await, 422, "by is empty");
    let unknown = post(server.address, "/api/v1/alerts/none/acknowledgement", BY_KIM).await;
    assert_refused(&unknown, 404, "there is no none");
    let garbage = post(server.address, "/api/v1/alerts/%FF/acknowledgement", BY_KIM).await;
    assert_refused(&garbage, 400, "no text");
    let long = format!("/api/v1/alerts/{}/acknowledgement", "a".repeat(300));
    assert_refused(&post(server.address, &long, BY_KIM).await, 422, "longer than 253");
}

#[tokio::test]
async fn a_silence_says_what_for_how_long_and_why() {
    let server = Server::start().await;
    let ask = |body| post(server.address, SILENCES, body);
    let fine =
        r#"{"matcher": {"services": ["shop/*"]}, "for_seconds": 7200, "by": "kim", "comment": "disks"}"#;
    let silenced = ask(fine).await;
    assert_eq!(silenced.status, StatusCode::OK);
    assert_eq!(
        (&silenced.json()["id"], &silenced.json()["not_stored"]),
        (&"known".into(), &"no room".into())
    );
    let all = r#"{"all": true, "until": "2026-11-23T12:00:00Z", "by": "kim", "comment": "move"}"#;
    assert_eq!(ask(all).await.status, StatusCode::OK);
    assert_eq!(server.done(), ["kim silences [\"shop/*\"]: disks", "kim silences []: move"]);
    for (body, mend) in [
        (r#"{"for_seconds": 60, "by": "kim", "comment": "x"}"#, "all = true"),
        (
            r#"{"matcher": {"nodes": ["n"]}, "all": true, "for_seconds": 60, "by": "k", "comment": "x"}"#,
            "leave one",
        ),
        (r#"{"all": true, "for_seconds": 60, "by": "kim", "comment": " \n"}"#, "comment is empty"),
        (r#"{"all": true, "by": "kim", "comment": "x"}"#, "either for_seconds or until"),
        (
            r#"{"all": true, "for_seconds": 1, "until": "2026-11-23T12:00:00Z", "by": "k", "comment": "x"}"#,
            "either",
        ),
        (r#"{"all": true, "for_seconds": -1, "by": "kim", "comment": "x"}"#, "-1"),
    ] {
        assert_refused(&ask(body).await, 422, mend);
    }
    assert_eq!(server.done().len(), 2, "what is refused is not asked for");
}

#[tokio::test]
async fn a_silence_is_ended_and_deliveries_are_listed_and_retried() {
    let server = Server::start().await;
    let ended = ask(server.address, Method::DELETE, "/api/v1/silences/known?by=Zo%C3%AB", &[]).await;
    assert_eq!(ended.status, StatusCode::OK);
    let nobody = ask(server.address, Method::DELETE, "/api/v1/silences/known", &[]).await;
    assert_refused(&nobody, 400, "missing field `by`");
    let none = ask(server.address, Method::DELETE, "/api/v1/silences/none?by=kim", &[]).await;
    assert_refused(&none, 404, "there is no none");

    let listed = get(server.address, "/api/v1/deliveries?receiver=ops&state=dead&limit=9000").await;
    assert_eq!(listed.body, "[]");
    assert_refused(&get(server.address, "/api/v1/deliveries?state=lost").await, 400, "lost");
    assert_refused(&get(server.address, "/api/v1/deliveries?stat=dead").await, 400, "stat");

    let retry = |body| post(server.address, "/api/v1/deliveries/retry", body);
    let retried = retry(r#"{"deliveries": ["7", "8"], "by": "kim"}"#).await;
    assert_eq!(retried.body, r#"{"deliveries":2,"superseded":0,"refused":[]}"#);
    assert_refused(&retry(r#"{"by": "kim"}"#).await, 422, "all = true");
    assert_refused(&retry(r#"{"by": "kim", "all": true, "receiver": "ops"}"#).await, 422, "which");
    assert_eq!(
        server.done(),
        [
            "Zoë ends known",
            "kim ends none",
            "lists 500 of Some(\"ops\"), Some(Dead)",
            "kim retries [\"7\", \"8\"] of None",
        ]
    );
}

#[tokio::test]
async fn what_is_open_and_what_is_silenced_is_listed_for_all() {
    let server = Server::start().await;
    server.access.send_replace(Access::Bearer(Token::new("open-sesame")));
    for path in ["/api/v1/alerts", SILENCES] {
        let answer = get(server.address, path).await;
        assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, &b"[]"[..]), "{path}");
    }
}

#[tokio::test]
async fn bodies_are_json_of_a_bounded_size_and_nothing_unknown() {
    let server = Server::start().await;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"]
    {
        let answer = say(server.address, Method::POST, ACK, &[("content-type", kind)], BY_KIM).await;
        assert_refused(&answer, 415, "Content-Type: application/json");
    }
    assert_refused(&say(server.address, Method::POST, ACK, &[], BY_KIM).await, 415, "application/json");
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(say(server.address, Method::POST, ACK, &charset, BY_KIM).await.status, StatusCode::OK);

    assert_refused(&post(server.address, ACK, "{").await, 400, "line 1");
    assert_refused(&post(server.address, ACK, r#"{"by": "kim", "coment": ""}"#).await, 422, "coment");
    assert_refused(&post(server.address, ACK, r#"{"by": 7}"#).await, 422, "integer");
    let long = format!(r#"{{"by": "{}"}}"#, "k".repeat(101));
    assert_refused(&post(server.address, ACK, &long).await, 422, "longer than 100");
    let huge = format!(r#"{{"by": "{}"}}"#, "k".repeat(70_000));
    assert_refused(&post(server.address, ACK, &huge).await, 413, "larger than 65536");
    let many = vec!["\"n\""; 101].join(",");
    let many =
        format!(r#"{{"matcher": {{"nodes": [{many}]}}, "for_seconds": 60, "by": "k", "comment": "x"}}"#);
    assert_refused(&post(server.address, SILENCES, &many).await, 422, "more than 100");
}

#[tokio::test]
async fn a_body_that_drips_is_not_waited_for() {
    let server = Server::start_with(Limits { body_timeout: Duration::from_millis(20), ..quick() }).await;
    let mut stream = TcpStream::connect(server.address).await.expect("a connection");
    let head = format!(
        "POST {ACK} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 40\r\n\r\n{{\"by\""
    );
    stream.write_all(head.as_bytes()).await.expect("room to write");
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end").expect("a clean one");
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}

/// Every way to change something, with a request that would be taken.
fn changes() -> [(Method, &'static str, &'static str); 4] {
    [
        (Method::POST, ACK, BY_KIM),
        (Method::POST, SILENCES, r#"{"all": true, "for_seconds": 60, "by": "kim", "comment": "x"}"#),
        (Method::DELETE, "/api/v1/silences/known?by=kim", ""),
        (Method::POST, "/api/v1/deliveries/retry", r#"{"all": true, "by": "kim"}"#),
    ]
}

/// Tries every change with `headers`; the answers.
async fn try_all(server: &Server, headers: &[(&str, &str)]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for (method, path, body) in changes() {
        let headers: Vec<_> = headers.iter().copied().chain([JSON]).collect();
        answers.push(say(server.address, method, path, &headers, body).await);
    }
    answers
}

#[tokio::test]
async fn without_a_token_this_host_changes_things_over_both_families() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(listen).await.expect("a free port");
        let server = Server::start_on(listener, quick());
        for answer in try_all(&server, &[]).await {
            assert_eq!(answer.status, StatusCode::OK, "{listen}");
        }
        assert_eq!(server.done().len(), 4);
    }
}

#[tokio::test]
async fn without_a_token_proxies_and_strangers_names_are_turned_away() {
    let server = Server::start().await;
    for (headers, mend) in [
        ([("host", "rebound.example.net")], "agent.api_token"),
        ([("x-forwarded-for", "192.0.2.9")], "came through a proxy (x-forwarded-for)"),
        ([("forwarded", "for=192.0.2.9")], "agent.api_token"),
    ] {
        for answer in try_all(&server, &headers).await {
            assert_refused(&answer, 403, mend);
        }
    }
    assert_eq!(server.done(), [""; 0]);
}

#[tokio::test]
async fn with_a_token_only_its_bearer_changes_things() {
    let server = Server::start().await;
    server.access.send_replace(Access::Bearer(Token::new("open-sesame")));
    for answer in try_all(&server, &[]).await {
        assert_refused(&answer, 401, "Authorization: Bearer TOKEN");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"vipwatch\"");
    }
    for answer in try_all(&server, &[("authorization", "Bearer open-simsim")]).await {
        assert_refused(&answer, 401, "not the token");
    }
    assert_eq!(server.done(), [""; 0]);
    let proxied = [
        ("authorization", "Bearer open-sesame"),
        ("host", "vipwatch.example.net"),
        ("x-forwarded-for", "192.0.2.9"),
    ];
    for answer in try_all(&server, &proxied).await {
        assert_eq!(answer.status, StatusCode::OK);
    }
    server.access.send_replace(Access::Bearer(Token::new("new")));
    for answer in try_all(&server, &proxied).await {
        assert_refused(&answer, 401, "not the token");
    }
}

#[tokio::test]
async fn other_sites_pages_are_turned_away() {
    let server = Server::start().await;
    for (headers, mend) in [
        ([("sec-fetch-site", "cross-site")], "another site"),
        ([("sec-fetch-site", "same-site")], "another site"),
        ([("origin", "https://example.net")], "Origin"),
        ([("origin", "null")], "Origin"),
    ] {
        for answer in try_all(&server, &headers).await {
            assert_refused(&answer, 403, mend);
        }
    }
    assert_eq!(server.done(), [""; 0]);
    let own = format!("http://{}", server.address);
    for headers in [[("sec-fetch-site", "same-origin")], [("origin", &own)]] {
        for answer in try_all(&server, &headers).await {
            assert_eq!(answer.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn no_other_site_is_ever_granted_anything() {
    let server = Server::start().await;
    let preflight = [
        ("origin", "https://example.net"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    for (_, path, _) in changes() {
        let path = path.split('?').next().unwrap_or_default();
        let answer = ask(server.address, Method::OPTIONS, path, &preflight).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{path}");
    }
}
