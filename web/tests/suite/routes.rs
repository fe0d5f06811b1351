//! What is served where.

use axum::http::{Method, StatusCode};

use crate::{
    client::{ask, get},
    sample::Server,
};

#[tokio::test]
async fn the_overview_is_json_with_an_etag_that_changes_with_it() {
    let server = Server::start().await;
    let first = get(server.address, "/api/v1/overview").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.json()["vantage"], "office-fra");

    let known = [("if-none-match", first.header("etag"))];
    let again = ask(server.address, Method::GET, "/api/v1/overview", &known).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.body.is_empty());

    server.publish("office-ams");
    let changed = ask(server.address, Method::GET, "/api/v1/overview", &known).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["vantage"], "office-ams");
    assert_ne!(changed.header("etag"), first.header("etag"));
}

#[tokio::test]
async fn the_overview_is_compressed_for_who_asks() {
    let server = Server::start().await;
    let gzip = [("accept-encoding", "gzip")];
    let answer = ask(server.address, Method::GET, "/api/v1/overview", &gzip).await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(answer.body.get(..2), Some(&[0x1f, 0x8b][..]));
}

#[tokio::test]
async fn health_is_the_process_and_readiness_is_the_job() {
    let server = Server::start().await;
    let health = get(server.address, "/healthz").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.body, "ok");

    let ready = get(server.address, "/readyz").await;
    assert_eq!(ready.status, StatusCode::OK);
    assert_eq!(ready.json()["ready"], true);

    server.set_ready(false);
    let unready = get(server.address, "/readyz").await;
    assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unready.json()["checks"][0]["detail"], "disk full");
    assert_eq!(unready.header("cache-control"), "no-store");
    assert_eq!(get(server.address, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_is_revalidated_and_its_assets_are_kept() {
    let server = Server::start().await;
    let page = get(server.address, "/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");

    let html = String::from_utf8_lossy(&page.body).into_owned();
    let script = html
        .split('"')
        .find(|text| text.starts_with("/assets/"))
        .and_then(|path| path.strip_suffix(".js"))
        .expect("the page names its script");
    let script = get(server.address, &format!("{script}.js")).await;
    assert_eq!(script.status, StatusCode::OK);
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = Server::start().await;
    for path in ["/", "/api/v1/overview", "/healthz", "/nowhere", "/api/no"] {
        let answer = get(server.address, path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_404_in_the_callers_language() {
    let server = Server::start().await;
    for path in ["/api", "/api/v1/nothing", "/api/v2/overview"] {
        let answer = get(server.address, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["status"], 404);
    }
    for path in ["/nowhere", "/assets/none.js", "/../Cargo.toml", "/apis"] {
        let answer = get(server.address, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, "not found\n");
    }
}

#[tokio::test]
async fn what_is_shown_cannot_be_written() {
    let server = Server::start().await;
    for path in ["/", "/api/v1/overview", "/api/v1/alerts", "/api/v1/deliveries", "/healthz"] {
        let answer = ask(server.address, Method::POST, path, &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(answer.header("allow").contains("GET"), "{path}");
    }
    let answer = ask(server.address, Method::PUT, "/api/v1/silences", &[]).await;
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
}
