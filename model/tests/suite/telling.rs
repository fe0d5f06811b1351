//! Runs every `tellings/*.toml`: rounds in, notifications out, through the state machines, the board and the dispatcher.
//!
//! A scenario has a `story`, what is configured, and `[[step]]`s. A step begins `after` seconds after the one before (10 where
//! it does not say; by a clock that is set to `clock`), loads another configuration (`reload`: what it names is that from now on,
//! `gone` are probes that are taken out, `retargeted` those that are pointed at another target), plays its `rounds` (`times` over),
//! and lists in `told` what receivers are told until the next step, as
//! `receiver event kind subject`, with the companions behind a plus sign (`+`), or `>` where they are consequences; `held` lists
//! what is open and untold, as `kind subject: why`.
//!
//! Probes come into being by being named: `ns/name` is the VIP of a service, `ns/name node-1` its health check node port
//! on a node, `node-1` the node itself, anything else an endpoint. A round is the word of a state; of a node: `ready`,
//! `idle`, `silent`, `closed`; and what it notes, after a comma.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use vipwatch_model::{
    alert::AlertKind,
    dispatch::{Extent, Inhibition, Matcher, Policy, Route, Silence, Window},
    notification::Acknowledgement,
    rule::{Flapping, Rule, Rules},
};

use crate::town::{Town, at};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    story: String,
    #[serde(default)]
    alert_after: Option<u32>,
    #[serde(default)]
    resolve_after: Option<u32>,
    #[serde(default)]
    group_wait: i64,
    #[serde(default)]
    group_window: i64,
    #[serde(default)]
    repeat_every: Option<i64>,
    #[serde(default)]
    min_healthy_nodes: u32,
    #[serde(default)]
    flapping: bool,
    #[serde(default)]
    receivers: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, BTreeMap<String, String>>,
    /// Per kind: how many rounds, among how many, for how many seconds.
    #[serde(default)]
    rules: BTreeMap<AlertKind, OwnRule>,
    #[serde(default)]
    route: Vec<OwnRoute>,
    #[serde(default)]
    inhibit: Vec<OwnInhibition>,
    #[serde(default)]
    maintenance: Vec<OwnWindow>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnRule {
    rounds: Option<u32>,
    of: Option<u32>,
    lasting: Option<i64>,
    resolve_after: Option<u32>,
    enabled: Option<bool>,
    severity: Option<vipwatch_model::alert::Severity>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnRoute {
    #[serde(default)]
    matcher: Matcher,
    receivers: Vec<String>,
    #[serde(default)]
    goes_on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnInhibition {
    source: AlertKind,
    targets: Vec<AlertKind>,
    extent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnWindow {
    name: String,
    from: i64,
    to: i64,
    #[serde(default)]
    matcher: Matcher,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(default = "ten")]
    after: i64,
    #[serde(default = "once")]
    times: u32,
    /// What the clock is set to, from one moment to the next.
    clock: Option<i64>,
    #[serde(default)]
    rounds: BTreeMap<String, String>,
    #[serde(default)]
    restart: bool,
    /// Probes that were gone, and are configured again at the restart.
    #[serde(default)]
    back: Vec<String>,
    reload: Option<Reload>,
    /// Acknowledges the open alert that is written like this.
    acknowledge: Option<String>,
    silence: Option<OwnSilence>,
    /// Ends the silence of this id.
    unsilence: Option<String>,
    /// The agent cannot see, from now on; or it can again.
    blind: Option<bool>,
    #[serde(default)]
    told: Vec<String>,
    held: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnSilence {
    id: String,
    seconds: i64,
    #[serde(default)]
    matcher: Matcher,
}

/// What another configuration says; what it does not name stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reload {
    receivers: Option<Vec<String>>,
    route: Option<Vec<OwnRoute>>,
    rules: Option<BTreeMap<AlertKind, OwnRule>>,
    #[serde(default)]
    gone: Vec<String>,
    #[serde(default)]
    retargeted: Vec<String>,
}

impl Reload {
    fn load(&self, town: &mut Town) {
        if let Some(receivers) = &self.receivers {
            town.policy.receivers.clone_from(receivers);
        }
        if let Some(route) = &self.route {
            town.policy.routes = routes(route);
        }
        if let Some(own) = &self.rules {
            town.rules.own = rules(own, &town.rules);
        }
        town.reload(&self.gone, &self.retargeted);
    }
}

fn routes(own: &[OwnRoute]) -> Vec<Route> {
    let route = |own: &OwnRoute| Route {
        matcher: own.matcher.clone(),
        receivers: own.receivers.clone(),
        goes_on: own.goes_on,
    };
    own.iter().map(route).collect()
}

fn rules(own: &BTreeMap<AlertKind, OwnRule>, base: &Rules) -> Arc<BTreeMap<AlertKind, Rule>> {
    let rule = |(kind, own): (&AlertKind, &OwnRule)| {
        let base = base.base(*kind);
        let rounds = own.rounds.unwrap_or(base.rounds);
        let rule = Rule {
            enabled: own.enabled.unwrap_or(true),
            severity: own.severity.unwrap_or(base.severity),
            rounds,
            of: own.of.unwrap_or(rounds),
            lasting: own.lasting.map_or(base.lasting, TimeDelta::seconds),
            resolve_after: own.resolve_after.unwrap_or(base.resolve_after),
        };
        (*kind, rule)
    };
    Arc::new(own.iter().map(rule).collect())
}

fn ten() -> i64 {
    10
}

fn once() -> u32 {
    1
}

impl Scenario {
    fn town(&self) -> Town {
        let inhibit = self.inhibit.iter().map(|own| Inhibition {
            source: own.source,
            targets: own.targets.clone(),
            extent: match own.extent.as_str() {
                "probe" => Extent::Probe,
                "node" => Extent::Node,
                "service" => Extent::Service,
                "vantage" => Extent::Vantage,
                other => panic!("{other:?} is no extent"),
            },
        });
        let receivers =
            if self.receivers.is_empty() { vec!["ops".to_owned()] } else { self.receivers.clone() };
        let mut town = Town::new(Policy {
            receivers,
            routes: routes(&self.route),
            inhibitions: Inhibition::defaults().into_iter().chain(inhibit).collect(),
            group_wait: TimeDelta::seconds(self.group_wait),
            group_window: TimeDelta::seconds(self.group_window),
            repeat_every: self.repeat_every.map(TimeDelta::seconds),
        });
        town.rules.alert_after = self.alert_after.unwrap_or(2);
        town.rules.resolve_after = self.resolve_after.unwrap_or(2);
        town.rules.min_healthy_nodes = self.min_healthy_nodes;
        town.rules.flapping = if self.flapping { Flapping::default() } else { Flapping::OFF };
        town.rules.own = rules(&self.rules, &town.rules);
        town.labels.clone_from(&self.labels);
        town
    }

    fn windows(&self, now: DateTime<Utc>) -> (Vec<Window>, Option<DateTime<Utc>>) {
        let open = self
            .maintenance
            .iter()
            .filter(|own| at(own.from) <= now && now < at(own.to))
            .map(|own| Window { name: own.name.clone(), matcher: own.matcher.clone(), until: at(own.to) });
        let change =
            self.maintenance.iter().flat_map(|own| [at(own.from), at(own.to)]).filter(|at| *at > now);
        (open.collect(), change.min())
    }

    fn play(&self) -> Result<(), String> {
        let mut town = self.town();
        let mut told: Vec<String> = Vec::new();
        for (i, step) in self.step.iter().enumerate() {
            let place = format!("{}, step {}", self.story, i + 1);
            if let Some(seconds) = step.clock {
                town.now = at(seconds);
            }
            if step.restart {
                town.restart(&step.back);
            }
            if let Some(reload) = &step.reload {
                reload.load(&mut town);
            }
            if let Some(text) = &step.acknowledge {
                let by = Acknowledgement { by: "kim".into(), comment: "on it".into(), at: town.now };
                assert!(town.acknowledge(text, by), "{place}: {text:?} is not open");
            }
            if let Some(own) = &step.silence {
                let until = town.now + TimeDelta::seconds(own.seconds);
                town.silence(Silence {
                    id: own.id.clone(),
                    matcher: own.matcher.clone(),
                    from: town.now,
                    until,
                    asked_from: None,
                    by: "kim".into(),
                    comment: String::new(),
                });
            }
            if let Some(id) = &step.unsilence {
                assert!(town.unsilence(id), "{place}: there is no silence {id:?}");
            }
            if let Some(blind) = step.blind {
                town.blind(blind);
            }
            for _ in 0..step.times {
                let until = town.now + TimeDelta::seconds(step.after);
                town.wait(until, |now| self.windows(now));
                for (probe, round) in &step.rounds {
                    town.round(probe, round);
                    town.tend();
                }
            }
            told.extend(town.take_told());
            let mut expected = step.told.clone();
            expected.sort();
            let mut actual = std::mem::take(&mut told);
            actual.sort();
            if actual != expected {
                return Err(format!("{place}: told {actual:#?}, not {expected:#?}"));
            }
            let held = town.held();
            if step.held.as_ref().is_some_and(|expected| *expected != held) {
                return Err(format!("{place}: held {held:#?}"));
            }
        }
        Ok(())
    }
}

#[test]
fn every_scenario_is_told_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/tellings");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10);
    let faults = files.iter().filter_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        let scenario: Result<Scenario, _> = toml::from_str(&text);
        let played = scenario.map_err(|error| error.to_string()).and_then(|scenario| scenario.play());
        played.err().map(|fault| format!("{}: {fault}", file.file_name().unwrap().display()))
    });
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
