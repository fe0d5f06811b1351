//! The whole of vipwatch against the kernel's own NAT: the real binary on a host outside a cluster of
//! network namespaces.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use vipwatch_lab::{
    cluster::{Announcement, Change, ExternalTrafficPolicy, ProxyHealth},
    namespaces::{CLIENT, HostProcess, Link, NamespaceLab, NamespacePlan, inside},
};
use vipwatch_model::alert::{AlertKind, Event};
use vipwatch_web::api::{Overview, State};

use crate::agent::{Home, Page, Receiver, connect, state, vip, vipwatch};

pub(crate) const ECHO: &str = "default/echo-server";
pub(crate) const VIP: &str = "default/echo-server@192.0.2.201";
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
const THRESHOLD: u32 = 2;
/// Enough for a start, or for a change to be found, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An agent on the host outside, and everything around it.
pub(crate) struct Outside {
    pub(crate) lab: NamespaceLab,
    pub(crate) receiver: Receiver,
    page: Page,
    pub(crate) home: Home,
    _agent: HostProcess,
}

pub(crate) fn config(receiver: SocketAddr, database: &str) -> String {
    let nodes: String = (1..=3)
        .map(|n| {
            format!("[[cluster.node]]\nname = \"node-{n}\"\naddresses = [\"192.0.2.1{n}\"]\npod_cidr = \"10.244.{n}.0/24\"\n")
        })
        .collect();
    format!(
        r#"
[agent]
vantage = "lab"
listen = "127.0.0.1:9180"
database = "{database}"
[cluster]
pod_cidrs = ["10.244.0.0/16"]
{nodes}
[defaults]
every = "1s"
timeout = "500ms"
flows = 4
alert_after = {THRESHOLD}
resolve_after = 2
[alerts]
group_window = "0s"
[[service]]
name = "{ECHO}"
vips = ["192.0.2.201"]
port = 80
external_traffic_policy = "Local"
health_check_node_port = 30001
echo = {{ path = "/", format = "auto" }}
[[receiver]]
name = "test"
kind = "webhook"
url = "http://{receiver}/hook"
"#
    )
}

impl Outside {
    fn start() -> Self {
        Self::with_database("vipwatch.db")
    }

    fn with_database(database: &str) -> Self {
        Self::configured(|receiver| config(receiver, database))
    }

    pub(crate) fn configured(config: impl FnOnce(SocketAddr) -> String) -> Self {
        let lab = NamespaceLab::start(&NamespacePlan::default()).unwrap();
        lab.within(CLIENT, || {
            // The page and the webhook are on the client's own loopback.
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
            assert!(up.success());
        })
        .unwrap();
        let listener = lab.bind_in(CLIENT, "127.0.0.1:0".parse().unwrap()).unwrap();
        let receiver = Receiver::on(listener);
        let home = Home::new(&config(receiver.address));
        let agent = lab.spawn_in(CLIENT, &mut home.command()).unwrap();
        let page = Page::over(lab.within(CLIENT, || connect("127.0.0.1:9180".parse().unwrap())).unwrap());
        let mut outside = Self { lab, receiver, page, home, _agent: agent };
        outside.until("the healthy cluster is seen", |overview| {
            state(overview, VIP) == State::Up
                && state(overview, &node(1)) == State::Up
                && state(overview, &node(2)) == State::Idle
                && state(overview, &node(3)) == State::Idle
        });
        outside
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Overview) -> bool) -> Overview {
        self.page.wait_for(what, PATIENCE, wanted)
    }
}

pub(crate) fn node(n: u8) -> String {
    format!("{ECHO}@node-{n}")
}

