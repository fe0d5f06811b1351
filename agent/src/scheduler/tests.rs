//! The scheduler in paused time: rounds are played, not made.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use vipwatch_model::{
    address::AddressBook,
    dispatch::Policy,
    flow::{FailureKind, Outcome},
    observation::Sight,
    probe::{Expectation, Limits, Probe, Subject, Transport},
    rule::Rules,
};

use super::*;
use crate::{
    egress::Baseline,
    prober::{Exchange, FlowMethod, Host, HttpExchange, HttpPoll, Method},
    schedule::Schedule,
};

/// Takes as long as the probe's port says in milliseconds; port 1 panics, each second time.
#[derive(Default)]
struct Played {
    of_port_1: AtomicU32,
    running: AtomicU32,
    most: AtomicU32,
}

impl Observe for Played {
    async fn observe(&self, planned: &Planned) -> Observation {
        let Method::NodeHealth(poll) = &planned.method else { panic!("only node health is played") };
        if poll.address.port() == 1 {
            let nth = self.of_port_1.fetch_add(1, Ordering::SeqCst);
            assert!(nth.is_multiple_of(2), "a fault in the middle of a round");
        }
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let _running = Running(&self.running);
        tokio::time::sleep(Duration::from_millis(poll.address.port().into())).await;
        Observation::Flows(Sight::default())
    }
}

/// Counts a round as over when it ends or is cut off.
struct Running<'a>(&'a AtomicU32);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn planned(name: &str, every: Duration, takes_ms: u16) -> Arc<Planned> {
    let address = SocketAddr::from(([192, 0, 2, 11], takes_ms));
    Arc::new(Planned {
        probe: Probe {
            name: ProbeName::new(name),
            subject: Subject::Endpoint { url: name.into() },
            transport: Transport::Tcp,
            vips: Vec::new(),
            expectation: Expectation::Answer,
            rules: Rules::uniform(2, 2, chrono::TimeDelta::minutes(10)),
            limits: Limits::default(),
            labels: BTreeMap::new(),
        },
        method: Method::NodeHealth(HttpPoll::healthz(address)),
        schedule: Schedule::Every(every),
        gap: every,
        timeout: every / 2,
        flows: 1,
    })
}

fn plan(probes: Vec<Arc<Planned>>) -> Arc<Plan> {
    Arc::new(Plan {
        vantage: String::new(),
        page: String::new(),
        probes,
        services: Vec::new(),
        endpoints: Vec::new(),
        hosts: Vec::new(),
        egress: crate::config::Egress::default(),
        connectivity: None,
        book: AddressBook::default(),
        receivers: Vec::new(),
        policy: Policy::default(),
        maintenance: Vec::new(),
        rules: Rules::uniform(2, 2, chrono::TimeDelta::minutes(10)),
    })
}

/// A running scheduler.
struct Stage {
    observer: Arc<Played>,
    plans: mpsc::Sender<Arc<Plan>>,
    rounds: mpsc::Receiver<Round>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Stage {
    async fn start(probes: Vec<Arc<Planned>>) -> Self {
        let (start, begin) = (Instant::now(), DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000));
        let clock = Clock::from_fn(move || begin + chrono::TimeDelta::from_std(start.elapsed()).unwrap());
        let (rounds_in, rounds) = mpsc::channel(4_096);
        let (plans, plans_out) = mpsc::channel(4);
        let observer = Arc::new(Played::default());
        let parts = Parts {
            observer: Arc::clone(&observer),
            gate: Gate::open(),
            baseline: Baseline::unchanging(plan(Vec::new())),
            clock,
            rounds: rounds_in,
            plans: plans_out,
            heartbeat: Heartbeat::default(),
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(parts, shutdown.clone()));
        plans.send(plan(probes)).await.unwrap();
        Self { observer, plans, rounds, shutdown, task }
    }

    /// All rounds that end within `time`.
    async fn rounds_within(&mut self, time: Duration) -> Vec<Round> {
        let end = Instant::now() + time;
        let mut rounds = Vec::new();
        while let Ok(Some(round)) = tokio::time::timeout_at(end, self.rounds.recv()).await {
            rounds.push(round);
        }
        rounds
    }

