//! A small installation without an agent: probes, state machines, the board, the dispatcher, and what a database would hold.
//!
//! [`Town::restart`] forgets everything but that, as a restart does.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Board, Changes, Known, Nodes, Scope, Severity, conditions},
    dispatch::{
        Circumstances, Dispatch, Dispatcher, Entry, Group, Held, Outgoing, Policy, Scene, Silence, Telling,
        Window,
    },
    notification::{Acknowledgement, Resolution},
    probe::{Probe, Subject},
    rule::Rules,
    state::{Machine, State},
    verdict::Verdict,
};

use words::{probe, sentence, verdict, words};

/// Seconds after the beginning.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

/// One probe and what is known of it.
struct Watched {
    probe: Probe,
    machine: Machine,
    last: Option<(DateTime<Utc>, Verdict)>,
    fresh: bool,
}

impl Watched {
    /// It is pointed at another port, or another path.
    fn retarget(&mut self) {
        match &mut self.probe.subject {
            Subject::Vip { address, .. } | Subject::Node { address, .. } => {
                address.set_port(address.port() + 1);
            }
            Subject::Host { target: path, .. } | Subject::Endpoint { url: path } => path.push_str("/other"),
        }
    }

    fn known(&self) -> Option<Known<'_>> {
        let (at, verdict) = self.last.as_ref()?;
        Some(Known { probe: &self.probe, machine: &self.machine, verdict, at: *at })
    }
}

/// What a database would hold.
#[derive(Default)]
struct Database {
    /// By probe: its target and its machine.
    machines: BTreeMap<String, (String, String)>,
    /// Alerts by id, with whether they are open, and how far telling of them has come.
    alerts: BTreeMap<String, (String, bool, Option<String>)>,
    groups: BTreeMap<String, String>,
    silences: BTreeMap<String, String>,
}

pub(crate) struct Town {
    pub(crate) rules: Rules,
    pub(crate) labels: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) policy: Policy,
    pub(crate) now: DateTime<Utc>,
    windows: Vec<Window>,
    watched: BTreeMap<String, Watched>,
    board: Board,
    dispatcher: Dispatcher,
    database: Database,
    next: Option<DateTime<Utc>>,
    ids: u32,
    told: Vec<Outgoing>,
    /// Alerts that ended while something muted them.
    pub(crate) unheard: BTreeSet<String>,
}

