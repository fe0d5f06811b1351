//! How long it takes from the commit to the first attempt, measured at the store's and the receiver's door.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;
use vipwatch::{
    clock::Clock,
    config,
    heartbeat::Heartbeat,
    outbox::{self, Command},
    store::{Decided, Delivery, DeliveryState, Effects, LaneId, Notice, Options, Outlets, Record, Store},
};
use vipwatch_model::lane::{Decision, Row};

use crate::{
    cluster::receiver,
    told::{self, serve},
};

/// How long the first attempt may take, and how many of the deliveries have to keep to it. The others are left to a busy machine.
const AIM: Duration = Duration::from_millis(100);
const DELIVERIES: usize = 50;
const IN_TIME: usize = 45;
const PATIENCE: Duration = Duration::from_secs(20);

/// A new delivery of an alert with this id.
pub(super) fn delivery(alert: &str, receiver: &str) -> Delivery {
    let mut notification = told::opened();
    notification.alert.id = alert.to_owned();
    notification.idempotency_key = format!("{alert}-opened");
    let document = serde_json::to_string(&notification).unwrap();
    Delivery::new(&notification, document.into(), receiver, Clock::system().now())
}

/// A thousand deliveries to `receiver` that were given up long ago.
fn dead(receiver: &str) -> Record {
    let rows = (0..1_000).map(|i| Row {
        delivery: delivery(&format!("dead-{i}"), receiver),
        state: DeliveryState::Dead,
        error: Some("HTTP 400".to_owned()),
        at: Clock::system().now(),
    });
    let decision = Decision { ticket: 0, rows: rows.collect() };
    Record::Decided(Decided { lane: LaneId { receiver: receiver.to_owned(), number: 0 }, decision })
}

/// Takes every request, and says when and of which alert.
async fn takes(tell: mpsc::Sender<(String, Instant)>) -> SocketAddr {
    let treat = move |mut stream: TcpStream| {
        let (tell, began) = (tell.clone(), Instant::now());
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap() > 0 {}
            let request = String::from_utf8(request).unwrap();
            let key = request.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap();
            tell.send((key.to_owned(), began)).await.unwrap();
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
        }
    };
    serve(treat).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_attempt_follows_the_commit_within_100_ms() {
    let home = tempfile::tempdir().unwrap();
    let (tell, mut told) = mpsc::channel(16);
    let good = takes(tell).await;
    let hanging = serve(|stream| async {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    let hanging = hanging.await;

    // Between the store and the outbox somebody notes when what is committed comes by.
    let (for_outbox, mut from_store) = mpsc::channel(16);
    let (passed_on, notices) = mpsc::channel(16);
    let (note, mut committed) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Some(notice) = from_store.recv().await {
            if let Notice::New(delivery) = &notice
                && delivery.key.receiver == "good"
            {
                let _ = note.send(Instant::now()).await;
            }
            let _ = passed_on.send(notice).await;
        }
    });

    let (restored, _restored) = mpsc::channel(1);
    let options =
        Options { path: home.path().join("vipwatch.db"), keep: Duration::from_secs(3600), buffer: 1_000 };
    let outlets = Outlets { outbox: for_outbox, restored, heartbeat: Heartbeat::default() };
    let store = Arc::new(Store::start(options, Clock::system(), outlets).unwrap());
    store.push(dead("good"));
    let (command, commands) = mpsc::channel(1);
    let (statuses, _statuses) = watch::channel(HashMap::new());
    let (_standing, standing) = watch::channel(Arc::default());
    let end = CancellationToken::new();
    tokio::spawn(outbox::run(
        notices,
        commands,
        Arc::clone(&store),
        Clock::system(),
        statuses,
        standing,
        end.clone(),
    ));
    let source =
        format!("[agent]\nvantage = \"test\"\n{}{}", receiver("hanging", hanging), receiver("good", good));
    let config = config::parse(&source, Path::new("/probes.toml"), &|_| None).unwrap();
    command.send(Command::Receivers(config.receivers)).await.unwrap();

    let mut took = Vec::new();
    for i in 0..DELIVERIES {
        let alert = format!("alert-{i}");
        let deliveries = ["hanging", "good"].map(|receiver| delivery(&alert, receiver)).into();
        store.push(Record::Effects(Box::new(Effects { deliveries, ..Effects::default() })));
        let committed = committed.recv().await.unwrap();
        let (key, attempted) = told.recv().await.unwrap();
        assert_eq!(key, format!("{alert}-opened"));
        took.push(attempted.saturating_duration_since(committed));
    }
    took.sort_unstable();
    println!(
        "from commit to first attempt: median {:?}, longest {:?}",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    assert!(took[IN_TIME - 1] <= AIM, "{took:?}");
    end.cancel();
}

/// However much waits for a database that is away, and however long: what is to be told is told.
#[tokio::test]
async fn a_delivery_does_not_wait_behind_what_cannot_be_written() {
    let home = tempfile::tempdir().unwrap();
    let (for_outbox, mut notices) = mpsc::channel(16);
    let (restored, _restored) = mpsc::channel(1);
    // There is a directory in its place.
    let path = home.path().join("vipwatch.db");
    std::fs::create_dir(&path).unwrap();
    let options = Options { path, keep: Duration::from_secs(3600), buffer: 20_000 };
    let outlets = Outlets { outbox: for_outbox, restored, heartbeat: Heartbeat::default() };
    let store = Store::start(options, Clock::system(), outlets).unwrap();
    for _ in 0..10_000 {
        store.push(Record::Effects(Box::default()));
    }
    for alert in ["first", "second"] {
        let deliveries = vec![delivery(alert, "ops")];
        store.push(Record::Effects(Box::new(Effects { deliveries, ..Effects::default() })));
        let notice = tokio::time::timeout(PATIENCE, notices.recv()).await.expect("it waits for the database");
        let Some(Notice::New(delivery)) = notice else { panic!("{notice:?}") };
        assert_eq!(delivery.key.notification, format!("{alert}-opened"));
    }
}
