//! Counts of what was answered and what was not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What one listener has counted so far.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    answered: AtomicU64,
    refused: AtomicU64,
    malformed: AtomicU64,
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
}
