//! When alerts of each kind are opened and resolved, and how bad they are: the tables in `[alerts]`, and the same ones
//! under `alerts` in every service and probe.

mod layer;

use vipwatch_model::{
    alert::{AlertKind, Severity},
    rule::LONGEST_WINDOW,
};

pub use self::layer::AlertRules;
use self::layer::RuleLayer;
pub(super) use self::layer::RulesLayer;
use super::{
    after::{After, Rounds},
    choice::choice,
    duration::{DAY, HOUR, Time, span},
    fault::Span,
    percent::Percent,
    reader::{At, Slot},
    table::table,
    value::Whole,
};

choice! { AlertKind: "a kind of alert", in stored words }
choice! { Severity: "a severity", in stored words }

table! {
    /// Whether there are alerts of a kind, and how bad they are.
    pub(super) struct MarkTable {
        /// Whether there are alerts of this kind at all. Without it: true.
        optional enabled: bool,
        /// How bad they are. Without it: what docs/verdicts.md says of the kind.
        optional severity: Severity,
    }
}

table! {
    /// When alerts of a kind are opened and resolved, and how bad they are.
    pub(super) struct RuleTable {
        /// Whether, and how bad.
        flatten mark: MarkTable,
        /// How many bad rounds it takes: so many on end, or "3 of 5" for so many among the latest. Without it:
        /// alert_after, but 1 for no_healthy_node and redundancy_lost, which follow from confirmed states.
        optional after: After,
        /// How long the trouble has to last besides.
        optional r#for: Time<0, DAY>,
        /// How many good rounds on end resolve it. Without it: resolve_after, but 1 for those two.
        optional resolve_after: Rounds,
    }
}

table! {
    /// When a certificate is about to expire, and how bad that is.
    pub(super) struct CertificateTable {
        /// When, and how bad.
        flatten rule: RuleTable,
        /// How long before its end that is told. Without it: 14d.
        optional within: Time<HOUR, { 1_000 * DAY }>,
    }
}

/// A share of changes; with none, a probe would flap for ever.
type Share = Percent<1, 100>;

table! {
    /// When a probe changes its mind too often to tell each change.
    pub(super) struct FlappingTable {
        /// Whether, and how bad.
        flatten mark: MarkTable,
        /// How many of the latest rounds are looked at. Without it: 21.
        optional window: Whole<u32, 2, LONGEST_WINDOW>,
        /// From which share of changes on a probe flaps; all of a window's rounds but its first may be changes.
        /// Without it: 30%.
        optional enter: Share,
        /// Below which share it does so no longer. Without it: 20%.
        optional leave: Share,
    }
}

table! {
    /// Rules for the kinds of alerts that flows give rise to.
    pub(super) struct ProbeRulesTable {
        /// Clients' source addresses are lost.
        optional source_translated: RuleTable,
        /// It does not answer.
        optional unreachable: RuleTable,
        /// Part of the flows fail, or answers take too long.
        optional degraded: RuleTable,
        /// The echo believes forged headers. Takes an echo with a canary.
        optional headers_trusted: RuleTable,
        /// The certificate is about to expire. With https and tls.
        optional certificate_expiring: CertificateTable,
        /// Rounds change their mind too often: one alert instead of many.
        optional flapping: FlappingTable,
    }
}

table! {
    /// Rules for the kinds of alerts that services and their nodes give rise to.
    pub(super) struct ServiceRulesTable {
        /// What flows give rise to.
        flatten probe: ProbeRulesTable,
        /// The name leads elsewhere than to the VIPs. Takes dns_name.
        optional dns_drift: RuleTable,
        /// A node lost its last ready endpoint. Takes health_check_node_port and the policy Local.
        optional node_unhealthy: RuleTable,
        /// A node does not answer health checks. Its rounds are also those of policy_drift.
        optional node_down: RuleTable,
        /// No node has a ready endpoint. Takes health_check_node_port and the policy Local.
        optional no_healthy_node: RuleTable,
        /// Too few nodes have a ready endpoint. Takes min_healthy_nodes.
        optional redundancy_lost: RuleTable,
        /// The policy is not what it was configured as. What node_down would be on one node is this on all of them.
        optional policy_drift: MarkTable,
    }
}

