//! A running server, and a client's way to talk to it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch_echo::server::Limits;
use vipwatch_echo::{Answer, Counts, Identity, Listener, Rates, Service, Settings, Stats};

/// More than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ends when dropped.
pub(crate) struct Running {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) stats: Arc<Stats>,
    task: JoinHandle<std::io::Result<()>>,
    shutdown: DropGuard,
}

pub(crate) fn settings() -> Settings {
    let identity =
        Identity { node: Some("node-1".to_owned()), pod: Some("echo-1".to_owned()), namespace: None };
    Settings { identity, ..Settings::default() }
}

pub(crate) fn with_limits(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

pub(crate) fn rates(total: u32, per_peer: u32) -> Rates {
    Rates { total: NonZeroU32::new(total).unwrap(), per_peer: NonZeroU32::new(per_peer).unwrap() }
}

pub(crate) fn localhost() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

impl Running {
    pub(crate) fn start(listeners: Vec<Listener>, settings: Settings) -> Self {
        let addresses = listeners.iter().map(|listener| listener.address().unwrap()).collect();
        let service = Service::new(listeners, settings).unwrap();
        let stats = service.stats();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(service.run(shutdown.clone()));
        Self { addresses, stats, task, shutdown: shutdown.drop_guard() }
    }

    pub(crate) fn tcp(settings: Settings) -> Self {
        Self::start(vec![Listener::Tcp(vipwatch_echo::bind_tcp(localhost()).unwrap())], settings)
    }

    pub(crate) fn http(settings: Settings) -> Self {
        Self::start(vec![Listener::Http(vipwatch_echo::bind_tcp(localhost()).unwrap())], settings)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addresses[0]).await.unwrap()
    }

    /// The counts, once there are `all` of them.
    pub(crate) async fn counted(&self, all: u64) -> Counts {
        let reached = async {
            loop {
                let Counts { answered, refused, malformed } = self.stats.read().total;
                if answered + refused + malformed >= all {
                    return Counts { answered, refused, malformed };
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, reached).await.expect("they are counted")
    }

    /// Ends the server, so that everything it did is counted.
    pub(crate) async fn end(self) -> Counts {
        drop(self.shutdown);
        timeout(PATIENCE, self.task).await.unwrap().unwrap().unwrap();
        self.stats.read().total
    }
}

/// What comes until the server closes, or resets, the connection.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _closed_or_reset = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it is closed");
    String::from_utf8(bytes).unwrap()
}

pub(crate) async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), sent: &[u8]) -> String {
    stream.write_all(sent).await.unwrap();
    rest(stream).await
}

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// The JSON in a line, or in an HTTP response.
pub(crate) fn answer_in(reply: &str) -> Answer {
    let body = reply.split_once("\r\n\r\n").map_or(reply, |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {reply:?}"))
}
