//! One receiver's lane: its deliveries in order, one attempt at a time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;
use vipwatch_model::notification::Notification;

use super::{
    ReceiverStatus, RecentDelivery,
    backoff::{LONGEST, retry_delay},
    receiver::{Message, Receiver, Reply},
    standing::Standing,
};
use crate::{
    clock::Clock,
    config,
    store::{Attempted, Delivery, DeliveryState, Record, Store},
};

/// How many deliveries may be on their way into a lane; it takes them into memory at once.
pub(super) const QUEUE: usize = 64;
/// How many alerts' deliveries the page remembers.
const RECENT: usize = 256;

pub(super) struct Lane {
    name: String,
    config: watch::Receiver<config::Receiver>,
    standing: watch::Receiver<Arc<Vec<Standing>>>,
    store: Arc<Store>,
    clock: Clock,
    statuses: Arc<watch::Sender<HashMap<String, ReceiverStatus>>>,
    pending: Vec<Delivery>,
}

impl Lane {
    pub(super) fn new(
        name: String,
        config: watch::Receiver<config::Receiver>,
        standing: watch::Receiver<Arc<Vec<Standing>>>,
        store: Arc<Store>,
        clock: Clock,
        statuses: Arc<watch::Sender<HashMap<String, ReceiverStatus>>>,
    ) -> Self {
        Self { name, config, standing, store, clock, statuses, pending: Vec::new() }
    }

    /// Runs until `stop`; gives back what is still to be delivered.
    pub(super) async fn run(
        mut self,
        mut queue: mpsc::Receiver<Delivery>,
        stop: CancellationToken,
    ) -> (String, Vec<Delivery>) {
        self.attend(&mut queue, &stop).await;
        queue.close();
        while let Some(delivery) = queue.recv().await {
            self.accept(delivery);
        }
        (self.name, self.pending)
    }

    async fn attend(&mut self, queue: &mut mpsc::Receiver<Delivery>, stop: &CancellationToken) {
        let mut receiver = self.client();
        let mut refresh = refresh_timer(&receiver);
        loop {
            let now = self.clock.now();
            let due = next(&self.pending);
            // The clock may have been set back meanwhile: nothing waits for longer than the longest pause.
            let pause =
                due.map(|i| (self.pending[i].next_at - now).to_std().unwrap_or_default().min(LONGEST));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Ok(()) = self.config.changed() => {
                    receiver = self.client();
                    refresh = refresh_timer(&receiver);
                    self.hurry();
                }
                received = queue.recv() => match received {
                    Some(delivery) => self.accept(delivery),
                    None => return,
                },
                () = tick(&mut refresh) => {
                    let (Ok(receiver), standing) = (&receiver, Arc::clone(&self.standing.borrow())) else { continue };
                    let refreshed = receiver.refresh(&standing, self.clock.now());
                    let Some(()) = self.meanwhile(refreshed, queue, stop).await else { return };
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if due.is_some() => {
                    let Some(delivery) = due.map(|i| self.pending[i].clone()) else { continue };
                    let attempt = attempt(receiver.as_ref(), &delivery, self.clock.now());
                    // An attempt that the end interrupts is made again after the next start.
                    let Some(reply) = self.meanwhile(attempt, queue, stop).await else { return };
                    self.settle(&delivery, reply);
                }
            }
        }
    }

