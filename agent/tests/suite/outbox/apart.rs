//! Store and outbox without the rest of the agent: what a lane does beside its attempts, and after it failed.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch::{
    clock::Clock,
    config,
    heartbeat::Heartbeat,
    outbox::{self, Command, Standing},
    store::{Delivery, Effects, Options, Outlets, Record, Store},
};

use super::{PATIENCE, promptly::delivery};
use crate::{
    cluster::receiver,
    told::{alert, serve},
};

/// A store and an outbox with these receivers. It ends when it is dropped.
struct Apart {
    store: Arc<Store>,
    _home: tempfile::TempDir,
    _end: DropGuard,
}

impl Apart {
    async fn start(receivers: &str, clock: Clock, standing: Vec<Standing>, waiting: Vec<Delivery>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (for_outbox, notices) = mpsc::channel(16);
        let (restored, _restored) = mpsc::channel(1);
        let options =
            Options { path: home.path().join("vipwatch.db"), keep: Duration::from_secs(3600), buffer: 1_000 };
        let outlets = Outlets { outbox: for_outbox, restored, heartbeat: Heartbeat::default() };
        let store = Arc::new(Store::start(options, Clock::system(), outlets).unwrap());
        store.push(Record::Effects(Box::new(Effects { deliveries: waiting, ..Effects::default() })));
        let (command, commands) = mpsc::channel(1);
        let (statuses, _statuses) = watch::channel(HashMap::new());
        let (_standing, standing) = watch::channel(Arc::new(standing));
        let end = CancellationToken::new();
        tokio::spawn(outbox::run(
            notices,
            commands,
            Arc::clone(&store),
            clock,
            statuses,
            standing,
            end.clone(),
        ));
        let source = format!("[agent]\nvantage = \"test\"\n{receivers}");
        let config = config::parse(&source, Path::new("/probes.toml"), &|_| None).unwrap();
        command.send(Command::Receivers(config.receivers)).await.unwrap();
        Self { store, _home: home, _end: end.drop_guard() }
    }
}

/// A server that takes everything, each after `pace`, and shows the bodies.
async fn takes(pace: Duration) -> (std::net::SocketAddr, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel(1_024);
    let treat = move |mut stream: TcpStream| {
        let tell = tell.clone();
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"}") && !request.ends_with(b"}]") {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    return;
                }
            }
            sleep(pace).await;
            tell.send(String::from_utf8(request).unwrap()).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
        }
    };
    (serve(treat).await, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_is_told_again_in_time_however_much_waits() {
    const WAITING: usize = 300;
    // All that waits takes three seconds at least.
    let (address, mut told) = takes(Duration::from_millis(10)).await;
    let section = format!(
        "[[receiver]]\nname = \"am\"\nkind = \"alertmanager\"\nurls = [\"http://{address}\"]\n\
         timeout = \"1s\"\nresend_every = \"1s\"\n"
    );
    let mut open = alert();
    open.id = "stands".into();
    let standing = Standing {
        alert: open.into(),
        told: ["am".to_owned()].into(),
        vantage: "test".into(),
        page: "http://192.0.2.9:9180/".into(),
    };
    let waiting = (0..WAITING).map(|i| delivery(&format!("waits-{i}"), "am")).collect();
    let _apart = Apart::start(&section, Clock::system(), vec![standing], waiting).await;
    let (mut attempts, mut refreshed) = (0, 0);
    while attempts < WAITING {
        let body = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        if body.contains("stands") {
            refreshed += 1;
        } else {
            attempts += 1;
        }
    }
    assert!(refreshed >= 2, "told again {refreshed} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_fails_begins_anew_and_tells_what_waits() {
    // The first times that somebody asks for the time it is the last that there is: no pause can be added to it.
    let asked = AtomicU32::new(0);
    let clock = Clock::from_fn(move || match asked.fetch_add(1, Ordering::Relaxed) {
        0..4 => DateTime::<Utc>::MAX_UTC,
        _ => Clock::system().now(),
    });
    let (address, mut told) = takes(Duration::ZERO).await;
    let began = Instant::now();
    let apart = Apart::start(&receiver("ops", address), clock, Vec::new(), vec![delivery("a", "ops")]).await;
    let first = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert!(first.contains("a-opened"), "{first}");
    assert!(began.elapsed() > Duration::from_secs(5), "the lane never failed");
    // It is as good as any other.
    let deliveries = vec![delivery("b", "ops")];
    apart.store.push(Record::Effects(Box::new(Effects { deliveries, ..Effects::default() })));
    let second = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert!(second.contains("b-opened"), "{second}");
}
