//! One receiver's lane: carries out what the model's lane says, one attempt at a time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use vipwatch_model::{
    delivery::{Delivery, DeliveryState},
    lane::{self, Decision, LONGEST, Manner, RateLimit, Row, Step},
    notification::Notification,
};

use super::{
    CircuitStatus, ReceiverStatus,
    receiver::{Message, Receiver, Reply},
    standing::Standing,
};
use crate::{
    clock::Clock,
    config,
    store::{Decided, LaneId, Notice, Record, Refill, Store},
};

/// How many notices may be on their way into a lane; it takes them in at once.
pub(super) const QUEUE: usize = 64;
/// How many deliveries a lane holds in memory: some megabytes of documents. The others stay in the database.
const ROOM: usize = 512;

pub(super) struct Lane {
    id: LaneId,
    config: watch::Receiver<config::Receiver>,
    standing: watch::Receiver<Arc<Vec<Standing>>>,
    store: Arc<Store>,
    clock: Clock,
    statuses: Arc<watch::Sender<HashMap<String, ReceiverStatus>>>,
    lane: lane::Lane,
}

impl Lane {
    pub(super) fn new(
        id: LaneId,
        config: watch::Receiver<config::Receiver>,
        standing: watch::Receiver<Arc<Vec<Standing>>>,
        store: Arc<Store>,
        clock: Clock,
        statuses: Arc<watch::Sender<HashMap<String, ReceiverStatus>>>,
    ) -> Self {
        let lane = lane::Lane::new(manner(&config.borrow()), ROOM);
        Self { id, config, standing, store, clock, statuses, lane }
    }

    /// Runs until `stop`. What is still to be delivered then is in the database.
    pub(super) async fn run(mut self, mut notices: mpsc::Receiver<Notice>, stop: CancellationToken) {
        let mut receiver = self.client();
        let mut refresh = Refresh::of(&receiver);
        loop {
            if self.config.has_changed().unwrap_or(false) {
                receiver = self.client();
                refresh = Refresh::of(&receiver);
                self.lane.reconfigure(manner(&self.config.borrow()), self.clock.now());
            }
            // Before the next attempt, however much waits: what is not told again in time counts as over.
            if let (Ok(receiver), Some(refresh)) = (&receiver, refresh.as_mut().filter(|it| it.is_due())) {
                let standing = Arc::clone(&self.standing.borrow());
                let refreshed = receiver.refresh(&standing, self.clock.now());
                let Some(()) = self.meanwhile(refreshed, &mut notices, &stop).await else { return };
                refresh.done();
            }
            self.refill();
            self.publish();
            let now = self.clock.now();
            let pause = match self.lane.next(now, || format!("digest-{}", uuid::Uuid::now_v7())) {
                Step::Write(decision) => {
                    self.carry_out(Some(decision));
                    continue;
                }
                Step::Attempt(delivery) => {
                    let attempt = attempt(receiver.as_ref(), &delivery, now);
                    // An attempt that the end interrupts is made again after the next start.
                    let Some(reply) = self.meanwhile(attempt, &mut notices, &stop).await else { return };
                    self.settle(&delivery, reply);
                    continue;
                }
                Step::Wait(until) => Some((until - now).to_std().unwrap_or_default().min(LONGEST)),
                Step::Idle => None,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = self.config.changed() => self.config.mark_changed(),
                heard = notices.recv() => match heard {
                    Some(notice) => self.hear(notice),
                    None => return,
                },
                () = until(refresh.as_ref().map(|refresh| refresh.at)) => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// What `work` comes to, or nothing when the end interrupts it. What arrives meanwhile is taken in, so that nobody
    /// waits for this receiver.
    async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
        notices: &mut mpsc::Receiver<Notice>,
        stop: &CancellationToken,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                done = &mut work => return Some(done),
                Some(notice) = notices.recv() => {
                    self.hear(notice);
                    self.refill();
                    self.publish();
                }
            }
        }
    }

    fn client(&mut self) -> Result<Receiver, String> {
        let receiver = Receiver::new(&self.config.borrow_and_update());
        if let Err(error) = &receiver {
            tracing::error!(receiver = %self.id.receiver, %error, "failed to set up a receiver");
        }
        receiver
    }

    fn hear(&mut self, notice: Notice) {
        if notice.is_of_another(&self.id) {
            return;
        }
        let now = self.clock.now();
        let decision = match notice {
            Notice::New(delivery) => {
                self.tell_page(|status| status.waits(&delivery));
                self.lane.accept(delivery, now)
            }
            Notice::Waiting { stock, .. } => {
                self.tell_page(|status| {
                    status.given_up(&stock.untold);
                    stock.oldest.iter().for_each(|delivery| status.waits(delivery));
                });
                self.lane.restock(stock, now)
            }
            Notice::Unreadable(_) => {
                self.lane.unreadable();
                None
            }
            Notice::Written { ticket, .. } => {
                self.lane.written(ticket);
                None
            }
            Notice::PutBack { replay, .. } => {
                self.tell_page(|status| status.replayed(&replay));
                if replay.put_back > 0 {
                    self.lane.put_back(replay.put_back, now);
                }
                None
            }
            Notice::Replaced => self.lane.replaced(now),
        };
        self.carry_out(decision);
    }

