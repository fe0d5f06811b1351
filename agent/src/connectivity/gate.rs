//! The gate that every round passes on its way to judgement, and the one case in which it waits there.
//!
//! A round without any answer would speak against its target. Whether it may, only a check can tell that began after the
//! round ended: what targets said before that is out of date. So such a round asks for one and waits, as long as a check may
//! take; all that wait share it. Where no target answers, or none did at some time during the round, the agent is blamed.
//! This happens in the round's own task: the pipeline never waits.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};
use vipwatch_model::{
    connectivity::{self, Outlook},
    observation::Observation,
    probe::Probe,
};

use crate::config::Connectivity;

/// What is said of a round for which nobody could be asked: there is no telling.
const NOT_ASKED: &str = "the connectivity targets could not be asked in time";

/// What the lookout is asked for.
pub(super) enum Request {
    /// All targets have to be asked, at this time or later.
    Check { since: Instant },
    /// The configuration has changed.
    TakeOver { settings: Option<Arc<Connectivity>>, done: oneshot::Sender<()> },
}

/// What the lookout has seen so far.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) settings: Option<Arc<Connectivity>>,
    pub(super) outlook: Arc<Outlook>,
    /// When the latest check ended that no target answered, and what it says of silent rounds.
    pub(super) blind: Option<(Instant, String)>,
    /// When the latest check began that lets silent rounds be judged.
    pub(super) clear: Option<Instant>,
}

/// What rounds, the pipeline and the page know of the connectivity.
#[derive(Clone)]
pub struct Gate {
    view: watch::Receiver<Arc<View>>,
    requests: mpsc::Sender<Request>,
}

impl View {
    /// What is seen before anybody was asked.
    pub(super) fn before(settings: Option<Arc<Connectivity>>) -> Self {
        let outlook = Outlook { asks: settings.is_some(), ..Outlook::default() };
        Self { settings, outlook: Arc::new(outlook), blind: None, clear: None }
    }

    /// Who is to blame for a silent round from `began` to `ended`: nobody of ours, or the agent for the reason given; nothing
    /// as long as that is not known.
    fn blame(&self, began: Instant, ended: Instant) -> Option<Option<&str>> {
        if let Some((_, why)) = self.blind.as_ref().filter(|(at, _)| *at >= began) {
            return Some(Some(why));
        }
        let clear = self.settings.is_none() || self.clear.is_some_and(|at| at >= ended);
        clear.then_some(None)
    }
}

impl Gate {
    pub(super) fn new(view: watch::Receiver<Arc<View>>, requests: mpsc::Sender<Request>) -> Self {
        Self { view, requests }
    }

    /// A gate without targets.
    #[cfg(test)]
    pub(crate) fn open() -> Self {
        let (_, view) = watch::channel(Arc::new(View::before(None)));
        let (requests, _) = mpsc::channel(1);
        Self { view, requests }
    }

    /// What is known now.
    #[must_use]
    pub fn outlook(&self) -> Arc<Outlook> {
        Arc::clone(&self.view.borrow().outlook)
    }

    /// Lets a round of `probe` pass that began at `began` and has just seen `observation`: blames the agent where it has to
    /// be. A round that may last until `until` waits no longer than a check may take beyond that.
    pub async fn pass(
        &self,
        probe: &Probe,
        mut observation: Observation,
        began: Instant,
        until: Instant,
    ) -> Observation {
        if connectivity::is_silent(probe, &observation)
            && let Some(why) = self.blame(began, until).await
        {
            connectivity::blame(&mut observation, &why);
        }
        observation
    }

    async fn blame(&self, began: Instant, until: Instant) -> Option<String> {
        let ended = Instant::now();
        let mut updates = self.view.clone();
        let mut asked = false;
        loop {
            let patience = {
                let view = updates.borrow_and_update();
                if let Some(blame) = view.blame(began, ended) {
                    return blame.map(str::to_owned);
                }
                view.settings.as_ref()?.timeout
            };
            let news = async {
                if !asked {
                    self.requests.send(Request::Check { since: ended }).await.ok()?;
                    asked = true;
                }
                updates.changed().await.ok()
            };
            if !matches!(timeout_at(until.max(ended) + patience, news).await, Ok(Some(()))) {
                return Some(NOT_ASKED.to_owned());
            }
        }
    }

    /// Takes over other settings: when this returns, rounds are let pass by their targets.
    pub async fn take_over(&self, settings: Option<Connectivity>) {
        let (done, taken_over) = oneshot::channel();
        let settings = settings.map(Arc::new);
        if self.requests.send(Request::TakeOver { settings, done }).await.is_ok() {
            let _ = taken_over.await;
        }
    }
}
