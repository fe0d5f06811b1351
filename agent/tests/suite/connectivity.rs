//! The connectivity targets over real sockets, and the whole agent on loopback while they come and go.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use vipwatch::{clock::Clock, config, connectivity, plan::Plan};
use vipwatch_lab::cluster::{Announcement, Change};
use vipwatch_model::{
    alert::{AlertKind, Event},
    connectivity::{Check, Says},
    flow::FailureKind,
};
use vipwatch_web::api::{Overview, State};

use crate::{
    agent::{Home, Page, Receiver, Running, free_address, state, vip, vipwatch},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// How often everything is probed.
const EVERY: Duration = Duration::from_millis(300);

fn section(targets: &[String]) -> String {
    format!("[connectivity]\ntargets = {targets:?}\nevery = \"1s\"\ntimeout = \"300ms\"\n")
}

/// Asks the targets once.
async fn check(targets: &[String]) -> Check {
    let source = format!("[agent]\nvantage = \"test\"\n{}", section(targets));
    let config = config::parse(&source, Path::new("probes.toml"), &|_| None);
    let plan = Plan::new(&config.unwrap_or_else(|faults| panic!("{}", faults.render(false))));
    connectivity::check_once(&plan, &Clock::system()).await.unwrap()
}

/// A web server that says the same to everybody, on a thread that lives as long as the test's process.
fn web(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

#[tokio::test]
async fn whoever_speaks_at_all_answers() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let unwell = web("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let garbage = web("SSH-2.0-x\r\n");
    let targets = [
        format!("tcp://{}", listening.local_addr().unwrap()),
        format!("http://{unwell}/healthz?token=s3cr3t"),
        format!("tcp://{}", free_address()),
        format!("http://{garbage}/"),
        format!("https://{unwell}/"),
    ];
    let check = check(&targets).await;
    let heard: Vec<_> = check
        .answers
        .iter()
        .map(|answer| answer.heard.as_ref().map(drop).map_err(|failure| failure.kind))
        .collect();
    let failed = [FailureKind::Refused, FailureKind::Protocol, FailureKind::Tls].map(Err);
    assert_eq!(heard[..2], [Ok(()), Ok(())], "{check:?}");
    assert_eq!(heard[2..], failed, "{check:?}");
    assert_eq!(check.says(), Says::Sees);
    assert_eq!(check.answers[1].target, format!("http://{unwell}/healthz"));
}

/// Beyond its first, a connection to a full backlog is not answered: the kernel drops its SYN.
#[tokio::test]
async fn a_silent_target_is_waited_for_no_longer_than_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&silent, 0).unwrap();
    let address = silent.local_addr().unwrap();
    let _filler = std::net::TcpStream::connect(address).unwrap();
    let began = std::time::Instant::now();
    let check = check(&[format!("tcp://{address}")]).await;
    let took = began.elapsed();
    let failure = check.answers[0].heard.as_ref().unwrap_err();
    assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Timeout, "no answer within 300 ms"));
    // All attempts one after the other would take three times as long.
    assert!((Duration::from_millis(300)..Duration::from_millis(900)).contains(&took), "{took:?}");
    assert_eq!(check.says(), Says::Blind);
}

/// A cluster on loopback, an agent, and a target that comes and goes.
struct Stage {
    cluster: Cluster,
    receiver: Receiver,
    home: Home,
    listen: SocketAddr,
    target: SocketAddr,
    agent: Option<Running>,
    page: Page,
}

impl Stage {
    fn start(target: &TcpListener) -> Self {
        let (cluster, receiver_, listen) = (Cluster::start(), Receiver::start(), free_address());
        let target = target.local_addr().unwrap();
        let more = section(&[format!("tcp://{target}")]) + &receiver("test", receiver_.address);
        let every = u64::try_from(EVERY.as_millis()).unwrap();
        let home = Home::new(&cluster.config(listen, every, &more));
        let (agent, page) = cluster.watched_by(&home, listen);
        Self { cluster, receiver: receiver_, home, listen, target, agent: Some(agent), page }
    }

    fn silence(&self) {
        self.cluster.apply(Change::announcement(ECHO, Announcement::Withheld));
    }

