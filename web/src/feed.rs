//! The overview as bytes: serialized once per change, and only when somebody
//! looks, however many clients there are.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{Limits, Status, api::Overview};

/// A client is sent no more than about this much per second: an overview of
/// several megabytes comes less often than a small one.
const BYTES_PER_SECOND: usize = 1 << 20;

/// One revision of the overview, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// Quoted, as `ETag` wants it.
    pub(crate) etag: Arc<str>,
    /// The JSON document.
    pub(crate) json: Bytes,
}

/// The latest revision that was asked for, and the data it was made from.
struct Cached {
    source: Arc<Overview>,
    revision: u64,
    snapshot: Snapshot,
}

/// Hands out the overview to requests and event streams.
pub(crate) struct Feed {
    source: watch::Receiver<Arc<Overview>>,
    cached: Mutex<Option<Cached>>,
    changes: watch::Sender<()>,
}

impl Feed {
    pub(crate) fn new(status: &dyn Status) -> Self {
        Self { source: status.overview(), cached: Mutex::new(None), changes: watch::Sender::new(()) }
    }

    /// The overview as it is now.
    pub(crate) fn current(&self) -> Snapshot {
        let source = Arc::clone(&self.source.borrow());
        // A panic while serializing leaves the old revision: still fine to use.
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cached.as_ref()
            && Arc::ptr_eq(&known.source, &source)
        {
            return known.snapshot.clone();
        }
        let revision = cached.as_ref().map_or(0, |known| known.revision + 1);
        let snapshot = Snapshot {
            // The start time keeps revisions of two runs apart.
            etag: format!("\"{:x}-{revision:x}\"", source.started_at.timestamp_micros()).into(),
            json: to_json(&source),
        };
        *cached = Some(Cached { source, revision, snapshot: snapshot.clone() });
        snapshot
    }

    /// A receiver that is told when [`Self::current`] is worth sending again.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Tells every event stream of changes, at the pace that `limits` set.
    pub(crate) async fn run(&self, limits: &Limits, shutdown: &CancellationToken) {
        let mut source = self.source.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = source.changed() => if changed.is_err() { return },
            }
            if self.changes.receiver_count() == 0 {
                continue;
            }
            let sent_at = Instant::now();
            let pace = limits.event_interval.max(pace(self.current().json.len()));
            self.changes.send_replace(());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep_until(sent_at + pace) => {}
            }
        }
    }
}

fn pace(bytes: usize) -> Duration {
    Duration::from_secs((bytes / BYTES_PER_SECOND) as u64)
}

fn to_json(overview: &Overview) -> Bytes {
    serde_json::to_vec(overview).expect("an overview has only string keys").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_documents_are_not_slowed_down() {
        assert_eq!(pace(30_000), Duration::ZERO);
        assert_eq!(pace(3 * BYTES_PER_SECOND), Duration::from_secs(3));
    }
}