impl Town {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            rules: Rules::uniform(2, 2, TimeDelta::minutes(10)),
            labels: BTreeMap::new(),
            policy,
            now: at(0),
            windows: Vec::new(),
            watched: BTreeMap::new(),
            board: Board::default(),
            dispatcher: Dispatcher::default(),
            database: Database::default(),
            next: None,
            ids: 0,
            told: Vec::new(),
            unheard: BTreeSet::new(),
        }
    }

    /// Lets time pass, and what is due happen when it is due.
    pub(crate) fn wait(
        &mut self,
        until: DateTime<Utc>,
        windows: impl Fn(DateTime<Utc>) -> (Vec<Window>, Option<DateTime<Utc>>),
    ) {
        loop {
            let change = windows(self.now).1;
            match self.next.into_iter().chain(change).filter(|due| *due <= until).min() {
                Some(due) => self.now = self.now.max(due),
                None => break,
            }
            self.windows = windows(self.now).0;
            self.tend();
        }
        self.now = until;
        self.windows = windows(until).0;
    }

    pub(crate) fn watches(&self, name: &str) -> bool {
        self.watched.contains_key(name)
    }

    /// The agent is killed and started again. These probes were gone, and are configured again.
    pub(crate) fn restart(&mut self, back: &[String]) {
        for name in back {
            self.watch(name);
        }
        self.board = Board::default();
        let mut entries = Vec::new();
        for (alert, open, telling) in self.database.alerts.values() {
            let alert: Alert = serde_json::from_str(alert).unwrap();
            let telling: Option<Telling> = telling.as_ref().map(|text| serde_json::from_str(text).unwrap());
            if *open {
                assert_eq!(self.board.remember(alert.clone()), None);
            }
            if let Some(telling) = telling.filter(|telling| *open || telling.end.is_some()) {
                entries.push(Entry { alert, telling });
            }
        }
        for (name, watched) in &mut self.watched {
            let (target, machine) = &self.database.machines[name];
            let past: Machine = serde_json::from_str(machine).unwrap();
            if *target == watched.probe.subject.target() {
                watched.machine = self.board.resume(&watched.probe, past, self.now);
            } else {
                watched.machine = Machine::default();
                self.board.hand_over(&watched.probe, &past, &mut watched.machine);
            }
            watched.fresh = true;
        }
        let groups = self.database.groups.iter();
        let groups: Vec<(String, Group)> =
            groups.map(|(name, text)| (name.clone(), serde_json::from_str(text).unwrap())).collect();
        let silences: Vec<Silence> =
            self.database.silences.values().map(|text| serde_json::from_str(text).unwrap()).collect();
        self.dispatcher = Dispatcher::default();
        self.dispatcher.remember(entries, groups, silences);
        self.tend();
    }

    /// Another configuration is loaded: the rules and the policy are others already, these probes are gone, and those are
    /// pointed at another target. What is probed by other rules has to be confirmed anew.
    pub(crate) fn reload(&mut self, gone: &[String], retargeted: &[String]) {
        for name in gone {
            assert!(self.watched.remove(name).is_some(), "there is no {name}");
        }
        for name in retargeted {
            let watched = self.watched.get_mut(name).unwrap_or_else(|| panic!("there is no {name}"));
            watched.retarget();
            let past = std::mem::take(&mut watched.machine);
            self.board.hand_over(&watched.probe, &past, &mut watched.machine);
            (watched.last, watched.fresh) = (None, true);
            let of_probe = |entry: &&Entry| entry.alert.probe == *name;
            let open: Vec<Entry> = self.dispatcher.open_alerts().filter(of_probe).cloned().collect();
            self.dispatcher.remember(open, [], []);
        }
        for watched in self.watched.values_mut() {
            let rules = Rules { down: watched.probe.rules.down, ..self.rules.clone() };
            watched.fresh |= rules != watched.probe.rules;
            watched.probe.rules = rules;
        }
        let known = |alert: &Alert| match alert.key.kind.scope() {
            Scope::Probe => self.watched.contains_key(&alert.key.subject),
            Scope::Service => self.watched.values().any(|watched| {
                let subject = &watched.probe.subject;
                subject.node().is_some() && subject.service() == Some(&alert.key.subject)
            }),
            Scope::Vantage => true,
        };
        let over = self.board.remove_if(|alert| !known(alert)).into_iter();
        let end = |alert: Alert| {
            let resolution = Resolution::by_removal(&alert, self.now);
            (alert, resolution)
        };
        let resolved = over.map(end).collect();
        self.take(Changes { opened: Vec::new(), resolved });
        self.tend();
    }

    /// A round of `probe`, as `telling.rs` writes it.
    pub(crate) fn round(&mut self, name: &str, round: &str) {
        let (word, notes) = round.split_once(", ").unwrap_or((round, ""));
        let now = self.now;
        let watched = self.watch(name);
        let verdict = verdict(&watched.probe, word, notes);
        let fresh = watched.fresh;
        watched.fresh &= verdict.state == State::Unknown;
        let transition = watched.machine.step(verdict.state, now, &watched.probe.rules, fresh);
        watched.last = Some((now, verdict));
        let configured = self.nodes(&self.watched[name].probe).count();
        let noted = {
            let this = self.watched[name].known().unwrap();
            let nodes: Vec<_> = self.nodes(this.probe).filter_map(Watched::known).collect();
            let nodes = Nodes { known: &nodes, configured };
            conditions(&this, &nodes).collect::<Vec<_>>()
        };
        let watched = self.watched.get_mut(name).unwrap();
        let rules = watched.probe.rules.clone();
        for (kind, holds) in noted {
            watched.machine.take_note(kind, holds, now, &rules, fresh);
        }
        let row = (watched.probe.subject.target(), serde_json::to_string(&watched.machine).unwrap());
        self.database.machines.insert(name.to_owned(), row);
        let mut board = std::mem::take(&mut self.board);
        let changes = {
            let this = self.watched[name].known().unwrap();
            let nodes: Vec<_> = self.nodes(this.probe).filter_map(Watched::known).collect();
            let nodes = Nodes { known: &nodes, configured };
            let mut ids = self.ids;
            let new_id = || {
                ids += 1;
                format!("{ids:06}")
            };
            let changes = board.update(&this, transition.as_ref(), &nodes, fresh, new_id);
            self.ids = ids;
            changes
        };
        self.board = board;
        self.take(changes);
        let mut dispatcher = std::mem::take(&mut self.dispatcher);
        let this = self.watched[name].known().unwrap();
        let nodes: Vec<_> = self.nodes(this.probe).filter_map(Watched::known).collect();
        dispatcher.judged(&this, &Nodes { known: &nodes, configured });
        self.dispatcher = dispatcher;
    }

    fn watch(&mut self, name: &str) -> &mut Watched {
        let rules = self.rules.clone();
        let labels = self.labels.get(name).cloned().unwrap_or_default();
        self.watched.entry(name.to_owned()).or_insert_with(|| Watched {
            probe: probe(name, rules, labels),
            machine: Machine::default(),
            last: None,
            fresh: true,
        })
    }

    fn take(&mut self, changes: Changes) {
        for (alert, resolution) in changes.resolved {
            let windows = std::mem::take(&mut self.windows);
            let scene = scene(&self.policy, &windows, self.now);
            let telling = self.dispatcher.resolved(&alert, &resolution, &scene);
            self.windows = windows;
            let row = self.database.alerts.get_mut(&alert.id).expect("an alert that was never written");
            assert!(row.1, "{} was resolved twice", alert.id);
            row.1 = false;
            match telling {
                Some(telling) => row.2 = Some(serde_json::to_string(&telling).unwrap()),
                None => drop(self.unheard.insert(alert.id)),
            }
        }
        for alert in changes.opened {
            self.dispatcher.opened(&alert, self.circumstances(&alert));
            let telling =
                self.dispatcher.telling(&alert.id).map(|telling| serde_json::to_string(telling).unwrap());
            let row = (serde_json::to_string(&alert).unwrap(), true, telling);
            self.database.alerts.insert(alert.id.clone(), row);
        }
    }

    /// VIPs are served by node-1 here.
    fn circumstances(&self, alert: &Alert) -> Circumstances {
        let is_failing = |watched: &Watched| {
            watched.machine.pending(&watched.probe.rules).is_some_and(|(to, ..)| to != State::Up)
        };
        let node = |watched: &Watched| watched.probe.subject.node().unwrap_or("node-1").to_owned();
        let awaited = match alert.key.kind {
            AlertKind::Unreachable => self.watched.get("node-1").is_some_and(is_failing),
            AlertKind::NodeDown => {
                let mut others = self.watched.values().filter(|other| Some(node(other)) == alert.node);
                others.any(is_failing)
            }
            _ => false,
        };
        Circumstances {
            served_by: vec!["node-1".into()],
            company_until: awaited.then(|| self.now + TimeDelta::seconds(20)),
        }
    }

    /// What the connectivity gate does.
    pub(crate) fn blind(&mut self, blind: bool) {
        let key = AlertKey::of_vantage(AlertKind::VantageBlind, "connectivity");
        let now = self.now;
        let changes = if blind {
            self.ids += 1;
            let id = format!("{:06}", self.ids);
            let alert = || Alert::of_vantage(id, key.clone(), Severity::Critical, now, now);
            self.board.raise(&key, alert)
        } else {
            let over = self.board.remove_if(|alert| alert.key == key);
            let end = |alert: Alert| {
                let resolution = Resolution::because(&alert, "It can see again.".into(), now);
                (alert, resolution)
            };
            Changes { opened: Vec::new(), resolved: over.into_iter().map(end).collect() }
        };
        self.take(changes);
        if blind {
            self.dispatcher.confirmed(&key);
        }
        self.tend();
    }

    pub(crate) fn tend(&mut self) {
        let windows = std::mem::take(&mut self.windows);
        let dispatch = self.dispatcher.tend(&scene(&self.policy, &windows, self.now));
        self.windows = windows;
        self.carry_out(dispatch);
    }

    fn carry_out(&mut self, dispatch: Dispatch) {
        for (id, telling) in dispatch.tellings {
            let row = self.database.alerts.get_mut(&id).expect("an alert that was never written");
            row.2 = Some(serde_json::to_string(&telling).unwrap());
        }
        for (name, group) in dispatch.groups {
            match group {
                Some(group) => {
                    drop(self.database.groups.insert(name, serde_json::to_string(&group).unwrap()));
                }
                None => drop(self.database.groups.remove(&name)),
            }
        }
        for (id, silence) in dispatch.silences {
            match silence {
                Some(silence) => {
                    drop(self.database.silences.insert(id, serde_json::to_string(&silence).unwrap()));
                }
                None => drop(self.database.silences.remove(&id)),
            }
        }
        self.told.extend(dispatch.outgoing);
        self.next = dispatch.next;
    }

    pub(crate) fn acknowledge(&mut self, text: &str, by: Acknowledgement) -> bool {
        let found = self.dispatcher.open_alerts().find(|entry| words(&entry.alert) == text);
        let Some(id) = found.map(|entry| entry.alert.id.clone()) else { return false };
        let windows = std::mem::take(&mut self.windows);
        let dispatch = self.dispatcher.acknowledge(&id, by, &scene(&self.policy, &windows, self.now));
        self.windows = windows;
        dispatch.map(|dispatch| self.carry_out(dispatch)).is_some()
    }

    /// Acknowledges one of the open alerts, if there is one.
    pub(crate) fn acknowledge_any(&mut self, n: usize) {
        let open: Vec<String> = self.dispatcher.open_alerts().map(|entry| words(&entry.alert)).collect();
        if let Some(text) = open.get(n % open.len().max(1)) {
            let by = Acknowledgement { by: "kim".into(), comment: String::new(), at: self.now };
            assert!(self.acknowledge(text, by));
        }
    }

    pub(crate) fn silence(&mut self, silence: Silence) {
        self.database.silences.insert(silence.id.clone(), serde_json::to_string(&silence).unwrap());
        self.dispatcher.silence(silence);
        self.tend();
    }

    pub(crate) fn unsilence(&mut self, id: &str) -> bool {
        self.database.silences.remove(id);
        let ended = self.dispatcher.end_silence(id).is_some();
        self.tend();
        ended
    }

    /// What was told since this was asked last.
    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.told)
    }

    pub(crate) fn take_told(&mut self) -> Vec<String> {
        self.take_outgoing()
            .iter()
            .map(|out| format!("{} {}", out.receiver, sentence(&out.notification)))
            .collect()
    }

    pub(crate) fn held(&self) -> Vec<String> {
        let held = self.dispatcher.held_alerts(&scene(&self.policy, &self.windows, self.now));
        let why = |held: &Held| match held {
            Held::Inhibited { by, .. } => {
                let by = self.dispatcher.open_alerts().find(|entry| entry.alert.id == *by).unwrap();
                format!("inhibited by {}", words(&by.alert))
            }
            Held::Maintenance { window, until } => {
                format!("{window} until {}", (*until - at(0)).num_seconds())
            }
            Held::Silenced { silence, until, .. } => {
                format!("silence {silence} until {}", (*until - at(0)).num_seconds())
            }
            Held::Unsure => "unsure".to_owned(),
            Held::Gathered { until } => format!("gathered until {}", (*until - at(0)).num_seconds()),
        };
        let entry = |id: &str| self.dispatcher.open_alerts().find(|entry| entry.alert.id == id).unwrap();
        held.iter().map(|(id, held)| format!("{}: {}", words(&entry(id).alert), why(held))).collect()
    }

    /// Alerts that the database knows, and whether they are open.
    pub(crate) fn alerts(&self) -> impl Iterator<Item = (&str, bool)> {
        self.database.alerts.iter().map(|(id, (_, open, _))| (id.as_str(), *open))
    }

    /// Whether nothing is remembered that only mattered while alerts were open.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.database.groups.is_empty() && self.database.silences.is_empty()
    }

    /// The nodes of the service that a node's probe belongs to.
    fn nodes(&self, probe: &Probe) -> impl Iterator<Item = &Watched> {
        let service = match &probe.subject {
            Subject::Node { service, .. } => Some(service.clone()),
            _ => None,
        };
        let same = move |other: &&Watched| match &other.probe.subject {
            Subject::Node { service: of, .. } => Some(of) == service.as_ref(),
            _ => false,
        };
        self.watched.values().filter(same)
    }
}

fn scene<'a>(policy: &'a Policy, windows: &'a [Window], now: DateTime<Utc>) -> Scene<'a> {
    Scene { policy, windows, vantage: "test", page: "http://192.0.2.9/", now }
}
