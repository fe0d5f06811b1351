//! The rules of MetalLB and kube-proxy, case by case.

use std::net::Ipv4Addr;

use super::decide::{Forwarding, announcer, forwarding, node_health, translation};
use super::*;
use crate::namespaces::NamespacePlan;

const ECHO: &str = "default/echo-server";

fn cluster(policy: ExternalTrafficPolicy, placement: &[(&str, u8)]) -> Cluster {
    let nodes = 1..=3;
    Cluster::new(ClusterPlan {
        nodes: nodes
            .map(|number| NodePlan {
                name: format!("node-{number}"),
                addresses: vec![Ipv4Addr::new(192, 0, 2, 10 + number).into()],
                pods: vec![PodNetwork::new(Ipv4Addr::new(10, 244, number, 0))],
            })
            .collect(),
        services: vec![ServicePlan {
            name: ECHO.to_owned(),
            vips: vec!["192.0.2.201:80".parse().unwrap()],
            health_check_node_port: 30001,
            policy,
            backend: Backend::Pods,
            placement: owned(placement),
            announcement: Announcement::Elected,
        }],
        pod_port: 8080,
        cni: Cni::default(),
        overlay: Overlay::default(),
    })
    .unwrap()
}

fn owned(placement: &[(&str, u8)]) -> Vec<(String, u8)> {
    let placement = placement.iter();
    placement.map(|(node, pods)| ((*node).to_owned(), *pods)).collect()
}

fn announcing(cluster: &Cluster) -> Option<&str> {
    announcer(cluster, cluster.service(ECHO).unwrap()).map(|node| node.name.as_str())
}

fn announced(cluster: &Cluster, announcement: Announcement) -> Cluster {
    let service = ECHO.to_owned();
    cluster.changed(&Change::Announcement { service, announcement }).unwrap()
}

use ExternalTrafficPolicy::{Cluster as AnyNode, Local};

#[test]
fn the_smallest_hash_announces() {
    // printf '%s' 'node-N#192.0.2.201' | sha256sum begins with 8c3b, d417 and 9235 for N = 1, 2, 3.
    let everywhere = [("node-1", 1), ("node-2", 1), ("node-3", 1)];
    assert_eq!(announcing(&cluster(AnyNode, &everywhere)), Some("node-1"));
    assert_eq!(announcing(&cluster(Local, &everywhere)), Some("node-1"));
    assert_eq!(announcing(&cluster(Local, &everywhere[1..])), Some("node-3"));
}

#[test]
fn under_local_only_nodes_with_a_pod_announce() {
    for node in ["node-1", "node-2", "node-3"] {
        assert_eq!(announcing(&cluster(Local, &[(node, 1)])), Some(node));
    }
}

#[test]
fn a_service_without_pods_is_announced_by_nobody_unless_a_node_is_pinned() {
    for policy in [Local, AnyNode] {
        let empty = cluster(policy, &[]);
        assert_eq!(announcing(&empty), None);
        let pinned = announced(&empty, Announcement::Pinned("node-2".to_owned()));
        assert_eq!(announcing(&pinned), Some("node-2"));
    }
}

#[test]
fn a_withheld_vip_is_announced_by_nobody() {
    let healthy = cluster(Local, &[("node-1", 1)]);
    let silent = announced(&healthy, Announcement::Withheld);
    assert_eq!(announcing(&silent), None);
    let healed = silent.changed(&Change::HealAll).unwrap();
    assert_eq!(healed, healthy);
}

#[test]
fn cluster_forwards_to_every_pod_and_masquerades() {
    let cluster = cluster(AnyNode, &[("node-1", 1), ("node-2", 2)]);
    let service = cluster.service(ECHO).unwrap();
    for node in ["node-1", "node-2", "node-3"] {
        let expected = Forwarding::To { endpoints: service.endpoints.clone(), masquerade: true };
        assert_eq!(forwarding(service, node), expected);
        assert_eq!(node_health(&cluster, service, node), None);
    }
}

#[test]
fn local_forwards_to_the_nodes_own_pods_and_drops_elsewhere() {
    let cluster = cluster(Local, &[("node-1", 1), ("node-2", 2)]);
    let service = cluster.service(ECHO).unwrap();
    let expected = Forwarding::To { endpoints: service.endpoints[1..].to_vec(), masquerade: false };
    assert_eq!(forwarding(service, "node-2"), expected);
    assert_eq!(forwarding(service, "node-3"), Forwarding::Drop);

    let health = |node| node_health(&cluster, service, node).unwrap().local_endpoints;
    assert_eq!([health("node-1"), health("node-2"), health("node-3")], [1, 2, 0]);
}

