//! The lookout and the rounds that wait at its gate, in paused time, with targets of the test's own.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use futures_util::future::join_all;
use tokio::task::JoinSet;
use vipwatch_model::{
    flow::{Failure, FailureKind, Flow, Outcome, Phases},
    observation::Observation,
};

use super::*;
use crate::{
    config::{ConnectivityTarget, Departure},
    connectivity::Gate,
    plan::Planned,
    prober::{Bind, Method},
};

const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a target takes to answer.
const LATENCY: Duration = Duration::from_millis(20);

/// The targets: what comes of asking them, and how often they were asked.
struct Targets {
    heard: Mutex<Result<u32, FailureKind>>,
    asked: AtomicU32,
    /// Whether asking them never ends, whatever the time-out.
    hang: AtomicBool,
    carrier: AtomicBool,
}

impl Targets {
    fn hear(&self, heard: Result<u32, FailureKind>) {
        *self.heard.lock().unwrap() = heard;
    }

    async fn answers(&self, settings: &Connectivity) -> Vec<Answer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let heard = *self.heard.lock().unwrap();
        let timeout = matches!(heard, Err(FailureKind::Timeout));
        tokio::time::sleep(if timeout { settings.timeout } else { LATENCY }).await;
        let heard = heard.map_err(|kind| Failure::new(kind, "no answer within 1000 ms"));
        let target = settings.targets.iter().map(ToString::to_string);
        target.map(|target| Answer { target, heard: heard.clone() }).collect()
    }
}

struct Stage {
    targets: Arc<Targets>,
    gate: Gate,
    links: mpsc::Sender<()>,
    _task: JoinSet<()>,
}

impl Stage {
    fn of(settings: Option<Connectivity>) -> Self {
        let targets = Arc::new(Targets {
            heard: Mutex::new(Ok(20_000)),
            asked: AtomicU32::new(0),
            hang: AtomicBool::new(false),
            carrier: AtomicBool::new(true),
        });
        let (requests_in, requests) = mpsc::channel(64);
        let (view_in, view) = watch::channel(Arc::new(View::before(settings.map(Arc::new))));
        let (asked, linked) = (Arc::clone(&targets), Arc::clone(&targets));
        let ask = move |settings: Arc<Connectivity>| -> Answers {
            let targets = Arc::clone(&asked);
            Box::pin(async move { targets.answers(&settings).await })
        };
        let look = move || -> Carrier {
            let targets = Arc::clone(&linked);
            Box::pin(async move { Some(targets.carrier.load(Ordering::SeqCst)) })
        };
        let start = Instant::now();
        let clock = Clock::from_fn(move || DateTime::UNIX_EPOCH + start.elapsed());
        let (links, changes) = mpsc::channel(4);
        let parts = Parts {
            ask: Box::new(ask),
            look: Box::new(look),
            clock,
            links: Network::Told(changes),
            view: view_in,
            requests,
        };
        let mut task = JoinSet::new();
        task.spawn(Lookout::new(parts).run(CancellationToken::new()));
        Self { targets, gate: Gate::new(view, requests_in), links, _task: task }
    }

    /// A lookout whose first check has ended.
    async fn seeing() -> Self {
        let stage = Self::of(Some(settings("192.0.2.1")));
        tokio::time::sleep(2 * LATENCY).await;
        assert_eq!(stage.asked(), 1);
        stage
    }

    fn asked(&self) -> u32 {
        self.targets.asked.load(Ordering::SeqCst)
    }

    /// Lets a round pass that took a second and has `seen` this, and tells how long it waited.
    async fn pass(&self, seen: Observation) -> (Observation, Duration) {
        let ended = Instant::now();
        let until = ended + 2 * TIMEOUT;
        let passed = self.gate.pass(&planned().probe, seen, ended - TIMEOUT, until).await;
        (passed, ended.elapsed())
    }
}

fn settings(target: &str) -> Connectivity {
    Connectivity {
        targets: vec![ConnectivityTarget::Ping(target.parse().unwrap())],
        every: EVERY,
        timeout: TIMEOUT,
        departure: Departure::default(),
    }
}

fn planned() -> Planned {
    let method = Method::Ping { address: "192.0.2.11".parse().unwrap(), bind: Bind::default() };
    Planned::once("test", method, TIMEOUT)
}

fn silence() -> Observation {
    Observation::Flows(vec![Flow::failed(None, FailureKind::Timeout, "no answer within 1000 ms")].into())
}

fn answer() -> Observation {
    let flow = Flow {
        local: None,
        remote: None,
        phases: Phases::default(),
        retransmits: 0,
        outcome: Outcome::Answered,
    };
    Observation::Flows(vec![flow].into())
}

/// What is said of the round where the agent is to blame.
fn blamed(observation: &Observation) -> Option<&str> {
    let Observation::Flows(sight) = observation else { panic!("{observation:?}") };
    let failure = sight.flows[0].failure().filter(|failure| failure.kind == FailureKind::Blind)?;
    Some(&failure.detail)
}

const BLAMED: &str = "no answer within 1000 ms, but the connectivity target 192.0.2.1 does not answer either";

