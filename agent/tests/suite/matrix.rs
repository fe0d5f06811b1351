//! The verdict on every path that a client's address can take, in clusters of network namespaces with the kernel's own
//! address translation. What is found is kept in `docs/matrix.md`: `make matrix` writes it anew.

use std::{collections::BTreeMap, fmt::Write as _, net::SocketAddr, path::Path as File, time::Duration};

use chrono::TimeDelta;
use vipwatch::{
    clock::Clock,
    oneshot,
    plan::{Plan, Planned, PlannedService},
    prober::{Exchange, FlowMethod, Host, HttpExchange, HttpPoll, Method, Prober, UdpExchange},
    schedule::Schedule,
};
use vipwatch_lab::{
    cluster::{Cluster, ExternalTrafficPolicy, Family},
    matrix::{Cell, Outcome, Path, RECEIVING, Seen, Topology, Transport, cells},
    namespaces::{CLIENT, NamespaceLab, inside},
};
use vipwatch_model::{
    address::{AddressBook, Node},
    cause::CauseKind,
    echo::EchoFormat,
    egress::Egress,
    probe::{self, Expectation, Probe, ProbeName, Subject, TrafficPolicy},
    state::{State, Thresholds},
    verdict::{Finding, FlowFinding, Verdict},
};

const FLOWS: u32 = 3;
const TIMEOUT: Duration = Duration::from_millis(700);

/// What is watched in a lab: a probe per service, family and transport, and one per service and node.
struct Watch {
    plan: Plan,
    probes: Vec<Planned>,
}

impl Watch {
    /// All services of `cluster`, as if they ought to have `policy`.
    fn over(cluster: &Cluster, policy: TrafficPolicy) -> Self {
        let node = |node: &vipwatch_lab::cluster::NodePlan| Node {
            name: node.name.clone(),
            addresses: node.addresses.clone(),
            pod_cidrs: node.pods.iter().map(|pods| pods.to_string().parse().unwrap()).collect(),
        };
        let services = cluster.services();
        let mut watch = Self {
            plan: Plan {
                vantage: "lab".into(),
                page: String::new(),
                probes: Vec::new(),
                services: Vec::new(),
                endpoints: Vec::new(),
                egress: Egress { socket: true, ..Egress::default() },
                book: AddressBook {
                    nodes: cluster.nodes().iter().map(node).collect(),
                    pod_cidrs: Vec::new(),
                    vips: services.iter().flat_map(|service| &service.vips).map(SocketAddr::ip).collect(),
                },
                receivers: Vec::new(),
            },
            probes: Vec::new(),
        };
        for service in services {
            for vip in &service.vips {
                for transport in Transport::ALL {
                    watch.probes.push(flows(&service.name, policy, *vip, transport));
                }
            }
            for node in cluster.nodes() {
                let address = SocketAddr::new(node.addresses[0], service.health_check_node_port);
                let subject =
                    Subject::Node { service: service.name.clone(), policy, node: node.name.clone(), address };
                let name = ProbeName::of_node(&service.name, &node.name);
                let method = Method::NodeHealth(HttpPoll::healthz(address));
                watch.probes.push(planned(name, subject, Expectation::Answer, method, Transport::Tcp));
            }
            watch.plan.services.push(PlannedService {
                name: service.name.clone(),
                policy,
                health_check_node_port: Some(service.health_check_node_port),
                vips: Vec::new(),
                nodes: Vec::new(),
            });
        }
        watch
    }

    /// The verdicts of one round, by probe.
    fn round(&self, lab: &NamespaceLab) -> BTreeMap<String, Verdict> {
        let watched = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let chosen: Vec<&Planned> = self.probes.iter().collect();
            runtime.block_on(async {
                oneshot::rounds(&self.plan, &chosen, &Prober::new(1_024), &Clock::system()).await
            })
        };
        let finished = lab.within(CLIENT, watched).unwrap();
        finished.into_iter().map(|round| (round.planned.probe.name.to_string(), round.verdict)).collect()
    }
}

fn flows(service: &str, policy: TrafficPolicy, vip: SocketAddr, transport: Transport) -> Planned {
    let exchange = match transport {
        Transport::Tcp => Exchange::Http(HttpExchange::get(vip.to_string(), "/")),
        Transport::Udp => Exchange::Udp(UdpExchange::new("")),
    };
    let method = FlowMethod {
        echo: Some(EchoFormat::Auto),
        ..FlowMethod::new(Host::Address(vip.ip()), vip.port(), exchange)
    };
    let expectation = match policy {
        TrafficPolicy::Local => Expectation::Preserved,
        TrafficPolicy::Cluster => Expectation::Any,
    };
    let subject = Subject::Vip { service: service.to_owned(), policy, address: vip };
    let name = ProbeName::new(&probe_name(service, vip, transport));
    planned(name, subject, expectation, Method::Flows(Box::new(method)), transport)
}

