//! An echo server with all its listeners. They share the places for connections and are counted apart.

use std::io;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accept::Places;
use crate::desk::Desk;
use crate::listener::Listener;
use crate::pace::Rates;
use crate::server::Limits;
use crate::stats::Stats;
use crate::{Echo, Identity};

/// What holds for all listeners.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The names in the answers.
    pub identity: Identity,
    /// What connections may take, those of all listeners together.
    pub limits: Limits,
    /// How often datagrams are answered, on each listener.
    pub rates: Rates,
    /// Whether connections over TCP, HTTP and HTTPS begin with a PROXY header. They all have to, then: could it
    /// be left out, everybody would be taken to come from the proxy. Whoever can connect can forge one, so only
    /// the proxies may be able to.
    pub proxy_protocol: bool,
}

/// An echo server that is ready to serve.
#[derive(Debug)]
pub struct Service {
    listeners: Vec<Listener>,
    settings: Settings,
    stats: Arc<Stats>,
}

impl Service {
    /// A server of `listeners`.
    ///
    /// # Errors
    /// When the system does not tell where they listen.
    pub fn new(listeners: Vec<Listener>, settings: Settings) -> io::Result<Self> {
        let stats = Arc::new(Stats::of(&listeners)?);
        Ok(Self { listeners, settings, stats })
    }

    /// Its counts, which go on while it runs.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Serves until `shutdown` is cancelled.
    ///
    /// # Errors
    /// When a listener fails for good; the others end with it.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let shutdown = shutdown.child_token();
        let limits = self.settings.limits;
        let places = Places::new(limits.connections, limits.connections_per_peer);
        let echo = Echo::new(self.settings.identity);
        let mut serving = JoinSet::new();
        for (listener, counter) in self.listeners.into_iter().zip(self.stats.counters()) {
            let desk = Desk {
                echo: echo.clone(),
                limits,
                rates: self.settings.rates,
                proxy_protocol: self.settings.proxy_protocol,
                places: Arc::clone(&places),
                stats: Arc::clone(&self.stats),
                counter,
                shutdown: shutdown.clone(),
            };
            serving.spawn(Arc::new(desk).serve(listener));
        }
        let mut outcome = Ok(());
        while let Some(ended) = serving.join_next().await {
            shutdown.cancel();
            outcome = outcome.and(ended.unwrap_or_else(|panic| Err(io::Error::other(panic))));
        }
        outcome
    }
}
