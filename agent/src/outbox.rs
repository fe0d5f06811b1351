//! Delivers what the store has written down for receivers: at least once, in order per alert, each
//! receiver on its own, so that a dead or hanging one delays nothing else.
//!
//! The outbox decides nothing about alerts. It takes deliveries, attempts them until the receiver has
//! them or has refused them for good, and records every attempt.

mod alertmanager;
mod backoff;
mod email;
mod exec;
mod lane;
mod post;
mod receiver;
mod standing;
mod webhook;

use std::{collections::HashMap, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

pub use backoff::retry_delay;
pub use receiver::{Message, Receiver, Reply};
pub use standing::Standing;

use crate::{
    clock::Clock,
    config,
    store::{Attempted, Delivery, DeliveryState, Record, Store},
};

/// How one receiver is doing, for the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiverStatus {
    /// Deliveries that wait.
    pub pending: u32,
    /// Deliveries that it has had since the agent started.
    pub delivered: u64,
    /// Deliveries that were given up since the agent started.
    pub dead: u32,
    /// Why the last attempt failed; `None` once one succeeded.
    pub last_error: Option<String>,
    /// When it last took a delivery.
    pub last_delivered_at: Option<chrono::DateTime<chrono::Utc>>,
    /// How far each delivery has come that is not over for long: state, attempts and last error by alert.
    pub recent: HashMap<String, RecentDelivery>,
}

/// How far the newest delivery about one alert has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentDelivery {
    /// How far.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// What the outbox is told.
pub enum Command {
    /// The receivers that there are from now on, by name.
    Receivers(Vec<config::Receiver>),
}

/// The state of all receivers, by name.
pub type Statuses = watch::Receiver<HashMap<String, ReceiverStatus>>;

/// Runs the outbox until `shutdown`.
pub async fn run(
    mut deliveries: mpsc::Receiver<Delivery>,
    mut commands: mpsc::Receiver<Command>,
    store: Arc<Store>,
    clock: Clock,
    statuses: watch::Sender<HashMap<String, ReceiverStatus>>,
    standing: watch::Receiver<Arc<Vec<Standing>>>,
    shutdown: CancellationToken,
) {
    let statuses = Arc::new(statuses);
    let mut lanes = Lanes {
        standing,
        store,
        clock,
        statuses,
        lanes: HashMap::new(),
        parked: HashMap::new(),
        tasks: JoinSet::new(),
    };
    // Deliveries that were remembered before the receivers are known wait for them.
    let mut known = false;
    let mut early = Vec::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(Command::Receivers(receivers)) = commands.recv() => {
                lanes.set(receivers, &shutdown).await;
                known = true;
                for delivery in early.drain(..) {
                    lanes.deliver(delivery).await;
                }
            }
            Some(delivery) = deliveries.recv() => {
                if known { lanes.deliver(delivery).await } else { early.push(delivery) }
            }
            Some(ended) = lanes.tasks.join_next() => {
                match ended {
                    Ok((name, left)) => lanes.take_back(name, left).await,
                    // The panic itself has been logged by the panic hook.
                    Err(_) => tracing::error!("a receiver's lane failed; its deliveries go on after a restart"),
                }
            }
        }
    }
    lanes.tasks.join_all().await;
}

/// One lane per receiver: a task with a queue of its own.
struct Lanes {
    standing: watch::Receiver<Arc<Vec<Standing>>>,
    store: Arc<Store>,
    clock: Clock,
    statuses: Arc<watch::Sender<HashMap<String, ReceiverStatus>>>,
    lanes: HashMap<String, Door>,
    /// What was still to be delivered to receivers that are no longer configured. They may come back.
    parked: HashMap<String, Vec<Delivery>>,
    tasks: JoinSet<(String, Vec<Delivery>)>,
}

/// The way into a lane.
struct Door {
    config: watch::Sender<config::Receiver>,
    queue: mpsc::Sender<Delivery>,
    stop: CancellationToken,
}

impl Lanes {
    async fn set(&mut self, receivers: Vec<config::Receiver>, shutdown: &CancellationToken) {
        self.lanes.retain(|name, lane| {
            let stays = receivers.iter().any(|receiver| receiver.name == *name);
            if !stays {
                lane.stop.cancel();
            }
            stays
        });
        self.statuses.send_modify(|statuses| {
            statuses.retain(|name, _| receivers.iter().any(|receiver| receiver.name == *name));
        });
        for config in receivers {
            if let Some(lane) = self.lanes.get(&config.name) {
                lane.config.send_if_modified(|old| {
                    let changed = *old != config;
                    old.clone_from(&config);
                    changed
                });
                continue;
            }
            let name = config.name.clone();
            self.statuses
                .send_modify(|statuses| drop(statuses.insert(name.clone(), ReceiverStatus::default())));
            let (config, current) = watch::channel(config);
            let (queue, queued) = mpsc::channel(lane::QUEUE);
            let stop = shutdown.child_token();
            let task = lane::Lane::new(
                name.clone(),
                current,
                self.standing.clone(),
                Arc::clone(&self.store),
                self.clock.clone(),
                Arc::clone(&self.statuses),
            );
            self.tasks.spawn(task.run(queued, stop.clone()));
            self.lanes.insert(name.clone(), Door { config, queue, stop });
            for delivery in self.parked.remove(&name).unwrap_or_default() {
                self.deliver(delivery).await;
            }
        }
    }

    /// A lane has ended: its receiver was taken out, or everything ends.
    async fn take_back(&mut self, name: String, left: Vec<Delivery>) {
        if self.lanes.contains_key(&name) {
            for delivery in left {
                self.deliver(delivery).await;
            }
        } else if !left.is_empty() {
            tracing::warn!(receiver = %name, deliveries = left.len(), "a receiver was taken out while deliveries wait for it");
            self.parked.entry(name).or_default().extend(left);
        }
    }

    async fn deliver(&mut self, delivery: Delivery) {
        let Some(lane) = self.lanes.get(&delivery.key.receiver) else {
            let error =
                format!("there is no receiver {:?} in the configuration any more", delivery.key.receiver);
            let delivery = Delivery { attempts: delivery.attempts + 1, ..delivery };
            let at = self.clock.now();
            let attempted = Attempted { delivery, state: DeliveryState::Dead, error: Some(error), at };
            self.store.push(Record::Attempted(attempted));
            return;
        };
        // A lane takes deliveries into memory at once, whatever its receiver does.
        let _ = lane.queue.send(delivery).await;
    }
}
