//! A VIP on loopback: the listener that stands for the node announcing it, and what that node does with
//! the connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};
use vipwatch_echo::server::{Flow, Limits, serve_connection};
use vipwatch_echo::{Echo, Identity};

use crate::cluster::decide::{Forwarding, announcer, forwarding, translation};
use crate::cluster::{Cluster, Endpoint, Family, Service};

const BACKLOG: i32 = 1024;
/// Flows through one VIP at once.
const FLOWS: usize = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Long enough for a connection within this machine.
const FILL_TIME: Duration = Duration::from_millis(100);

/// One way a connection to the VIP can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pod: SocketAddr,
    identity: Identity,
    /// What the pod sees instead of the client.
    masquerade: Option<SocketAddr>,
}

/// How a VIP behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Connections take these paths in turn.
    Serve(Vec<Path>),
    /// Connections are neither established nor refused.
    Silent,
    /// Connections are refused.
    Refuse,
}

impl Mode {
    /// What a connection to the VIPs of `service` in `family` meets.
    pub(super) fn of(cluster: &Cluster, service: &Service, family: Family) -> Self {
        let Some(node) = announcer(cluster, service) else { return Self::Silent };
        match forwarding(service, &node.name) {
            Forwarding::Drop => Self::Silent,
            Forwarding::Reject => Self::Refuse,
            Forwarding::To { endpoints, .. } => {
                let path = |endpoint: &Endpoint| {
                    let source = translation(cluster, service, node, endpoint, family);
                    Some(Path {
                        pod: endpoint.address(family)?,
                        identity: endpoint.identity(service.namespace()),
                        masquerade: source.map(|source| SocketAddr::from((source, 0))),
                    })
                };
                Self::Serve(endpoints.iter().filter_map(path).collect())
            }
        }
    }
}

/// What runs for a VIP.
#[derive(Debug, Default)]
pub(super) enum Front {
    #[default]
    Closed,
    Serving {
        paths: Vec<Path>,
        stop: CancellationToken,
        task: JoinHandle<TcpListener>,
    },
    Silent {
        listener: TcpListener,
        _filler: Option<TcpStream>,
    },
}

impl Front {
    /// Makes the VIP behave as `mode` says. Requests in progress are answered before their connections end.
    pub(super) async fn switch(self, vip: SocketAddr, mode: Mode, flows: &TaskTracker) -> Result<Self> {
        if matches!((&self, &mode), (Self::Serving { paths, .. }, Mode::Serve(wanted)) if paths == wanted)
            || matches!((&self, &mode), (Self::Silent { .. }, Mode::Silent))
        {
            return Ok(self);
        }
        let listener = self.stop().await?;
        if mode == Mode::Refuse {
            return Ok(Self::Closed);
        }
        let listener = match listener {
            Some(listener) => listener,
            None => TcpListener::bind(vip).await.with_context(|| format!("failed to listen on {vip}"))?,
        };
        match mode {
            Mode::Serve(paths) => {
                rustix::net::listen(&listener, BACKLOG)?;
                let stop = CancellationToken::new();
                let task = tokio::spawn(accept(listener, paths.clone(), stop.clone(), flows.clone()));
                Ok(Self::Serving { paths, stop, task })
            }
            Mode::Silent | Mode::Refuse => Ok(fall_silent(vip, listener).await?),
        }
    }

    async fn stop(self) -> Result<Option<TcpListener>> {
        match self {
            Self::Closed => Ok(None),
            Self::Silent { listener, .. } => Ok(Some(listener)),
            Self::Serving { stop, task, .. } => {
                stop.cancel();
                Ok(Some(task.await.context("a VIP's accept loop has failed")?))
            }
        }
    }

    pub(super) async fn close(self) {
        if let Err(error) = self.stop().await {
            warn!(%error, "failed to close a VIP");
        }
    }
}

/// A listener whose backlog is full: the kernel then drops every SYN, which is what a client sees of an
/// address that nobody answers for. Accepting without answering would let clients connect.
async fn fall_silent(vip: SocketAddr, listener: TcpListener) -> io::Result<Front> {
    rustix::net::listen(&listener, 0)?;
    // A backlog of 0 has room for one. When that one is already taken this attempt comes to nothing.
    let filler = timeout(FILL_TIME, TcpStream::connect(vip)).await;
    Ok(Front::Silent { listener, _filler: filler.ok().transpose()? })
}

async fn accept(
    listener: TcpListener,
    paths: Vec<Path>,
    stop: CancellationToken,
    flows: TaskTracker,
) -> TcpListener {
    let places = Arc::new(Semaphore::new(FLOWS));
    let mut paths = paths.iter().cycle();
    let accept_all = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(path) = paths.next().cloned() else { return };
                    let stop = stop.clone();
                    flows.spawn(async move {
                        carry(stream, peer, path, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "failed to accept a connection, trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept_all).await;
    listener
}

async fn carry(stream: TcpStream, peer: SocketAddr, path: Path, stop: CancellationToken) {
    match path.masquerade {
        None => {
            let flow = Flow { peer, local: path.pod };
            let echo = Arc::new(Echo::new(path.identity));
            serve_connection(stream, flow, echo, Limits::default(), stop).await;
        }
        Some(source) => {
            let ended = async {
                stop.cancelled().await;
                sleep(Limits::default().drain).await;
            };
            tokio::select! {
                outcome = splice(stream, source, path.pod) => {
                    if let Err(error) = outcome {
                        debug!(%peer, pod = %path.pod, %error, "a flow ended early");
                    }
                }
                () = ended => {}
            }
        }
    }
}

async fn splice(mut client: TcpStream, source: SocketAddr, pod: SocketAddr) -> io::Result<()> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(source)?;
    let mut pod = socket.connect(pod).await?;
    client.set_nodelay(true)?;
    pod.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut pod).await?;
    Ok(())
}
