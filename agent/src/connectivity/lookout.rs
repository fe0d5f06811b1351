//! The task that decides when the targets are asked, and tells what they said.

use std::{pin::Pin, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use vipwatch_model::connectivity::{Answer, Check, Says};

use super::gate::{Request, View};
use crate::{
    clock::{Clock, until},
    config::Connectivity,
    network::Network,
};

/// The shortest time between the beginnings of two checks, whoever asks for them.
const REST: Duration = Duration::from_millis(100);
/// Changes of links come in swarms.
const SETTLE: Duration = Duration::from_millis(20);

/// Asks the targets and looks at the links, until it is told to end.
pub struct Lookout {
    parts: Parts,
    /// When the last check began.
    began: Option<Instant>,
    /// When the next one is due by the schedule.
    due: Instant,
    /// Since when somebody waits for one that begins later than that.
    wanted: Option<Instant>,
    /// When to look at the links.
    look: Option<Instant>,
}

/// What a lookout works with.
pub(super) struct Parts {
    /// Asks all targets.
    pub(super) ask: Box<dyn Fn(Arc<Connectivity>) -> Answers + Send>,
    /// Whether a link but the loopback has carrier; nothing where nobody can tell.
    pub(super) look: Box<dyn Fn() -> Carrier + Send>,
    /// Wall time.
    pub(super) clock: Clock,
    /// Tells when links change.
    pub(super) links: Network,
    /// Where it is told what is seen; it holds what is seen at first.
    pub(super) view: watch::Sender<Arc<View>>,
    /// What the lookout is asked for.
    pub(super) requests: mpsc::Receiver<Request>,
}

/// What will be answered.
pub(super) type Answers = Pin<Box<dyn Future<Output = Vec<Answer>> + Send>>;
/// What will be known of links.
pub(super) type Carrier = Pin<Box<dyn Future<Output = Option<bool>> + Send>>;

/// A check under way. It lives in the lookout's own task: whatever ends that, ends it.
struct Asking {
    began: Instant,
    at: DateTime<Utc>,
    answers: Answers,
}

impl Lookout {
    pub(super) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        Self { parts, began: None, due: now, wanted: None, look: Some(now) }
    }

    /// Runs until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut asking: Option<Asking> = None;
        loop {
            let due = self.next().filter(|_| asking.is_none());
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(request) = self.parts.requests.recv() => match request {
                    Request::Check { since } => self.wanted = self.wanted.max(Some(since)),
                    Request::TakeOver { settings, done } => {
                        if self.take_over(settings) {
                            asking = None;
                        }
                        let _ = done.send(());
                    }
                },
                () = self.parts.links.changed() => {
                    self.look.get_or_insert_with(|| Instant::now() + SETTLE);
                }
                () = until(self.look) => self.look_at_links().await,
                answers = answers(&mut asking) => {
                    if let Some(Asking { began, at, .. }) = asking.take() {
                        self.take(Check { at, answers }, began);
                    }
                }
                () = until(due) => asking = self.ask(),
            }
        }
    }

    /// When the next check is due, if there is anybody to ask.
    fn next(&self) -> Option<Instant> {
        self.settings()?;
        let rested = self.began.map(|began| began + REST);
        let wanted = self.wanted.map(|wanted| rested.map_or(wanted, |rested| wanted.max(rested)));
        Some(wanted.map_or(self.due, |wanted| wanted.min(self.due)))
    }

    fn ask(&mut self) -> Option<Asking> {
        let settings = self.settings()?;
        let began = Instant::now();
        (self.began, self.due, self.wanted) = (Some(began), began + settings.every, None);
        Some(Asking { began, at: self.parts.clock.now(), answers: (self.parts.ask)(settings) })
    }

    fn take(&mut self, check: Check, began: Instant) {
        let mut view = View::clone(&self.parts.view.borrow());
        let outlook = Arc::make_mut(&mut view.outlook);
        let before = outlook.last.as_ref().map(Check::says);
        match check.says() {
            Says::Blind => {
                view.blind = Some((Instant::now(), check.why_blind()));
                // Whoever waits had a round under way until now.
                self.wanted = None;
            }
            Says::Sees | Says::Nothing => view.clear = Some(began),
        }
        if before != Some(check.says()) {
            log(&check, before);
        }
        outlook.take(check);
        self.parts.view.send_replace(Arc::new(view));
    }

    /// A lost or regained link is reason enough to ask at once.
    async fn look_at_links(&mut self) {
        self.look = None;
        let Some(carrier) = (self.parts.look)().await else { return };
        let mut view = View::clone(&self.parts.view.borrow());
        let outlook = Arc::make_mut(&mut view.outlook);
        let before = outlook.cut_off.is_none();
        if carrier == before {
            return;
        }
        tracing::info!(carrier, "whether a link of this host has carrier has changed");
        outlook.take_links(carrier, self.parts.clock.now());
        self.wanted = Some(Instant::now());
        self.parts.view.send_replace(Arc::new(view));
    }

    /// Takes over other targets, and tells whether they are others.
    fn take_over(&mut self, settings: Option<Arc<Connectivity>>) -> bool {
        let others = self.settings() != settings;
        if others {
            let cut_off = self.parts.view.borrow().outlook.cut_off;
            let mut view = View::before(settings);
            Arc::make_mut(&mut view.outlook).cut_off = cut_off;
            self.parts.view.send_replace(Arc::new(view));
            self.due = Instant::now();
        }
        others
    }

    fn settings(&self) -> Option<Arc<Connectivity>> {
        self.parts.view.borrow().settings.clone()
    }
}

fn log(check: &Check, before: Option<Says>) {
    match (check.says(), before) {
        (Says::Sees, Some(_)) => tracing::info!("a connectivity target answers again"),
        (Says::Sees, None) => {}
        (Says::Blind, _) => {
            tracing::warn!("no connectivity target answers; rounds without an answer count as unknown");
        }
        (Says::Nothing, _) => {
            let why =
                check.answers.iter().find_map(|answer| Some(answer.heard.as_ref().err()?.detail.as_str()));
            let why = why.unwrap_or("nobody was asked");
            tracing::warn!(
                "failed to ask the connectivity targets, so silence is held against what is probed: {why}"
            );
        }
    }
}

async fn answers(asking: &mut Option<Asking>) -> Vec<Answer> {
    match asking {
        Some(asking) => asking.answers.as_mut().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
