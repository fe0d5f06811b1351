//! Receivers of every temper: alerts reach the good ones at once and the bad ones in the end.

mod apart;
mod backlog;
mod promptly;
mod replaced;
mod replay;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};

use crate::{
    agent::{Home, Page, Receiver, Running, free_address},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A receiver that gives each connection the next of `replies`, and the last of them for ever. An empty
/// reply means: take the request and say nothing.
fn moody(replies: Vec<&'static str>) -> (SocketAddr, mpsc::Receiver<(Instant, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut hung = Vec::new();
        for (i, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(n) = stream.read(&mut buffer) {
                request.extend_from_slice(&buffer[..n]);
                if n == 0 || request.ends_with(b"}") {
                    break;
                }
            }
            let reply = replies[i.min(replies.len() - 1)];
            if tell.send((Instant::now(), String::from_utf8_lossy(&request).into_owned())).is_err() {
                return;
            }
            if reply.is_empty() {
                hung.push(stream);
            } else {
                let _ = stream.write_all(reply.as_bytes());
            }
        }
    });
    (address, told)
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).unwrap()
}

/// An agent that watches one VIP and nothing else, so that there is one alert, with one receiver.
fn watch_one_vip(cluster: &Cluster, ops: SocketAddr) -> (Home, Running, Page) {
    let listen = free_address();
    let config = cluster.config(listen, 100, &receiver("ops", ops));
    let config = config.lines().filter(|line| !line.starts_with("health_check"));
    let home = Home::new(&config.map(|line| format!("{line}\n")).collect::<String>());
    let (agent, page) = cluster.watched_by(&home, listen);
    (home, agent, page)
}

#[test]
fn a_hanging_receiver_delays_neither_others_nor_probing() {
    let cluster = Cluster::start();
    let (hanging, _told) = moody(vec![""]);
    let good = Receiver::start();
    let listen = free_address();
    let receivers = format!("{}{}", receiver("hanging", hanging), receiver("good", good.address));
    let home = Home::new(&cluster.config(listen, 200, &receivers));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    for policy in
        [ExternalTrafficPolicy::Cluster, ExternalTrafficPolicy::Local, ExternalTrafficPolicy::Cluster]
    {
        cluster.apply(Change::policy(ECHO, policy));
        let flipped = Instant::now();
        let event = if policy == ExternalTrafficPolicy::Cluster { Event::Opened } else { Event::Resolved };
        good.next_of(AlertKind::SourceTranslated, event, PATIENCE);
        // Two rounds of 200 ms, and nothing like the two seconds that the hanging one takes.
        assert!(flipped.elapsed() < Duration::from_millis(1_500), "{:?}", flipped.elapsed());
    }
    let shown = page.wait_for("what waits", PATIENCE, |overview| {
        overview.receivers.iter().any(|receiver| receiver.name == "hanging" && receiver.pending > 0)
    });
    assert_eq!(shown.agent.scheduler.missed, 0);
    agent.kill();
}

#[test]
fn failed_deliveries_are_tried_again_under_the_same_key_and_refused_ones_are_not() {
    let cluster = Cluster::start();
    let (flaky, told_flaky) = moody(vec![
        "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
    ]);
    let (strict, told_strict) =
        moody(vec!["HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"]);
    let listen = free_address();
    let receivers = format!("{}{}", receiver("flaky", flaky), receiver("strict", strict));
    // Only the VIP is watched, so that there is exactly one alert.
    let config = cluster.config(listen, 200, &receivers);
    let config: String = config
        .lines()
        .filter(|line| !line.starts_with("health_check"))
        .map(|line| format!("{line}\n"))
        .collect();
    let home = Home::new(&config);
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));

    let attempts: Vec<_> = (0..4).map(|_| told_flaky.recv_timeout(PATIENCE).unwrap()).collect();
    let keys: Vec<_> = attempts.iter().map(|(_, request)| header(request, "idempotency-key")).collect();
    assert!(keys.iter().all(|key| *key == keys[0] && key.ends_with("-opened")), "{keys:?}");
    let pause = attempts[3].0 - attempts[2].0;
    assert!(pause >= Duration::from_secs(2), "Retry-After: 2 was not honoured: {pause:?}");

    let shown = page.wait_for("both receivers are done", PATIENCE, |overview| {
        overview.receivers.iter().all(|receiver| receiver.pending == 0)
    });
    let of = |name: &str| shown.receivers.iter().find(|receiver| receiver.name == name).unwrap();
    assert_eq!((of("flaky").delivered, of("flaky").dead), (1, 0));
    assert_eq!((of("strict").delivered, of("strict").dead), (0, 1));
    assert_eq!(of("strict").last_error.as_deref(), Some("HTTP 400"));
    assert!(told_strict.recv_timeout(PATIENCE).is_ok());
    assert!(
        told_strict.recv_timeout(Duration::from_millis(1_500)).is_err(),
        "a refused delivery was tried again"
    );
    agent.kill();
}

