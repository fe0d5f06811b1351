//! Behind a NAT of the kernel's own: the egress address learnt by each kind of source, and the whole agent while that
//! address, or its own, changes.

use std::{net::SocketAddr, process::Command, time::Duration};

use vipwatch::config::{Asked, DnsRecord, EgressSource, Server};
use vipwatch::prober::Host;
use vipwatch_lab::{
    cluster::ExternalTrafficPolicy,
    dns,
    namespaces::{CLIENT, HostProcess, NAT, NamespaceLab, NamespacePlan, inside},
    stun,
};
use vipwatch_model::{
    alert::{AlertKind, Event},
    cause::CauseKind,
    echo::EchoFormat,
    probe::TrafficPolicy,
    state::State,
    verdict::{Finding, Verdict},
};
use vipwatch_web::api::{self, Overview};

use crate::{
    agent::{Home, Page, Receiver, connect, state},
    cluster::receiver,
    watch::Watch,
};

const ECHO: &str = "default/echo-server";
const PATIENCE: Duration = Duration::from_secs(30);

/// One round of everything, judged by what is learnt from `sources`: the verdicts on VIPs.
fn verdicts(lab: &NamespaceLab, sources: &[EgressSource]) -> Vec<Verdict> {
    let mut watch = Watch::over(lab.state(), TrafficPolicy::Local, 2);
    watch.plan.egress.socket = false;
    watch.plan.egress.sources = sources.to_vec();
    let of_vips = |(name, verdict): (String, Verdict)| name.contains(' ').then_some(verdict);
    watch.round(lab).into_iter().filter_map(of_vips).collect()
}

#[test]
fn each_kind_of_source_sees_through_the_nat() {
    if !inside("behind_nat::each_kind_of_source_sees_through_the_nat") {
        return;
    }
    let plan = NamespacePlan::default().behind_nat();
    let mut lab = NamespaceLab::start(&plan).unwrap();
    let at = |address: &SocketAddr, port| Server { host: Host::Address(address.ip()), port };
    let of =
        |source: &dyn Fn(&SocketAddr) -> EgressSource| plan.control.iter().map(source).collect::<Vec<_>>();
    let by_stun = of(&|control| EgressSource::Server { server: at(control, stun::PORT), asked: Asked::Stun });
    let by_dns = of(&|control| {
        let asked = Asked::Dns { name: "myip.example.net".into(), record: DnsRecord::Address };
        EgressSource::Server { server: at(control, dns::PORT), asked }
    });
    let by_http = of(&|control| {
        let url = format!("http://{control}/").parse().unwrap();
        EgressSource::Page { url, format: EchoFormat::Auto }
    });
    for sources in [&by_stun, &by_dns, &by_http] {
        let all = verdicts(&lab, sources);
        assert_eq!(all.len(), 8, "two services, two families, two transports");
        for verdict in all {
            assert_eq!(
                (verdict.finding, verdict.state),
                (Finding::Preserved, State::Up),
                "{}",
                verdict.reason
            );
        }
    }
    // Who sees this agent over one family alone knows nothing of the other.
    let over_ipv4 = verdicts(&lab, &by_stun[..1]);
    let unknown: Vec<_> = over_ipv4.iter().filter(|verdict| verdict.state == State::Unknown).collect();
    assert_eq!(unknown.len(), 4);
    for verdict in unknown {
        assert_eq!(verdict.finding, Finding::Inconclusive);
        assert!(verdict.reason.contains("over IPv6: it has no IPv6 address"), "{}", verdict.reason);
    }
    for service in [ECHO, "default/web-server"] {
        lab.set_policy(service, ExternalTrafficPolicy::Cluster).unwrap();
    }
    for verdict in verdicts(&lab, &by_stun) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::Translated, State::Translated),
            "{}",
            verdict.reason
        );
        assert_eq!(verdict.cause.unwrap().kind, CauseKind::PolicyReset);
    }
}

/// An agent on a host behind a NAT, which learns its egress address by STUN, and by the schedule alone would do so
/// once an hour.
pub(crate) struct Behind {
    pub(crate) lab: NamespaceLab,
    pub(crate) receiver: Receiver,
    page: Page,
    pub(crate) home: Home,
    _agent: HostProcess,
}

impl Behind {
    fn start() -> Self {
        Self::configured("")
    }

    /// The same with `more` sections.
    pub(crate) fn configured(more: &str) -> Self {
        let plan = NamespacePlan::default().behind_nat();
        let lab = NamespaceLab::start(&plan).unwrap();
        // The page and the webhook are on the client's own loopback.
        ip(&lab, CLIENT, &["link set lo up"]);
        let receiver = Receiver::on(lab.bind_in(CLIENT, "127.0.0.1:0".parse().unwrap()).unwrap());
        let home = Home::new(&(config(&plan, &receiver) + more));
        let agent = lab.spawn_in(CLIENT, &mut home.command()).unwrap();
        let page = Page::over(lab.within(CLIENT, || connect("127.0.0.1:9180".parse().unwrap())).unwrap());
        let mut behind = Self { lab, receiver, page, home, _agent: agent };
        behind.until("both VIPs preserved", both(api::State::Up));
        behind
    }

    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Overview) -> bool) -> Overview {
        self.page.wait_for(what, PATIENCE, wanted)
    }
}

