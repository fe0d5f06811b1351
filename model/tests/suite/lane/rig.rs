//! A lane with a database and a clock that are plain data.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Event, Severity},
    delivery::{Delivery, DeliveryState},
    lane::{Decision, Lane, Manner, Reply, Rest, Row, Step, Stock, rest},
    notification::{Companion, Notification, Resolution},
};

pub(super) const TAKEN: Reply = Reply::Taken;

pub(super) fn later(error: &str) -> Reply {
    Reply::Later { error: error.into(), retry_after: None }
}

pub(super) fn later_after(error: &str, seconds: u64) -> Reply {
    Reply::Later { error: error.into(), retry_after: Some(Duration::from_secs(seconds)) }
}

pub(super) fn in_part(error: &str) -> Reply {
    Reply::LaterInPart { error: error.into() }
}

pub(super) fn refused(error: &str) -> Reply {
    Reply::Refused { error: error.into() }
}

pub(super) fn opened(alerts: &[&str]) -> Delivery {
    delivery(Event::Opened, alerts, format!("{}-opened", alerts[0]))
}

pub(super) fn acknowledged(alerts: &[&str]) -> Delivery {
    delivery(Event::Acknowledged, alerts, format!("{}-acknowledged", alerts[0]))
}

pub(super) fn reminder(alerts: &[&str], nth: u32) -> Delivery {
    delivery(Event::Reminder, alerts, format!("{}-reminder-{nth}", alerts[0]))
}

pub(super) fn resolved(alerts: &[&str]) -> Delivery {
    delivery(Event::Resolved, alerts, format!("{}-resolved", alerts[0]))
}

/// The same of worse alerts.
pub(super) fn severe(delivery: Delivery, severity: Severity) -> Delivery {
    Delivery { severity, ..delivery }
}

fn delivery(event: Event, alerts: &[&str], key: String) -> Delivery {
    let begun = DateTime::from_timestamp(1_795_420_800, 0).unwrap();
    let alert = |id: &str| {
        let key = AlertKey::of_vantage(AlertKind::Degraded, id);
        Alert::of_vantage(id.into(), key, Severity::Warning, begun, begun)
    };
    let resolution = (event == Event::Resolved).then(|| Resolution {
        at: begun,
        open_seconds: 0,
        reason: "It is over.".into(),
        superseded: false,
    });
    let mut notification = Notification::opened(alert(alerts[0]), "office", "http://192.0.2.9/");
    notification.event = event;
    notification.idempotency_key = key;
    notification.resolution.clone_from(&resolution);
    for id in &alerts[1..] {
        notification.also.push(Companion {
            event,
            consequence: true,
            alert: alert(id),
            resolution: resolution.clone(),
            acknowledgement: None,
        });
    }
    let document = serde_json::to_string(&notification).unwrap();
    Delivery::new(&notification, document.into(), "ops", begun)
}

/// A row of the database.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) delivery: Delivery,
    pub(super) state: DeliveryState,
}

pub(super) struct Rig {
    pub(super) lane: Lane,
    pub(super) now: DateTime<Utc>,
    /// In the order in which they were written first.
    pub(super) rows: Vec<Stored>,
    pub(super) taken: Vec<Delivery>,
    /// What is decided and not written.
    unwritten: Vec<Decision>,
    /// Whether decisions are written at once.
    pub(super) writes: bool,
    /// Whether the database answers at once.
    pub(super) reads: bool,
    asked: Option<usize>,
    answer: Option<Stock>,
    manner: Manner,
    room: usize,
    digests: usize,
}

impl Rig {
    pub(super) fn new(manner: Manner) -> Self {
        Self::with_room(manner, 512)
    }

    pub(super) fn with_room(manner: Manner, room: usize) -> Self {
        let mut rig = Self {
            lane: Lane::new(manner, room),
            now: DateTime::from_timestamp(1_795_420_800, 0).unwrap(),
            rows: Vec::new(),
            taken: Vec::new(),
            unwritten: Vec::new(),
            writes: true,
            reads: true,
            asked: None,
            answer: None,
            manner,
            room,
            digests: 0,
        };
        rig.ask();
        rig
    }

    /// A new delivery: written, then told to the lane.
    pub(super) fn accept(&mut self, delivery: Delivery) {
        self.rows.push(Stored { delivery: delivery.clone(), state: DeliveryState::Pending });
        let decision = self.lane.accept(delivery, self.now);
        self.decided(decision);
    }

    /// Begins the attempt that is due; sums up first if that is what the lane wants.
    #[track_caller]
    pub(super) fn begin(&mut self) -> Delivery {
        match self.step() {
            Step::Attempt(delivery) => delivery,
            other => panic!("nothing is due: {other:?}"),
        }
    }

    /// What is next; what is to be written for it is written.
    pub(super) fn step(&mut self) -> Step {
        loop {
            let number = self.digests + 1;
            match self.lane.next(self.now, || format!("digest-{number}")) {
                Step::Write(decision) => {
                    self.digests = number;
                    self.decided(Some(decision));
                }
                step => return step,
            }
        }
    }

