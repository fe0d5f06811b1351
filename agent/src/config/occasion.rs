//! Which kinds of alerts a service or probe can give rise to at all. A rule for another one would wait for ever.

use vipwatch_model::{
    alert::AlertKind,
    probe::{Expectation, TrafficPolicy},
};

use super::{
    flows::{Flows, Speech},
    reader::Reader,
    rule::Written,
};

/// What there is that alerts can be about.
#[derive(Debug, Default)]
pub(super) struct Occasions {
    /// A source address is told, and one is expected.
    pub(super) source: bool,
    /// It is tried whether headers are believed.
    pub(super) canary: bool,
    /// A certificate is shown.
    pub(super) certificate: bool,
    /// A name ought to lead there.
    pub(super) dns_name: bool,
    /// Nodes are asked about a service of this policy.
    pub(super) nodes: Option<TrafficPolicy>,
    /// So many of them ought to be healthy.
    pub(super) redundancy: bool,
}

impl Occasions {
    /// What flows can tell.
    pub(super) fn of(flows: &Flows) -> Self {
        let tls = match &flows.speech {
            Speech::Http { tls, .. } | Speech::Tcp { tls, .. } => tls.is_some(),
            Speech::Udp(_) | Speech::Dns(_) => false,
        };
        Self {
            source: !matches!(flows.expectation, Expectation::Any | Expectation::Answer),
            canary: flows.echo.as_ref().is_some_and(|echo| echo.canary),
            certificate: tls,
            ..Self::default()
        }
    }

    /// Reports the rules in `written` that nothing will ever come under.
    pub(super) fn check(&self, written: &[Written], reader: &mut Reader<'_>) {
        for rule in written {
            if let Some(hint) = self.lack(rule.kind) {
                reader
                    .fault(rule.place.clone(), format!("there is never such an alert here: {}", rule.kind))
                    .hint(hint);
            }
        }
    }

    /// What an alert of `kind` would take that is not there.
    fn lack(&self, kind: AlertKind) -> Option<&'static str> {
        let (there, takes) = match kind {
            AlertKind::SourceTranslated => {
                (self.source, "it takes an echo, and an expect_source other than \"any\"")
            }
            AlertKind::HeadersTrusted => (self.canary, "it takes an echo with canary = true"),
            AlertKind::CertificateExpiring => (self.certificate, "only https and tls show a certificate"),
            AlertKind::DnsDrift => (self.dns_name, "it takes dns_name"),
            AlertKind::NodeDown | AlertKind::PolicyDrift => (
                self.nodes.is_some(),
                "it takes health_check_node_port: without it no node is asked about this service",
            ),
            AlertKind::NodeUnhealthy | AlertKind::NoHealthyNode => (
                self.nodes == Some(TrafficPolicy::Local),
                "nodes tell their endpoints on health_check_node_port, with external_traffic_policy = \"Local\"",
            ),
            AlertKind::RedundancyLost => (self.redundancy, "it takes min_healthy_nodes"),
            AlertKind::Unreachable
            | AlertKind::Degraded
            | AlertKind::Flapping
            | AlertKind::EgressChanged
            | AlertKind::VantageBlind => (true, ""),
        };
        (!there).then_some(takes)
    }
}