pub(crate) fn both(wanted: api::State) -> impl Fn(&Overview) -> bool {
    move |overview| VIPS.iter().all(|vip| state(overview, &format!("{ECHO}@{vip}")) == wanted)
}

const VIPS: [&str; 2] = ["192.0.2.201", "2001:db8::201"];

fn config(plan: &NamespacePlan, webhook: &Receiver) -> String {
    let nodes: String = (1..=3)
        .map(|n| {
            format!(
                "[[cluster.node]]\nname = \"node-{n}\"\naddresses = [\"192.0.2.1{n}\", \"2001:db8::1{n}\"]\n"
            )
        })
        .collect();
    let servers: Vec<_> = plan
        .control
        .iter()
        .map(|control| format!("\"{}\"", SocketAddr::new(control.ip(), stun::PORT)))
        .collect();
    let (servers, told) = (servers.join(", "), receiver("test", webhook.address));
    format!(
        r#"
[agent]
vantage = "lab"
[egress]
from = ["stun"]
stun = [{servers}]
refresh = "1h"
timeout = "300ms"
[cluster]
pod_cidrs = ["10.244.0.0/16", "2001:db8:244::/48"]
{nodes}
[defaults]
every = "1s"
timeout = "400ms"
flows = 4
[[service]]
name = "{ECHO}"
vips = {VIPS:?}
port = 80
external_traffic_policy = "Local"
health_check_node_port = 30001
echo = {{}}
{told}"#
    )
}

/// Runs `ip` with each of `lines` on `host`.
fn ip(lab: &NamespaceLab, host: &str, lines: &[&str]) {
    let run = || {
        for line in lines {
            let status = Command::new("ip").args(line.split(' ')).status().unwrap();
            assert!(status.success(), "ip {line}");
        }
    };
    lab.within(host, run).unwrap();
}

#[test]
fn a_nat_that_gets_other_addresses_is_no_regression() {
    if !inside("behind_nat::a_nat_that_gets_other_addresses_is_no_regression") {
        return;
    }
    let mut behind = Behind::start();
    ip(
        &behind.lab,
        NAT,
        &[
            "address del 192.0.2.8/24 dev eth0",
            "address add 192.0.2.7/24 dev eth0",
            "address del 2001:db8::8/64 dev eth0",
            "address add 2001:db8::7/64 dev eth0 nodad",
        ],
    );
    let changed = behind.until("both changes", |overview| overview.agent.egress_changes.len() == 2);
    let mut changes: Vec<_> =
        changed.agent.egress_changes.iter().map(|change| (&*change.from, &*change.to)).collect();
    changes.sort_unstable();
    assert_eq!(changes, [("192.0.2.8", "192.0.2.7"), ("2001:db8::8", "2001:db8::7")]);
    let rounds = changed.agent.scheduler.rounds;
    let later = behind.until("more rounds", |overview| overview.agent.scheduler.rounds > rounds + 20);
    assert!(both(api::State::Up)(&later), "{:#?}", later.services);
    let told = behind.receiver.all_within(Duration::from_secs(1));
    let kinds: Vec<_> = told.iter().map(|told| (told.alert.key.kind, told.event)).collect();
    assert_eq!(kinds, [(AlertKind::EgressChanged, Event::Opened); 2], "one per family: {told:#?}");

    behind.lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    let (opened, _) = behind.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert!(
        opened.alert.expected.iter().any(|address| address.ends_with('7')),
        "{:?}",
        opened.alert.expected
    );
}

#[test]
fn another_address_of_this_host_is_noticed_at_once() {
    if !inside("behind_nat::another_address_of_this_host_is_noticed_at_once") {
        return;
    }
    let mut behind = Behind::start();
    let locals = |overview: &Overview| -> Vec<String> {
        overview.agent.egress.iter().filter_map(|egress| egress.local.clone()).collect()
    };
    let before = behind.until("the egress", |overview| locals(overview).len() == 2);
    assert_eq!(locals(&before), ["198.51.100.9", "2001:db8:98::9"]);
    ip(
        &behind.lab,
        CLIENT,
        &[
            "address del 198.51.100.9/24 dev eth0",
            "address add 198.51.100.10/24 dev eth0",
            "route replace default via 198.51.100.1",
        ],
    );
    let after =
        behind.until("the new address", |overview| locals(overview).contains(&"198.51.100.10".to_owned()));
    assert_eq!(after.agent.egress_changes, [], "behind the NAT nothing has changed");
    behind.until("both VIPs preserved", both(api::State::Up));
}
