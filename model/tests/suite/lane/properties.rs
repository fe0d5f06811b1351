//! Whatever happens in whatever order: nothing is lost, nothing is told in the wrong order, and nothing with two meanings.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::TimeDelta;
use proptest::prelude::*;
use vipwatch_model::{
    alert::Event,
    delivery::{Delivery, DeliveryState},
    lane::{Manner, RateLimit, Reply, Step},
    notification::Notification,
};

use super::rig::{Rig, Stored, TAKEN, acknowledged, later, opened, refused, reminder, resolved};

#[derive(Debug, Clone)]
enum Happening {
    /// So many alerts are opened and told together.
    Open(usize),
    /// An open alert is told again, or taken on.
    Remind(usize),
    Acknowledge(usize),
    /// So many of the open alerts are over.
    Resolve(usize, usize),
    /// Whatever is due is begun.
    Begin,
    /// What was begun is over; the receiver has it, and perhaps its answer is lost.
    Taken {
        answered: bool,
    },
    Fail,
    Refuse,
    /// Dead letters are put back, every one or every second or ..
    PutBack(usize),
    /// What was decided is written.
    Write,
    /// The database reads, and the lane hears of it.
    Read,
    Hear,
    Pass(i64),
    /// Killed and started again, while the receiver may have taken what was begun.
    Kill {
        taken: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (1..4usize).prop_map(Happening::Open),
        1 => any::<usize>().prop_map(Happening::Remind),
        1 => any::<usize>().prop_map(Happening::Acknowledge),
        3 => (any::<usize>(), 1..3usize).prop_map(|(which, many)| Happening::Resolve(which, many)),
        8 => Just(Happening::Begin),
        6 => any::<bool>().prop_map(|answered| Happening::Taken { answered }),
        3 => Just(Happening::Fail),
        1 => Just(Happening::Refuse),
        1 => (1..4usize).prop_map(Happening::PutBack),
        6 => Just(Happening::Write),
        4 => Just(Happening::Read),
        4 => Just(Happening::Hear),
        3 => (1..20i64).prop_map(Happening::Pass),
        1 => (600..4000i64).prop_map(Happening::Pass),
        1 => any::<bool>().prop_map(|taken| Happening::Kill { taken }),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let limit = (1..4u32, 1..60u64)
        .prop_map(|(notifications, seconds)| RateLimit { notifications, per: Duration::from_secs(seconds) });
    (proptest::option::of(limit), any::<bool>()).prop_map(|(limit, digests)| Manner { limit, digests })
}

/// The lane's rig, the receiver at its other end, and what is open.
struct World {
    rig: Rig,
    in_flight: Option<Delivery>,
    open: Vec<String>,
    alerts: usize,
    reminders: u32,
    /// What the receiver has, in order.
    has: Vec<Notification>,
    documents: BTreeMap<String, Notification>,
    /// What the receiver refused for good, be it once.
    given_up: BTreeSet<(String, Event)>,
    /// Whose end it has, as the lane knows.
    over: BTreeSet<String>,
}

impl World {
    fn happens(&mut self, happening: &Happening) {
        match *happening {
            Happening::Open(many) => {
                let fresh: Vec<_> = (0..many).map(|i| format!("a{}", self.alerts + i)).collect();
                self.alerts += many;
                self.rig.accept(opened(&names(&fresh)));
                self.open.extend(fresh);
            }
            Happening::Remind(which) if !self.open.is_empty() => {
                self.reminders += 1;
                let alert = &self.open[which % self.open.len()];
                self.rig.accept(reminder(&[alert], self.reminders));
            }
            Happening::Acknowledge(which) if !self.open.is_empty() => {
                let alert = &self.open[which % self.open.len()];
                let known = format!("{alert}-acknowledged");
                if self.rig.rows.iter().all(|row| row.delivery.key.notification != known) {
                    self.rig.accept(acknowledged(&[alert]));
                }
            }
            Happening::Resolve(which, many) if !self.open.is_empty() => {
                let from = which % self.open.len();
                let to = (from + many).min(self.open.len());
                let over: Vec<_> = self.open.drain(from..to).collect();
                self.rig.accept(resolved(&names(&over)));
            }
            Happening::Begin => match (self.rig.step(), &self.in_flight) {
                (Step::Attempt(delivery), None) => self.in_flight = Some(delivery),
                (Step::Attempt(second), Some(first)) => panic!("two at once: {first:?} and {second:?}"),
                _ => {}
            },
            Happening::Taken { answered } => {
                self.end(true, if answered { TAKEN } else { later("no reply in time") });
            }
            Happening::Fail => self.end(false, later("HTTP 500")),
            Happening::Refuse => self.end(false, refused("HTTP 400")),
            Happening::PutBack(nth) => {
                let dead = self.rig.rows.iter().filter(|row| row.state == DeliveryState::Dead);
                let dead: Vec<_> = dead.map(|row| row.delivery.key.notification.clone()).collect();
                self.rig.put_back(&dead.iter().step_by(nth).map(String::as_str).collect::<Vec<_>>());
            }
            Happening::Write => self.rig.write(),
            Happening::Read => self.rig.read(),
            Happening::Hear => self.rig.hear(),
            Happening::Pass(seconds) => self.rig.now += TimeDelta::seconds(seconds),
            Happening::Kill { taken } => {
                let cut_off = self.in_flight.take();
                if let Some(delivery) = cut_off.filter(|_| taken) {
                    self.take(&delivery);
                }
                self.rig.restart();
                let rows = &self.rig.rows;
                let waits = |alert: &String| {
                    rows.iter()
                        .any(|row| row.state == DeliveryState::Pending && row.delivery.alerts.contains(alert))
                };
                // Whoever put something back went by what was written then, and nobody knows more after a kill.
                self.over.retain(|alert| rows.iter().any(|row| is_written_end(row, alert)) && !waits(alert));
            }
            Happening::Remind(_) | Happening::Acknowledge(_) | Happening::Resolve(..) => {}
        }
        assert!(self.rig.held() <= 2 * ROOM + 1, "{} are held", self.rig.held());
    }

