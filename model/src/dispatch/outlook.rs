//! The open alerts as they bear on each other, indexed once for many questions.

use std::collections::HashMap;

use super::{
    Entry, Extent, Policy,
    explain::{explains, is_failure},
};
use crate::alert::{Alert, AlertKind};

/// What is open, for asking what inhibits or explains an alert.
pub(super) struct Outlook<'a> {
    policy: &'a Policy,
    /// Nodes that failed, oldest first.
    failures: Vec<&'a Entry>,
    /// The oldest open alert of each kind that inhibits others, by what they have to have in common with it.
    inhibitors: HashMap<(AlertKind, Shared<'a>), &'a Alert>,
}

/// What two alerts have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shared<'a> {
    Probe(&'a str),
    Node(&'a str),
    Service(&'a str),
    Vantage,
}

impl<'a> Shared<'a> {
    fn of(alert: &'a Alert, extent: Extent) -> Option<Self> {
        match extent {
            Extent::Probe => Some(Self::Probe(&alert.probe)),
            Extent::Node => alert.node.as_deref().map(Self::Node),
            Extent::Service => alert.service.as_deref().map(Self::Service),
            Extent::Vantage => Some(Self::Vantage),
        }
    }
}

impl<'a> Outlook<'a> {
    pub(super) fn new(open: impl Iterator<Item = &'a Entry>, policy: &'a Policy) -> Self {
        let mut outlook = Self { policy, failures: Vec::new(), inhibitors: HashMap::new() };
        for entry in open {
            if is_failure(&entry.alert) {
                outlook.failures.push(entry);
            }
            for rule in policy.inhibitions.iter().filter(|rule| rule.source == entry.alert.key.kind) {
                if let Some(shared) = Shared::of(&entry.alert, rule.extent) {
                    outlook.inhibitors.entry((rule.source, shared)).or_insert(&entry.alert);
                }
            }
        }
        outlook
    }

    /// The open alert that keeps `alert` from being told.
    pub(super) fn inhibitor(&self, alert: &Alert) -> Option<&'a Alert> {
        let kind = alert.key.kind;
        let concerned = |targets: &[AlertKind]| targets.is_empty() || targets.contains(&kind);
        let rules = self.policy.inhibitions.iter();
        let mut rules = rules.filter(|rule| rule.source != kind && concerned(&rule.targets));
        rules.find_map(|rule| self.inhibitors.get(&(rule.source, Shared::of(alert, rule.extent)?)).copied())
    }

    /// The failure that explains an alert: of several about one node the oldest.
    pub(super) fn root(&self, entry: &Entry) -> Option<&'a Entry> {
        self.failures.iter().copied().find(|failure| explains(failure, entry))
    }
}