#[tokio::test(start_paused = true)]
async fn the_targets_are_asked_on_schedule() {
    let stage = Stage::seeing().await;
    tokio::time::sleep(EVERY * 10).await;
    assert_eq!(stage.asked(), 11);
    assert_eq!(stage.gate.outlook().failing, None);
    stage.targets.hear(Err(FailureKind::Timeout));
    tokio::time::sleep(EVERY * 2 + TIMEOUT).await;
    assert_eq!(stage.gate.outlook().failing.unwrap().checks, 2);
}

#[tokio::test(start_paused = true)]
async fn a_round_with_an_answer_never_waits() {
    let stage = Stage::seeing().await;
    stage.targets.hear(Err(FailureKind::Timeout));
    let (passed, waited) = stage.pass(answer()).await;
    assert_eq!((passed, waited), (answer(), Duration::ZERO));
    assert_eq!(stage.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_not_judged_by_what_targets_said_before_it() {
    let stage = Stage::seeing().await;
    let (passed, waited) = stage.pass(silence()).await;
    assert_eq!(passed, silence());
    assert!((LATENCY..REST + LATENCY).contains(&waited), "{waited:?}");
    assert_eq!(stage.asked(), 2);

    stage.targets.hear(Err(FailureKind::Timeout));
    let (passed, waited) = stage.pass(silence()).await;
    assert_eq!(blamed(&passed), Some(BLAMED));
    assert!(waited <= REST + TIMEOUT, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_silent_rounds_share_a_check() {
    let stage = Stage::seeing().await;
    let rounds = (0..1_000).map(|_| stage.pass(silence()));
    let passed = join_all(rounds).await;
    assert!(passed.iter().all(|(passed, _)| *passed == silence()));
    assert!(stage.asked() <= 3, "{}", stage.asked());
}

/// The agent was blind for a part of the round alone.
#[tokio::test(start_paused = true)]
async fn a_round_in_the_middle_of_which_no_target_answered_is_the_agents_fault() {
    let stage = Stage::seeing().await;
    stage.targets.hear(Err(FailureKind::Timeout));
    tokio::time::sleep(EVERY + TIMEOUT).await;
    assert_eq!(stage.gate.outlook().failing.unwrap().checks, 1);
    stage.targets.hear(Ok(20_000));
    let (passed, waited) = stage.pass(silence()).await;
    assert_eq!((blamed(&passed), waited), (Some(BLAMED), Duration::ZERO));

    tokio::time::sleep(2 * TIMEOUT).await;
    let (passed, _) = stage.pass(silence()).await;
    assert_eq!(passed, silence(), "by now it is over");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_a_check_may_take() {
    let stage = Stage::seeing().await;
    stage.targets.hang.store(true, Ordering::SeqCst);
    let (passed, waited) = stage.pass(silence()).await;
    let why = "no answer within 1000 ms, but the connectivity targets could not be asked in time";
    assert_eq!((blamed(&passed), waited), (Some(why), 3 * TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn targets_that_cannot_be_asked_hold_nothing_back() {
    let stage = Stage::seeing().await;
    stage.targets.hear(Err(FailureKind::Agent));
    assert_eq!(stage.pass(silence()).await.0, silence());
    let without = Stage::of(None);
    assert_eq!(without.pass(silence()).await, (silence(), Duration::ZERO));
    assert_eq!(without.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_noticed_at_once() {
    let stage = Stage::seeing().await;
    stage.targets.hear(Err(FailureKind::Vantage));
    stage.targets.carrier.store(false, Ordering::SeqCst);
    stage.links.send(()).await.unwrap();
    tokio::time::sleep(REST + SETTLE + 2 * LATENCY).await;
    let outlook = stage.gate.outlook();
    assert!(outlook.cut_off.is_some());
    assert_eq!((stage.asked(), outlook.failing.unwrap().checks), (2, 1));

    stage.targets.hear(Ok(20_000));
    stage.targets.carrier.store(true, Ordering::SeqCst);
    stage.links.send(()).await.unwrap();
    tokio::time::sleep(REST + SETTLE + 2 * LATENCY).await;
    let outlook = stage.gate.outlook();
    assert_eq!((stage.asked(), outlook.cut_off, outlook.failing), (3, None, None));
}

#[tokio::test(start_paused = true)]
async fn other_targets_are_asked_at_once_and_the_same_ones_go_on() {
    let stage = Stage::seeing().await;
    stage.targets.hear(Err(FailureKind::Timeout));
    assert!(blamed(&stage.pass(silence()).await.0).is_some());
    stage.gate.take_over(Some(settings("192.0.2.1"))).await;
    assert!(stage.gate.outlook().failing.is_some(), "nothing has changed");

    stage.targets.hear(Ok(20_000));
    stage.gate.take_over(Some(settings("192.0.2.2"))).await;
    assert_eq!(stage.gate.outlook().last, None);
    tokio::time::sleep(2 * LATENCY).await;
    assert_eq!(stage.gate.outlook().last.as_ref().unwrap().answers[0].target, "192.0.2.2");
    stage.gate.take_over(None).await;
    assert!(!stage.gate.outlook().asks);
}
