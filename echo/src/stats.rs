//! Counts of what was answered and what was not, by listener and in total.

use std::io;
use std::net::SocketAddr;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::listener::Listener;

/// What one listener counts.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    answered: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests answered.
    pub answered: u64,
    /// Connections ended and datagrams left unanswered by a limit.
    pub refused: u64,
    /// Connections and datagrams that were not understood.
    pub malformed: u64,
}

/// The counts of all listeners of a server.
#[derive(Debug)]
pub struct Stats {
    listeners: Vec<(&'static str, SocketAddr, Arc<Counter>)>,
}

/// The counts of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ListenerCounts {
    /// What is spoken on it.
    pub protocol: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it has counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What `/stats` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Each listener.
    pub listeners: Vec<ListenerCounts>,
    /// All of them together.
    pub total: Counts,
}

impl Counter {
    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn malformed(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            answered: self.answered.load(Relaxed),
            refused: self.refused.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            refused: self.refused + other.refused,
            malformed: self.malformed + other.malformed,
        }
    }
}

impl Stats {
    pub(crate) fn of(listeners: &[Listener]) -> io::Result<Self> {
        let of = |listener: &Listener| Ok((listener.protocol(), listener.address()?, Arc::default()));
        Ok(Self { listeners: listeners.iter().map(of).collect::<io::Result<_>>()? })
    }

    /// One for each listener, in their order.
    pub(crate) fn counters(&self) -> impl Iterator<Item = Arc<Counter>> {
        self.listeners.iter().map(|(_, _, counter)| Arc::clone(counter))
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Reading {
        let read = |(protocol, address, counter): &(&'static str, SocketAddr, Arc<Counter>)| ListenerCounts {
            protocol,
            address: *address,
            counts: counter.counts(),
        };
        let listeners: Vec<_> = self.listeners.iter().map(read).collect();
        let total = listeners.iter().map(|listener| listener.counts).fold(Counts::default(), Add::add);
        Reading { listeners, total }
    }
}