/// A table of rules by kind.
pub(super) trait ByKind {
    /// What is written, kind by kind.
    fn written(&self) -> Vec<Written>;

    /// When a probe flaps.
    fn flapping(&self) -> &Slot<FlappingTable>;

    /// When a certificate is about to expire.
    fn certificate(&self) -> &Slot<CertificateTable>;
}

/// What is written about one kind.
pub(super) struct Written {
    pub(super) kind: AlertKind,
    pub(super) place: Span,
    layer: RuleLayer,
}

impl ByKind for ProbeRulesTable {
    fn written(&self) -> Vec<Written> {
        let kinds = [
            written(AlertKind::SourceTranslated, &self.source_translated, RuleTable::layer),
            written(AlertKind::Unreachable, &self.unreachable, RuleTable::layer),
            written(AlertKind::Degraded, &self.degraded, RuleTable::layer),
            written(AlertKind::HeadersTrusted, &self.headers_trusted, RuleTable::layer),
            written(AlertKind::CertificateExpiring, &self.certificate_expiring, |expiring| {
                expiring.rule.layer()
            }),
            written(AlertKind::Flapping, &self.flapping, |flapping| flapping.mark.layer()),
        ];
        kinds.into_iter().flatten().collect()
    }

    fn flapping(&self) -> &Slot<FlappingTable> {
        &self.flapping
    }

    fn certificate(&self) -> &Slot<CertificateTable> {
        &self.certificate_expiring
    }
}

impl ByKind for ServiceRulesTable {
    fn written(&self) -> Vec<Written> {
        let kinds = [
            written(AlertKind::DnsDrift, &self.dns_drift, RuleTable::layer),
            written(AlertKind::NodeUnhealthy, &self.node_unhealthy, RuleTable::layer),
            written(AlertKind::NodeDown, &self.node_down, RuleTable::layer),
            written(AlertKind::NoHealthyNode, &self.no_healthy_node, RuleTable::layer),
            written(AlertKind::RedundancyLost, &self.redundancy_lost, RuleTable::layer),
            written(AlertKind::PolicyDrift, &self.policy_drift, MarkTable::layer),
        ];
        self.probe.written().into_iter().chain(kinds.into_iter().flatten()).collect()
    }

    fn flapping(&self) -> &Slot<FlappingTable> {
        self.probe.flapping()
    }

    fn certificate(&self) -> &Slot<CertificateTable> {
        self.probe.certificate()
    }
}

/// What is written in the table of `kind`.
fn written<T>(kind: AlertKind, table: &Slot<T>, layer: impl Fn(&T) -> RuleLayer) -> Option<Written> {
    let At { value, span } = table.given()?;
    Some(Written { kind, place: span.clone()?, layer: layer(value) })
}

impl MarkTable {
    /// What is written in the table of `kind`, of which nothing else can be said.
    pub(super) fn written(kind: AlertKind, table: &Slot<Self>) -> Option<Written> {
        written(kind, table, Self::layer)
    }

    fn layer(&self) -> RuleLayer {
        RuleLayer { enabled: value(&self.enabled), severity: value(&self.severity), ..RuleLayer::default() }
    }
}

impl RuleTable {
    fn layer(&self) -> RuleLayer {
        RuleLayer {
            after: value(&self.after),
            lasting: value(&self.r#for).map(|lasting| span(lasting.get())),
            resolve_after: value(&self.resolve_after).map(Whole::get),
            ..self.mark.layer()
        }
    }
}

/// What stands in a slot. A faulty one has been reported, so nothing comes of what it is taken for.
fn value<T: Copy>(slot: &Slot<T>) -> Option<T> {
    slot.given().map(|at| at.value)
}
