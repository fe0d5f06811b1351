//! The accept loop. `axum::serve` has no header time-out and no cap, so silent
//! clients would stay for ever; this one sheds them.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Access, Control, Status,
    feed::Feed,
    guard::Peer,
    routes::{self, Shared},
};

/// What is served, and who may change something.
pub struct Site {
    /// What is shown.
    pub status: Arc<dyn Status>,
    /// What operators can have done.
    pub control: Arc<dyn Control>,
    /// Who may; it may change while it is served.
    pub access: watch::Receiver<Access>,
}

/// How much clients may ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A connection that takes longer to send a request's head is closed; so is
    /// one that stays idle for as long between requests.
    pub header_timeout: Duration,
    /// A request whose body takes longer is refused.
    pub body_timeout: Duration,
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
            body_timeout: Duration::from_secs(10),
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
pub async fn serve(listener: TcpListener, site: Site, shutdown: CancellationToken) -> io::Result<()> {
    serve_with(listener, site, shutdown, Limits::default()).await
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
    site: Site,
    shutdown: CancellationToken,
    limits: Limits,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let Site { status, control, access } = site;
    let feed = Arc::new(Feed::new(status.as_ref()));
    let router = routes::router(Shared {
        status,
        control,
        access,
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
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
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
        connections.spawn(connection(stream, peer, place, router.clone(), limits, &graceful));
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
    peer: SocketAddr,
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
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        router.call(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
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
