//! `vipwatch inspect`: is my source address preserved here? Asked once, from here, without any configuration.

mod report;
mod target;

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use chrono::TimeDelta;
use clap::Args;
use futures_util::future::join_all;
use ipnet::IpNet;
use vipwatch_model::{
    address::{AddressBook, Node},
    echo::EchoFormat,
    egress::Egress,
    judge::{self, NodeSight, Scene},
    node_health::NodeHealth,
    observation::{Observation, Sight},
    probe::{Expectation, Limits, Probe, ProbeName, Subject, TrafficPolicy, Transport},
    rule::Rules,
    verdict::{Finding, FlowFinding, Verdict},
};

use crate::{
    clock::Clock,
    exit,
    plan::Planned,
    prober::{Bind, Exchange, Host, HttpPoll, Method, Prober, ProxyVersion},
    schedule::Schedule,
};
use report::Report;
use target::Target;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Inspect {
    /// What to ask: a URL (http, https, tcp, udp or dns) of an echo server behind the VIP, or HOST:PORT.
    #[arg(value_name = "URL|HOST:PORT")]
    target: String,
    /// How many flows to make, each from a source port of its own.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    flows: u32,
    /// How the answer tells the source address: auto, the name of an echo server, json:/POINTER, regex:.. or header:NAME.
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format)]
    format: EchoFormat,
    /// What to say first over TCP and UDP [default: clientip, as agnhost wants it]
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// A node of the cluster, to name its addresses and to ask its health check node port.
    #[arg(long = "node", value_name = "[NAME=]ADDR[,ADDR]", num_args = 1.., value_parser = node)]
    nodes: Vec<Node>,
    /// The service's health check node port (spec.healthCheckNodePort), asked on every --node.
    #[arg(long, value_name = "P", requires = "nodes")]
    health_port: Option<u16>,
    /// A pod network, of the cluster or of one of the nodes, to name its addresses.
    #[arg(long = "pod-cidr", value_name = "[NAME=]CIDR", value_parser = pod_cidr)]
    pod_cidrs: Vec<(Option<String>, IpNet)>,
    /// This host's address as the far side ought to see it, where a NAT lies in between [default: that of each socket]
    #[arg(long, value_name = "ADDR|CIDR", value_parser = address_or_net)]
    egress: Vec<IpNet>,
    /// The service behind the target, as NAMESPACE/NAME, for the commands that are suggested.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    service: Option<String>,
    /// The address to send from.
    #[arg(long, value_name = "ADDR")]
    source_address: Option<IpAddr>,
    /// The interface to send over.
    #[arg(long, value_name = "NAME")]
    source_interface: Option<String>,
    /// Send a PROXY protocol header first, as the target wants it.
    #[arg(long, value_name = "VERSION", value_parser = proxy_version)]
    proxy_protocol: Option<ProxyVersion>,
    /// Accept any certificate.
    #[arg(long)]
    insecure: bool,
    /// Find out with one more flow whether the far side believes a forged X-Forwarded-For.
    #[arg(long)]
    canary: bool,
    /// How long one flow may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    timeout: f64,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  preserved: every flow arrived from this host's own address
  1  not preserved: at least one flow arrived from another address
  3  it cannot be told: no answer, no echo, flows that failed, no address to compare with";

impl Inspect {
    pub(super) async fn run(self) -> ExitCode {
        let target = match self.target() {
            Ok(target) => target,
            Err(error) => {
                eprintln!("vipwatch: {error}");
                return ExitCode::from(2);
            }
        };
        let report = self.ask(target).await;
        let text = if self.json { report.json() } else { report.text(std::io::stdout().is_terminal()) };
        super::print(&text);
        code(&report.verdict)
    }

    fn target(&self) -> Result<Target, String> {
        if !(0.05..=60.0).contains(&self.timeout) {
            return Err("--timeout takes 0.05 to 60 seconds".to_owned());
        }
        let mut target = Target::parse(&self.target, self.format.clone(), self.send.as_deref())?;
        let method = &mut target.method;
        method.bind = self.bind();
        method.proxy_header = self.proxy_protocol;
        method.canary = self.canary && matches!(method.exchange, Exchange::Http(_));
        if let Exchange::Http(http) = &mut method.exchange
            && let Some(tls) = &mut http.tls
        {
            tls.insecure = self.insecure;
        }
        if self.proxy_protocol.is_some() && target.transport != Transport::Tcp {
            return Err("a PROXY protocol header can be sent over TCP only".to_owned());
        }
        Ok(target)
    }

    fn bind(&self) -> Bind {
        Bind {
            addresses: self.source_address.into_iter().collect(),
            interface: self.source_interface.clone(),
        }
    }