fn probe_name(service: &str, vip: SocketAddr, transport: Transport) -> String {
    format!("{service}@{} {transport}", vip.ip())
}

fn planned(
    name: ProbeName,
    subject: Subject,
    expectation: Expectation,
    method: Method,
    transport: Transport,
) -> Planned {
    let gap = Duration::from_secs(10);
    Planned {
        probe: Probe {
            name,
            subject,
            transport: match transport {
                Transport::Tcp => probe::Transport::Tcp,
                Transport::Udp => probe::Transport::Udp,
            },
            expectation,
            vips: Vec::new(),
            thresholds: Thresholds { alert_after: 1, resolve_after: 1, stale_after: TimeDelta::MAX },
            labels: BTreeMap::new(),
        },
        method,
        schedule: Schedule::Every(gap),
        gap,
        timeout: TIMEOUT,
        flows: FLOWS,
    }
}

/// Whose address is seen on this path, in the words of a verdict; `None` for the client's own.
fn class(cell: &Cell, cluster: &Cluster) -> Option<String> {
    let node = cluster.node(RECEIVING).unwrap();
    let pods = node.pod_network(cell.family).unwrap();
    match cell.expected(node).unwrap() {
        Outcome::Answered { seen: Seen::Address(_), .. } => Some(match cell.path {
            Path::Bridge | Path::Ptp => format!("pod bridge of {RECEIVING} in {pods}"),
            Path::RemoteVxlan => format!("overlay interface of {RECEIVING} in {pods}"),
            Path::Veth | Path::RemoteHostGw | Path::HostNetwork => format!("address of {RECEIVING}"),
        }),
        _ => None,
    }
}

/// Holds one cell's verdict against what has to be said of it, for a service that is meant to be as it is.
fn check(cell: &Cell, cluster: &Cluster, verdict: &Verdict) {
    let place = format!("{cell:?}: {}", verdict.reason);
    let all = |finding: FlowFinding| {
        let found: Vec<_> = verdict.evidence.iter().map(|flow| flow.finding).collect();
        assert_eq!(found, vec![finding; FLOWS as usize], "{place}");
    };
    match (cell.expected(cluster.node(RECEIVING).unwrap()).unwrap(), class(cell, cluster)) {
        (Outcome::Silence, _) => {
            assert_eq!((verdict.finding, verdict.state), (Finding::Unreachable, State::Down), "{place}");
            let cause = verdict.cause.as_ref().unwrap();
            assert_eq!(cause.kind, CauseKind::AnnouncementOrPath, "{place}");
            assert!(cause.text.contains("node-2 has ready endpoints"), "{}", cause.text);
        }
        (Outcome::Answered { seen: Seen::Client, .. }, _) => {
            assert_eq!((verdict.finding, verdict.state), (Finding::Preserved, State::Up), "{place}");
            all(FlowFinding::Preserved);
            assert!(verdict.notes.is_empty(), "{place}: {:?}", verdict.notes);
        }
        (Outcome::Answered { seen: Seen::Address(address), .. }, class) => {
            assert_eq!((verdict.finding, verdict.state), (Finding::Translated, State::Up), "{place}");
            all(FlowFinding::Translated);
            let [seen] = &verdict.seen[..] else { panic!("{place}: {:?}", verdict.seen) };
            assert_eq!((seen.address, Some(seen.what())), (address, class), "{place}");
        }
    }
}

/// The same cell of a service that is meant to be Local and has been reset to Cluster.
fn check_regression(cell: &Cell, cluster: &Cluster, verdict: &Verdict) {
    let place = format!("{cell:?} meant to be Local: {}", verdict.reason);
    if class(cell, cluster).is_none() {
        assert_eq!((verdict.finding, verdict.state), (Finding::Preserved, State::Up), "{place}");
        return;
    }
    assert_eq!((verdict.finding, verdict.state), (Finding::Translated, State::Translated), "{place}");
    let cause = verdict.cause.as_ref().unwrap();
    assert_eq!(cause.kind, CauseKind::PolicyReset, "{place}");
    assert!(cause.text.contains("closed on every node"), "{}", cause.text);
    assert!(verdict.remedy.as_ref().unwrap().contains("patch service"), "{place}");
}