    pub(super) fn end(&mut self, delivery: Delivery, reply: Reply) {
        if reply == TAKEN {
            self.taken.push(delivery);
        }
        let decision = self.lane.settle(reply, self.now, 1.0);
        self.decided(decision);
    }

    /// Makes the attempt that is due, and gives its key.
    #[track_caller]
    pub(super) fn attempt(&mut self, reply: Reply) -> String {
        let delivery = self.begin();
        let key = delivery.key.notification.clone();
        self.end(delivery, reply);
        key
    }

    /// Until when nothing is attempted, if anything waits for a time.
    #[track_caller]
    pub(super) fn waits(&mut self) -> Option<DateTime<Utc>> {
        match self.step() {
            Step::Idle => None,
            Step::Wait(until) => Some(until),
            other => panic!("there is something to do: {other:?}"),
        }
    }

    fn decided(&mut self, decision: Option<Decision>) {
        self.unwritten.extend(decision);
        if self.writes {
            self.write();
        }
        self.ask();
    }

    /// Writes what was decided; an answer that the database gave before that comes first.
    pub(super) fn write(&mut self) {
        self.hear();
        for Decision { ticket, rows } in std::mem::take(&mut self.unwritten) {
            for Row { delivery, state, .. } in rows {
                let key = delivery.key.clone();
                if delivery.event == Event::Digest && state == DeliveryState::Delivered {
                    let digest = Some(&key.notification);
                    let summed_up = self.rows.iter_mut().filter(|row| row.delivery.digest.as_ref() == digest);
                    summed_up.for_each(|row| row.state = state);
                }
                let stored = Stored { delivery, state };
                match self.rows.iter_mut().find(|row| row.delivery.key == key) {
                    Some(row) => *row = stored,
                    None => self.rows.push(stored),
                }
            }
            self.lane.written(ticket);
        }
    }

    fn ask(&mut self) {
        self.asked = self.lane.wants().or(self.asked);
        if self.reads {
            self.read();
            self.hear();
        }
    }

    /// The database reads what it was asked for.
    pub(super) fn read(&mut self) {
        let Some(most) = self.asked.take() else { return };
        let pending = || self.rows.iter().filter(|row| row.state == DeliveryState::Pending);
        let digests = pending().filter(|row| row.delivery.event == Event::Digest);
        let others = pending().filter(|row| row.delivery.event != Event::Digest).take(most);
        let oldest: Vec<_> = digests.chain(others).map(|row| row.delivery.clone()).collect();
        let left = pending().count() - oldest.len();
        let ends = |delivery: &Delivery, alert: &String| {
            delivery.event == Event::Resolved && delivery.alerts.contains(alert)
        };
        let is_over = |alert: &String| self.rows.iter().any(|row| ends(&row.delivery, alert));
        let given_up = self.rows.iter().filter(|row| row.state == DeliveryState::Dead);
        let openings = given_up.filter(|row| row.delivery.event == Event::Opened);
        let untold = openings.flat_map(|row| row.delivery.alerts.iter().cloned());
        let untold =
            untold.filter(|alert| !is_over(alert) || oldest.iter().any(|delivery| ends(delivery, alert)));
        self.answer = Some(Stock { untold: untold.collect(), oldest, left });
    }

    /// The lane hears the answer.
    pub(super) fn hear(&mut self) {
        if let Some(stock) = self.answer.take() {
            let decision = self.lane.restock(stock, self.now);
            self.decided(decision);
        }
    }

    /// Killed and started again: only what is written is left.
    pub(super) fn restart(&mut self) {
        self.unwritten.clear();
        self.lane = Lane::new(self.manner, self.room);
        (self.asked, self.answer) = (None, None);
        self.ask();
    }

    /// Dead letters are put back, as far as there is still something to tell.
    pub(super) fn put_back(&mut self, keys: &[&str]) {
        let ends = self.rows.iter().filter(|row| row.state == DeliveryState::Delivered);
        let ends = ends.filter(|row| row.delivery.event == Event::Resolved);
        let over: HashSet<String> = ends.flat_map(|row| row.delivery.alerts.clone()).collect();
        let mut put_back = 0;
        for key in keys {
            let row = self.rows.iter_mut().find(|row| row.delivery.key.notification == *key).unwrap();
            assert_eq!(row.state, DeliveryState::Dead);
            let is_over = |alert: &str| over.contains(alert);
            match rest(row.delivery.event, &row.delivery.alerts, is_over) {
                Rest::All => {}
                Rest::Part => row.delivery.leave_out(is_over),
                Rest::Nothing => {
                    row.state = DeliveryState::Superseded;
                    continue;
                }
            }
            row.state = DeliveryState::Pending;
            put_back += 1;
        }
        if put_back > 0 {
            self.lane.put_back(put_back, self.now);
        }
        self.ask();
    }

    #[track_caller]
    pub(super) fn state(&self, key: &str) -> DeliveryState {
        self.rows.iter().find(|row| row.delivery.key.notification == key).unwrap().state
    }

    /// How many deliveries the lane holds in memory.
    pub(super) fn held(&self) -> usize {
        self.lane.held()
    }
}