#[test]
fn a_receiver_that_is_dead_until_after_a_restart_is_told_only_what_is_left_to_tell() {
    let cluster = Cluster::start();
    let address = free_address();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &receiver("late", address)));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("the alert", PATIENCE, |overview| {
        overview.alerts.iter().any(|alert| alert.kind == "source_translated")
    });
    cluster.apply(Change::HealAll);
    page.wait_for("its end", PATIENCE, |overview| overview.alerts.is_empty());
    agent.kill();

    let late = Receiver::on(TcpListener::bind(address).unwrap());
    let agent = Running::start(&home);
    let (resolved, before) = late.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert!(before.iter().all(|other| other.alert.id != resolved.alert.id), "it was told as opened, too");
    let resolution = resolved.resolution.unwrap();
    assert!(resolution.superseded && resolution.reason.contains("may not have been told"), "{resolution:?}");
    let shown = Page::open(listen).wait_for("an end of the queue", PATIENCE, |overview| {
        overview.receivers.iter().all(|receiver| receiver.pending == 0)
    });
    assert!(shown.receivers[0].superseded >= 1, "{:?}", shown.receivers);
    agent.kill();
}

#[test]
fn a_receiver_that_is_taken_out_and_put_back_gets_what_waited() {
    let cluster = Cluster::start();
    let address = free_address();
    let listen = free_address();
    let with = cluster.config(listen, 200, &receiver("late", address));
    let home = Home::new(&with);
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("failed attempts", PATIENCE, |overview| {
        overview.receivers.iter().any(|receiver| receiver.pending > 0 && receiver.last_error.is_some())
    });
    home.configure(&cluster.config(listen, 200, ""));
    page.wait_for("no receiver", PATIENCE, |overview| overview.receivers.is_empty());
    let late = Receiver::on(TcpListener::bind(address).unwrap());
    home.configure(&with);
    late.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    agent.kill();
}

#[test]
fn a_receiver_that_keeps_failing_is_asked_seldom_until_it_is_configured_anew() {
    let cluster = Cluster::start();
    let address = free_address();
    let listen = free_address();
    let with = cluster.config(listen, 100, &receiver("late", address));
    let home = Home::new(&with);
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let shown =
        page.wait_for("an open circuit", PATIENCE, |overview| overview.receivers[0].circuit.is_some());
    let late = &shown.receivers[0];
    let circuit = late.circuit.as_ref().unwrap();
    assert!(late.pending >= 2 && late.last_error.is_some(), "{late:?}");
    assert!(circuit.next_attempt_at - circuit.open_since >= chrono::TimeDelta::seconds(8), "{circuit:?}");

    let late = Receiver::on(TcpListener::bind(address).unwrap());
    let configured = Instant::now();
    home.configure(&with.replace("timeout = \"2s\"", "timeout = \"3s\""));
    late.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert!(configured.elapsed() < Duration::from_secs(6), "{:?}", configured.elapsed());
    page.wait_for("a closed circuit and nothing that waits", PATIENCE, |overview| {
        overview.receivers[0].circuit.is_none() && overview.receivers[0].pending == 0
    });
    agent.kill();
}
