//! The verdict on every path that a client's address can take, in clusters of network namespaces with the kernel's own
//! address translation. What is found is kept in `docs/matrix.md`: `make matrix` writes it anew.

use std::{collections::BTreeMap, fmt::Write as _, path::Path as File};

use vipwatch_lab::{
    cluster::{Cluster, ExternalTrafficPolicy, Family},
    matrix::{Cell, Outcome, Path, RECEIVING, Seen, Topology, cells},
    namespaces::{NamespaceLab, inside},
};
use vipwatch_model::{
    cause::CauseKind,
    probe::TrafficPolicy,
    state::State,
    verdict::{Finding, FlowFinding, Verdict},
};

use crate::watch::{Watch, probe_name};

const FLOWS: u32 = 3;

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
        let local = Watch::over(lab.state(), TrafficPolicy::Local, FLOWS).round(&lab);
        let cluster = Watch::over(lab.state(), TrafficPolicy::Cluster, FLOWS).round(&lab);
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