    fn restart(&mut self) {
        self.home.wait_until_settled();
        self.agent.take().unwrap().kill();
        self.agent = Some(Running::start(&self.home));
        self.page = Page::open(self.listen);
    }

    #[track_caller]
    fn until(&mut self, what: &str, wanted: impl Fn(&Overview) -> bool) -> Overview {
        self.page.wait_for(what, PATIENCE, wanted)
    }
}

/// The target dies with the VIP; then the agent is killed; then the target comes back, and the VIP does not.
#[test]
fn blindness_outlasts_a_restart_and_what_is_wrong_after_it_is_told() {
    let target = TcpListener::bind(free_address()).unwrap();
    let mut stage = Stage::start(&target);
    let name = stage.cluster.vip_probe();
    drop(target);
    stage.silence();
    let (opened, others) = stage.receiver.next_of(AlertKind::VantageBlind, Event::Opened, PATIENCE);
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(opened.alert.severity.as_str(), "critical");
    let reason = &opened.alert.reason;
    let why =
        format!("The only connectivity target does not answer: tcp://{} (Connection refused", stage.target);
    assert!(reason.starts_with(&why), "{reason}");
    let unknown = stage.until("the VIP is unknown", |overview| state(overview, &name) == State::Unknown);
    let last = vip(&unknown, &name).last.as_ref().unwrap();
    assert_eq!(last.finding, "blind");
    assert!(last.reason.contains("but the connectivity target tcp://127.0.0.1:"), "{}", last.reason);
    assert!(last.evidence.iter().all(|flow| flow.failure.as_deref() == Some("blind")), "{last:#?}");
    assert!(unknown.agent.connectivity.blind);

    stage.restart();
    let blind = stage.until("the same alert after a restart", |overview| {
        overview.alerts.iter().any(|alert| alert.id == opened.alert.id)
            && overview.agent.connectivity.targets[0].error.is_some()
    });
    assert!(blind.agent.connectivity.blind && blind.alerts.len() == 1, "{:#?}", blind.alerts);
    let told = stage.receiver.all_within(4 * EVERY);
    assert!(told.is_empty(), "{told:#?}");

    let _target = TcpListener::bind(stage.target).unwrap();
    let (resolved, others) = stage.receiver.next_of(AlertKind::VantageBlind, Event::Resolved, PATIENCE);
    assert!(others.is_empty(), "{others:#?}");
    assert_eq!(resolved.alert.id, opened.alert.id);
    let summary = resolved.resolution.unwrap().reason;
    assert!(summary.contains("1 probe had rounds that count as unknown"), "{summary}");
    let (unreachable, others) = stage.receiver.next_of(AlertKind::Unreachable, Event::Opened, PATIENCE);
    assert_eq!(unreachable.alert.probe, name);
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_vip_is_told_as_fast_as_ever_while_the_target_answers() {
    let target = TcpListener::bind(free_address()).unwrap();
    let mut stage = Stage::start(&target);
    stage.silence();
    let (unreachable, others) = stage.receiver.next_of(AlertKind::Unreachable, Event::Opened, PATIENCE);
    assert_eq!(unreachable.alert.probe, stage.cluster.vip_probe());
    assert!(others.is_empty(), "{others:#?}");
    let shown = stage
        .until("the target's answer", |overview| overview.agent.connectivity.targets[0].latency_ms.is_some());
    assert!(!shown.agent.connectivity.blind);
}

#[test]
fn a_single_round_from_the_command_line_asks_the_targets_too() {
    let cluster = Cluster::start();
    cluster.apply(Change::announcement(ECHO, Announcement::Withheld));
    let target = TcpListener::bind(free_address()).unwrap();
    let more = section(&[format!("tcp://{}", target.local_addr().unwrap())]);
    let home = Home::new(&cluster.config(free_address(), 1_000, &more));
    let probe = || {
        let mut command = vipwatch();
        let output =
            command.args(["probe", &cluster.vip_probe(), "--config"]).arg(home.path()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = probe();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("unreachable"), "{text}");
    drop(target);
    let (code, text) = probe();
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("blind") && text.contains("connectivity"), "{text}");
}
