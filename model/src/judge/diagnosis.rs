//! The likely cause of what the flows of a round saw, and what to do next.
//!
//! Nothing is blamed on a guess where the service's nodes know better: what their health check node ports said
//! goes into every diagnosis.

use std::collections::BTreeSet;

use super::{NodeSight, Scene, kubectl::Service, tally::Tally};
use crate::{
    address::{AddressClass, default_pod_network},
    cause::{Cause, CauseKind},
    flow::FailureKind,
    probe::{Expectation, Probe, Subject, TrafficPolicy},
    state::State,
    verdict::{Finding, Responder},
};

/// What is probably the matter.
#[derive(Default)]
pub(super) struct Diagnosis {
    /// Why.
    pub(super) cause: Option<Cause>,
    /// What to do or look at.
    pub(super) remedy: Option<String>,
}

impl Diagnosis {
    fn new(kind: CauseKind, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: Some(Cause::new(kind, why)), remedy: Some(remedy.into()) }
    }

    fn remedy(remedy: impl Into<String>) -> Self {
        Self { cause: None, remedy: Some(remedy.into()) }
    }
}

/// Diagnoses a round.
pub(super) fn of(
    probe: &Probe,
    finding: Finding,
    state: State,
    tally: &Tally<'_>,
    scene: &Scene<'_>,
) -> Diagnosis {
    let service = match &probe.subject {
        Subject::Vip { service, policy, .. } => Some((Service::named(service), *policy)),
        // What an endpoint without a name leads to is looked for by its address, and only where the nodes of a
        // cluster have a say: it may well be no service at all.
        _ if scene.nodes.is_empty() && !tally.blames_cluster() => None,
        _ => tally.remote().map(|address| (Service::At(address), TrafficPolicy::Local)),
    };
    match (state, finding) {
        (State::Translated, _) => translated(probe, service, finding, tally, scene),
        (State::Down, Finding::WrongAnswer) => wrong_answer(service),
        (State::Down, _) => unreachable(service, tally, scene),
        (State::Degraded, Finding::Slow) => Diagnosis::remedy(
            "Look at which part takes long (connect, TLS, first byte) in the probe's rounds, and at the load of the nodes and pods that answered.",
        ),
        (State::Degraded, _) => partly_failing(service, tally, scene),
        (State::Unknown, Finding::Blind) => {
            Diagnosis::remedy("Look at this agent's host: link, address, default route, limits.")
        }
        (State::Unknown, _) if tally.inside.is_some() => Diagnosis::remedy(
            "Run vipwatch on a host outside the cluster: neither a node nor a pod, and with an address of its own.",
        ),
        (State::Unknown, _) => unjudged(tally, scene),
        _ => Diagnosis::default(),
    }
}

