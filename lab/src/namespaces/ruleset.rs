//! What kube-proxy does on a node, as an nftables ruleset. Pure: text from the cluster's state.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::cluster::decide::{Forwarding, forwarding};
use crate::cluster::{Cluster, Endpoint, Family, Service};

/// The mark of connections that are to be masqueraded, the same bit as kube-proxy's.
const MASQUERADE: &str = "0x4000";

/// The whole ruleset of `node`. Loaded in one transaction it replaces the one before; connections that
/// are already translated keep their translation.
pub(super) fn render(cluster: &Cluster, node: &str) -> String {
    let mut dispatch = String::new();
    let mut chains = String::new();
    let mut unserved = String::new();
    for service in cluster.services() {
        let destinations: Vec<_> = service.vips.iter().map(destination).collect();
        match forwarding(service, node) {
            Forwarding::To { endpoints, masquerade } => {
                for destination in destinations {
                    dispatch += &format!("    {destination} jump {}\n", chain_name(service));
                }
                chains += &format!("  chain {} {{\n", chain_name(service));
                if masquerade {
                    chains += &format!("    meta mark set meta mark or {MASQUERADE}\n");
                }
                let choices: Vec<_> = endpoints.iter().enumerate().map(choice).collect();
                let count = endpoints.len();
                chains += &format!("    numgen random mod {count} vmap {{ {} }}\n  }}\n", choices.join(", "));
                chains.extend(endpoints.iter().map(pod_chain));
            }
            Forwarding::Drop => {
                unserved.extend(destinations.iter().map(|destination| format!("    {destination} drop\n")));
            }
            Forwarding::Reject => unserved.extend(service.vips.iter().map(refusal)),
        }
    }
    let mut rules = String::new();
    let _ = write!(
        rules,
        "\
add table inet kube-proxy
delete table inet kube-proxy
table inet kube-proxy {{
  chain nat-prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
{dispatch}  }}
  chain nat-postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark and {MASQUERADE} == 0 return
    meta mark set meta mark xor {MASQUERADE}
    masquerade fully-random
  }}
  chain filter-input {{
    type filter hook input priority filter; policy accept;
    ct state new jump unserved
  }}
  chain filter-forward {{
    type filter hook forward priority filter; policy accept;
    ct state new jump unserved
  }}
  chain unserved {{
{unserved}  }}
{chains}}}
add table inet stray
delete table inet stray
"
    );
    rules + &stray(cluster, node)
}

/// What masquerades on `node` though it should not: what comes to its pods from outside the pod networks.
fn stray(cluster: &Cluster, node: &str) -> String {
    let (Ok(plan), Ok(condition)) = (cluster.node(node), cluster.condition(node)) else {
        return String::new();
    };
    if !condition.masquerades {
        return String::new();
    }
    let mut lines = String::new();
    for own in &plan.pods {
        let all = cluster.nodes().iter().filter_map(|other| other.pod_network(own.family()));
        let all: Vec<_> = all.map(|network| network.to_string()).collect();
        let header = header(own.family());
        let _ =
            writeln!(lines, "    {header} saddr != {{ {} }} {header} daddr {own} masquerade", all.join(", "));
    }
    format!(
        "\
table inet stray {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
{lines}  }}
}}
"
    )
}

fn destination(vip: &SocketAddr) -> String {
    format!(
        "{} daddr {} meta l4proto {{ tcp, udp }} th dport {}",
        header(Family::of(vip.ip())),
        vip.ip(),
        vip.port()
    )
}

fn chain_name(service: &Service) -> String {
    format!("service/{}", service.name)
}

fn choice((number, endpoint): (usize, &Endpoint)) -> String {
    format!("{number} : goto pod/{}", endpoint.pod)
}

/// Without a wire in between, the refusal arrives while the client's socket is still busy connecting. The
/// kernel loses ICMPv6 errors in that moment, and only those: there a reset says the same.
fn refusal(vip: &SocketAddr) -> String {
    let destination = destination(vip);
    let reset = format!("    {destination} meta l4proto tcp reject with tcp reset\n");
    format!("{}    {destination} reject\n", if vip.is_ipv6() { &reset } else { "" })
}

/// A connection takes the line of its family and passes over the other.
fn pod_chain(endpoint: &Endpoint) -> String {
    let lines = endpoint.addresses.iter();
    let lines: String = lines
        .map(|address| {
            let header = header(Family::of(address.ip()));
            format!("    meta l4proto {{ tcp, udp }} dnat {header} to {address}\n")
        })
        .collect();
    format!("  chain pod/{} {{\n{lines}  }}\n", endpoint.pod)
}

/// What nftables calls the family.
fn header(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Change, ExternalTrafficPolicy};
    use crate::namespaces::NamespacePlan;

    const ECHO: &str = "default/echo-server";

    fn cluster(changes: &[Change]) -> Cluster {
        let mut plan = NamespacePlan::default().cluster;
        plan.services.truncate(1);
        let mut cluster = Cluster::new(plan).unwrap();
        for change in changes {
            cluster = cluster.changed(change).unwrap();
        }
        cluster
    }

    /// The ruleset without what is the same in all of them.
    fn differing(cluster: &Cluster, node: &str) -> String {
        let rules = render(cluster, node);
        let (dispatch, rest) = rules.split_once("  chain nat-postrouting").unwrap();
        let (_, chains) = rest.split_once("  chain unserved").unwrap();
        let (_, dispatch) = dispatch.split_once("policy accept;\n").unwrap();
        format!("{dispatch}unserved{chains}")
    }

    #[test]
    fn the_whole_ruleset_of_a_node_with_a_pod_under_local() {
        insta::assert_snapshot!(render(&cluster(&[]), "node-1"));
    }

    #[test]
    fn under_local_a_node_without_a_pod_drops() {
        insta::assert_snapshot!(differing(&cluster(&[]), "node-2"));
    }

    #[test]
    fn under_cluster_every_node_masquerades_to_every_pod() {
        let cluster = cluster(&[
            Change::policy(ECHO, ExternalTrafficPolicy::Cluster),
            Change::endpoints(ECHO, &[("node-1", 1), ("node-2", 2)]),
        ]);
        insta::assert_snapshot!(differing(&cluster, "node-3"));
        assert_eq!(render(&cluster, "node-3"), render(&cluster, "node-1"));
    }

    #[test]
    fn without_pods_the_service_is_refused() {
        insta::assert_snapshot!(differing(&cluster(&[Change::endpoints(ECHO, &[])]), "node-1"));
    }

    #[test]
    fn a_stray_rule_stands_beside_those_of_kube_proxy() {
        let strayed = cluster(&[Change::stray_masquerade("node-1", true)]);
        let rules = render(&strayed, "node-1");
        let added = rules.strip_prefix(&render(&cluster(&[]), "node-1")).unwrap();
        insta::assert_snapshot!(added);
        assert_eq!(render(&strayed, "node-2"), render(&cluster(&[]), "node-2"));
    }
}
