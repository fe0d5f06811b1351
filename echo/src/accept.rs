//! Accepts connections, as many as there are places for, and ends them when it is told to. Knows nothing of
//! what they are used for.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::pace::network;
use crate::server::Flow;

/// Accepting goes on after a failure, since most of them pass (no free descriptors, a peer that has
/// gone), but not for ever.
const ACCEPT_FAILURES: u32 = 100;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The places for connections, which several listeners may share.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    per_peer: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A peer's place. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    places: Arc<Places>,
    peer: IpAddr,
}

/// A connection that was accepted.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) flow: Flow,
    place: OwnedSemaphorePermit,
    places: Arc<Places>,
}

impl Places {
    pub(crate) fn new(total: usize, per_peer: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(total));
        Arc::new(Self { free, per_peer, taken: Mutex::default() })
    }
}

impl Arrival {
    /// Takes the place for `peer`. `None`, and the connection is closed, when it has as many as it may have.
    pub(crate) fn seated(self, peer: IpAddr) -> Option<(TcpStream, Place)> {
        Some((self.stream, Place::take(self.places, self.place, peer)?))
    }
}

impl Place {
    /// Takes a place for `peer`, unless it has as many as it may have.
    fn take(places: Arc<Places>, place: OwnedSemaphorePermit, peer: IpAddr) -> Option<Self> {
        let peer = network(peer);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(peer).or_default();
        if *count >= places.per_peer {
            return None;
        }
        *count += 1;
        drop(taken);
        Some(Self { _place: place, places, peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

/// Accepts connections from `listener` until `shutdown` is cancelled, then closes the listener, gives the
/// connections `drain` to end, and returns when the last one has. Further ones than there are places for
/// wait in the listener's backlog.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    places: &Arc<Places>,
    drain: Duration,
    shutdown: &CancellationToken,
    attend: impl Fn(Arrival) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut failures = 0;
    let outcome = loop {
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            Some(_ended) = connections.join_next() => {}
            accepted = accept(&listener, places) => match accepted {
                Ok((stream, peer, place)) => {
                    failures = 0;
                    // Without an address of its own it was reset before it was accepted.
                    if let Ok(local) = stream.local_addr() {
                        let (flow, places) = (Flow { peer, local }, Arc::clone(places));
                        connections.spawn(attend(Arrival { stream, flow, place, places }));
                    }
                }
                Err(error) if failures == ACCEPT_FAILURES => break Err(error),
                Err(error) => {
                    if failures == 0 {
                        warn!(%error, "failed to accept a connection, trying again");
                    }
                    failures += 1;
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    };
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, drained).await.is_err() {
        connections.shutdown().await;
    }
    outcome
}

async fn accept(
    listener: &TcpListener,
    places: &Places,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(&places.free).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_gets_its_places_and_gets_them_back() {
        let places = Places::new(3, 2);
        let take = |peer: &str| {
            let place = Arc::clone(&places.free).try_acquire_owned().unwrap();
            Place::take(Arc::clone(&places), place, peer.parse().unwrap())
        };
        let first = take("192.0.2.9").unwrap();
        let second = take("::ffff:192.0.2.9").unwrap();
        assert!(take("192.0.2.9").is_none());
        let other = take("192.0.2.10").unwrap();
        assert_eq!(places.free.available_permits(), 0);
        drop(first);
        assert!(take("192.0.2.9").is_some());
        drop((second, other));
        assert_eq!(places.free.available_permits(), 3);
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is remembered of peers that have gone");
    }
}