#[test]
fn a_flip_to_cluster_is_told_once_in_time_and_resolved_once() {
    if !inside("namespaces::a_flip_to_cluster_is_told_once_in_time_and_resolved_once") {
        return;
    }
    let mut outside = Outside::start();
    let preserved = outside.until("a round", |overview| vip(overview, VIP).last.is_some());
    let last = vip(&preserved, VIP).last.as_ref().unwrap();
    assert_eq!((last.finding.as_str(), last.flows_ok, last.flows), ("preserved", 4, 4));
    assert_eq!(last.observed.len(), 1);
    assert_eq!(
        (last.observed[0].address.as_str(), last.observed[0].what.as_str()),
        ("192.0.2.9", "this agent")
    );

    outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    let flipped = Instant::now();
    let (opened, mut others) = outside.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    let took = flipped.elapsed();
    // The flip falls somewhere between two rounds; the second bad one is at most threshold x interval away.
    let allowed = THRESHOLD * INTERVAL + Duration::from_millis(500);
    assert!(took <= allowed, "told after {took:?}, allowed {allowed:?}");
    println!("flip to webhook: {took:?}");
    let alert = &opened.alert;
    assert_eq!(alert.expected, ["192.0.2.9"]);
    assert_eq!(alert.observed.len(), 1, "{:?}", alert.observed);
    assert_eq!(alert.observed[0].address, "10.244.1.1");
    assert_eq!(alert.observed[0].what, "pod bridge of node-1 in 10.244.1.0/24");
    assert!(alert.reason.contains("10.244.1.1") && alert.reason.contains("node-1"), "{}", alert.reason);
    assert!(alert.remedy.as_ref().unwrap().contains("externalTrafficPolicy"));
    assert_eq!(opened.vantage, "lab");

    others.extend(outside.receiver.all_within(4 * INTERVAL));
    let kinds: Vec<_> = others.iter().map(|other| (other.alert.key.kind, other.event)).collect();
    assert_eq!(
        kinds,
        [(AlertKind::PolicyDrift, Event::Opened)],
        "the closed health check ports are one story"
    );

    outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Local).unwrap();
    let (resolved, mut others) =
        outside.receiver.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    assert!(resolved.resolution.is_some());
    others.extend(outside.receiver.all_within(4 * INTERVAL));
    let kinds: Vec<_> = others.iter().map(|other| (other.alert.key.kind, other.event)).collect();
    assert_eq!(kinds, [(AlertKind::PolicyDrift, Event::Resolved)]);
}

/// The time from the change of the nodes' rules to the arrival of the webhook, over many flips at times that have nothing to do
/// with the probe's.
#[test]
fn flips_are_told_within_threshold_times_interval() {
    if !inside("namespaces::flips_are_told_within_threshold_times_interval") {
        return;
    }
    const FLIPS: u32 = 20;
    const FAST: Duration = Duration::from_millis(250);
    let every = |receiver| {
        // So many flips would be told as one that goes to and fro.
        let steady = "group_window = \"0s\"\nflapping = { enabled = false }";
        config(receiver, "vipwatch.db")
            .replace("every = \"1s\"\ntimeout = \"500ms\"", "every = \"250ms\"\ntimeout = \"200ms\"")
            .replace("group_window = \"0s\"", steady)
    };
    let mut outside = Outside::configured(every);
    let mut took: Vec<Duration> = (1..=FLIPS)
        .map(|flip| {
            // Somewhere between two rounds.
            std::thread::sleep(FAST * flip / FLIPS);
            outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
            let flipped = Instant::now();
            outside.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
            let took = flipped.elapsed();
            outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Local).unwrap();
            outside.receiver.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
            took
        })
        .collect();
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    println!(
        "flip to webhook, {FLIPS} flips, {THRESHOLD} rounds every {FAST:?}: least {:?}, median {:?}, 90 % {:?}, most {:?}",
        at(0),
        at(50),
        at(90),
        at(100)
    );
    let aim = THRESHOLD * FAST + Duration::from_millis(50);
    assert!(at(50) <= aim, "the median of {took:?} is over {aim:?}");
    outside.until("all is well", |overview| overview.alerts.is_empty());
}

