//! The real binary under test: started on a configuration, watched through its event stream, its
//! webhooks taken by a receiver of the test's own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};
use vipwatch_lab::webhook;
use vipwatch_model::{
    alert::{AlertKind, Event},
    notification::Notification,
};
use vipwatch_web::api::{Overview, ProbeView, State};

/// Where an agent has its configuration and database.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    /// A fresh directory with `config` as its configuration.
    pub(crate) fn new(config: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        home.configure(config);
        home
    }

    /// Puts another configuration in place, the way an editor does: a new file over the old one.
    pub(crate) fn configure(&self, config: &str) {
        let fresh = self.path().with_extension("new");
        std::fs::write(&fresh, config).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("probes.toml")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("vipwatch.db")
    }

    /// Waits until it is written that everything has been delivered: an agent that is killed before tells it again.
    pub(crate) fn wait_until_settled(&self) {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        let give_up = Instant::now() + Duration::from_secs(20);
        let pending = "SELECT count(*) FROM delivery WHERE state = 'pending'";
        while database.query_row(pending, [], |row| row.get(0)) != Ok(0) {
            assert!(Instant::now() < give_up, "deliveries are pending still");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The command that runs the agent here.
    pub(crate) fn command(&self) -> Command {
        let mut command = vipwatch();
        command.arg("run").arg("--config").arg(self.path());
        command
    }
}

/// The binary under test.
pub(crate) fn vipwatch() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vipwatch"))
}

/// A running agent; killed when dropped.
pub(crate) struct Running {
    child: std::process::Child,
}

impl Running {
    pub(crate) fn start(home: &Home) -> Self {
        Self::of(&mut home.command())
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        Self { child: command.spawn().unwrap() }
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no warning, no drain.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end and gives the exit code.
    pub(crate) fn ended(mut self, patience: Duration) -> i32 {
        let give_up = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < give_up, "the agent did not end within {patience:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on which nobody listens, for an agent that is about to. Until then connections to it are refused, and nobody else
/// gets it who wants just any port: a socket keeps it that never listens, for as long as the tests run.
pub(crate) fn free_address() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // So that those who mean this very port can share it.
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// Gets `path` from the agent's page: status line and body.
pub(crate) fn get(listen: SocketAddr, path: &str) -> (String, String) {
    let mut stream = connect(listen);
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// Connects as soon as the agent listens.
pub(crate) fn connect(listen: SocketAddr) -> TcpStream {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        match TcpStream::connect(listen) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < give_up, "nobody listens on {listen}: {error}"),
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The agent's event stream.
pub(crate) struct Page {
    lines: BufReader<TcpStream>,
    latest: Option<Overview>,
}

impl Page {
    /// Opens it as soon as the agent listens.
    pub(crate) fn open(listen: SocketAddr) -> Self {
        Self::over(connect(listen))
    }

    /// Opens it on a connection that was made elsewhere.
    pub(crate) fn over(mut stream: TcpStream) -> Self {
        // HTTP/1.0 keeps the stream free of chunk sizes.
        stream.write_all(b"GET /api/v1/events HTTP/1.0\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        Self { lines: BufReader::new(stream), latest: None }
    }

    /// Waits until the page shows what `wanted` looks for.
    #[track_caller]
    pub(crate) fn wait_for(
        &mut self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Overview) -> bool,
    ) -> Overview {
        let give_up = Instant::now() + patience;
        let mut line = String::new();
        while Instant::now() < give_up {
            match self.lines.read_line(&mut line) {
                Ok(0) => break,
                Err(_) => continue, // Nothing new within the read time-out; what was read so far stays.
                Ok(_) => {}
            }
            if let Some(data) = line.strip_prefix("data:") {
                let overview: Overview = serde_json::from_str(data.trim()).unwrap();
                if wanted(&overview) {
                    self.latest = Some(overview.clone());
                    return overview;
                }
                self.latest = Some(overview);
            }
            line.clear();
        }
        panic!("waited {patience:?} in vain for {what}; the page showed {:#?}", self.latest);
    }
}

/// The state of the probe `name`.
pub(crate) fn state(overview: &Overview, name: &str) -> State {
    let vips = overview.services.iter().flat_map(|service| &service.vips).chain(&overview.probes);
    let nodes = overview.services.iter().flat_map(|service| &service.nodes);
    let probes = vips.map(|vip| (&vip.name, vip.state)).chain(nodes.map(|node| (&node.probe, node.state)));
    let found = probes.into_iter().find(|(probe, _)| *probe == name);
    found.unwrap_or_else(|| panic!("the page shows no probe {name}")).1
}

/// The source probe `name`.
pub(crate) fn vip<'a>(overview: &'a Overview, name: &str) -> &'a ProbeView {
    let mut vips = overview.services.iter().flat_map(|service| &service.vips).chain(&overview.probes);
    vips.find(|vip| vip.name == name).unwrap_or_else(|| panic!("the page shows no VIP {name}"))
}

/// A webhook receiver.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    arrived: mpsc::Receiver<Notification>,
    _end: DropGuard,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Takes webhooks on a listener that was bound elsewhere.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (tell, arrived) = mpsc::channel();
        let end = CancellationToken::new();
        let ended = end.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let seen = move |delivery: webhook::Delivery| {
                    let notification: Notification = serde_json::from_value(delivery.body).unwrap();
                    let key = delivery.headers.get("idempotency-key").unwrap();
                    assert_eq!(key.to_str().unwrap(), notification.idempotency_key);
                    let _ = tell.send(notification);
                };
                webhook::serve(listener, seen, ended).await.unwrap();
            });
        });
        Self { address, arrived, _end: end.drop_guard() }
    }

    /// The next notification of `kind` and `event`, and what else came before it.
    #[track_caller]
    pub(crate) fn next_of(
        &self,
        kind: AlertKind,
        event: Event,
        patience: Duration,
    ) -> (Notification, Vec<Notification>) {
        let give_up = Instant::now() + patience;
        let mut others = Vec::new();
        loop {
            let left = give_up.saturating_duration_since(Instant::now());
            let Ok(notification) = self.arrived.recv_timeout(left) else {
                panic!("{kind} was not told as {event} within {patience:?}; what came: {others:#?}");
            };
            if notification.alert.key.kind == kind && notification.event == event {
                return (notification, others);
            }
            others.push(notification);
        }
    }

    /// Everything that arrives within `while_`.
    pub(crate) fn all_within(&self, while_: Duration) -> Vec<Notification> {
        let give_up = Instant::now() + while_;
        let mut all = Vec::new();
        while let Ok(notification) =
            self.arrived.recv_timeout(give_up.saturating_duration_since(Instant::now()))
        {
            all.push(notification);
        }
        all
    }
}
