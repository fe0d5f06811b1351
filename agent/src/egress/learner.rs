//! The task that decides when to ask for the egress address, and owns what has been learnt.

use std::{
    collections::{BTreeSet, HashMap},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use vipwatch_model::egress::{Change, Comparison, Stranger};

use super::{
    Known, STILL_LEARNING, kept,
    memory::{Answer, Memory},
    round::Request,
};
use crate::{
    clock::{Clock, until},
    network::Network,
    plan::Plan,
};

/// The shortest time between two learnings that rounds ask for.
const REST: Duration = Duration::from_secs(1);
/// The shortest time between two learnings because of changes of this host's network: on some it changes all the time.
const NETWORK_REST: Duration = Duration::from_secs(10);
/// Changes of the network come in swarms, and the first of them is often that something is gone.
const SETTLE: Duration = Duration::from_millis(500);
/// The pause after a learning without any answer. It doubles each time, until it is as long as the regular one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Strangers that may wait to be asked about. Whoever else waits is told as well, but may have to ask again.
const WAITING: usize = 256;

/// Learns the egress addresses, until it is told to end.
pub struct Learner {
    parts: Parts,
    memory: Memory,
    /// Strangers that rounds wait to be told about, and when they were seen.
    waiting: HashMap<Stranger, Instant>,
    /// When the last learning began.
    began: Option<Instant>,
    /// When the next one is due by the schedule, unless nobody is to be asked.
    due: Option<Instant>,
    /// When the next one is due because something has happened.
    hastened: Option<Instant>,
    /// The pause after the next learning without any answer.
    pause: Duration,
}

/// What a learner works with.
pub(super) struct Parts {
    /// Asks everybody in `[egress]` of a plan.
    pub(super) ask: Box<dyn Fn(Arc<Plan>) -> Answers + Send>,
    /// Wall time.
    pub(super) clock: Clock,
    /// Tells when this host's addresses or routes change.
    pub(super) network: Network,
    /// Where it is told what is known; it holds what is known at first.
    pub(super) known: watch::Sender<Arc<Known>>,
    /// What the learner is asked for.
    pub(super) requests: mpsc::Receiver<Request>,
}

/// What will be answered.
pub(super) type Answers = Pin<Box<dyn Future<Output = Vec<Answer>> + Send>>;

/// A learning under way. It lives in the learner's own task: whatever ends that, ends it.
struct Learning {
    began: Instant,
    at: DateTime<Utc>,
    answers: Answers,
}

impl Learner {
    pub(super) fn new(parts: Parts, memory: Memory) -> Self {
        let due = parts.known.borrow().learns().then(Instant::now);
        Self { parts, memory, waiting: HashMap::new(), began: None, due, hastened: None, pause: FIRST_PAUSE }
    }

    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut learning: Option<Learning> = None;
        loop {
            let due = self.due.map(|due| self.hastened.map_or(due, |hastened| due.min(hastened)));
            let due = due.filter(|_| learning.is_none());
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(request) = self.parts.requests.recv() => match request {
                    Request::Confirm { strangers, since } => {
                        self.wait(strangers, since);
                        self.hasten(Instant::now(), REST);
                    }
                    Request::TakeOver { plan, done } => {
                        learning = None;
                        self.take_over(plan);
                        let _ = done.send(());
                    }
                },
                () = self.parts.network.changed() => self.hasten(Instant::now() + SETTLE, NETWORK_REST),
                answers = answers(&mut learning) => {
                    if let Some(Learning { began, at, .. }) = learning.take() {
                        self.take(answers, began, at);
                    }
                }
                () = until(due) => learning = Some(self.ask()),
            }
        }
    }

    fn wait(&mut self, strangers: BTreeSet<Stranger>, since: Instant) {
        for stranger in strangers {
            if self.waiting.len() < WAITING || self.waiting.contains_key(&stranger) {
                self.waiting.insert(stranger, since);
            }
        }
    }

    /// Has everybody asked at `at`, or when the last learning is `rest` ago, if that is not due before anyway.
    fn hasten(&mut self, at: Instant, rest: Duration) {
        let at = self.began.map_or(at, |began| at.max(began + rest));
        self.hastened = Some(self.hastened.map_or(at, |hastened| hastened.min(at)));
    }

    fn ask(&mut self) -> Learning {
        let began = Instant::now();
        self.began = Some(began);
        self.hastened = None;
        Learning { began, at: self.parts.clock.now(), answers: (self.parts.ask)(self.plan()) }
    }

    fn take(&mut self, answers: Vec<Answer>, began: Instant, at: DateTime<Utc>) {
        let plan = self.plan();
        let answered = answers.iter().any(|answer| answer.heard.is_ok());
        let failed_before = self.memory.failed().to_vec();
        for change in self.memory.take(answers, &plan.book, at, kept(&plan)) {
            let Change { from, to, source, .. } = change;
            tracing::info!(%from, %to, source, "this agent's egress address has changed");
        }
        if self.memory.failed() != failed_before {
            log(self.memory.failed(), answered);
        }
        for address in self.memory.inside().difference(self.parts.known.borrow().inside()) {
            tracing::error!(%address, "this agent is seen as an address of the cluster: no translation can be seen from here");
        }
        let mut known = self.parts.known.borrow().after_learning(&self.memory, began, at);
        let asked = self.waiting.extract_if(|_, since| *since <= began).map(|(stranger, _)| stranger);
        known.deny(asked.collect::<Vec<_>>(), Instant::now());
        // Who came too late for this learning may have been told by it all the same.
        self.waiting.retain(|stranger, _| {
            known.egress().compare(Some((stranger.local, 0).into()), stranger.address) != Comparison::Same
        });
        self.parts.known.send_replace(Arc::new(known));

        let refresh = plan.egress.refresh;
        if answered {
            self.pause = FIRST_PAUSE;
            self.due = Some(began + refresh);
        } else {
            self.due = Some(Instant::now() + self.pause.min(refresh));
            self.pause = (self.pause * 2).min(refresh);
        }
        if !self.waiting.is_empty() {
            self.hasten(Instant::now(), REST);
        }
    }

    /// Takes over a new plan. What was learnt goes on to count unless others are asked now; they are, at once.
    fn take_over(&mut self, plan: Arc<Plan>) {
        let before = self.plan();
        let asks = |plan: &Plan| (plan.egress.sources.clone(), plan.egress.source_addresses.clone());
        if asks(&before) != asks(&plan) {
            self.memory.forget(STILL_LEARNING);
        }
        let known = Known::before_learning(plan, &self.memory);
        self.due = known.learns().then(Instant::now);
        self.pause = FIRST_PAUSE;
        self.parts.known.send_replace(Arc::new(known));
    }

    fn plan(&self) -> Arc<Plan> {
        Arc::clone(self.parts.known.borrow().plan())
    }
}

/// A source that fails is nothing to worry about as long as another one answers.
fn log(failed: &[vipwatch_model::egress::Unknown], answered: bool) {
    for failure in failed {
        if answered {
            tracing::info!("failed to learn the egress address from {}", failure.why);
        } else {
            tracing::warn!("failed to learn the egress address from {}", failure.why);
        }
    }
}

async fn answers(learning: &mut Option<Learning>) -> Vec<Answer> {
    match learning {
        Some(learning) => learning.answers.as_mut().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
