//! Runs every `scenarios/*.toml`: rounds in, verdicts, states and alerts out.
//!
//! A scenario has a `story`, the service as configured, and `[[round]]`s. A round is one of the VIP (`flows`),
//! of nodes (`nodes`, by number), or of their kube-proxies (`proxies`: `healthy`, `ineligible`, `unhealthy`, or a
//! failure); `notation.rs` says how these are written. `targets` says what the connectivity targets said with the round:
//! `answered`, or the word of a failure. What a round leaves out is not checked; alerts are always checked. Alerts of
//! nodes are written as `kind node-N`, others as `kind`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use vipwatch_model::{
    address::{AddressBook, Node},
    alert::{Alert, AlertKind, Board, Changes, Known, Nodes},
    cause::CauseKind,
    connectivity::{self, Answer, Blindness, Check, Outlook, Vision},
    egress::{Egress, Learnt, Unknown},
    flow::{Failure, Flow},
    judge::{self, NodeSight, Scene},
    observation::Observation,
    probe::{Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    rule::Rules,
    state::{Machine, State},
    verdict::{Finding, FlowFinding, NoteKind, Verdict},
};

use crate::notation::{flow, health, proxy_health};

/// The service that is watched.
pub(crate) const SERVICE: &str = "default/echo-server";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    story: String,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    reachability_only: bool,
    #[serde(default)]
    fixed_egress: Vec<String>,
    /// What the agent learnt about its egress: for its address 192.0.2.9.
    #[serde(default)]
    learnt_egress: Vec<String>,
    /// Why the agent could not learn it.
    #[serde(default)]
    unknown_egress: Vec<String>,
    /// `preserved`, `header`, `any`, or networks; by default what the policy implies.
    #[serde(default)]
    expect_source: Vec<String>,
    #[serde(default = "two")]
    alert_after: u32,
    #[serde(default = "two")]
    resolve_after: u32,
    /// In milliseconds.
    max_latency: Option<u32>,
    /// In percent.
    #[serde(default)]
    max_loss: u32,
    round: Vec<Round>,
}

fn two() -> u32 {
    2
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    flows: Option<Vec<String>>,
    nodes: Option<BTreeMap<String, String>>,
    proxies: Option<BTreeMap<String, String>>,
    targets: Option<Vec<String>>,
    #[serde(default = "once")]
    times: u32,
    /// The agent stops, forgets its alerts as if the database had been lost, and starts again.
    #[serde(default)]
    board_lost: bool,
    /// Seconds since the round before.
    #[serde(default = "ten")]
    after: i64,
    finding: Option<Finding>,
    state: Option<State>,
    states: Option<BTreeMap<String, State>>,
    reason_has: Option<Vec<String>>,
    remedy_has: Option<String>,
    cause: Option<CauseKind>,
    cause_has: Option<String>,
    per_flow: Option<Vec<FlowFinding>>,
    notes: Option<Vec<NoteKind>>,
    #[serde(default)]
    opens: Vec<String>,
    #[serde(default)]
    resolves: Vec<String>,
}

fn once() -> u32 {
    1
}

fn ten() -> i64 {
    10
}

fn book() -> AddressBook {
    let node = |n: u8| Node {
        name: format!("node-{n}"),
        addresses: vec![format!("192.0.2.1{n}").parse().unwrap()],
        pod_cidrs: vec![format!("10.244.{n}.0/24").parse().unwrap()],
    };
    AddressBook {
        nodes: (1..=3).map(node).collect(),
        pod_cidrs: vec!["10.244.0.0/16".parse().unwrap()],
        vips: vec!["192.0.2.201".parse().unwrap()],
    }
}

/// Which probe a round is of.
#[derive(Clone, Copy)]
enum Of<'a> {
    Vip,
    Node(&'a str),
    Proxy(&'a str),
}

/// One probe and what is known of it.
struct Watched {
    probe: Probe,
    machine: Machine,
    last: Option<(DateTime<Utc>, Verdict)>,
    fresh: bool,
}

impl Watched {
    fn known(&self) -> Option<Known<'_>> {
        let (at, verdict) = self.last.as_ref()?;
        Some(Known { probe: &self.probe, machine: &self.machine, verdict, at: *at })
    }
}