#[test]
fn moving_the_pod_flips_its_nodes_and_the_vip_goes_on() {
    if !inside("namespaces::moving_the_pod_flips_its_nodes_and_the_vip_goes_on") {
        return;
    }
    let mut outside = Outside::start();
    outside.lab.move_pod(ECHO, "node-2").unwrap();
    let (opened, others) = outside.receiver.next_of(AlertKind::NodeUnhealthy, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.node.as_deref(), Some("node-1"));
    assert_eq!(opened.alert.title, "node-1 lost its last ready endpoint of default/echo-server");
    assert!(others.iter().all(|other| other.alert.key.kind == AlertKind::Unreachable), "{others:#?}");
    outside.until("the VIP answers from node-2, and the nodes say so", |overview| {
        let vip = vip(overview, VIP);
        let answers_there = |last: &vipwatch_web::api::RoundView| {
            last.finding == "preserved"
                && last.responders.iter().all(|responder| responder.ends_with("on node-2"))
        };
        vip.state == State::Up
            && vip.last.as_ref().is_some_and(answers_there)
            && state(overview, &node(1)) == State::Idle
            && state(overview, &node(2)) == State::Up
            && state(overview, &node(3)) == State::Idle
    });
    let (resolved, _) = outside.receiver.next_of(AlertKind::NodeUnhealthy, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    let reason = resolved.resolution.unwrap().reason;
    assert!(
        reason.starts_with("node-2 has a ready endpoint") && reason.ends_with("the pod moved."),
        "{reason}"
    );
}

#[test]
fn a_service_without_endpoints_is_down_and_not_translated() {
    if !inside("namespaces::a_service_without_endpoints_is_down_and_not_translated") {
        return;
    }
    let mut outside = Outside::start();
    outside.lab.set_endpoints(ECHO, &[]).unwrap();
    let (opened, others) = outside.receiver.next_of(AlertKind::Unreachable, Event::Opened, PATIENCE);
    assert!(
        opened.alert.reason.starts_with("No connection to 192.0.2.201:80 was answered"),
        "{}",
        opened.alert.reason
    );
    outside.until("the VIP is down", |overview| state(overview, VIP) == State::Down);
    let mut all = others;
    all.extend(outside.receiver.all_within(3 * INTERVAL));
    let kinds: Vec<_> = all.iter().map(|other| (other.alert.key.kind, other.event)).collect();
    assert_eq!(kinds, [(AlertKind::NoHealthyNode, Event::Opened)], "one that says it all");
}

#[test]
fn a_vip_that_nobody_announces_is_down() {
    if !inside("namespaces::a_vip_that_nobody_announces_is_down") {
        return;
    }
    let mut outside = Outside::start();
    outside.lab.set_announcement(ECHO, Announcement::Withheld).unwrap();
    let (opened, _) = outside.receiver.next_of(AlertKind::Unreachable, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.target, "192.0.2.201:80");
    outside.until("the nodes are still fine", |overview| {
        state(overview, VIP) == State::Down && state(overview, &node(1)) == State::Up
    });
}

#[test]
fn the_agents_own_link_is_not_the_clusters_fault() {
    if !inside("namespaces::the_agents_own_link_is_not_the_clusters_fault") {
        return;
    }
    let mut outside = Outside::start();
    outside.lab.set_link(CLIENT, Link::Down).unwrap();
    let blind = outside.until("everything is unknown", |overview| {
        state(overview, VIP) == State::Unknown && (1..=3).all(|n| state(overview, &node(n)) == State::Unknown)
    });
    let last = vip(&blind, VIP).last.as_ref().unwrap();
    assert_eq!(last.finding, "blind");
    assert!(last.reason.contains("this host"), "{}", last.reason);
    outside.lab.set_link(CLIENT, Link::Up).unwrap();
    outside.until("everything is seen again", |overview| {
        state(overview, VIP) == State::Up && state(overview, &node(1)) == State::Up
    });
    let told = outside.receiver.all_within(3 * INTERVAL);
    let kinds: Vec<_> = told.iter().map(|told| (told.alert.key.kind, told.event)).collect();
    let once = [Event::Opened, Event::Resolved].map(|event| (AlertKind::VantageBlind, event));
    assert_eq!(kinds, once, "{told:#?}");
    assert!(told[0].alert.reason.starts_with("No link of this host has carrier"), "{}", told[0].alert.reason);
}

#[test]
fn a_full_disk_stops_neither_probing_nor_alerts() {
    if !inside("namespaces::a_full_disk_stops_neither_probing_nor_alerts") {
        return;
    }
    let small = tempfile::tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(small.path()).status();
    assert!(mount.unwrap().success());
    let mut outside = Outside::with_database(small.path().join("vipwatch.db").to_str().unwrap());
    let ballast = small.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    drop(file);
    let full = outside.until("the full disk is shown", |overview| !overview.agent.store.ok);
    let error = full.agent.store.error.unwrap();
    assert!(error.contains("there is no room left") && error.contains("make room"), "{error}");

    outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    let (opened, _) = outside.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    let held = outside.until("results are held", |overview| overview.agent.store.buffered > 0);
    assert_eq!(held.agent.store.lost, 0);

    std::fs::remove_file(ballast).unwrap();
    outside.until("everything is written", |overview| {
        overview.agent.store.ok && overview.agent.store.buffered == 0
    });
    let told = outside.receiver.all_within(2 * INTERVAL);
    assert!(told.iter().all(|other| other.alert.id != opened.alert.id), "told twice: {told:#?}");
}

#[test]
fn a_read_only_disk_is_named_and_written_to_as_soon_as_it_can_be() {
    if !inside("namespaces::a_read_only_disk_is_named_and_written_to_as_soon_as_it_can_be") {
        return;
    }
    let disk = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk.path()).status();
        assert!(mount.unwrap().success());
    };
    mount("size=8m,ro");
    let mut outside = Outside::with_database(disk.path().join("vipwatch.db").to_str().unwrap());
    let shown =
        outside.until("the fault", |overview| !overview.agent.store.ok && overview.agent.store.buffered > 0);
    let error = shown.agent.store.error.unwrap();
    assert!(error.contains("cannot be written") && error.contains("read-only"), "{error}");
    outside.lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    let (opened, _) = outside.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    mount("remount,rw");
    outside.until("everything is written", |overview| {
        overview.agent.store.ok && overview.agent.store.buffered == 0 && overview.agent.store.lost == 0
    });
    let database = rusqlite::Connection::open(disk.path().join("vipwatch.db")).unwrap();
    let id: String = database
        .query_row("SELECT id FROM alert WHERE kind = 'source_translated'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(id, opened.alert.id);
}

