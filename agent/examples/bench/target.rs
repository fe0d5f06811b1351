//! What is probed: echo servers on loopback addresses, in this process, so that their CPU time is nobody
//! else's. They count what they answer, which is how every subject's rate is measured alike.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use vipwatch_echo::{
    Echo, Identity,
    server::{Flow, Limits, Respond, serve},
};

/// Addresses to probe: enough for one address's backlog and ports not to matter.
const ADDRESSES: u8 = 20;

/// The running echo servers.
pub(crate) struct Target {
    pub(crate) addresses: Vec<SocketAddr>,
    counting: Arc<Counting>,
    _servers: JoinSet<std::io::Result<()>>,
}

struct Counting {
    echo: Echo,
    answered: AtomicU64,
}

impl Respond for Counting {
    async fn respond(&self, request: Request<Incoming>, flow: Flow) -> Response<Full<Bytes>> {
        let response = self.echo.respond(request, flow).await;
        self.answered.fetch_add(1, Ordering::Relaxed);
        response
    }
}

impl Target {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let identity = Identity {
            node: Some("node-1".to_owned()),
            pod: Some("echo-server-6f7c9d5b8-x2x7p".to_owned()),
            namespace: Some("default".to_owned()),
        };
        let counting = Arc::new(Counting { echo: Echo::new(identity), answered: AtomicU64::new(0) });
        let mut servers = JoinSet::new();
        let mut addresses = Vec::new();
        for last in 1..=ADDRESSES {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 44, 0, last), 0)).await?;
            addresses.push(listener.local_addr()?);
            let serving = serve(listener, Arc::clone(&counting), Limits::default(), CancellationToken::new());
            servers.spawn(serving);
        }
        Ok(Self { addresses, counting, _servers: servers })
    }

    /// Requests answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.counting.answered.load(Ordering::Relaxed)
    }
}
