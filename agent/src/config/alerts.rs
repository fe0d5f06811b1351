//! `[alerts]`: when alerts are opened, where nothing else is said, and when they are told.

use vipwatch_model::{
    alert::AlertKind,
    dispatch::{Inhibition, Policy, Route},
};

use super::{
    duration::{DAY, HOUR, MINUTE, Time, span},
    reader::Slot,
    receiver::Receiver,
    rule::{ByKind, CertificateTable, FlappingTable, MarkTable, ServiceRulesTable, Written},
    table::table,
};

table! {
    /// When alerts are told, and when those of each kind are opened and resolved, for every service and probe that does
    /// not say otherwise.
    pub(super) struct AlertsTable {
        /// How long the first alert of a group waits for others.
        default group_wait: Time<0, HOUR> = "0s",
        /// For how long after a notification further alerts of its group are gathered into one; a worse one is told
        /// at once.
        default group_window: Time<0, HOUR> = "30s",
        /// How often it is told again that an alert is open, until somebody acknowledges it. Left out: never.
        optional repeat_every: Time<MINUTE, { 30 * DAY }>,
        /// Whether the inhibitions hold that are built in; see docs/alerts.md.
        default inhibit_defaults: bool = true,
        /// Rules for what services and probes give rise to.
        flatten rules: ServiceRulesTable,
        /// The agent's own address, as the far side sees it, is another one.
        optional egress_changed: MarkTable,
        /// The agent cannot see: its own network is at fault.
        optional vantage_blind: MarkTable,
    }
}

impl ByKind for AlertsTable {
    fn written(&self) -> Vec<Written> {
        let of_vantage = [
            MarkTable::written(AlertKind::EgressChanged, &self.egress_changed),
            MarkTable::written(AlertKind::VantageBlind, &self.vantage_blind),
        ];
        self.rules.written().into_iter().chain(of_vantage.into_iter().flatten()).collect()
    }

    fn flapping(&self) -> &Slot<FlappingTable> {
        self.rules.flapping()
    }

    fn certificate(&self) -> &Slot<CertificateTable> {
        self.rules.certificate()
    }
}

impl AlertsTable {
    /// Who is told of what, and when.
    pub(super) fn policy(
        self,
        receivers: &[Receiver],
        routes: Vec<Route>,
        own: Vec<Inhibition>,
    ) -> Option<Policy> {
        let mut inhibitions =
            if self.inhibit_defaults.required()? { Inhibition::defaults() } else { Vec::new() };
        inhibitions.extend(own);
        Some(Policy {
            receivers: receivers.iter().map(|receiver| receiver.name.clone()).collect(),
            routes,
            inhibitions,
            group_wait: span(self.group_wait.required()?.get()),
            group_window: span(self.group_window.required()?.get()),
            repeat_every: self.repeat_every.optional()?.map(|every| span(every.get())),
        })
    }
}

/// Whether the built-in inhibitions hold, as far as that is known.
pub(super) fn inhibits_by_default(alerts: &Slot<AlertsTable>) -> bool {
    alerts.given().and_then(|alerts| alerts.value.inhibit_defaults.given()).is_none_or(|given| given.value)
}
