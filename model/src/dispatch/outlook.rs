//! The open alerts as they bear on each other, indexed once for many questions.

use std::{cell::OnceCell, collections::HashMap};

use super::{Entry, Extent, Inhibition, Policy, failures::Failures};
use crate::alert::Alert;

/// What is open, for asking what inhibits or explains an alert.
pub(super) struct Outlook<'a> {
    open: Vec<&'a Entry>,
    failures: Failures<'a>,
    inhibitors: Vec<Inhibitors<'a>>,
}

/// The oldest open alert that a rule is about, by what others have to have in common with it; known once somebody asks.
struct Inhibitors<'a> {
    rule: &'a Inhibition,
    oldest: OnceCell<HashMap<Shared<'a>, &'a Alert>>,
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

impl<'a> Inhibitors<'a> {
    fn among(&self, open: &[&'a Entry]) -> &HashMap<Shared<'a>, &'a Alert> {
        self.oldest.get_or_init(|| {
            let mut oldest = HashMap::new();
            for entry in open.iter().filter(|entry| entry.alert.key.kind == self.rule.source) {
                if let Some(shared) = Shared::of(&entry.alert, self.rule.extent) {
                    oldest.entry(shared).or_insert(&entry.alert);
                }
            }
            oldest
        })
    }
}

impl<'a> Outlook<'a> {
    pub(super) fn new(open: impl Iterator<Item = &'a Entry>, policy: &'a Policy) -> Self {
        let open: Vec<&Entry> = open.collect();
        let rules = policy.inhibitions.iter();
        let inhibitors = rules.map(|rule| Inhibitors { rule, oldest: OnceCell::new() });
        Self { failures: Failures::among(&open), inhibitors: inhibitors.collect(), open }
    }

    /// The open alert that keeps `alert` from being told.
    pub(super) fn inhibitor(&self, alert: &Alert) -> Option<&'a Alert> {
        let mut concerned = self.inhibitors.iter().filter(|of| of.rule.concerns(alert.key.kind));
        concerned.find_map(|of| of.among(&self.open).get(&Shared::of(alert, of.rule.extent)?).copied())
    }

    /// The failure that explains an alert: of several the oldest.
    pub(super) fn root(&self, entry: &Entry) -> Option<&'a Entry> {
        self.failures.root(entry)
    }
}
