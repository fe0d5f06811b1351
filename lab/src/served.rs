//! A server that runs in the background for as long as its handle lives.

use std::future::Future;
use std::io;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// A running server. Dropping it ends the server without waiting for its connections.
#[derive(Debug)]
pub(crate) struct Served {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// Runs the server that `start` makes from its shutdown token.
    pub(crate) fn spawn<F>(runtime: &Handle, start: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let server = start(stop.clone());
        let task = runtime.spawn(async move {
            if let Err(error) = server.await {
                error!(%error, "a server of the lab has ended");
            }
        });
        Self { stop, task }
    }

    /// Tells the server to end.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends the server and waits until its listener is closed and its connections are done.
    pub(crate) async fn end(mut self) {
        self.stop();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
