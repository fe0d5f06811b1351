//! A running server with an overview that tests can change.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use vipwatch_web::{
    Access, Control, Limits, Operator, Outcome, Refusal, Site, Status,
    api::{
        AcknowledgementView, AgentView, Changed, Check, ConfigView, ConnectivityView, DeliveryFilter,
        NewSilence, OutboxEntry, Overview, Readiness, Retried, Retry, SchedulerView, SilenceView, StoreView,
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

/// Notes what it is asked to do. It knows one alert and one silence, each with the id `known`.
#[derive(Default)]
struct Notes {
    done: Mutex<Vec<String>>,
}

impl Notes {
    fn note<T>(&self, what: String, done: Result<T, Refusal>) -> Outcome<'_, T>
    where
        T: Send + 'static,
    {
        self.done.lock().expect("no panic while noting").push(what);
        Box::pin(std::future::ready(done))
    }
}

fn known<T>(id: &str, thing: T) -> Result<T, Refusal> {
    if id == "known" { Ok(thing) } else { Err(Refusal::Missing(format!("there is no {id}"))) }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_763_856_000, 0).expect("a valid time")
}

impl Control for Notes {
    fn acknowledge(
        &self,
        alert: String,
        comment: String,
        operator: Operator,
    ) -> Outcome<'_, Changed<AcknowledgementView>> {
        let what = format!("{} acknowledges {alert}: {comment}", operator.by);
        let done = AcknowledgementView { by: operator.by, comment, at: at() };
        self.note(what, known(&alert, Changed::stored(done)))
    }

    fn silence(&self, silence: NewSilence, operator: Operator) -> Outcome<'_, Changed<SilenceView>> {
        let NewSilence { matcher, comment, by, .. } = silence;
        let what = format!("{} silences {:?}: {comment}", operator.by, matcher.services);
        let view = SilenceView { id: "known".into(), matcher, from: at(), until: at(), by, comment };
        self.note(what, Ok(Changed { now: view, not_stored: Some("no room".into()), hint: None }))
    }

    fn end_silence(&self, id: String, operator: Operator) -> Outcome<'_, Changed<SilenceView>> {
        let what = format!("{} ends {id}", operator.by);
        let view = SilenceView {
            id: id.clone(),
            matcher: Default::default(),
            from: at(),
            until: at(),
            by: "kim".into(),
            comment: "disks".into(),
        };
        self.note(what, known(&id, Changed::stored(view)))
    }

    fn deliveries(&self, filter: DeliveryFilter) -> Outcome<'_, Vec<OutboxEntry>> {
        let what = format!("lists {} of {:?}, {:?}", filter.most(), filter.receiver, filter.state);
        self.note(what, Ok(vec![]))
    }

    fn retry(&self, retry: Retry, operator: Operator) -> Outcome<'_, Retried> {
        let what = format!("{} retries {:?} of {:?}", operator.by, retry.deliveries, retry.receiver);
        let deliveries = retry.deliveries.len() as u64;
        self.note(what, Ok(Retried { deliveries, ..Retried::default() }))
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
    pub(crate) access: watch::Sender<Access>,
    overview: watch::Sender<Arc<Overview>>,
    is_ready: Arc<AtomicBool>,
    notes: Arc<Notes>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(quick()).await
    }

    pub(crate) async fn start_with(limits: Limits) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), limits)
    }

    pub(crate) fn start_on(listener: TcpListener, limits: Limits) -> Self {
        let address = listener.local_addr().expect("an address");
        let (sender, overview) = watch::channel(Arc::new(overview("office-fra")));
        let is_ready = Arc::new(AtomicBool::new(true));
        let status = Arc::new(Stub { overview, is_ready: Arc::clone(&is_ready) });
        let notes = Arc::new(Notes::default());
        let (access, allowed) = watch::channel(Access::ThisHost);
        let shutdown = CancellationToken::new();
        let site = Site { status, control: Arc::clone(&notes) as Arc<dyn Control>, access: allowed };
        let served = tokio::spawn(vipwatch_web::serve_with(listener, site, shutdown.clone(), limits));
        Self { address, shutdown, served, access, overview: sender, is_ready, notes }
    }

    /// What the agent was asked to do so far.
    pub(crate) fn done(&self) -> Vec<String> {
        self.notes.done.lock().expect("no panic while noting").clone()
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
    let at = at();
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
        silences: vec![],
        maintenance: vec![],
    }
}
