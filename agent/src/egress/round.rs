//! The baseline that a round is judged with, and the one case in which a round waits for it.
//!
//! When a round reports an address that nobody can place, and the baseline was learnt, either the far side translates,
//! or the NAT in front of this agent has another address since the last learning. Only a learning that began after the
//! round's flows can tell. So the round asks for one and waits, within the time that it has until the next round of its
//! probe, and is judged with what comes of it. This happens between the flows and the judgement, in the round's own
//! task: the pipeline, which judges all rounds, never waits. Where nobody can be asked, the round is judged with a
//! baseline that doubts the address, and is inconclusive.

use std::{collections::BTreeSet, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use vipwatch_model::{
    egress::{Egress, Stranger},
    observation::Observation,
    probe::Probe,
};

use super::Known;
use crate::plan::Plan;

/// What the learner is asked for.
pub(super) enum Request {
    /// Somebody has to be asked about these strangers, after `since`.
    Confirm { strangers: BTreeSet<Stranger>, since: Instant },
    /// The configuration has changed.
    TakeOver { plan: Arc<Plan>, done: oneshot::Sender<()> },
}

/// What rounds and the page know of the egress.
#[derive(Clone)]
pub struct Baseline {
    known: watch::Receiver<Arc<Known>>,
    requests: mpsc::Sender<Request>,
}

impl Baseline {
    pub(super) fn new(known: watch::Receiver<Arc<Known>>, requests: mpsc::Sender<Request>) -> Self {
        Self { known, requests }
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// The baseline of a plan that asks nobody, and never changes.
    #[cfg(test)]
    pub(crate) fn unchanging(plan: Arc<Plan>) -> Self {
        let memory = super::Memory::default();
        let (_, known) = watch::channel(Arc::new(Known::before_learning(plan, &memory)));
        let (requests, _) = mpsc::channel(1);
        Self { known, requests }
    }

    /// The baseline for a round of `probe` that has just seen `observation`, at the latest at `until`.
    pub async fn for_round(&self, probe: &Probe, observation: &Observation, until: Instant) -> Arc<Egress> {
        let since = Instant::now();
        let mut updates = self.known.clone();
        let mut asked = false;
        loop {
            let known = Arc::clone(&updates.borrow_and_update());
            let strangers = known.strangers(probe, observation);
            let now = Instant::now();
            let open = strangers.iter().filter(|stranger| !known.is_denied(stranger, now)).copied();
            let open: BTreeSet<Stranger> = open.collect();
            if open.is_empty() || known.asked_since(since) {
                return known.doubting(open);
            }
            let news = async {
                if !asked {
                    let request = Request::Confirm { strangers: open.clone(), since };
                    self.requests.send(request).await.ok()?;
                    asked = true;
                }
                updates.changed().await.ok()
            };
            if !matches!(timeout_at(until, news).await, Ok(Some(()))) {
                let unasked = |stranger| (stranger, "nobody could be asked before the next round".to_owned());
                return Arc::new(known.egress().doubting(open.into_iter().map(unasked)));
            }
        }
    }

    /// Takes over another plan: when this returns, what is known is known for that one.
    pub async fn take_over(&self, plan: Arc<Plan>) {
        let (done, taken_over) = oneshot::channel();
        if self.requests.send(Request::TakeOver { plan, done }).await.is_ok() {
            let _ = taken_over.await;
        }
    }
}