    /// Makes the flows and asks the nodes, all at once, and judges.
    async fn ask(&self, target: Target) -> Report {
        let prober = Prober::new(1_024);
        let flows = self.planned(Method::Flows(Box::new(target.method.clone())), self.flows);
        let polls: Vec<(&Node, SocketAddr, Planned)> = self.polls();
        let (seen, answers) = tokio::join!(
            prober.observe(&flows),
            join_all(polls.iter().map(|(_, _, planned)| prober.observe(planned)))
        );
        let sight = match seen {
            Observation::Flows(sight) => sight,
            _ => Sight::default(),
        };
        let answers: Vec<NodeHealth> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Observation::NodeHealth(health) => Some(health),
                _ => None,
            })
            .collect();
        // The health check node port says which service it belongs to.
        let named = answers.iter().find_map(|health| health.answer.detail()?.service.clone());
        let service = self.service.clone().or(named);
        let nodes: Vec<(String, String, Verdict)> = polls
            .iter()
            .zip(&answers)
            .map(|((node, address, _), health)| {
                let service = service.clone().unwrap_or_else(|| "the service".to_owned());
                let subject = Subject::Node {
                    service,
                    policy: TrafficPolicy::Local,
                    node: node.name.clone(),
                    address: *address,
                };
                let verdict =
                    judge::node_health(&probe(subject, Expectation::Answer, Transport::Tcp), health);
                (node.name.clone(), address.to_string(), verdict)
            })
            .collect();
        let (book, egress) = (self.book(&target), self.baseline());
        let sights: Vec<NodeSight<'_>> = nodes
            .iter()
            .map(|(node, _, verdict)| NodeSight { node, finding: Some(verdict.finding) })
            .collect();
        let scene = Scene { egress: &egress, book: &book, nodes: &sights, at: Clock::system().now() };
        let probe = probe(subject(&target, service), Expectation::Preserved, target.transport);
        let verdict = judge::source(&probe, &sight, &scene);
        Report { target: target.shown, verdict, sight, nodes }
    }

    fn planned(&self, method: Method, flows: u32) -> Planned {
        let timeout = Duration::from_secs_f64(self.timeout);
        let gap = timeout * 2 + Duration::from_secs(1);
        let subject = Subject::Endpoint { url: self.target.clone() };
        Planned {
            probe: probe(subject, Expectation::Preserved, Transport::Tcp),
            method,
            schedule: Schedule::Every(gap),
            gap,
            timeout,
            flows,
        }
    }

    fn polls(&self) -> Vec<(&Node, SocketAddr, Planned)> {
        let Some(port) = self.health_port else { return Vec::new() };
        let mut polls = Vec::new();
        for node in &self.nodes {
            let Some(address) = node.addresses.first() else { continue };
            let address = SocketAddr::new(*address, port);
            let poll = HttpPoll { bind: self.bind(), ..HttpPoll::healthz(address) };
            polls.push((node, address, self.planned(Method::NodeHealth(poll), 1)));
        }
        polls
    }

    fn book(&self, target: &Target) -> AddressBook {
        let vip = match target.method.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        };
        let of = |name: Option<&str>| {
            let cidrs = self.pod_cidrs.iter().filter(|(node, _)| node.as_deref() == name);
            cidrs.map(|(_, cidr)| *cidr).collect()
        };
        let node = |node: &Node| Node { pod_cidrs: of(Some(&node.name)), ..node.clone() };
        AddressBook {
            nodes: self.nodes.iter().map(node).collect(),
            pod_cidrs: of(None),
            // An echo server on this very host is no cluster.
            vips: vip.filter(|vip| !vip.is_loopback()).into_iter().collect(),
        }
    }

    fn baseline(&self) -> Egress {
        Egress { socket: self.egress.is_empty(), fixed: self.egress.clone(), ..Egress::default() }
    }
}

/// With a service and a plain address the commands that are suggested can name both.
fn subject(target: &Target, service: Option<String>) -> Subject {
    match (service, &target.method.host) {
        (Some(service), Host::Address(vip)) => Subject::Vip {
            service,
            policy: TrafficPolicy::Local,
            address: SocketAddr::new(*vip, target.method.port),
        },
        _ => Subject::Endpoint { url: target.shown.clone() },
    }
}

fn probe(subject: Subject, expectation: Expectation, transport: Transport) -> Probe {
    Probe {
        name: ProbeName::new("inspect"),
        subject,
        transport,
        expectation,
        vips: Vec::new(),
        rules: Rules::uniform(1, 1, TimeDelta::MAX),
        limits: Limits::default(),
        labels: BTreeMap::new(),
    }
}

fn code(verdict: &Verdict) -> ExitCode {
    let foreign = verdict.seen.iter().any(|seen| seen.class.is_some());
    if foreign {
        exit::NOT_AS_EXPECTED.into()
    } else if verdict.finding == Finding::Preserved
        && verdict.evidence.iter().all(|flow| is_preserved(flow.finding))
    {
        ExitCode::SUCCESS
    } else {
        exit::INCONCLUSIVE.into()
    }
}

fn is_preserved(finding: FlowFinding) -> bool {
    matches!(finding, FlowFinding::Preserved | FlowFinding::PortChanged)
}

fn format(text: &str) -> Result<EchoFormat, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn proxy_version(text: &str) -> Result<ProxyVersion, String> {
    match text {
        "v1" => Ok(ProxyVersion::V1),
        "v2" => Ok(ProxyVersion::V2),
        _ => Err("v1 or v2".to_owned()),
    }
}

fn address_or_net(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from).ok();
    address
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "an address or a network such as 198.51.100.0/28".to_owned())
}

fn node(text: &str) -> Result<Node, String> {
    let (name, addresses) = text.split_once('=').unwrap_or((text, text));
    let addresses: Result<Vec<IpAddr>, _> = addresses.split(',').map(str::parse).collect();
    let addresses = addresses.map_err(|_| "ADDR or NAME=ADDR, such as node-1=192.0.2.11".to_owned())?;
    Ok(Node { name: name.to_owned(), addresses, pod_cidrs: Vec::new() })
}

fn pod_cidr(text: &str) -> Result<(Option<String>, IpNet), String> {
    let (node, cidr) =
        text.split_once('=').map_or((None, text), |(node, cidr)| (Some(node.to_owned()), cidr));
    let cidr = cidr.parse().map_err(|_| "CIDR or NODE=CIDR, such as node-1=10.244.1.0/24".to_owned())?;
    Ok((node, cidr))
}