fn translated(
    probe: &Probe,
    service: Option<(Service<'_>, TrafficPolicy)>,
    finding: Finding,
    tally: &Tally<'_>,
    scene: &Scene<'_>,
) -> Diagnosis {
    if finding == Finding::OnlyInHeader {
        return Diagnosis::new(
            CauseKind::Proxy,
            "A proxy in front of the pods, such as an ingress controller, opens connections of its own and names the client in a header.",
            "If the pods are meant to read that header, say so with `expect_source = \"header\"`; otherwise take the proxy out of the way, \
             or let it speak the PROXY protocol.",
        );
    }
    // Neither a bridge nor an overlay, so a pod: nodes never masquerade to that.
    let is_pod = |class: &AddressClass| matches!(class, AddressClass::PodNetwork { node: Some(_), .. });
    if tally.foreign_classes().all(|(_, class)| is_pod(class)) {
        return Diagnosis::new(
            CauseKind::Proxy,
            "The address is that of a pod: a proxy in the cluster opens connections of its own, and names the client in no header.",
            "Let that proxy set X-Forwarded-For or speak the PROXY protocol, or send the probe past it.",
        );
    }
    let classes: BTreeSet<&AddressClass> = tally.foreign_classes().map(|(_, class)| class).collect();
    if classes.iter().any(|class| class.is_cluster_network()) {
        return by_cluster(probe, service, finding, tally, scene);
    }
    if classes.contains(&AddressClass::Loopback) {
        return Diagnosis::new(
            CauseKind::LocalProxy,
            "A proxy in the same pod or on the same node hands connections on over loopback, as the TLS passthrough of ingress-nginx does.",
            "Let that proxy speak the PROXY protocol to its backend, or read the client's address out of its header.",
        );
    }
    if classes.contains(&AddressClass::Vip) {
        return Diagnosis::new(
            CauseKind::Hairpin,
            "The connection was handed from one VIP to another: a proxy behind a VIP of its own stands in between.",
            "Look at what answers on the VIP, and send the probe to the service that clients reach first.",
        );
    }
    // A default pod network is a strong hint even where [cluster] has no word of it.
    let guess = tally
        .foreign_classes()
        .find_map(|(address, _)| default_pod_network(address).map(|network| (address, network)));
    if let Some((address, network)) = guess {
        let hint = format!(
            "{address} lies in {network}. If it is this cluster's, nodes masquerade what clients send, as they do for the policy Cluster; if it is \
             a NAT of this agent's own, [egress] has to know of it."
        );
        let remedy = match service {
            Some((service, TrafficPolicy::Local)) => {
                format!("{} Put the pod network into [cluster], so that the address gets its name.", service.restore_policy())
            }
            _ => "Look at `spec.externalTrafficPolicy` of the service behind the target. Put the pod network into [cluster], so that the \
                  address gets its name."
                .to_owned(),
        };
        return Diagnosis::new(CauseKind::PolicyReset, hint, remedy);
    }
    let nat = if scene.egress.learnt.is_empty() && scene.egress.fixed.is_empty() {
        "If this agent reaches the target through a NAT, let vipwatch learn its egress address: `[egress] from = [\"stun\"]`, or \
         `[\"static\"]`"
    } else {
        "See whether this agent has another way out than the ones that [egress] knows"
    };
    Diagnosis::new(
        CauseKind::UnknownNat,
        "The address belongs to nothing in [cluster]: a NAT on the way from this agent, a proxy in between, or a node or pod network that \
         is missing from [cluster].",
        format!("{nat}; otherwise look for whose address it is."),
    )
}

/// The cluster itself translated: a node's, a bridge's or an overlay's address was seen.
fn by_cluster(
    probe: &Probe,
    service: Option<(Service<'_>, TrafficPolicy)>,
    finding: Finding,
    tally: &Tally<'_>,
    scene: &Scene<'_>,
) -> Diagnosis {
    if let Expectation::Within(_) = probe.expectation {
        return Diagnosis::remedy(
            "The address is not among those of `expect_source`: find out what translates now, and correct the list if that is meant to be.",
        );
    }
    let Some((service, TrafficPolicy::Local)) = service else {
        return Diagnosis::new(
            CauseKind::PolicyReset,
            "A node of the cluster translates: the service behind the target has the policy Cluster, or a proxy in the cluster answers in its place.",
            "Look at `spec.externalTrafficPolicy` of the service behind the target.",
        );
    };
    let culprits: BTreeSet<&str> = tally.foreign_classes().filter_map(|(_, class)| class.node()).collect();
    let culprits: Vec<&str> = culprits.into_iter().collect();
    let on = if culprits.is_empty() { "the nodes".to_owned() } else { culprits.join(" and ") };
    let rules = format!(
        "on {on}, look for masquerade rules beside kube-proxy's: `nft list ruleset | grep -n masquerade` or `iptables-save -t nat | grep -n MASQUERADE`"
    );
    // While kube-proxies take over a change one after another, some ports are closed and others not yet.
    let some_closed = scene
        .nodes
        .iter()
        .any(|node| matches!(node.finding, Some(Finding::PortClosed | Finding::OtherService)));
    match nodes_say(scene.nodes) {
        Some(Nodes::Closed) => Diagnosis::new(
            CauseKind::PolicyReset,
            "The health check node port is closed on every node, so the policy is no longer Local: a helm upgrade or an edit has reset it.",
            service.restore_policy(),
        ),
        Some(Nodes::Ready(_) | Nodes::Empty) if !some_closed && finding == Finding::PartlyTranslated => {
            Diagnosis::new(
                CauseKind::MasqueradeOnSomeNodes,
                format!(
                    "The policy is still Local, since the health check node ports answer, and only some nodes translate: rules that only they \
                 have, left by a CNI plug-in or a configuration of their own, on {on}."
                ),
                format!("Compare the nodes: {rules}."),
            )
        }
        Some(Nodes::Ready(_) | Nodes::Empty) if !some_closed => Diagnosis::new(
            CauseKind::Masquerade,
            "The policy is still Local, since the health check node ports answer: the translation comes from beside kube-proxy. An upgrade of the \
             CNI plug-in, Kubernetes or MetalLB, k3s' own load balancer left on, or externalIPs on the service do that.",
            format!("Make sure with {}; if it says Local, {rules}.", service.ask_policy()),
        ),
        _ if finding == Finding::PartlyTranslated => Diagnosis::new(
            CauseKind::MasqueradeOnSomeNodes,
            format!(
                "Some nodes translate and others do not: rules that only they have, or a policy of Cluster with pods on several nodes, on {on}."
            ),
            format!("{} If it still says Local, {rules}.", service.restore_policy()),
        ),
        _ => Diagnosis::new(
            CauseKind::PolicyReset,
            "The policy was reset to Cluster, by a helm upgrade or an edit; or a masquerade rule of a CNI plug-in does it, which looks the same from outside.",
            format!("{} If it still says Local, {rules}.", service.restore_policy()),
        ),
    }
}

fn unreachable(
    service: Option<(Service<'_>, TrafficPolicy)>,
    tally: &Tally<'_>,
    scene: &Scene<'_>,
) -> Diagnosis {
    let refused = tally.failed.keys().all(|kind| *kind == FailureKind::Refused);
    let Some((service, policy)) = service else { return Diagnosis::default() };
    if tally.all_connected() {
        return behind_the_connection(service, tally);
    }
    match nodes_say(scene.nodes) {
        Some(Nodes::Empty) => Diagnosis::new(
            CauseKind::NoEndpoints,
            "No node has a ready endpoint, so nobody announces the VIP, and whoever gets the traffic has no pod to give it to.",
            service.ask_endpoints(),
        ),
        Some(Nodes::Silent) => Diagnosis::new(
            CauseKind::NodeDown,
            "No node answers either: the whole cluster is off, or the network between here and there.",
            "See from this host whether anything in that network answers, and then `kubectl get nodes`.",
        ),
        Some(Nodes::Closed) => Diagnosis::new(
            CauseKind::PolicyReset,
            "The health check node port is closed on every node as well: the service is gone, or its policy is no longer Local and it has no endpoints.",
            format!("See whether it is there: {}.", service.ask_policy()),
        ),
        Some(Nodes::Ready(ready)) if refused => Diagnosis::new(
            CauseKind::Backend,
            format!(
                "{} and somebody answers for the VIP and refuses: the pods do not listen on the target port, the service has another \
                 port, or a firewall rejects.",
                has_endpoints(&ready)
            ),
            service.ask_endpoints(),
        ),
        Some(Nodes::Ready(ready)) => Diagnosis::new(
            CauseKind::AnnouncementOrPath,
            format!(
                "{} so the pods are fine: nobody announces the VIP, or a route or a firewall on the way is at fault.",
                has_endpoints(&ready)
            ),
            service.ask_announcement(),
        ),
        None if refused => Diagnosis::new(
            CauseKind::NoEndpoints,
            "Nodes refuse connections to a VIP whose service has no ready endpoint at all.",
            service.ask_endpoints(),
        ),
        None if policy == TrafficPolicy::Local => Diagnosis::new(
            CauseKind::AnnouncementOrPath,
            "Nobody announces the VIP, as is the case without a ready endpoint, or the traffic reaches a node without one, which drops it.",
            format!("{} {}", service.ask_endpoints(), service.ask_announcement()),
        ),
        None => Diagnosis::new(
            CauseKind::AnnouncementOrPath,
            "Nobody announces the VIP, or a route or a firewall on the way is at fault.",
            service.ask_announcement(),
        ),
    }
}

/// The connections stand, so the VIP is announced and the way is fine: what answers behind it is at fault.
fn behind_the_connection(service: Service<'_>, tally: &Tally<'_>) -> Diagnosis {
    if tally.failed.keys().all(|kind| *kind == FailureKind::Tls) {
        return Diagnosis::new(
            CauseKind::TlsHandshake,
            "Connections stand, so the VIP is announced and the way is fine; the TLS handshake on them fails.",
            "Look at the certificate that is shown there, and at what this agent trusts and shows itself: `tls` in the configuration.",
        );
    }
    if tally.failed.keys().all(|kind| matches!(kind, FailureKind::Reset | FailureKind::Protocol)) {
        return Diagnosis::new(
            CauseKind::ProxyProtocol,
            "Connections stand and are cut at once: often the PROXY protocol is expected and not sent, or sent and not expected.",
            "Set `proxy_protocol` for this service as its pods want it, or take it off in the proxy before them.",
        );
    }
    Diagnosis::new(
        CauseKind::Backend,
        "Connections stand, so the VIP is announced and the way is fine; the pods behind it do not answer on them.",
        format!("Look at the pods. {}", service.ask_endpoints()),
    )
}

fn partly_failing(
    service: Option<(Service<'_>, TrafficPolicy)>,
    tally: &Tally<'_>,
    scene: &Scene<'_>,
) -> Diagnosis {
    let silent = tally
        .failed
        .keys()
        .all(|kind| matches!(kind, FailureKind::Timeout | FailureKind::Unreachable | FailureKind::Refused));
    let answering = answering_nodes(&tally.answered_by);
    if let Some((service, _)) = service.filter(|_| tally.all_connected()) {
        return behind_some_connections(service, &answering);
    }
    let Some((service, TrafficPolicy::Local)) = service.filter(|_| silent) else {
        return Diagnosis::remedy(
            "Look at the probe's latest rounds on the page: what the flows that fail have in common (one address, one node, one phase) is \
             where to look.",
        );
    };
    let without = nodes_without(scene.nodes);
    let mut why = "Part of the connections reach a node without a ready endpoint, or one that is off: a route that is out of date (BGP), or two \
                   nodes that claim the VIP at once."
        .to_owned();
    if !answering.is_empty() {
        why = format!("{why} Those that were answered reached {}.", answering.join(" and "));
    }
    if !without.is_empty() {
        why = format!("{why} No ready endpoint: {}.", without.join(", "));
    }
    Diagnosis::new(CauseKind::StaleRoute, why, service.ask_announcement())
}

/// The same, where some of the pods answer as they should.
fn behind_some_connections(service: Service<'_>, answering: &[&str]) -> Diagnosis {
    let mut why = "Connections stand, so the VIP is announced and the way is fine; some of the pods behind it do not answer on them as they \
                   should."
        .to_owned();
    if !answering.is_empty() {
        why = format!("{why} Those that were answered well reached {}.", answering.join(" and "));
    }
    Diagnosis::new(
        CauseKind::Backend,
        why,
        format!("Look at the pods, one by one. {}", service.ask_endpoints()),
    )
}

fn wrong_answer(service: Option<(Service<'_>, TrafficPolicy)>) -> Diagnosis {
    match service {
        Some((service, _)) => {
            Diagnosis::remedy(format!("Connections arrive, so look at the pods: {}", service.ask_endpoints()))
        }
        None => Diagnosis::default(),
    }
}

fn unjudged(tally: &Tally<'_>, scene: &Scene<'_>) -> Diagnosis {
    if tally.header_trusted > 0 {
        return Diagnosis::remedy(
            "If the header is what counts, say so with `expect_source = \"header\"`; otherwise probe an echo server that tells the \
             connection's own peer, such as `vipwatch echo`.",
        );
    }
    if !scene.egress.unknown.is_empty() {
        return Diagnosis::remedy(
            "See to it that one of the sources in [egress] can be reached, or name the address: `from = [\"static\"]`.",
        );
    }
    Diagnosis::default()
}

/// What the health check node ports of all nodes say together.
enum Nodes<'a> {
    /// At least one node has ready endpoints: these.
    Ready(Vec<&'a str>),
    /// The ports answer, and no node has a ready endpoint.
    Empty,
    /// Closed, or another service's, everywhere.
    Closed,
    /// Nobody answers.
    Silent,
}

/// `None` when they have not been asked, or say nothing that hangs together.
fn nodes_say<'a>(nodes: &[NodeSight<'a>]) -> Option<Nodes<'a>> {
    let all = |wanted: &[Finding]| {
        !nodes.is_empty()
            && nodes.iter().all(|node| node.finding.is_some_and(|finding| wanted.contains(&finding)))
    };
    let any = |wanted: Finding| nodes.iter().any(|node| node.finding == Some(wanted));
    let ready: Vec<&str> =
        nodes.iter().filter(|node| node.finding == Some(Finding::Ready)).map(|node| node.node).collect();
    if !ready.is_empty() {
        Some(Nodes::Ready(ready))
    } else if all(&[Finding::NodeSilent]) {
        Some(Nodes::Silent)
    } else if any(Finding::NoEndpoints)
        && all(&[Finding::NoEndpoints, Finding::NodeSilent, Finding::ProxyUnhealthy])
    {
        Some(Nodes::Empty)
    } else if any(Finding::PortClosed)
        && all(&[Finding::PortClosed, Finding::OtherService, Finding::NodeSilent])
    {
        Some(Nodes::Closed)
    } else {
        None
    }
}

fn has_endpoints(ready: &[&str]) -> String {
    format!("{} {} ready endpoints,", ready.join(" and "), if ready.len() == 1 { "has" } else { "have" })
}

fn answering_nodes(answered_by: &[Responder]) -> Vec<&str> {
    let nodes: BTreeSet<&str> = answered_by.iter().filter_map(|by| by.node.as_deref()).collect();
    nodes.into_iter().collect()
}

fn nodes_without<'a>(nodes: &[NodeSight<'a>]) -> Vec<&'a str> {
    let without =
        |node: &&NodeSight<'_>| matches!(node.finding, Some(Finding::NoEndpoints | Finding::NodeSilent));
    nodes.iter().filter(without).map(|node| node.node).collect()
}
