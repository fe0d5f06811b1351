//! The learner and the rounds that wait for it, in paused time, with answers of the test's own.

use std::{
    net::IpAddr,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::task::JoinSet;
use vipwatch_model::{
    address::AddressBook,
    dispatch::Policy,
    egress::{Egress, Family},
    flow::{Flow, Outcome, Phases, SourceReport},
    observation::Observation,
    probe::{Expectation, Limits, Probe, ProbeName, Subject, Transport},
    rule::Rules,
};

use super::*;
use crate::{
    config::{self, Asked, EgressSource, Server},
    egress::{Baseline, blank, memory::Question},
    prober::Host,
};

const LOCAL: &str = "10.0.0.2:40000";
const OURS: &str = "198.51.100.7";
const MOVED: &str = "203.0.113.7";
const REFRESH: Duration = Duration::from_secs(300);
/// How long the one who is asked takes to answer.
const LATENCY: Duration = Duration::from_millis(50);

/// The one who is asked: what it sees, or nothing at all, and how often it was asked.
#[derive(Default)]
struct Outsider {
    sees: Mutex<Option<IpAddr>>,
    asked: AtomicU32,
}

impl Outsider {
    fn sees(&self, address: Option<&str>) {
        *self.sees.lock().unwrap() = address.map(|address| address.parse().unwrap());
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

struct Stage {
    outsider: Arc<Outsider>,
    baseline: Baseline,
    network: mpsc::Sender<()>,
    _task: JoinSet<()>,
}

impl Stage {
    fn of(settings: config::Egress) -> Self {
        let outsider = Arc::new(Outsider::default());
        outsider.sees(Some(OURS));
        let (requests_in, requests) = mpsc::channel(64);
        let memory = blank();
        let known = Known::before_learning(plan(settings), &memory);
        let (known_in, known) = watch::channel(Arc::new(known));
        let asked = Arc::clone(&outsider);
        let ask = move |_| -> Answers {
            let outsider = Arc::clone(&asked);
            Box::pin(async move {
                outsider.asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(LATENCY).await;
                let question = Question { source: "stun".into(), family: Family::V4, from: None };
                let seen = *outsider.sees.lock().unwrap();
                let seen = seen.map(|seen| ("10.0.0.2".parse().unwrap(), seen));
                vec![Answer { question, heard: seen.ok_or_else(|| "no answer".to_owned()) }]
            })
        };
        let start = Instant::now();
        let clock = Clock::from_fn(move || DateTime::UNIX_EPOCH + start.elapsed());
        let (network_in, network) = mpsc::channel(4);
        let network = Network::Told(network);
        let parts = Parts { ask: Box::new(ask), clock, network, known: known_in, requests };
        let mut task = JoinSet::new();
        task.spawn(Learner::new(parts, memory).run(CancellationToken::new()));
        Self { outsider, baseline: Baseline::new(known, requests_in), network: network_in, _task: task }
    }

    /// A learner that has learnt once.
    async fn learnt() -> Self {
        let stage = Self::of(settings());
        tokio::time::sleep(2 * LATENCY).await;
        assert_eq!(stage.compare(OURS), Comparison::Same);
        stage
    }

    /// What comes of a round in which the far side saw `seen`.
    async fn round(&self, seen: &str) -> Comparison {
        let until = Instant::now() + Duration::from_secs(5);
        let egress = self.baseline.for_round(&probe(Expectation::Preserved), &saw(seen), until).await;
        compare(&egress, seen)
    }

    fn compare(&self, seen: &str) -> Comparison {
        compare(self.baseline.known().egress(), seen)
    }
}

fn compare(egress: &Egress, seen: &str) -> Comparison {
    egress.compare(Some(LOCAL.parse().unwrap()), seen.parse().unwrap())
}

fn settings() -> config::Egress {
    let server = Server { host: Host::Address("192.0.2.30".parse().unwrap()), port: 3478 };
    let stun = EgressSource::Server { server, asked: Asked::Stun };
    config::Egress { socket: false, sources: vec![stun], refresh: REFRESH, ..config::Egress::default() }
}

fn plan(egress: config::Egress) -> Arc<Plan> {
    let node = vipwatch_model::address::Node {
        name: "node-1".into(),
        addresses: vec!["192.0.2.11".parse().unwrap()],
        pod_cidrs: Vec::new(),
    };
    Arc::new(Plan {
        vantage: String::new(),
        page: String::new(),
        probes: Vec::new(),
        services: Vec::new(),
        endpoints: Vec::new(),
        hosts: Vec::new(),
        egress,
        connectivity: None,
        book: AddressBook { nodes: vec![node], ..AddressBook::default() },
        receivers: Vec::new(),
        policy: Policy::default(),
        maintenance: Vec::new(),
        rules: Rules::uniform(2, 2, chrono::TimeDelta::minutes(10)),
    })
}

fn probe(expectation: Expectation) -> Probe {
    Probe {
        name: ProbeName::new("test"),
        subject: Subject::Endpoint { url: "http://192.0.2.31/".into() },
        transport: Transport::Tcp,
        vips: Vec::new(),
        expectation,
        rules: Rules::uniform(2, 2, chrono::TimeDelta::minutes(10)),
        limits: Limits::default(),
        labels: std::collections::BTreeMap::new(),
    }
}

fn saw(address: &str) -> Observation {
    let flow = Flow {
        local: Some(LOCAL.parse().unwrap()),
        remote: None,
        phases: Phases::default(),
        retransmits: 0,
        outcome: Outcome::Echoed(SourceReport::of(address.parse().unwrap(), None)),
    };
    Observation::Flows(vec![flow].into())
}

#[tokio::test(start_paused = true)]
async fn before_the_first_answer_there_is_no_baseline_and_a_reason() {
    let stage = Stage::of(settings());
    assert_eq!(stage.round(OURS).await, Comparison::NoBaseline);
    let known = stage.baseline.known();
    let why = known.egress().why_unknown(Some(LOCAL.parse().unwrap()));
    assert_eq!(why, Some("this agent's egress address is still being learnt"));
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_on_schedule() {
    let stage = Stage::learnt().await;
    assert_eq!(stage.outsider.asked(), 1);
    tokio::time::sleep(REFRESH - 3 * LATENCY).await;
    assert_eq!(stage.outsider.asked(), 1);
    tokio::time::sleep(4 * LATENCY).await;
    assert_eq!(stage.outsider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_round_after_a_change_is_judged_with_the_new_address() {
    let stage = Stage::learnt().await;
    stage.outsider.sees(Some(MOVED));
    assert_eq!(stage.round(MOVED).await, Comparison::Same);
    let known = stage.baseline.known();
    let changes: Vec<_> = known.changes().iter().map(|change| (change.from, change.to)).collect();
    assert_eq!(changes, [(OURS.parse().unwrap(), MOVED.parse().unwrap())]);
    assert_eq!(
        stage.compare(OURS),
        Comparison::Same,
        "a flow that was made before the change may still come"
    );
}

#[tokio::test(start_paused = true)]
async fn many_rounds_at_once_ask_once() {
    let stage = Stage::learnt().await;
    stage.outsider.sees(Some(MOVED));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let rounds: Vec<_> = (0..500).map(|_| stage.round(MOVED)).collect();
    assert_eq!(futures_util::future::join_all(rounds).await, vec![Comparison::Same; 500]);
    assert_eq!(stage.outsider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_of_the_cluster_or_does_not_matter_asks_nobody() {
    let stage = Stage::learnt().await;
    assert_eq!(stage.round("192.0.2.11").await, Comparison::Different);
    let until = Instant::now() + Duration::from_secs(5);
    for expectation in [Expectation::Any, Expectation::Answer] {
        stage.baseline.for_round(&probe(expectation), &saw(MOVED), until).await;
    }
    assert_eq!(stage.outsider.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_stays_foreign_is_asked_about_ever_more_rarely() {
    let stage = Stage::learnt().await;
    let mut asked = Vec::new();
    for _ in 0..1_000 {
        assert_eq!(stage.round(MOVED).await, Comparison::Different);
        asked.push(stage.outsider.asked());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(asked[0], 2, "the first time at once");
    // Three scheduled ones, and then at 0, 1, 2, 4, 8, .. seconds, never rarer than the schedule.
    assert!(asked[999] <= 20, "asked {} times", asked[999]);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_answers_an_unknown_address_is_in_doubt_and_the_old_one_counts_for_a_while() {
    let stage = Stage::learnt().await;
    stage.outsider.sees(None);
    assert_eq!(stage.round(MOVED).await, Comparison::NoBaseline);
    let until = Instant::now() + Duration::from_secs(5);
    let egress = stage.baseline.for_round(&probe(Expectation::Preserved), &saw(MOVED), until).await;
    let why = egress.why_unknown(Some(LOCAL.parse().unwrap())).unwrap();
    assert_eq!(why, "203.0.113.7 may be this agent's new egress address: stun over IPv4: no answer");
    assert_eq!(stage.round(OURS).await, Comparison::Same);
    assert_eq!(stage.round("192.0.2.11").await, Comparison::Different, "the cluster is never in doubt");
    tokio::time::sleep(2 * REFRESH).await;
    assert_eq!(stage.round(OURS).await, Comparison::Same);
    tokio::time::sleep(2 * REFRESH).await;
    assert_eq!(stage.round(OURS).await, Comparison::NoBaseline, "too long ago");
    stage.outsider.sees(Some(OURS));
    tokio::time::sleep(REFRESH + 2 * LATENCY).await;
    assert_eq!(stage.round(OURS).await, Comparison::Same);
}

#[tokio::test(start_paused = true)]
async fn without_any_answer_it_asks_again_soon() {
    let stage = Stage::of(settings());
    stage.outsider.sees(None);
    tokio::time::sleep(Duration::from_secs(8)).await;
    let asked = stage.outsider.asked();
    assert!((3..=5).contains(&asked), "asked {asked} times: at once, and 1, 2 and 4 seconds later");
    stage.outsider.sees(Some(OURS));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(stage.compare(OURS), Comparison::Same);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_cannot_wait_is_in_doubt() {
    let stage = Stage::learnt().await;
    let until = Instant::now() + LATENCY / 2;
    let egress = stage.baseline.for_round(&probe(Expectation::Preserved), &saw(MOVED), until).await;
    assert_eq!(compare(&egress, MOVED), Comparison::NoBaseline);
    assert_eq!(Instant::now(), until);
}

#[tokio::test(start_paused = true)]
async fn an_uplink_that_nobody_was_asked_over_is_named() {
    let stage = Stage::learnt().await;
    let Observation::Flows(mut sight) = saw(MOVED) else { unreachable!() };
    sight.flows[0].local = Some("10.9.0.2:40000".parse().unwrap());
    let until = Instant::now() + Duration::from_secs(5);
    let egress =
        stage.baseline.for_round(&probe(Expectation::Preserved), &Observation::Flows(sight), until).await;
    assert_eq!(
        egress.why_unknown(Some("10.9.0.2:1".parse().unwrap())),
        Some(
            "203.0.113.7 may be this agent's new egress address: nobody was asked from 10.9.0.2; \
             name it in egress.source_addresses"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_takes_effect_at_once() {
    let stage = Stage::learnt().await;
    stage.baseline.take_over(plan(config::Egress { socket: true, ..settings() })).await;
    assert_eq!(stage.compare("10.0.0.2"), Comparison::Same);
    assert_eq!(stage.compare(OURS), Comparison::Same, "the same ones are asked: what they said counts");
    tokio::time::sleep(2 * LATENCY).await;
    assert_eq!(stage.outsider.asked(), 2);

    stage.baseline.take_over(plan(config::Egress::default())).await;
    assert_eq!(stage.compare(OURS), Comparison::Different);
    assert_eq!(stage.baseline.known().egress().unknown, []);
    tokio::time::sleep(2 * REFRESH).await;
    assert_eq!(stage.outsider.asked(), 2, "nobody is asked any more");

    stage.baseline.take_over(plan(settings())).await;
    assert_eq!(stage.compare(OURS), Comparison::NoBaseline);
    tokio::time::sleep(2 * LATENCY).await;
    assert_eq!(stage.compare(OURS), Comparison::Same);
}

#[tokio::test(start_paused = true)]
async fn changes_of_the_network_are_let_settle_and_never_asked_about_all_the_time() {
    let stage = Stage::learnt().await;
    tokio::time::sleep(NETWORK_REST).await;
    for _ in 0..20 {
        stage.network.send(()).await.unwrap();
    }
    tokio::time::sleep(SETTLE / 2).await;
    assert_eq!(stage.outsider.asked(), 1);
    tokio::time::sleep(SETTLE).await;
    assert_eq!(stage.outsider.asked(), 2);
    stage.network.send(()).await.unwrap();
    tokio::time::sleep(NETWORK_REST / 2).await;
    assert_eq!(stage.outsider.asked(), 2);
    tokio::time::sleep(NETWORK_REST).await;
    assert_eq!(stage.outsider.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_network_in_the_middle_of_a_learning_is_not_forgotten() {
    let stage = Stage::of(settings());
    tokio::time::sleep(LATENCY / 2).await;
    stage.network.send(()).await.unwrap();
    tokio::time::sleep(NETWORK_REST + 2 * LATENCY).await;
    assert_eq!(stage.outsider.asked(), 2);
}