    fn settle(&mut self, delivery: &Delivery, reply: Reply) {
        let receiver = &self.id.receiver;
        let notification = &delivery.key.notification;
        let event = delivery.event;
        match &reply {
            Reply::Taken => {
                let attempts = delivery.attempts + 1;
                tracing::info!(%receiver, %notification, %event, attempts, "delivered a notification");
            }
            Reply::TakenInPart { error } => {
                tracing::error!(%receiver, %notification, %event, %error, "delivered a notification, but not to everybody");
            }
            Reply::Refused { error } => {
                tracing::error!(%receiver, %notification, %event, %error, "a receiver refused a notification for good");
            }
            // Told once per run of failures, not once per attempt.
            Reply::Later { error, .. } | Reply::LaterInPart { error } => {
                if delivery.attempts == 0 {
                    tracing::warn!(%receiver, %notification, %event, %error, "failed to deliver a notification; trying again");
                }
            }
        }
        let error = reply.error().map(str::to_owned);
        let was_open = self.lane.circuit().open_since();
        let decision = self.lane.settle(reply, self.clock.now(), fastrand::f64());
        match (was_open, self.lane.circuit().open_since()) {
            (None, Some(_)) => {
                let waiting = self.lane.pending();
                tracing::warn!(%receiver, waiting, "a receiver fails again and again; it is asked once per pause from now on");
            }
            (Some(since), None) => tracing::info!(%receiver, %since, "a receiver answers again"),
            _ => {}
        }
        self.tell_page(|status| status.last_error = error);
        self.carry_out(decision);
    }

    /// Has a decision written.
    fn carry_out(&self, decision: Option<Decision>) {
        let Some(decision) = decision else { return };
        for Row { delivery, state, .. } in &decision.rows {
            if *state == DeliveryState::Superseded {
                tracing::info!(
                    receiver = %self.id.receiver, notification = %delivery.key.notification, event = %delivery.event,
                    "left out a notification that needs not be told any more"
                );
            }
        }
        self.tell_page(|status| decision.rows.iter().for_each(|row| status.decided(row)));
        self.store.push(Record::Decided(Decided { lane: self.id.clone(), decision }));
    }

    fn refill(&mut self) {
        if let Some(most) = self.lane.wants() {
            self.store.push(Record::Refill(Refill { lane: self.id.clone(), most }));
        }
    }

    fn publish(&self) {
        let circuit = self.lane.circuit();
        let circuit = circuit.open_since().zip(circuit.hold());
        let circuit = circuit.map(|(open_since, next_at)| CircuitStatus { open_since, next_at });
        let pending = u32::try_from(self.lane.pending()).unwrap_or(u32::MAX);
        self.tell_page(|status| {
            status.pending = pending;
            status.circuit = circuit;
        });
    }

    fn tell_page(&self, change: impl FnOnce(&mut ReceiverStatus)) {
        self.statuses.send_modify(|statuses| {
            if let Some(status) = statuses.get_mut(&self.id.receiver) {
                change(status);
            }
        });
    }
}

fn manner(config: &config::Receiver) -> Manner {
    let limit =
        config.rate_limit.map(|limit| RateLimit { notifications: limit.notifications, per: limit.per });
    Manner { limit, digests: config.means.takes_digests() }
}

/// When the receiver has to be told again of what is open. For most, there is none.
struct Refresh {
    every: Duration,
    at: Instant,
}

impl Refresh {
    fn of(receiver: &Result<Receiver, String>) -> Option<Self> {
        let every = receiver.as_ref().ok()?.refresh_every()?;
        Some(Self { every, at: Instant::now() + every })
    }

    fn is_due(&self) -> bool {
        self.at <= Instant::now()
    }

    fn done(&mut self) {
        self.at = Instant::now() + self.every;
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn attempt(receiver: Result<&Receiver, &String>, delivery: &Delivery, now: DateTime<Utc>) -> Reply {
    let receiver = match receiver {
        Ok(receiver) => receiver,
        Err(error) => return Reply::Later { error: error.clone(), retry_after: None },
    };
    let notification: Notification = match serde_json::from_str(&delivery.document) {
        Ok(notification) => notification,
        Err(error) => {
            return Reply::Refused { error: format!("the stored notification cannot be read: {error}") };
        }
    };
    receiver.attempt(&Message { notification: &notification, document: &delivery.document, now }).await
}
