//! What else happens to a client's address, and what is said of it: faults of some nodes, routes, proxies, NATs.

use vipwatch_lab::{
    cluster::{Announcement, Backend, Change, Cni, ExternalTrafficPolicy, Family, Overlay},
    matrix::Transport,
    namespaces::{NamespaceLab, NamespacePlan, inside},
};
use vipwatch_model::{
    cause::CauseKind,
    probe::{Expectation, TrafficPolicy},
    state::State,
    verdict::{Finding, FlowFinding, Verdict},
};

use crate::watch::{Watch, probe_name};

const ECHO: &str = "default/echo-server";
const WEB: &str = "default/web-server";
const INGRESS: &str = "ingress/nginx";
/// All of them take the same one of two routes once in four billion times.
const MANY: u32 = 33;

fn lab() -> NamespaceLab {
    NamespaceLab::start(&NamespacePlan::default()).unwrap()
}

fn ecmp(nodes: &[&str]) -> Announcement {
    Announcement::Ecmp(nodes.iter().map(|node| (*node).to_owned()).collect())
}

/// One round of everything, meant to be Local, and the verdicts on `service` in each family over each transport.
fn verdicts(lab: &NamespaceLab, service: &str, flows: u32) -> Vec<Verdict> {
    of(lab, service, &Watch::over(lab.state(), TrafficPolicy::Local, flows))
}

fn of(lab: &NamespaceLab, service: &str, watch: &Watch) -> Vec<Verdict> {
    let mut all = watch.round(lab);
    let vips = lab.state().service(service).unwrap();
    let names = Family::ALL.into_iter().flat_map(|family| {
        Transport::ALL.map(|transport| probe_name(service, vips.vip(family).unwrap(), transport))
    });
    names.map(|name| all.remove(&name).unwrap()).collect()
}

fn cause(verdict: &Verdict) -> CauseKind {
    verdict.cause.as_ref().unwrap_or_else(|| panic!("no cause: {}", verdict.reason)).kind
}

#[test]
fn without_endpoints_nobody_is_accused_of_anything_else() {
    if !inside("paths::without_endpoints_nobody_is_accused_of_anything_else") {
        return;
    }
    let mut lab = lab();
    lab.set_endpoints(ECHO, &[]).unwrap();
    // Nobody announces the VIP; and then somebody does all the same, who refuses.
    for announcement in [Announcement::Elected, Announcement::Pinned("node-1".to_owned())] {
        lab.set_announcement(ECHO, announcement).unwrap();
        for verdict in verdicts(&lab, ECHO, 2) {
            assert_eq!(
                (verdict.finding, verdict.state),
                (Finding::Unreachable, State::Down),
                "{}",
                verdict.reason
            );
            assert_eq!(cause(&verdict), CauseKind::NoEndpoints, "{}", verdict.reason);
            assert!(verdict.remedy.unwrap().contains("get endpointslices"));
        }
    }
}

#[test]
fn rules_on_some_nodes_are_told_from_a_reset_policy() {
    if !inside("paths::rules_on_some_nodes_are_told_from_a_reset_policy") {
        return;
    }
    let mut lab = lab();
    lab.set_announcement(WEB, ecmp(&["node-2", "node-3"])).unwrap();
    for verdict in verdicts(&lab, WEB, MANY) {
        assert_eq!((verdict.finding, verdict.state), (Finding::Preserved, State::Up), "{}", verdict.reason);
    }
    lab.apply(&Change::stray_masquerade("node-2", true)).unwrap();
    for verdict in verdicts(&lab, WEB, MANY) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::PartlyTranslated, State::Translated),
            "{}",
            verdict.reason
        );
        assert_eq!(cause(&verdict), CauseKind::MasqueradeOnSomeNodes);
        assert!(verdict.cause.unwrap().text.ends_with("on node-2."));
        let nodes = |finding| {
            let evidence = verdict.evidence.iter().filter(move |flow| flow.finding == finding);
            evidence.count()
        };
        assert_eq!(nodes(FlowFinding::Preserved) + nodes(FlowFinding::Translated), MANY as usize);
    }
    // On every node that serves: an upgrade of the CNI plug-in, say. The policy is still Local.
    lab.apply(&Change::stray_masquerade("node-3", true)).unwrap();
    for verdict in verdicts(&lab, WEB, 4) {
        assert_eq!((verdict.finding, verdict.state), (Finding::Translated, State::Translated));
        assert_eq!(cause(&verdict), CauseKind::Masquerade, "{}", verdict.reason);
    }
}

#[test]
fn a_share_of_silence_is_a_stale_route() {
    if !inside("paths::a_share_of_silence_is_a_stale_route") {
        return;
    }
    let mut lab = lab();
    lab.set_announcement(ECHO, ecmp(&["node-1", "node-2"])).unwrap();
    for verdict in verdicts(&lab, ECHO, MANY) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::PartlyFailing, State::Degraded),
            "{}",
            verdict.reason
        );
        assert_eq!(cause(&verdict), CauseKind::StaleRoute);
        let text = verdict.cause.unwrap().text;
        assert!(text.contains("reached node-1.") && text.contains("No ready endpoint: node-2"), "{text}");
        assert!(verdict.seen.iter().all(|seen| seen.class.is_none()));
    }
}

