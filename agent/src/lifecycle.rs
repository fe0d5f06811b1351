//! Signals, and what systemd wants to be told (`sd_notify(3)`). Without systemd the latter is nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{heartbeat::Heartbeat, status::SILENCE};

/// The signals that end the agent. Caught from the start, so that none of them kills it before it is ready.
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Catches SIGTERM and SIGINT.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for one of them.
    pub async fn terminated(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Catches SIGHUP, which asks for a reload.
///
/// # Errors
/// When the system refuses.
pub fn hangup() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Tells systemd that the agent is ending.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Tells systemd that a reload begins; [`reloaded`] has to follow (`Type=notify-reload`).
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "failed to read the monotonic clock for systemd"),
    }
}

/// Tells systemd that a reload is over.
pub fn reloaded() {
    notify(&[NotifyState::Ready]);
}

/// Pats systemd's watchdog, but only while the core loops show signs of life.
pub struct Watchdog {
    every: Option<Duration>,
    heartbeats: Vec<(&'static str, Heartbeat)>,
}

impl Watchdog {
    /// Tells systemd that the agent is ready, and gets ready to pat its watchdog.
    #[must_use]
    pub fn ready(heartbeats: Vec<(&'static str, Heartbeat)>) -> Self {
        notify(&[NotifyState::Ready]);
        Self { every: sd_notify::watchdog_enabled().map(|limit| limit / 3), heartbeats }
    }

    /// Never returns.
    pub async fn run(self) {
        let Some(every) = self.every else { return std::future::pending().await };
        let mut tick = tokio::time::interval(every);
        loop {
            tick.tick().await;
            match self.heartbeats.iter().find(|(_, heartbeat)| heartbeat.silence() > SILENCE) {
                None => notify(&[NotifyState::Watchdog]),
                Some((name, _)) => {
                    tracing::error!(%name, "a core loop makes no progress; systemd's watchdog is not patted");
                }
            }
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "failed to notify systemd");
    }
}
