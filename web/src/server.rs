//! The accept loop. `axum::serve` has no header time-out and no cap, so silent
//! clients would stay for ever; this one sheds them.

use std::{io, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Status,
    feed::Feed,
    routes::{self, Shared},
};

/// How much clients may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A connection that takes longer to send a request's head is closed; so is
    /// one that stays idle for as long between requests.
    pub header_timeout: Duration,
    /// Connections at a time; one more is closed at once.
    pub connections: usize,
    /// Event streams at a time; one more is answered 503, so that readiness
    /// checks always find a connection.
    pub event_streams: usize,
    /// The least time between two overviews on an event stream.
    pub event_interval: Duration,
    /// The time between signs of life on a quiet event stream.
    pub keep_alive: Duration,
    /// A client that accepts no data for this long is dropped.
    pub stall_timeout: Duration,
    /// How long requests in progress may take to end at shutdown.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            connections: 256,
            event_streams: 192,
            event_interval: Duration::from_secs(1),
            keep_alive: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(1),
        }
    }
}

/// Serves the page and the API with the default [`Limits`] until `shutdown`.
///
/// # Errors
/// Fails if the listener is unusable.
pub async fn serve(
    listener: TcpListener,
    status: Arc<dyn Status>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_with(listener, status, shutdown, Limits::default()).await
}

/// Serves the page and the API within `limits` until `shutdown`.
///
/// Returns when the last connection has ended, at the latest after
/// [`Limits::drain_timeout`].
///
/// # Errors
/// Fails if the listener is unusable.
pub async fn serve_with(
    listener: TcpListener,
    status: Arc<dyn Status>,
    shutdown: CancellationToken,
    limits: Limits,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let feed = Arc::new(Feed::new(status.as_ref()));
    let router = routes::router(Shared {
        status,
        feed: Arc::clone(&feed),
        limits: limits.clone(),
        streams: Arc::new(Semaphore::new(limits.event_streams)),
        shutdown: shutdown.clone(),
    });
    tracing::info!(%address, "serving the page");
    tokio::join!(accept(listener, router, &limits, &shutdown), feed.run(&limits, &shutdown),);
    Ok(())
}

async fn accept(listener: TcpListener, router: Router, limits: &Limits, shutdown: &CancellationToken) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut is_full = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                // Out of file descriptors, most likely: busy looping frees none.
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let place = Arc::clone(&places).try_acquire_owned();
        if place.is_err() != is_full {
            is_full = place.is_err();
            tracing::warn!(is_full, cap = limits.connections, "the connection cap");
        }
        let Ok(place) = place else { continue };
        connections.spawn(connection(stream, place, router.clone(), limits, &graceful));
    }
    drop(listener);
    if timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests in progress were cut off");
    }
    connections.shutdown().await;
}

/// One client's requests, one after the other.
fn connection(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    router: Router,
    limits: &Limits,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    let options = socket2::SockRef::from(&stream);
    let tuned =
        options.set_tcp_nodelay(true).and_then(|()| options.set_tcp_user_timeout(Some(limits.stall_timeout)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "failed to set the socket's options");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let watched = graceful.watch(serving);
    async move {
        let _place = place;
        if let Err(error) = watched.await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}
