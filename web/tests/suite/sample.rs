//! A running server with an overview that tests can change.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use vipwatch_web::{
    Limits, Status,
    api::{
        AgentView, Check, ConfigView, ConnectivityView, Overview, Readiness, SchedulerView, StoreView,
        Summary,
    },
};

/// What the test status is made of.
struct Stub {
    overview: watch::Receiver<Arc<Overview>>,
    is_ready: Arc<AtomicBool>,
}

impl Status for Stub {
    fn overview(&self) -> watch::Receiver<Arc<Overview>> {
        self.overview.clone()
    }

    fn readiness(&self) -> Readiness {
        let ready = self.is_ready.load(Ordering::Relaxed);
        Readiness {
            ready,
            checks: vec![Check {
                name: "store".to_owned(),
                ok: ready,
                detail: (!ready).then(|| "disk full".to_owned()),
            }],
        }
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    overview: watch::Sender<Arc<Overview>>,
    is_ready: Arc<AtomicBool>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(quick()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (sender, overview) = watch::channel(Arc::new(overview("office-fra")));
        let is_ready = Arc::new(AtomicBool::new(true));
        let status = Arc::new(Stub { overview, is_ready: Arc::clone(&is_ready) });
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(vipwatch_web::serve_with(listener, status, shutdown.clone(), limits));
        Self { address, shutdown, served, overview: sender, is_ready }
    }

    pub(crate) fn publish(&self, vantage: &str) {
        self.overview.send_replace(Arc::new(overview(vantage)));
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.is_ready.store(ready, Ordering::Relaxed);
    }
}

/// Limits under which nothing takes long, and nothing ends by itself.
pub(crate) fn quick() -> Limits {
    Limits {
        header_timeout: Duration::from_secs(60),
        event_interval: Duration::from_millis(1),
        keep_alive: Duration::from_secs(60),
        ..Limits::default()
    }
}

pub(crate) fn overview(vantage: &str) -> Overview {
    let at = DateTime::<Utc>::from_timestamp(1_763_856_000, 0).expect("a valid time");
    Overview {
        version: "0.0.0".to_owned(),
        vantage: vantage.to_owned(),
        started_at: at,
        at,
        agent: AgentView {
            config: ConfigView { path: "probes.toml".to_owned(), loaded_at: at, error: None },
            store: StoreView { ok: true, error: None, buffered: 0, lost: 0 },
            scheduler: SchedulerView::default(),
            connectivity: ConnectivityView { blind: false, since: at, targets: vec![] },
            egress: vec![],
            egress_changes: vec![],
            notices: vec![],
        },
        summary: Summary::default(),
        services: vec![],
        probes: vec![],
        alerts: vec![],
        transitions: vec![],
        receivers: vec![],
    }
}
