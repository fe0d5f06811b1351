//! The plan: which probes follow from a configuration, and how they are carried out.

use std::{path::Path, time::Duration};

use vipwatch::{
    config,
    plan::{Plan, Planned},
    prober::{Exchange, FlowMethod, Host, Method, ProxyVersion},
};
use vipwatch_model::probe::{Expectation, ProbeName, Subject, Transport};

fn plan(source: &str) -> Plan {
    let source = format!("[agent]\nvantage = \"test\"\n{source}");
    let config = config::parse(&source, Path::new("probes.toml"), &|_| None);
    Plan::new(&config.unwrap_or_else(|faults| panic!("{}", faults.render(false))))
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.probes.iter().map(|planned| planned.probe.name.as_str()).collect()
}

fn planned<'a>(plan: &'a Plan, name: &str) -> &'a Planned {
    plan.probes.iter().find(|planned| planned.probe.name.as_str() == name).unwrap()
}

fn flows<'a>(plan: &'a Plan, name: &str) -> &'a FlowMethod {
    match &planned(plan, name).method {
        Method::Flows(flows) => flows,
        method => panic!("{method:?}"),
    }
}

const CLUSTER: &str = r#"
[cluster]
kube_proxy_health_port = 10256
ping_nodes = true
[[cluster.node]]
name = "node-1"
addresses = ["192.0.2.11", "2001:db8::11"]
[[cluster.node]]
name = "node-2"
addresses = ["2001:db8::12"]
[defaults]
source_addresses = ["192.0.2.9", "2001:db8::9"]
source_interface = "eth1"
"#;

const SERVICE: &str = r#"
[[service]]
name = "default/echo-server"
vips = ["192.0.2.201", "2001:db8::201"]
port = 443
protocol = "https"
external_traffic_policy = "Local"
health_check_node_port = 30001
dns_name = "echo.example.net"
host = "www.example.net:8443"
proxy_protocol = "v2"
echo = { path = "/clientip", canary = true }
"#;

