//! Server-sent events.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;
use vipwatch_web::Limits;

use crate::{
    client::{PATIENCE, open},
    sample::{Server, quick},
};

struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    async fn of(server: &Server) -> Self {
        let response = open(server.address, Method::GET, "/api/v1/events", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event's name and data; `None` when the stream has ended.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (name, data) = event.split_once('\n').expect("two lines");
                let name = name.strip_prefix("event: ").expect("a name").to_owned();
                let data = data.strip_prefix("data: ").expect("data").to_owned();
                self.text = rest.to_owned();
                return Some((name, data));
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("in time")?;
            let bytes = frame.expect("a clean end").into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    async fn next_vantage(&mut self) -> String {
        let (name, data) = self.next().await.expect("an event");
        assert_eq!(name, "overview");
        let overview: serde_json::Value = serde_json::from_str(&data).expect("JSON");
        overview["vantage"].as_str().expect("a vantage").to_owned()
    }
}

#[tokio::test]
async fn the_overview_comes_at_once_and_again_when_it_changes() {
    let server = Server::start().await;
    let (mut one, mut other) = (Events::of(&server).await, Events::of(&server).await);
    assert_eq!(one.next_vantage().await, "office-fra");
    assert_eq!(other.next_vantage().await, "office-fra");
    server.publish("office-ams");
    assert_eq!(one.next_vantage().await, "office-ams");
    assert_eq!(other.next_vantage().await, "office-ams");
}

#[tokio::test]
async fn a_burst_of_changes_ends_with_the_latest() {
    let server = Server::start().await;
    let mut events = Events::of(&server).await;
    for number in 0..100 {
        server.publish(&number.to_string());
    }
    while events.next_vantage().await != "99" {}
}

#[tokio::test]
async fn a_quiet_stream_shows_signs_of_life() {
    let server = Server::start_with(Limits { keep_alive: Duration::from_millis(5), ..quick() }).await;
    let mut events = Events::of(&server).await;
    assert_eq!(events.next_vantage().await, "office-fra");
    let alive = ("alive".to_owned(), "ok".to_owned());
    assert_eq!(events.next().await, Some(alive.clone()));
    assert_eq!(events.next().await, Some(alive));
}

#[tokio::test]
async fn shutdown_ends_the_streams_and_then_the_server() {
    let server = Server::start().await;
    let mut events = Events::of(&server).await;
    assert_eq!(events.next_vantage().await, "office-fra");
    server.shutdown.cancel();
    assert_eq!(events.next().await, None);
    timeout(PATIENCE, server.served)
        .await
        .expect("the server ends")
        .expect("without a panic")
        .expect("and without an error");
}