fn row(cell: &Cell, cluster: &Cluster, verdict: &Verdict) -> String {
    let policy = match cell.policy {
        ExternalTrafficPolicy::Local => "Local",
        ExternalTrafficPolicy::Cluster => "Cluster",
    };
    let seen = match verdict.seen.first() {
        Some(seen) if seen.class.is_none() => format!("the client, {}", seen.address),
        Some(seen) => format!("{}, {}", seen.address, seen.what()),
        None => "nothing: dropped, since the endpoint is on another node".to_owned(),
    };
    let local = match (cell.policy, verdict.finding, class(cell, cluster)) {
        (ExternalTrafficPolicy::Cluster, Finding::Translated, _) => "`translated`: alert",
        (_, Finding::Preserved, _) => "`preserved`",
        _ => "`unreachable`: alert",
    };
    let as_cluster = match verdict.finding {
        Finding::Unreachable => "-".to_owned(),
        finding => format!("`{finding}`: fine"),
    };
    let as_cluster = if cell.policy == ExternalTrafficPolicy::Local { "-" } else { &as_cluster };
    format!("| {} | {policy} | {} | {seen} | {local} | {as_cluster} |", cell.path, family(cell.family))
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// Checks every cell that a lab of this kind has, and holds the rows against the documentation.
fn matrix(test: &str, path: &[Path]) {
    if !inside(&format!("matrix::{test}")) {
        return;
    }
    let topology: Topology = path[0].topology();
    let mut lab = NamespaceLab::start(&topology.plan()).unwrap();
    let services: Vec<String> = lab.state().services().iter().map(|service| service.name.clone()).collect();
    let mut rows: BTreeMap<(Path, u8, u8), String> = BTreeMap::new();
    for policy in [ExternalTrafficPolicy::Local, ExternalTrafficPolicy::Cluster] {
        for service in &services {
            lab.set_policy(service, policy).unwrap();
        }
        let local = Watch::over(lab.state(), TrafficPolicy::Local).round(&lab);
        let cluster = Watch::over(lab.state(), TrafficPolicy::Cluster).round(&lab);
        for cell in cells().iter().filter(|cell| path.contains(&cell.path) && cell.policy == policy) {
            let state = lab.state();
            let service = state.service(cell.path.service()).unwrap();
            let name = probe_name(&service.name, service.vip(cell.family).unwrap(), cell.transport);
            let row = match policy {
                ExternalTrafficPolicy::Local => {
                    check(cell, state, &local[&name]);
                    row(cell, state, &local[&name])
                }
                ExternalTrafficPolicy::Cluster => {
                    check(cell, state, &cluster[&name]);
                    check_regression(cell, state, &local[&name]);
                    row(cell, state, &cluster[&name])
                }
            };
            let key = (
                cell.path,
                u8::from(policy == ExternalTrafficPolicy::Cluster),
                u8::from(cell.family == Family::V6),
            );
            // TCP and UDP fare alike.
            let other = rows.insert(key, row.clone());
            assert!(other.is_none_or(|other| other == row), "TCP and UDP differ: {cell:?}");
        }
    }
    document(test, &rows.into_values().collect::<Vec<_>>());
}

/// Holds the rows against their part of the page, or writes them there.
fn document(part: &str, rows: &[String]) {
    let mut table = String::new();
    for row in rows {
        let _ = writeln!(table, "{row}");
    }
    println!("{table}");
    let path = File::new(env!("CARGO_MANIFEST_DIR")).join("../docs/matrix.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let begin = format!(
        "<!-- {part} -->\n\n| path | policy | family | the backend sees | meant to be Local | meant to be Cluster |\n|---|---|---|---|---|---|\n"
    );
    let start =
        page.find(&begin).unwrap_or_else(|| panic!("docs/matrix.md has no part {part}")) + begin.len();
    let end = start + page[start..].find("\n<!-- end -->").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        let page = format!("{}{}{}", &page[..start], table, &page[end..]);
        std::fs::write(&path, page).unwrap();
    } else {
        assert_eq!(&page[start..end], table, "docs/matrix.md is out of date: run `make matrix`");
    }
}

#[test]
fn bridges_and_host_gw() {
    matrix("bridges_and_host_gw", &[Path::Bridge, Path::RemoteHostGw, Path::HostNetwork]);
}

#[test]
fn bridges_and_vxlan() {
    matrix("bridges_and_vxlan", &[Path::RemoteVxlan]);
}

#[test]
fn ptp_and_host_gw() {
    matrix("ptp_and_host_gw", &[Path::Ptp]);
}

#[test]
fn veth_and_host_gw() {
    matrix("veth_and_host_gw", &[Path::Veth]);
}