struct Stage {
    egress: Egress,
    vip: Watched,
    nodes: BTreeMap<String, Watched>,
    proxies: BTreeMap<String, Watched>,
    board: Board,
    outlook: Outlook,
    vision: Vision,
    now: DateTime<Utc>,
    ids: u32,
}

impl Stage {
    fn new(scenario: &Scenario) -> Self {
        let policy = match scenario.policy.as_deref() {
            Some("Cluster") => TrafficPolicy::Cluster,
            _ => TrafficPolicy::Local,
        };
        let expectation = match policy {
            _ if scenario.reachability_only => Expectation::Answer,
            TrafficPolicy::Local => Expectation::Preserved,
            TrafficPolicy::Cluster => Expectation::Any,
        };
        let expectation = match scenario.expect_source.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => expectation,
            ["preserved"] => Expectation::Preserved,
            ["header"] => Expectation::InHeader,
            ["any"] => Expectation::Any,
            ref networks => Expectation::Within(networks.iter().map(|net| net.parse().unwrap()).collect()),
        };
        let latency_us = scenario.max_latency.map(|ms| ms * 1_000);
        let limits = Limits { latency_us, loss_percent: scenario.max_loss };
        let rules = Rules::uniform(scenario.alert_after, scenario.resolve_after, TimeDelta::minutes(10));
        let watched = |name, subject| Watched {
            probe: Probe {
                name,
                subject,
                transport: Transport::Tcp,
                vips: Vec::new(),
                expectation: expectation.clone(),
                rules: rules.clone(),
                limits,
                labels: BTreeMap::new(),
            },
            machine: Machine::default(),
            last: None,
            fresh: false,
        };
        let vip =
            Subject::Vip { service: SERVICE.into(), policy, address: "192.0.2.201:80".parse().unwrap() };
        let node = |n: u8| {
            let node = format!("node-{n}");
            let address = format!("192.0.2.1{n}:30001").parse().unwrap();
            let subject = Subject::Node { service: SERVICE.into(), policy, node: node.clone(), address };
            (n.to_string(), watched(ProbeName::of_node(SERVICE, &node), subject))
        };
        let proxy = |n: u8| {
            let node = format!("node-{n}");
            let target = format!("192.0.2.1{n}:10256");
            let name = ProbeName::new(&format!("kube-proxy@{node}"));
            (n.to_string(), watched(name, Subject::Host { node, target }))
        };
        let fixed: Vec<_> = scenario.fixed_egress.iter().map(|net| net.parse().unwrap()).collect();
        let learnt = scenario.learnt_egress.iter().map(|address| Learnt {
            local: "192.0.2.9".parse().unwrap(),
            address: address.parse().unwrap(),
            from: "stun".into(),
            at: DateTime::UNIX_EPOCH,
        });
        let learnt: Vec<Learnt> = learnt.collect();
        let unknown = scenario.unknown_egress.iter();
        let unknown: Vec<_> = unknown.map(|why| Unknown { family: None, why: why.clone() }).collect();
        let socket = fixed.is_empty() && learnt.is_empty() && unknown.is_empty();
        Self {
            egress: Egress { socket, fixed, learnt, unknown, ..Egress::default() },
            vip: watched(ProbeName::of_vip(SERVICE, "192.0.2.201".parse().unwrap()), vip),
            nodes: (1..=3).map(node).collect(),
            proxies: (1..=3).map(proxy).collect(),
            board: Board::default(),
            outlook: Outlook {
                asks: scenario.round.iter().any(|round| round.targets.is_some()),
                ..Outlook::default()
            },
            vision: Vision::new(DateTime::UNIX_EPOCH),
            now: DateTime::UNIX_EPOCH,
            ids: 0,
        }
    }

    /// What the nodes said since the trouble with the VIP began.
    fn node_sights(&self) -> Vec<NodeSight<'_>> {
        let onset = self.vip.machine.onset().unwrap_or(self.now);
        let recent = |node: &Watched| {
            let (at, verdict) = node.last.as_ref()?;
            (*at >= onset).then_some(verdict.finding)
        };
        let sights = self.nodes.values().filter(|node| node.last.is_some());
        sights
            .map(|node| NodeSight { node: node.probe.subject.node().unwrap(), finding: recent(node) })
            .collect()
    }

    fn start_without_alerts(&mut self) {
        self.board = Board::default();
        let all = self.nodes.values_mut().chain(self.proxies.values_mut());
        all.chain([&mut self.vip]).for_each(|watched| watched.fresh = true);
    }

    fn watched(&self, of: Of<'_>) -> &Watched {
        match of {
            Of::Vip => &self.vip,
            Of::Node(n) => &self.nodes[n],
            Of::Proxy(n) => &self.proxies[n],
        }
    }

    /// Asks the connectivity targets.
    fn check(&mut self, targets: &[String]) {
        let answer = |(nth, word): (usize, &String)| {
            let failure = || Failure::new(word.parse().unwrap(), format!("({word})"));
            let heard = if word == "answered" { Ok(800) } else { Err(failure()) };
            Answer { target: format!("198.51.100.{nth}"), heard }
        };
        self.outlook.take(Check { at: self.now, answers: targets.iter().enumerate().map(answer).collect() });
    }

    /// What becomes of an observation before it is judged.
    fn at_the_gate(&self, of: Of<'_>, mut observation: Observation) -> Observation {
        let silent = connectivity::is_silent(&self.watched(of).probe, &observation);
        if let Some(check) = self.outlook.last.as_ref().filter(|_| silent && self.outlook.failing.is_some()) {
            connectivity::blame(&mut observation, &check.why_blind());
        }
        observation
    }

    /// Opens and ends the alert about a blind agent.
    fn look(&mut self) -> Changes {
        let all = std::iter::once(&self.vip).chain(self.nodes.values()).chain(self.proxies.values());
        let probes = all.map(|watched| (&watched.probe.name, TimeDelta::seconds(10)));
        if let Some(missed) = self.vision.step(&self.outlook, probes, self.now) {
            let over = self.board.remove_if(|alert| alert.key == Blindness::key());
            let end = |alert: Alert| (alert.clone(), missed.end(&alert, self.now));
            return Changes { resolved: over.into_iter().map(end).collect(), ..Changes::default() };
        }
        let Some(blind) = self.vision.blindness() else { return Changes::default() };
        let alert = || blind.alert("blind".into(), AlertKind::VantageBlind.severity(), self.now);
        self.board.raise(&Blindness::key(), alert)
    }

    /// Plays a round; gives what it opened and resolved.
    fn round(&mut self, of: Of<'_>, observation: Observation) -> (Vec<String>, Vec<String>) {
        let observation = self.at_the_gate(of, observation);
        let verdict = {
            let nodes = self.node_sights();
            let nodes = if matches!(of, Of::Vip) { &nodes[..] } else { &[] };
            let scene = Scene { egress: &self.egress, book: &book(), nodes, at: self.now };
            judge::observation(&self.watched(of).probe, &observation, &scene)
        };
        let now = self.now;
        let watched = match of {
            Of::Vip => &mut self.vip,
            Of::Node(n) => self.nodes.get_mut(n).unwrap(),
            Of::Proxy(n) => self.proxies.get_mut(n).unwrap(),
        };
        self.vision.round(&watched.probe.name, &verdict, now);
        let fresh = watched.fresh;
        watched.fresh &= verdict.state == State::Unknown;
        let transition = watched.machine.step(verdict.state, now, &watched.probe.rules, fresh);
        watched.last = Some((now, verdict));
        let mut board = std::mem::take(&mut self.board);
        let mut ids = self.ids;
        let new_id = || {
            ids += 1;
            ids.to_string()
        };
        let nodes: Vec<Known<'_>> = self.nodes.values().filter_map(Watched::known).collect();
        let this = self.watched(of).known().unwrap();
        let nodes = Nodes { known: &nodes, configured: self.nodes.len() };
        let mut changes = board.update(&this, transition.as_ref(), &nodes, fresh, new_id);
        (self.board, self.ids) = (board, ids);
        let of_vantage = self.look();
        changes.opened.extend(of_vantage.opened);
        changes.resolved.extend(of_vantage.resolved);
        let words = |alert: &Alert| {
            assert!(alert.since <= alert.opened_at && !alert.title.is_empty() && !alert.reason.is_empty());
            alert
                .node
                .as_ref()
                .map_or(alert.key.kind.to_string(), |node| format!("{} {node}", alert.key.kind))
        };
        let resolved = changes.resolved.iter().map(|(alert, resolution)| {
            assert!(!resolution.reason.is_empty());
            words(alert)
        });
        (changes.opened.iter().map(words).collect(), resolved.collect())
    }
}