    fn end(&mut self, takes: bool, reply: Reply) {
        let Some(delivery) = self.in_flight.take() else { return };
        if takes {
            self.take(&delivery);
        }
        if reply == TAKEN {
            let told: Notification = serde_json::from_str(&delivery.document).unwrap();
            let ends = events(&told).into_iter().filter(|(_, event)| *event == Event::Resolved);
            self.over.extend(ends.map(|(alert, _)| alert.to_owned()));
        }
        if matches!(reply, Reply::Refused { .. }) {
            self.given_up.extend(delivery.alerts.iter().map(|alert| (alert.clone(), delivery.event)));
        }
        self.rig.end(delivery, reply);
    }

    /// The receiver has it.
    fn take(&mut self, delivery: &Delivery) {
        let told: Notification = serde_json::from_str(&delivery.document).unwrap();
        let key = told.idempotency_key.clone();
        let before = self.documents.insert(key.clone(), told.clone());
        assert!(before.is_none_or(|before| self.mean_the_same(&before, &told)), "{key} has two meanings");
        for (alert, event) in events(&told) {
            let knows = |what| self.has.iter().any(|told| events(told).contains(&(alert, what)));
            match event {
                Event::Resolved => {
                    assert!(
                        knows(Event::Opened) || says_superseded(&told, alert),
                        "{alert} is told to be over and was never told"
                    );
                }
                _ => assert!(
                    // What was put back goes by the answers that are known.
                    !knows(Event::Resolved) || (self.gave_up(alert, event) && !self.over.contains(alert)),
                    "{alert} is told as {event} after its end"
                ),
            }
        }
        self.has.push(told);
    }

    fn gave_up(&self, alert: &str, event: Event) -> bool {
        self.given_up.contains(&(alert.to_owned(), event))
    }

    /// Whether two attempts at the same notification tell the same. An end may come to say that the opening was left out, and what
    /// was put back may come to tell of fewer alerts.
    fn mean_the_same(&self, before: &Notification, now: &Notification) -> bool {
        let put_back = |(alert, event): &(&str, Event)| self.gave_up(alert, *event);
        match now.event {
            Event::Resolved => events(before) == events(now),
            Event::Digest => before == now,
            _ => before == now || events(now).iter().all(put_back),
        }
    }

