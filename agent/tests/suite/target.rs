//! A probe that is pointed at another target while its alert is open.

use std::time::Duration;

use rusqlite::Connection;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
};
use vipwatch_model::alert::{AlertKind, Event};
use vipwatch_web::api::{Overview, State};

use crate::{
    agent::{Home, Page, Receiver, Running, free_address, vip},
    cluster::receiver,
    told::serve,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Reports its client's address; below `/proxied` the one that a header claims, if there is one.
async fn echo(mut stream: TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request = String::from_utf8(request).unwrap().to_lowercase();
    let claimed = request.lines().find_map(|line| line.strip_prefix("x-forwarded-for: "));
    let claimed = claimed.filter(|_| request.starts_with("get /proxied"));
    let peer = stream.peer_addr().unwrap().ip().to_string();
    let body = claimed.unwrap_or(&peer);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // The agent may be gone.
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

fn config(listen: std::net::SocketAddr, more: &str, url: &str) -> String {
    format!(
        r#"
[agent]
vantage = "test"
listen = "{listen}"
[defaults]
every = "100ms"
timeout = "80ms"
alert_after = 2
resolve_after = 2
[alerts]
group_window = "0s"
[[probe]]
name = "api"
kind = "http"
url = "{url}"
echo = {{ format = "auto", canary = true }}
{more}
"#
    )
}

/// Whether the page shows so many rounds of the target below `path`, and that it is up.
fn judged(path: &'static str, rounds: usize) -> impl Fn(&Overview) -> bool {
    move |overview| {
        let probe = vip(overview, "api");
        probe.target.ends_with(path) && probe.state == State::Up && probe.history.len() >= rounds
    }
}

#[test]
fn what_is_known_of_a_target_that_was_loaded_survives_a_restart() {
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(serve(echo));
    let listen = free_address();
    let home = Home::new(&config(listen, "", &format!("http://{address}/old")));
    let agent = Running::start(&home);
    Page::open(listen).wait_for("the old target", PATIENCE, judged("/old", 2));
    home.configure(&config(listen, "", &format!("http://{address}/new")));
    let before = Page::open(listen).wait_for("the new target", PATIENCE, judged("/new", 2));
    wait_until_written(&home, "/new");
    agent.kill();
    let agent = Running::start(&home);
    let after = Page::open(listen).wait_for("the same target", PATIENCE, judged("/new", 4));
    assert_eq!(vip(&after, "api").since, vip(&before, "api").since);
    agent.kill();
}

#[test]
fn its_alert_stays_open_until_rounds_of_the_other_target_say_otherwise() {
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(serve(echo));
    let ops = Receiver::start();
    let listen = free_address();
    let at = |path: &str| {
        let url = format!("http://{address}{path}");
        config(listen, &receiver("ops", ops.address), &url)
    };
    let home = Home::new(&at("/proxied/old"));
    let agent = Running::start(&home);
    let (opened, _) = ops.next_of(AlertKind::HeadersTrusted, Event::Opened, PATIENCE);
    home.wait_until_settled();

    // The others believe such headers, too: one that is loaded, and one that is there at a start.
    home.configure(&at("/proxied/new"));
    let shown = Page::open(listen).wait_for("the new target", PATIENCE, judged("/new", 5));
    assert_eq!(shown.alerts[0].id, opened.alert.id);
    agent.kill();
    home.configure(&at("/proxied/newer"));
    let agent = Running::start(&home);
    let shown = Page::open(listen).wait_for("the newer target", PATIENCE, judged("/newer", 5));
    assert_eq!(shown.alerts[0].id, opened.alert.id);

    home.configure(&at("/sound"));
    let (resolved, before) = ops.next_of(AlertKind::HeadersTrusted, Event::Resolved, PATIENCE);
    assert!(before.is_empty(), "{before:#?}");
    assert_eq!(resolved.alert.id, opened.alert.id);
    let reason = resolved.resolution.unwrap().reason;
    let moved =
        format!("It is pointed at http://{address}/sound now, no longer at http://{address}/proxied/old. ");
    assert!(reason.starts_with(&moved), "{reason}");
    agent.kill();
}

/// Waits until the state of a target is in the database.
#[track_caller]
fn wait_until_written(home: &Home, path: &str) {
    let database = Connection::open(home.database()).unwrap();
    let give_up = std::time::Instant::now() + PATIENCE;
    let target =
        || database.query_row("SELECT target FROM probe", [], |row| row.get::<_, String>(0)).unwrap();
    while !target().ends_with(path) {
        assert!(std::time::Instant::now() < give_up, "the database holds {}", target());
        std::thread::sleep(Duration::from_millis(20));
    }
}
