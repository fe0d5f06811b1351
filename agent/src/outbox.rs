//! Delivers what the store has written down for receivers: at least once, in order per alert, each
//! receiver on its own, so that a dead or hanging one delays nothing else.
//!
//! What is told next, and when, is decided in the model ([`vipwatch_model::lane`]). Here are the tasks, timers and attempts
//! around it, one lane per receiver. What does not find its lane stays in the database, and is there when the lane asks for it.

mod alertmanager;
mod chat;
mod cut;
mod discord;
mod email;
mod exchange;
mod exec;
mod lane;
mod ntfy;
mod pagerduty;
mod post;
mod progress;
mod receiver;
mod sample;
mod signature;
mod slack;
mod standing;
mod status;
mod story;
mod teams;
mod template;
mod webhook;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::{self, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub use exchange::{Exchange, Exchanges, Mask, Side};
pub use receiver::{Message, Receiver, Reply};
pub use standing::Standing;
pub use status::{CircuitStatus, ReceiverStatus, RecentDelivery, Statuses};
pub use template::{Escape, Flaw, Template};

use crate::{
    clock::Clock,
    config,
    store::{LaneId, Notice, Record, Replayed, Retry, Store},
};

/// How long a lane that failed is left alone, so that one that fails at once does not do so all the time.
const PAUSE: Duration = Duration::from_secs(10);

/// What the outbox is told.
pub enum Command {
    /// The receivers that there are from now on, by name.
    Receivers(Vec<config::Receiver>),
    /// Dead letters are to be delivered after all.
    Retry {
        /// Their numbers; all of them where it is empty.
        ids: Vec<i64>,
        /// To this receiver only.
        receiver: Option<String>,
        /// What came of it, or why it could not be done.
        reply: mpsc::Sender<Result<Replayed, String>>,
    },
}

/// Runs the outbox until `shutdown`.
pub async fn run(
    mut notices: mpsc::Receiver<Notice>,
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
        begun: 0,
        lanes: HashMap::new(),
        failed: HashMap::new(),
        tasks: JoinSet::new(),
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(command) = commands.recv() => match command {
                Command::Receivers(receivers) => lanes.set(receivers, &shutdown),
                Command::Retry { ids, receiver, reply } => lanes.retry(ids, receiver, reply),
            },
            Some(notice) = notices.recv() => lanes.hear(notice).await,
            Some(ended) = lanes.tasks.join_next_with_id() => lanes.ended(ended, &shutdown),
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
    /// How many lanes there have been.
    begun: u64,
    lanes: HashMap<String, Door>,
    /// Receivers whose lanes failed and begin anew after a pause.
    failed: HashMap<String, config::Receiver>,
    /// The lanes, and the pauses after failures: those give the receiver.
    tasks: JoinSet<Option<String>>,
}

/// The way into a lane.
struct Door {
    config: watch::Sender<config::Receiver>,
    notices: mpsc::Sender<Notice>,
    stop: CancellationToken,
    task: task::Id,
}

impl Lanes {
    fn set(&mut self, receivers: Vec<config::Receiver>, shutdown: &CancellationToken) {
        if self.begun == 0 {
            let configured = receivers.iter().map(|receiver| receiver.name.clone()).collect();
            self.store.push(Record::Stranded { configured, at: self.clock.now() });
        }
        // All that are configured and have no lane begin below.
        self.failed.clear();
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
            match self.lanes.get(&config.name) {
                Some(lane) => {
                    lane.config.send_if_modified(|old| {
                        let changed = *old != config;
                        old.clone_from(&config);
                        changed
                    });
                }
                None => self.begin(config, shutdown.child_token()),
            }
        }
    }

    fn begin(&mut self, config: config::Receiver, stop: CancellationToken) {
        self.begun += 1;
        let name = config.name.clone();
        self.statuses.send_modify(|statuses| drop(statuses.insert(name.clone(), ReceiverStatus::default())));
        let id = LaneId { receiver: name.clone(), number: self.begun };
        let (config, current) = watch::channel(config);
        let (notices, heard) = mpsc::channel(lane::QUEUE);
        let lane = lane::Lane::new(
            id,
            current,
            self.standing.clone(),
            Arc::clone(&self.store),
            self.clock.clone(),
            Arc::clone(&self.statuses),
        );
        let run = lane.run(heard, stop.clone());
        let task = self
            .tasks
            .spawn(async {
                run.await;
                None
            })
            .id();
        self.lanes.insert(name, Door { config, notices, stop, task });
    }

    /// A task has ended. A lane that failed begins anew after a pause: what it held is in the database.
    fn ended(&mut self, ended: Result<(task::Id, Option<String>), JoinError>, shutdown: &CancellationToken) {
        match ended {
            Ok((_, receiver)) => {
                if let Some(config) = receiver.and_then(|receiver| self.failed.remove(&receiver)) {
                    self.begin(config, shutdown.child_token());
                }
            }
            // The panic itself has been logged by the panic hook.
            Err(error) => {
                let Some((receiver, lane)) = self.lanes.extract_if(|_, lane| lane.task == error.id()).next()
                else {
                    return;
                };
                tracing::error!(%receiver, "a receiver's lane failed; it begins anew in a moment");
                self.failed.insert(receiver.clone(), lane.config.borrow().clone());
                let pause = shutdown.clone().cancelled_owned();
                self.tasks.spawn(async move {
                    let _ = tokio::time::timeout(PAUSE, pause).await;
                    Some(receiver)
                });
            }
        }
    }

    fn retry(&self, ids: Vec<i64>, receiver: Option<String>, reply: mpsc::Sender<Result<Replayed, String>>) {
        let configured = self.lanes.keys().chain(self.failed.keys()).cloned().collect();
        self.store.push(Record::Retry(Retry { ids, receiver, configured, at: self.clock.now(), reply }));
    }

    async fn hear(&self, notice: Notice) {
        // A lane takes notices in at once, whatever its receiver does.
        match notice.receiver() {
            Some(receiver) => {
                if let Some(lane) = self.lanes.get(receiver) {
                    let _ = lane.notices.send(notice).await;
                }
            }
            None => {
                for lane in self.lanes.values() {
                    let _ = lane.notices.send(notice.clone()).await;
                }
            }
        }
    }
}