#[test]
fn a_service_without_pods_is_refused() {
    for policy in [Local, AnyNode] {
        let cluster = cluster(policy, &[]);
        let service = cluster.service(ECHO).unwrap();
        assert_eq!(forwarding(service, "node-1"), Forwarding::Reject);
    }
}

#[test]
fn pods_have_names_and_addresses_that_follow_from_their_place() {
    let cluster = cluster(Local, &[("node-2", 2)]);
    let endpoint = &cluster.service(ECHO).unwrap().endpoints[1];
    assert_eq!(endpoint.pod, "echo-server-node-2-1");
    assert_eq!(endpoint.addresses, ["10.244.2.11:8080".parse().unwrap()]);
    assert_eq!(cluster.placement(ECHO).unwrap(), [("node-2".to_owned(), 2)]);
}

#[test]
fn changes_that_make_no_sense_are_refused() {
    let cluster = cluster(Local, &[("node-1", 1)]);
    let place = |service: &str, placement: &[(&str, u8)]| {
        cluster.changed(&Change::Endpoints { service: service.to_owned(), placement: owned(placement) })
    };
    assert!(place("default/absent", &[]).is_err());
    assert!(place(ECHO, &[("node-9", 1)]).is_err());
    assert!(place(ECHO, &[("node-1", 11)]).is_err());
    assert!(place(ECHO, &[("node-1", 1), ("node-1", 2)]).is_err());
}

#[test]
fn a_stray_rule_masquerades_what_comes_to_the_nodes_own_pods() {
    let translated = |cluster: &Cluster| {
        let (service, node) = (cluster.service(ECHO).unwrap(), cluster.node("node-1").unwrap());
        let endpoints = service.endpoints.iter();
        let sources = endpoints.map(|endpoint| translation(cluster, service, node, endpoint, Family::V4));
        sources.map(|source| source.map_or(String::new(), |source| source.to_string())).collect::<Vec<_>>()
    };
    let placement = [("node-1", 1), ("node-2", 1)];
    let strayed = |policy, node| cluster(policy, &placement).changed(&Change::stray_masquerade(node, true));
    assert_eq!(translated(&cluster(Local, &placement)), ["", ""]);
    assert_eq!(translated(&strayed(Local, "node-1").unwrap()), ["10.244.1.1", ""]);
    assert_eq!(translated(&cluster(AnyNode, &placement)), ["10.244.1.1", "192.0.2.11"]);
    assert_eq!(translated(&strayed(AnyNode, "node-2").unwrap()), ["10.244.1.1", "10.244.2.1"]);
    assert!(strayed(Local, "node-9").is_err());
}

#[test]
fn a_health_check_port_that_was_given_away_speaks_for_its_new_owner() {
    let web = "default/web-server";
    let mut plan = NamespacePlan::default().cluster;
    plan.services[0].policy = AnyNode;
    let cluster = Cluster::new(plan).unwrap();
    let health = |cluster: &Cluster, node| node_health(cluster, cluster.service(ECHO).unwrap(), node);
    assert_eq!(health(&cluster, "node-2"), None);
    let taken = cluster.changed(&Change::health_check_port(ECHO, Some(web))).unwrap();
    assert_eq!(health(&taken, "node-2"), node_health(&cluster, cluster.service(web).unwrap(), "node-2"));
    assert_eq!(health(&taken, "node-2").unwrap().name, "web-server");
    assert!(cluster.changed(&Change::health_check_port(ECHO, Some("default/absent"))).is_err());
}

#[test]
fn health_checks_say_how_kube_proxy_is() {
    let well = cluster(Local, &[("node-1", 1)]);
    let with = |health| {
        let ill = well.changed(&Change::proxy_health("node-1", health)).unwrap();
        let told = node_health(&ill, ill.service(ECHO).unwrap(), "node-1");
        told.map(|told| (told.local_endpoints, told.proxy_healthy))
    };
    assert_eq!(with(ProxyHealth::Healthy), Some((1, true)));
    assert_eq!(with(ProxyHealth::Leaving), Some((1, true)));
    assert_eq!(with(ProxyHealth::Stale), Some((1, false)));
    assert_eq!(with(ProxyHealth::Gone), None);
}
