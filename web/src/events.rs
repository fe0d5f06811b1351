//! Server-sent events: the whole overview at once and then on change, and a
//! sign of life in between.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Limits,
    feed::{Feed, Snapshot},
};

/// What `EventSource` can see, unlike a comment: the page counts on it to tell
/// a quiet agent from a lost one.
const ALIVE: Bytes = Bytes::from_static(b"event: alive\ndata: ok\n\n");

struct Client {
    feed: Arc<Feed>,
    changes: watch::Receiver<()>,
    limits: Limits,
    shutdown: CancellationToken,
    is_new: bool,
    _permit: OwnedSemaphorePermit,
}

/// One client's stream, until it leaves or `shutdown` comes.
pub(crate) fn response(
    feed: Arc<Feed>,
    limits: Limits,
    shutdown: CancellationToken,
    permit: OwnedSemaphorePermit,
) -> Response {
    let client = Client { changes: feed.changes(), feed, limits, shutdown, is_new: true, _permit: permit };
    let chunks = stream::unfold(client, |mut client| async {
        let frame = client.next().await?;
        Some((stream::iter(frame.into_iter().map(Ok::<_, Infallible>)), client))
    })
    .flatten();
    (headers(), Body::from_stream(chunks)).into_response()
}

impl Client {
    /// The next frame in pieces, so that the document itself is never copied.
    async fn next(&mut self) -> Option<Vec<Bytes>> {
        if self.shutdown.is_cancelled() {
            return None;
        }
        if std::mem::take(&mut self.is_new) {
            return Some(frame(self.feed.current()));
        }
        tokio::select! {
            () = self.shutdown.cancelled() => None,
            changed = self.changes.changed() => {
                changed.ok()?;
                Some(frame(self.feed.current()))
            }
            () = sleep(self.limits.keep_alive) => Some(vec![ALIVE]),
        }
    }
}

/// JSON without line breaks fits into one `data` line.
fn frame(snapshot: Snapshot) -> Vec<Bytes> {
    vec![Bytes::from_static(b"event: overview\ndata: "), snapshot.json, Bytes::from_static(b"\n\n")]
}

fn headers() -> [(header::HeaderName, HeaderValue); 3] {
    [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx in front would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ]
}
