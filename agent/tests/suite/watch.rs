//! Watching a lab of namespaces from its client, in this process: rounds when they are asked for, and their verdicts.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use vipwatch::{
    clock::Clock,
    config::Egress,
    egress, oneshot,
    plan::{Plan, Planned, PlannedService},
    prober::{Exchange, FlowMethod, Host, HttpExchange, HttpPoll, Method, Prober, UdpExchange},
    schedule::Schedule,
};
use vipwatch_lab::{
    cluster::Cluster,
    matrix::Transport,
    namespaces::{CLIENT, NamespaceLab},
};
use vipwatch_model::{
    address::{AddressBook, Node},
    dispatch::Policy,
    echo::EchoFormat,
    probe::{self, Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy},
    rule::Rules,
    verdict::Verdict,
};

/// Long for a lab on one machine, and what every silent flow costs.
const TIMEOUT: Duration = Duration::from_millis(700);

/// What is watched in a lab: a probe per service, family and transport, and one per service and node.
pub(crate) struct Watch {
    pub(crate) plan: Plan,
    pub(crate) probes: Vec<Planned>,
}

impl Watch {
    /// All services of `cluster`, as if they ought to have `policy`.
    pub(crate) fn over(cluster: &Cluster, policy: TrafficPolicy, flows: u32) -> Self {
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
                hosts: Vec::new(),
                egress: Egress::default(),
                connectivity: None,
                book: AddressBook {
                    nodes: cluster.nodes().iter().map(node).collect(),
                    pod_cidrs: Vec::new(),
                    vips: services.iter().flat_map(|service| &service.vips).map(SocketAddr::ip).collect(),
                },
                receivers: Vec::new(),
                policy: Policy::default(),
                maintenance: Vec::new(),
                rules: Rules::uniform(2, 2, TimeDelta::minutes(10)),
            },
            probes: Vec::new(),
        };
        for service in services {
            for vip in &service.vips {
                for transport in Transport::ALL {
                    watch.probes.push(flows_to(&service.name, policy, *vip, transport, flows));
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

    /// Has every source probe expect something else.
    pub(crate) fn expecting(mut self, expectation: &Expectation) -> Self {
        for planned in &mut self.probes {
            if matches!(planned.method, Method::Flows(_)) {
                planned.probe.expectation = expectation.clone();
            }
        }
        self
    }

    /// The verdicts of one round, by probe.
    pub(crate) fn round(&self, lab: &NamespaceLab) -> BTreeMap<String, Verdict> {
        let ports = fresh_ports();
        let watched = || {
            std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", &ports).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let chosen: Vec<&Planned> = self.probes.iter().collect();
            runtime.block_on(async {
                let (prober, clock) = (Prober::new(1_024), Clock::system());
                let known = egress::learn_once(Arc::new(self.plan.clone()), &prober, &clock).await;
                oneshot::rounds(&self.plan, &known, &chosen, &prober, &clock).await
            })
        };
        let finished = lab.within(CLIENT, watched).unwrap();
        let first: u16 = ports.split_once(' ').unwrap().0.parse().unwrap();
        let flows = finished.iter().flat_map(|round| &round.verdict.evidence).filter_map(|flow| flow.local);
        assert!(flows.map(|local| local.port()).all(|port| (first..first + WIDTH).contains(&port)));
        finished.into_iter().map(|round| (round.planned.probe.name.to_string(), round.verdict)).collect()
    }
}

fn flows_to(
    service: &str,
    policy: TrafficPolicy,
    vip: SocketAddr,
    transport: Transport,
    flows: u32,
) -> Planned {
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
    let method = Method::Flows(Box::new(method));
    Planned { flows, ..planned(name, subject, expectation, method, transport) }
}

/// How many source ports a round may use.
const WIDTH: u16 = 2_000;

/// Source ports that no round before has used. Nodes remember datagrams for a while, and go on translating (or not)
/// what comes from the same port, whatever has changed since.
fn fresh_ports() -> String {
    static ROUNDS: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + ROUNDS.fetch_add(1, Ordering::Relaxed) % 25 * WIDTH;
    format!("{first} {}", first + WIDTH - 1)
}

/// The name of the probe of a service at a VIP.
pub(crate) fn probe_name(service: &str, vip: SocketAddr, transport: Transport) -> String {
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
            rules: Rules::uniform(1, 1, TimeDelta::MAX),
            limits: Limits::default(),
            labels: BTreeMap::new(),
        },
        method,
        schedule: Schedule::Every(gap),
        gap,
        timeout: TIMEOUT,
        flows: 1,
    }
}
