//! The agent's egress address: what it looks like from the far side. Asks others for it, remembers what they said, and
//! hands every round the baseline that it is to be judged with.
//!
//! ```text
//!  clock, network changes, rounds ──▶ learner ──▶ everybody in [egress] ──▶ memory ──▶ known ──▶ rounds, page
//! ```
//!
//! One task, the learner, owns the memory. It runs at most one learning at a time, and its results go to a watch
//! channel. Probing never waits for it, but for one case: see [`round`].

mod ask;
mod datagram;
mod dns;
mod echo;
mod http;
mod known;
mod learner;
mod memory;
mod reference;
mod round;
mod stun;

use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::{mpsc, watch};

pub use known::Known;
pub use learner::Learner;
pub use round::Baseline;

use crate::{clock::Clock, network::Network, plan::Plan, prober::Prober};
use learner::{Answers, Parts};
use memory::Memory;

/// Requests that may wait for the learner.
const REQUESTS: usize = 64;
/// What was learnt counts for this many refresh periods after it was last confirmed.
const KEPT_PERIODS: i32 = 3;
/// What is said until the first learning has ended.
const STILL_LEARNING: &str = "this agent's egress address is still being learnt";

/// A learner for `plan`, and the handle by which rounds and the page know what it knows.
#[must_use]
pub fn start(plan: Arc<Plan>, prober: Arc<Prober>, clock: Clock) -> (Learner, Baseline) {
    let (requests_in, requests) = mpsc::channel(REQUESTS);
    let memory = blank();
    let (known_in, known) = watch::channel(Arc::new(Known::before_learning(plan, &memory)));
    let ask = move |plan: Arc<Plan>| -> Answers {
        let prober = Arc::clone(&prober);
        Box::pin(async move { ask::everybody(&plan, &prober).await })
    };
    let network = Network::of_ways();
    let parts = Parts { ask: Box::new(ask), clock, network, known: known_in, requests };
    (Learner::new(parts, memory), Baseline::new(known, requests_in))
}

/// Asks everybody once: for commands that run one round and end.
pub async fn learn_once(plan: Arc<Plan>, prober: &Prober, clock: &Clock) -> Known {
    let mut memory = blank();
    let known = Known::before_learning(Arc::clone(&plan), &memory);
    if !known.learns() {
        return known;
    }
    let (began, at) = (tokio::time::Instant::now(), clock.now());
    let answers = ask::everybody(&plan, prober).await;
    memory.take(answers, &plan.book, at, kept(&plan));
    known.after_learning(&memory, began, at)
}

fn blank() -> Memory {
    let mut memory = Memory::default();
    memory.forget(STILL_LEARNING);
    memory
}

/// How long what was learnt counts without being confirmed.
fn kept(plan: &Plan) -> TimeDelta {
    let period = TimeDelta::from_std(plan.egress.refresh).unwrap_or(TimeDelta::days(1));
    period * KEPT_PERIODS
}