#[test]
fn a_nat_of_ones_own_is_no_regression_once_it_is_known() {
    if !inside("paths::a_nat_of_ones_own_is_no_regression_once_it_is_known") {
        return;
    }
    let plan = NamespacePlan::default().behind_nat();
    let mut lab = NamespaceLab::start(&plan).unwrap();
    for verdict in verdicts(&lab, ECHO, 2) {
        assert_eq!((verdict.finding, cause(&verdict)), (Finding::Translated, CauseKind::UnknownNat));
        assert!(verdict.remedy.unwrap().contains("[egress]"));
    }
    let informed = |lab: &NamespaceLab| {
        let mut watch = Watch::over(lab.state(), TrafficPolicy::Local, 2);
        watch.plan.egress.socket = false;
        watch.plan.egress.fixed =
            plan.nat.as_ref().unwrap().outside.iter().map(|address| (*address).into()).collect();
        of(lab, ECHO, &watch)
    };
    for verdict in informed(&lab) {
        assert_eq!((verdict.finding, verdict.state), (Finding::Preserved, State::Up), "{}", verdict.reason);
        assert!(verdict.notes.is_empty(), "a NAT changes ports, and that is nothing to tell");
    }
    lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    for verdict in informed(&lab) {
        assert_eq!((verdict.finding, verdict.state), (Finding::Translated, State::Translated));
        assert_eq!(cause(&verdict), CauseKind::PolicyReset);
    }
}

#[test]
fn behind_a_proxy_only_the_header_can_hold_the_client() {
    if !inside("paths::behind_a_proxy_only_the_header_can_hold_the_client") {
        return;
    }
    let plan = NamespacePlan::empty(2, Cni::Bridge, Overlay::HostGw)
        .with_service(ECHO, Backend::Pods, &["node-2"])
        .with_service(INGRESS, Backend::Proxy { to: ECHO.to_owned() }, &["node-1"]);
    let mut lab = NamespaceLab::start(&plan).unwrap();
    let over_http = |lab: &NamespaceLab, expectation: Expectation| {
        let watch = Watch::over(lab.state(), TrafficPolicy::Local, 2).expecting(&expectation);
        // The proxy speaks HTTP only.
        let [v4, _, v6, _] = of(lab, INGRESS, &watch).try_into().unwrap();
        [v4, v6]
    };
    for verdict in over_http(&lab, Expectation::Preserved) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::OnlyInHeader, State::Translated),
            "{}",
            verdict.reason
        );
        assert_eq!(cause(&verdict), CauseKind::Proxy);
    }
    for verdict in over_http(&lab, Expectation::InHeader) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::OnlyInHeader, State::Up),
            "{}",
            verdict.reason
        );
    }
    // In front of the proxy the client is lost, so that its header holds a node of the cluster.
    lab.set_policy(INGRESS, ExternalTrafficPolicy::Cluster).unwrap();
    for verdict in over_http(&lab, Expectation::InHeader) {
        assert_eq!(
            (verdict.finding, verdict.state),
            (Finding::Translated, State::Translated),
            "{}",
            verdict.reason
        );
    }
}

#[test]
fn health_check_ports_show_when_the_policy_is_another() {
    if !inside("paths::health_check_ports_show_when_the_policy_is_another") {
        return;
    }
    let mut lab = lab();
    let nodes = |lab: &NamespaceLab, policy| {
        let all = Watch::over(lab.state(), policy, 1).round(lab);
        ["node-1", "node-2", "node-3"].map(|node| {
            let verdict = &all[&format!("{ECHO}@{node}")];
            (verdict.finding, verdict.state)
        })
    };
    let (ready, none) = ((Finding::Ready, State::Up), (Finding::NoEndpoints, State::Idle));
    assert_eq!(nodes(&lab, TrafficPolicy::Local), [ready, none, none]);
    assert_eq!(nodes(&lab, TrafficPolicy::Cluster), [(Finding::PolicyLocal, State::Down); 3]);
    lab.apply(&Change::health_check_port(ECHO, Some(WEB))).unwrap();
    assert_eq!(nodes(&lab, TrafficPolicy::Local), [(Finding::OtherService, State::Down); 3]);
    lab.apply(&Change::health_check_port(ECHO, None)).unwrap();
    lab.set_policy(ECHO, ExternalTrafficPolicy::Cluster).unwrap();
    assert_eq!(nodes(&lab, TrafficPolicy::Local), [(Finding::PortClosed, State::Down); 3]);
    assert_eq!(nodes(&lab, TrafficPolicy::Cluster), [(Finding::PortClosed, State::Up); 3]);
}