    async fn end(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn every_probe_runs_at_its_interval_and_phase_without_drift() {
    let mut stage = Stage::start((0..50).map(|n| planned(&format!("p{n}"), SECOND * 10, 3)).collect()).await;
    let rounds = stage.rounds_within(SECOND * 1_000).await;
    let mut starts: HashMap<&str, Vec<DateTime<Utc>>> = HashMap::new();
    for round in &rounds {
        assert_eq!(round.missed, 0);
        starts.entry(round.planned.probe.name.as_str()).or_default().push(round.at);
    }
    let mut phases = std::collections::BTreeSet::new();
    for (name, at) in &starts {
        assert!((99..=100).contains(&at.len()), "{name}: {}", at.len());
        let span = *at.last().unwrap() - at[0];
        let expected = chrono::TimeDelta::seconds(10 * (i64::try_from(at.len()).unwrap() - 1));
        assert!((span - expected).abs() <= chrono::TimeDelta::milliseconds(5), "{name} drifted: {span}");
        phases.insert(at[0].timestamp_millis() % 10_000 / 1_000);
    }
    assert!(phases.len() >= 9, "50 probes start in only {} of 10 seconds", phases.len());
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_round_that_takes_too_long_is_cut_off_and_never_overlaps() {
    let mut stage = Stage::start(vec![planned("slow", SECOND, 60_000)]).await;
    let rounds = stage.rounds_within(SECOND * 30).await;
    assert!(rounds.len() >= 28, "{}", rounds.len());
    assert_eq!(stage.observer.most.load(Ordering::SeqCst), 1);
    for round in &rounds {
        let Observation::NodeHealth(health) = &round.observation else { panic!("{round:?}") };
        let answer = format!("{:?}", health.answer);
        assert!(answer.contains("Agent") && answer.contains("as long as its interval"), "{answer}");
    }
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_that_rounds_unknown_and_the_probe_goes_on() {
    let mut stage = Stage::start(vec![planned("panics", SECOND, 1), planned("fine", SECOND, 3)]).await;
    let rounds = stage.rounds_within(SECOND * 20).await;
    let of = |name: &str| rounds.iter().filter(|round| round.planned.probe.name.as_str() == name).count();
    assert!(of("panics") >= 19 && of("fine") >= 19, "{} and {}", of("panics"), of("fine"));
    let failed = |round: &&Round| {
        matches!(&round.observation, Observation::NodeHealth(health)
            if matches!(&health.answer, vipwatch_model::node_health::HealthAnswer::Failed(failure)
                if failure.kind == FailureKind::Agent))
    };
    assert!(rounds.iter().filter(failed).count() >= 5);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_plan_leaves_unchanged_probes_alone_and_changed_ones_do_not_overlap() {
    let slow = |timeout| {
        let slow = planned("slow", SECOND * 10, 4_000);
        Arc::new(Planned { timeout, ..(*slow).clone() })
    };
    let kept = planned("kept", SECOND * 10, 3);
    let mut stage = Stage::start(vec![Arc::clone(&kept), slow(SECOND)]).await;
    let before = stage.rounds_within(SECOND * 60).await;
    for n in 0..20 {
        // Changed again and again, also in the middle of a round.
        stage
            .plans
            .send(plan(vec![Arc::clone(&kept), slow(SECOND + Duration::from_millis(n))]))
            .await
            .unwrap();
        let rounds = stage.rounds_within(Duration::from_millis(1_700)).await;
        assert!(stage.observer.most.load(Ordering::SeqCst) <= 2, "a changed probe overlapped itself");
        drop(rounds);
    }
    let after = stage.rounds_within(SECOND * 60).await;
    let phase = |rounds: &[Round]| {
        let round = rounds.iter().find(|round| round.planned.probe.name.as_str() == "kept").unwrap();
        round.at.timestamp_millis() % 10_000 / 10
    };
    assert_eq!(phase(&before), phase(&after), "a reload moved the phase");
    stage.plans.send(plan(vec![kept])).await.unwrap();
    stage.rounds_within(SECOND * 10).await;
    let rest = stage.rounds_within(SECOND * 30).await;
    assert!(rest.iter().all(|round| round.planned.probe.name.as_str() == "kept"), "a removed probe goes on");
    stage.end().await;
}

#[test]
fn a_round_that_was_not_made_blames_the_agent() {
    let exchange = Exchange::Http(HttpExchange::get("played", "/"));
    let flows = FlowMethod::new(Host::Name("played".into()), 80, exchange);
    let Observation::Flows(sight) = prober::not_made(&Method::Flows(Box::new(flows)), "why") else {
        panic!("a source probe has flows")
    };
    assert!(matches!(&sight.flows[0].outcome, Outcome::Failed(failure) if failure.kind.is_ours()));
}