    /// What `work` comes to, or nothing when the end interrupts it. What arrives meanwhile is taken in, so that nobody
    /// waits for this receiver.
    async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = T>,
        queue: &mut mpsc::Receiver<Delivery>,
        stop: &CancellationToken,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                done = &mut work => return Some(done),
                Some(delivery) = queue.recv() => self.accept(delivery),
            }
        }
    }

    fn client(&mut self) -> Result<Receiver, String> {
        let receiver = Receiver::new(&self.config.borrow_and_update());
        if let Err(error) = &receiver {
            tracing::error!(receiver = %self.name, %error, "failed to set up a receiver");
        }
        receiver
    }

    fn accept(&mut self, delivery: Delivery) {
        if self.pending.iter().any(|pending| pending.key == delivery.key) {
            return;
        }
        let recent =
            RecentDelivery { state: DeliveryState::Pending, attempts: delivery.attempts, last_error: None };
        self.note(&delivery, &recent);
        self.pending.push(delivery);
        self.publish(|_| {});
    }

    /// Something has changed for the better: what waits for a later attempt is attempted now.
    fn hurry(&mut self) {
        let now = self.clock.now();
        for delivery in &mut self.pending {
            delivery.next_at = delivery.next_at.min(now);
        }
    }

    fn settle(&mut self, delivery: &Delivery, reply: Reply) {
        let now = self.clock.now();
        let mut delivery = delivery.clone();
        delivery.attempts += 1;
        let (state, error) = match reply {
            Reply::Taken => (DeliveryState::Delivered, None),
            Reply::Refused { error } => (DeliveryState::Dead, Some(error)),
            Reply::Later { error, retry_after } => {
                let pause = retry_delay(delivery.attempts, fastrand::f64(), retry_after);
                delivery.next_at = now + TimeDelta::from_std(pause).unwrap_or(TimeDelta::zero());
                (DeliveryState::Pending, Some(error))
            }
        };
        match (state, &error) {
            (DeliveryState::Dead, Some(error)) => tracing::error!(
                receiver = %self.name, notification = %delivery.key.notification, %error,
                "a receiver refused an alert for good"
            ),
            // Told once per run of failures, not once per attempt.
            (DeliveryState::Pending, Some(error)) if delivery.attempts == 1 => tracing::warn!(
                receiver = %self.name, notification = %delivery.key.notification, %error,
                "failed to deliver an alert; trying again"
            ),
            (DeliveryState::Delivered, _) => tracing::info!(
                receiver = %self.name, notification = %delivery.key.notification,
                attempts = delivery.attempts, "delivered an alert"
            ),
            _ => {}
        }
        let place = self.pending.iter().position(|pending| pending.key == delivery.key);
        if let Some(i) = place {
            if state == DeliveryState::Pending {
                self.pending[i] = delivery.clone();
            } else {
                self.pending.remove(i);
            }
        }
        if state == DeliveryState::Delivered {
            self.hurry();
        }
        let recent = RecentDelivery { state, attempts: delivery.attempts, last_error: error.clone() };
        self.note(&delivery, &recent);
        self.publish(|status| {
            status.last_error.clone_from(&error);
            match state {
                DeliveryState::Pending | DeliveryState::Superseded => {}
                DeliveryState::Delivered => {
                    status.delivered += 1;
                    status.last_delivered_at = Some(now);
                }
                DeliveryState::Dead => status.dead += 1,
            }
        });
        self.store.push(Record::Attempted(Attempted { delivery, state, error, at: now }));
    }

    fn note(&self, delivery: &Delivery, how_far: &RecentDelivery) {
        self.publish(|status| {
            for alert in &delivery.alerts {
                if status.recent.len() >= RECENT && !status.recent.contains_key(alert) {
                    status.recent.retain(|_, recent| recent.state == DeliveryState::Pending);
                }
                status.recent.insert(alert.clone(), how_far.clone());
            }
        });
    }

    fn publish(&self, change: impl FnOnce(&mut ReceiverStatus)) {
        let pending = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        self.statuses.send_modify(|statuses| {
            if let Some(status) = statuses.get_mut(&self.name) {
                status.pending = pending;
                change(status);
            }
        });
    }
}

/// Ticks when the receiver has to be told again of what is open; for most, there is none.
fn refresh_timer(receiver: &Result<Receiver, String>) -> Option<Interval> {
    let every = receiver.as_ref().ok()?.refresh_every()?;
    let mut timer = interval_at(Instant::now() + every, every);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(timer)
}

async fn tick(timer: &mut Option<Interval>) {
    match timer {
        Some(timer) => drop(timer.tick().await),
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

/// The delivery to attempt next: the one that is due first, but none before an earlier one that shares an
/// alert with it.
fn next(pending: &[Delivery]) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut seen = HashSet::with_capacity(pending.len());
    for (i, delivery) in pending.iter().enumerate() {
        let first = delivery.alerts.iter().filter(|alert| !seen.insert(alert.as_str())).count() == 0;
        if first && best.is_none_or(|best| delivery.next_at < pending[best].next_at) {
            best = Some(i);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use vipwatch_model::alert::{Event, Severity};

    use super::*;
    use crate::store::DeliveryKey;

    fn delivery(alerts: &[&str], event: Event, due: i64) -> Delivery {
        Delivery {
            key: DeliveryKey { notification: format!("{}-{event}", alerts[0]), receiver: "ops".into() },
            event,
            severity: Severity::Critical,
            alerts: alerts.iter().map(|&alert| alert.to_owned()).collect(),
            document: "{}".into(),
            created_at: DateTime::UNIX_EPOCH,
            attempts: 0,
            next_at: DateTime::from_timestamp(due, 0).unwrap(),
        }
    }

    #[test]
    fn an_alert_is_never_told_resolved_before_opened() {
        let pending = [
            delivery(&["a", "c"], Event::Opened, 90),
            delivery(&["c"], Event::Resolved, 10),
            delivery(&["b"], Event::Opened, 50),
        ];
        assert_eq!(next(&pending), Some(2), "c's resolve waits for its open, b waits for nobody");
        assert_eq!(next(&pending[..2]), Some(0));
        assert_eq!(next(&[]), None);
    }
}