fn play(scenario: &Scenario) {
    let mut stage = Stage::new(scenario);
    for (i, round) in scenario.round.iter().enumerate() {
        let place = format!("{}, round {}", scenario.story, i + 1);
        if round.board_lost {
            stage.start_without_alerts();
        }
        let (mut opened, mut resolved) = (Vec::new(), Vec::new());
        for _ in 0..round.times {
            stage.now += TimeDelta::seconds(round.after);
            let mut note = |(o, r): (Vec<String>, Vec<String>)| {
                opened.extend(o);
                resolved.extend(r);
            };
            if let Some(targets) = &round.targets {
                stage.check(targets);
            }
            match (&round.flows, &round.nodes, &round.proxies) {
                (Some(flows), None, None) => {
                    let flows: Vec<Flow> = flows.iter().map(|text| flow(text)).collect();
                    note(stage.round(Of::Vip, Observation::Flows(flows.into())));
                }
                (None, None, Some(answers)) => {
                    for (n, answer) in answers {
                        note(stage.round(Of::Proxy(n), Observation::ProxyHealth(proxy_health(answer))));
                    }
                }
                (None, Some(answers), None) => {
                    for (n, answer) in answers {
                        note(stage.round(Of::Node(n), Observation::NodeHealth(health(answer))));
                    }
                }
                _ => panic!("{place}: a round has flows, or nodes, or proxies"),
            }
        }
        let only = match (&round.nodes, &round.proxies) {
            (Some(answers), _) => answers.keys().next().map(|n| stage.watched(Of::Node(n))).unwrap(),
            (_, Some(answers)) => answers.keys().next().map(|n| stage.watched(Of::Proxy(n))).unwrap(),
            (None, None) => stage.watched(Of::Vip),
        };
        let (_, verdict) = only.last.as_ref().unwrap();
        if let Some(finding) = round.finding {
            assert_eq!(verdict.finding, finding, "{place}: {}", verdict.reason);
        }
        for part in round.reason_has.iter().flatten() {
            assert!(verdict.reason.contains(part), "{place}: {part:?} is not in {:?}", verdict.reason);
        }
        if let Some(part) = &round.remedy_has {
            assert!(
                verdict.remedy.as_ref().is_some_and(|remedy| remedy.contains(part)),
                "{place}: {:?}",
                verdict.remedy
            );
        }
        if let Some(cause) = round.cause {
            let found = verdict.cause.as_ref().map(|cause| cause.kind);
            assert_eq!(found, Some(cause), "{place}: {}: {:?}", verdict.reason, verdict.cause);
        }
        if let Some(part) = &round.cause_has {
            let text = verdict.cause.as_ref().map(|cause| cause.text.as_str()).unwrap_or_default();
            assert!(text.contains(part), "{place}: {part:?} is not in {text:?}");
        }
        if let Some(wanted) = &round.per_flow {
            let found: Vec<_> = verdict.evidence.iter().map(|flow| flow.finding).collect();
            assert_eq!(found, *wanted, "{place}: flow by flow");
        }
        if let Some(wanted) = &round.notes {
            let found: Vec<_> = verdict.notes.iter().map(|note| note.kind).collect();
            assert_eq!(found, *wanted, "{place}: notes");
        }
        if let Some(state) = round.state {
            assert_eq!(only.machine.state, state, "{place}: {}", verdict.reason);
        }
        let states: HashMap<_, _> =
            stage.nodes.iter().map(|(n, node)| (n.clone(), node.machine.state)).collect();
        for (n, state) in round.states.iter().flatten() {
            assert_eq!(states[n], *state, "{place}: node {n}");
        }
        assert_eq!(opened, round.opens, "{place}: opened");
        assert_eq!(resolved, round.resolves, "{place}: resolved");
    }
}

#[test]
fn every_scenario_plays_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/scenarios");
    let mut played = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario: Scenario =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        play(&scenario);
        played += 1;
    }
    assert!(played >= 20, "only {played} scenarios were found");
}
