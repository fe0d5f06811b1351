//! Which alerts there can be: asked before anything happens, to see by which rule each would be opened and who would be told.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind, Scope},
    probe::{Expectation, Subject, TrafficPolicy},
    rule::Rules,
};

use super::{Plan, Planned};
use crate::prober::{Exchange, HttpExchange, Method, TcpExchange};

impl Plan {
    /// An alert of every kind for every subject that there can be one about, and the rules that it comes under. Nothing has
    /// happened: they tell no story.
    #[must_use]
    pub fn possible_alerts(&self) -> Vec<(Alert, &Rules)> {
        let of_probes = self.probes.iter().flat_map(|planned| {
            let probe = &planned.probe;
            let alert = |kind: &AlertKind| (Alert::untold(*kind, probe), &probe.rules);
            AlertKind::ALL.iter().filter(|kind| can_rise(**kind, planned)).map(alert)
        });
        let of_vantage = AlertKind::ALL.iter().filter(|kind| kind.scope() == Scope::Vantage).map(|kind| {
            let key = AlertKey::of_vantage(*kind, &self.vantage);
            let (severity, never) = (self.rules.of(*kind).severity, DateTime::<Utc>::UNIX_EPOCH);
            (Alert::of_vantage(String::new(), key, severity, never, never), &self.rules)
        });
        // All nodes of a service can give rise to the same one.
        let mut keys = BTreeSet::new();
        of_probes.chain(of_vantage).filter(|(alert, _)| keys.insert(alert.key.clone())).collect()
    }
}

/// Whether rounds of a probe can give rise to an alert of `kind`.
fn can_rise(kind: AlertKind, planned: &Planned) -> bool {
    let (probe, method) = (&planned.probe, &planned.method);
    let flows = if let Method::Flows(flows) = method { Some(flows) } else { None };
    let policy = if let Subject::Node { policy, .. } = &probe.subject { Some(*policy) } else { None };
    match kind {
        AlertKind::SourceTranslated => {
            flows.is_some() && !matches!(probe.expectation, Expectation::Any | Expectation::Answer)
        }
        AlertKind::Unreachable | AlertKind::NodeDown => probe.rules.down == kind,
        AlertKind::Degraded => flows.is_some() || matches!(method, Method::Ping { .. }),
        AlertKind::HeadersTrusted => flows.is_some_and(|flows| flows.canary),
        AlertKind::DnsDrift => !probe.vips.is_empty(),
        AlertKind::CertificateExpiring => flows.is_some_and(|flows| {
            matches!(
                &flows.exchange,
                Exchange::Http(HttpExchange { tls: Some(_), .. })
                    | Exchange::Tcp(TcpExchange { tls: Some(_), .. })
                    | Exchange::Tls(_)
            )
        }),
        AlertKind::PolicyDrift => policy.is_some(),
        AlertKind::NodeUnhealthy | AlertKind::NoHealthyNode => policy == Some(TrafficPolicy::Local),
        AlertKind::RedundancyLost => {
            policy == Some(TrafficPolicy::Local) && probe.rules.min_healthy_nodes > 0
        }
        AlertKind::Flapping => true,
        AlertKind::EgressChanged | AlertKind::VantageBlind => false,
    }
}