#[test]
fn kube_proxy_and_the_nodes_themselves_are_asked() {
    if !inside("namespaces::kube_proxy_and_the_nodes_themselves_are_asked") {
        return;
    }
    let mut outside = Outside::configured(|receiver| {
        config(receiver, "vipwatch.db")
            .replace("[cluster]\n", "[cluster]\nkube_proxy_health_port = 10256\nping_nodes = true\n")
    });
    let of = |overview: &Overview, name: &str| {
        let probe = overview.probes.iter().find(|probe| probe.name == name);
        probe.unwrap_or_else(|| panic!("no probe is called {name}")).clone()
    };
    let all_up = |overview: &Overview| {
        (1..=3).all(|n| {
            let [proxy, ping] = ["kube-proxy", "ping"].map(|kind| of(overview, &format!("{kind}@node-{n}")));
            proxy.state == State::Up && ping.state == State::Up
        })
    };
    outside.until("every node answers", all_up);
    outside.lab.apply(&Change::proxy_health("node-2", ProxyHealth::Stale)).unwrap();
    let (opened, _) = outside.receiver.next_of(AlertKind::NodeDown, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.node.as_deref(), Some("node-2"), "{opened:#?}");
    let shown = outside.until("kube-proxy says that it is unwell", |overview| {
        of(overview, "kube-proxy@node-2").state == State::Down
    });
    assert_eq!(of(&shown, "kube-proxy@node-2").last.unwrap().finding, "proxy_unhealthy");
    assert_eq!(of(&shown, "ping@node-2").state, State::Up, "the node itself is alive");

    outside.lab.apply(&Change::proxy_health("node-2", ProxyHealth::Healthy)).unwrap();
    outside.lab.apply(&Change::proxy_health("node-3", ProxyHealth::Leaving)).unwrap();
    outside.until("one is well again, and one leaves on purpose", |overview| {
        of(overview, "kube-proxy@node-2").state == State::Up
            && of(overview, "kube-proxy@node-3").state == State::Idle
    });
    let told = outside.receiver.all_within(3 * INTERVAL);
    // Its health check node port had said the same of node-2.
    assert!(told.iter().all(|other| other.alert.node.as_deref() == Some("node-2")), "{told:#?}");

    outside.lab.set_link("node-1", Link::Down).unwrap();
    outside.until("the node is silent", |overview| of(overview, "ping@node-1").state == State::Down);
}

#[test]
fn without_a_token_nobody_from_elsewhere_changes_anything() {
    const TOKEN: &str = "0123456789abcdef";
    if !inside("namespaces::without_a_token_nobody_from_elsewhere_changes_anything") {
        return;
    }
    let outside = Outside::configured(|receiver| {
        config(receiver, "vipwatch.db").replace("127.0.0.1:9180", "0.0.0.0:9180")
    });
    let ask = |host: &str, agent: &str, arguments: &[&str], token: &str| {
        let mut command = vipwatch();
        command.args(arguments).args(["--agent", agent]).env("VIPWATCH_API_TOKEN", token);
        let output = outside.lab.within(host, || command.output().unwrap()).unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let silence = ["silence", "--for", "1h", "--comment", "test", "--all"];
    let remote = "http://192.0.2.9:9180/";
    assert_eq!(ask("node-1", remote, &["alerts"], "").0, Some(0), "reading is open");
    // Not even this host, unless it comes over its loopback.
    for host in ["node-1", CLIENT] {
        let (code, error) = ask(host, remote, &silence, "");
        assert!(code == Some(1) && error.contains("agent.api_token"), "{host}: {code:?} {error}");
    }
    assert_eq!(ask(CLIENT, "http://127.0.0.1:9180/", &silence, "").0, Some(0));

    let token = format!("listen = \"0.0.0.0:9180\"\napi_token = \"{TOKEN}\"");
    let configured = std::fs::read_to_string(outside.home.path()).unwrap();
    outside.home.configure(&configured.replace("listen = \"0.0.0.0:9180\"", &token));
    let give_up = Instant::now() + PATIENCE;
    while ask("node-1", remote, &silence, TOKEN).0 != Some(0) {
        assert!(Instant::now() < give_up, "the token is not taken over");
    }
    assert_eq!(ask("node-1", remote, &silence, "another-token-than-that").0, Some(1));
}