    /// The receiver takes everything from now on.
    fn recover(&mut self) {
        (self.rig.writes, self.rig.reads) = (true, true);
        self.end(true, TAKEN);
        self.rig.read();
        self.rig.write();
        for _ in 0..10_000 {
            match self.rig.step() {
                Step::Attempt(delivery) => {
                    self.in_flight = Some(delivery);
                    self.end(true, TAKEN);
                }
                Step::Wait(until) => {
                    assert!(until > self.rig.now, "it would wait for what is past");
                    self.rig.now = until;
                }
                Step::Idle => return,
                Step::Write(_) => unreachable!("the rig writes"),
            }
        }
        panic!("it never comes to an end");
    }

    /// Every delivery has come to an end that the receiver can know of.
    fn account(&self) {
        let has: BTreeSet<_> = self.has.iter().map(|told| told.idempotency_key.as_str()).collect();
        for row in &self.rig.rows {
            let delivery = &row.delivery;
            let key = delivery.key.notification.as_str();
            match row.state {
                DeliveryState::Pending => panic!("{key} still waits"),
                DeliveryState::Dead => {}
                DeliveryState::Delivered => {
                    let in_a_digest = delivery.digest.as_deref().is_some_and(|digest| has.contains(digest));
                    assert!(has.contains(key) || in_a_digest, "{key} was not delivered");
                }
                DeliveryState::Superseded if delivery.event == Event::Opened => {
                    for alert in &delivery.alerts {
                        assert!(
                            self.gave_up(alert, Event::Opened) || self.end_says_superseded(alert),
                            "{key} was left out without a word of {alert}"
                        );
                    }
                }
                DeliveryState::Superseded => {}
            }
        }
        assert_eq!(self.rig.lane.pending(), 0);
    }

    fn end_says_superseded(&self, alert: &str) -> bool {
        let is_end = |row: &&Stored| {
            row.delivery.event == Event::Resolved && row.delivery.alerts.iter().any(|id| id == alert)
        };
        let end = self.rig.rows.iter().find(is_end).unwrap();
        says_superseded(&serde_json::from_str(&end.delivery.document).unwrap(), alert)
    }
}

/// Whether `told` says of the end of `alert` that its opening was not delivered.
fn says_superseded(told: &Notification, alert: &str) -> bool {
    let also = told.also.iter().map(|also| (&also.alert, &also.resolution));
    let mut all = also.chain([(&told.alert, &told.resolution)]);
    all.any(|(told, resolution)| {
        told.id == alert && resolution.as_ref().is_some_and(|resolution| resolution.superseded)
    })
}

/// Whether the end of `alert` is known to have been told, after a restart, too.
fn is_written_end(row: &Stored, alert: &str) -> bool {
    let is_end = row.delivery.event == Event::Resolved && row.delivery.alerts.iter().any(|id| id == alert);
    is_end && row.state == DeliveryState::Delivered
}

/// What is told of which alert.
fn events(told: &Notification) -> Vec<(&str, Event)> {
    let also = told.also.iter().map(|also| (also.alert.id.as_str(), also.event));
    also.chain([(told.alert.id.as_str(), told.alert_event.unwrap_or(told.event))]).collect()
}

fn names(alerts: &[String]) -> Vec<&str> {
    alerts.iter().map(String::as_str).collect()
}

const ROOM: usize = 6;

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_told_in_the_wrong_order(
        manner in manner(),
        prompt in any::<bool>(),
        story in proptest::collection::vec(happening(), 1..120),
    ) {
        let mut rig = Rig::with_room(manner, ROOM);
        (rig.writes, rig.reads) = (prompt, prompt);
        let mut world = World {
            rig,
            in_flight: None,
            open: Vec::new(),
            alerts: 0,
            reminders: 0,
            has: Vec::new(),
            documents: BTreeMap::new(),
            given_up: BTreeSet::new(),
            over: BTreeSet::new(),
        };
        for happening in &story {
            world.happens(happening);
        }
        world.recover();
        world.account();
    }
}