#[test]
fn every_vip_and_every_node_has_its_probes() {
    let plan = plan(&format!("{CLUSTER}{SERVICE}"));
    let of_service = [
        "default/echo-server@192.0.2.201",
        "default/echo-server@2001:db8::201",
        "default/echo-server@node-1",
        "default/echo-server@node-2",
    ];
    let of_nodes = ["kube-proxy@node-1", "ping@node-1", "kube-proxy@node-2", "ping@node-2"];
    assert_eq!(names(&plan), [of_service, of_nodes].concat());
    let hosts: Vec<&str> = plan.hosts.iter().map(ProbeName::as_str).collect();
    assert_eq!(hosts, of_nodes);

    let ping = planned(&plan, "ping@node-1");
    let subject = Subject::Host { node: "node-1".into(), target: "192.0.2.11".into() };
    assert_eq!((&ping.probe.subject, ping.probe.transport), (&subject, Transport::Icmp));
    let Method::Ping { address, bind } = &ping.method else { panic!("{ping:?}") };
    assert_eq!(
        (address.to_string(), bind.addresses[0].to_string()),
        ("192.0.2.11".into(), "192.0.2.9".into())
    );

    let proxy = planned(&plan, "kube-proxy@node-2");
    let Method::ProxyHealth(poll) = &proxy.method else { panic!("{proxy:?}") };
    assert_eq!((poll.address.to_string(), poll.path.as_str()), ("[2001:db8::12]:10256".into(), "/healthz"));
    assert_eq!(poll.bind.addresses, ["2001:db8::9".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(poll.bind.interface.as_deref(), Some("eth1"));

    let Method::NodeHealth(poll) = &planned(&plan, "default/echo-server@node-1").method else { panic!() };
    assert_eq!(poll.address.to_string(), "192.0.2.11:30001");
    assert_eq!(poll.bind.addresses, ["192.0.2.9".parse::<std::net::IpAddr>().unwrap()]);
}

#[test]
fn what_a_service_says_holds_for_each_of_its_vips() {
    let plan = plan(&format!("{CLUSTER}{SERVICE}"));
    let (v4, v6) =
        (flows(&plan, "default/echo-server@192.0.2.201"), flows(&plan, "default/echo-server@2001:db8::201"));
    assert_eq!(v4.dns_name.as_deref(), Some("echo.example.net"), "one look-up tells about all VIPs");
    assert_eq!(v6.dns_name, None);
    for (flows, ours) in [(v4, "192.0.2.9"), (v6, "2001:db8::9")] {
        let Exchange::Http(http) = &flows.exchange else { panic!("{flows:?}") };
        assert_eq!((http.authority.as_str(), http.path.as_str()), ("www.example.net:8443", "/clientip"));
        assert_eq!(http.tls.as_ref().unwrap().server_name, "www.example.net");
        assert_eq!((flows.proxy_header, flows.canary), (Some(ProxyVersion::V2), true));
        assert_eq!(flows.bind.addresses, [ours.parse::<std::net::IpAddr>().unwrap()]);
    }
}

#[test]
fn a_policy_of_cluster_still_has_its_nodes_asked() {
    let service = SERVICE.replace("Local", "Cluster");
    let plan = plan(&format!("{CLUSTER}{service}"));
    assert_eq!(plan.services[0].nodes.len(), 2);
    assert_eq!(planned(&plan, "default/echo-server@192.0.2.201").probe.expectation, Expectation::Any);
}

#[test]
fn every_kind_of_probe_has_its_method() {
    let plan = plan(
        r#"
        [defaults]
        source_addresses = ["192.0.2.9", "2001:db8::9"]
        timeout = "400ms"
        [[probe]]
        name = "http"
        kind = "http"
        url = "http://control.example.net:8080/x?y=z"
        [[probe]]
        name = "tcp"
        kind = "tcp"
        address = "192.0.2.30:25"
        expect_answer = "^220 "
        [[probe]]
        name = "tls"
        kind = "tls"
        address = "mail.example.net:465"
        [[probe]]
        name = "tls-talk"
        kind = "tls"
        address = "192.0.2.30:465"
        expect_answer = "^220 "
        [[probe]]
        name = "udp"
        kind = "udp"
        address = "192.0.2.30:7"
        send = "clientip"
        echo = { format = "address" }
        [[probe]]
        name = "dns"
        kind = "dns"
        address = "192.0.2.53:53"
        dns = { name = "whoami.example.net" }
        echo = {}
        [[probe]]
        name = "dns-over-tcp"
        kind = "dns"
        address = "192.0.2.53:53"
        dns = { name = "www.example.net", transport = "tcp" }
        [[probe]]
        name = "icmp"
        kind = "icmp"
        address = "192.0.2.1"
        "#,
    );
    let transports: Vec<Transport> = plan.probes.iter().map(|planned| planned.probe.transport).collect();
    use Transport::{Icmp, Tcp, Udp};
    assert_eq!(transports, [Tcp, Tcp, Tcp, Tcp, Udp, Udp, Tcp, Icmp]);

    let http = flows(&plan, "http");
    assert_eq!((&http.host, http.port), (&Host::Name("control.example.net".into()), 8080));
    assert_eq!(http.bind.addresses.len(), 2, "which family it will be is not known yet");
    let Exchange::Http(exchange) = &http.exchange else { panic!("{http:?}") };
    assert_eq!((exchange.authority.as_str(), exchange.path.as_str()), ("control.example.net:8080", "/x?y=z"));

    let tls = flows(&plan, "tls");
    let Exchange::Tls(handshake) = &tls.exchange else { panic!("{tls:?}") };
    assert_eq!(handshake.server_name, "mail.example.net");
    let talk = flows(&plan, "tls-talk");
    let Exchange::Tcp(exchange) = &talk.exchange else { panic!("{talk:?}") };
    assert_eq!(exchange.tls.as_ref().unwrap().server_name, "192.0.2.30");

    let udp = flows(&plan, "udp");
    let Exchange::Udp(exchange) = &udp.exchange else { panic!("{udp:?}") };
    assert_eq!(
        (exchange.send.as_slice(), exchange.retransmit_after),
        (&b"clientip"[..], Duration::from_millis(100))
    );
    assert!(udp.echo.is_some());

    let dns = flows(&plan, "dns");
    assert!(dns.echo.is_none(), "the question says it all");
    assert_eq!(planned(&plan, "dns").probe.expectation, Expectation::Preserved);
    assert_eq!(planned(&plan, "dns-over-tcp").probe.expectation, Expectation::Answer);
}

/// One flow a second for each second of keeping, as far as it is a flow.
#[test]
fn a_poll_counts_once_and_a_canary_as_a_flow() {
    let bytes = |source: &str| {
        let plan = plan(&format!("[defaults]\nevery = \"1s\"\ntimeout = \"500ms\"\nflows = 4\n{source}"));
        (plan.disk_bytes(Duration::from_secs(1)) / 136.0).round()
    };
    let probe = "[[probe]]\nname = \"x\"\nkind = \"http\"\nurl = \"http://192.0.2.30/\"\n";
    assert_eq!(bytes(probe), 4.0);
    assert_eq!(bytes(&format!("{probe}echo = {{ canary = true }}")), 5.0);
    let nodes = "[cluster]\nkube_proxy_health_port = 10256\nnode = [{ name = \"node-1\", addresses = [\"192.0.2.11\"] }]";
    assert_eq!(bytes(nodes), 1.0);
}
