//! Rules from level to level: what is built in, `[alerts]`, a service's or probe's own. Key by key the nearest counts.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;
use vipwatch_model::{
    alert::{AlertKind, Severity},
    rule::{EXPIRES_WITHIN, Flapping, Rule, Rules},
};

use super::{ByKind, FlappingTable, Written, value};
use crate::config::{
    after::After,
    duration::span,
    occasion::Occasions,
    percent::Percent,
    reader::{At, Reader, Slot},
    timing::Timing,
    value::Whole,
};

/// When alerts of each kind are opened and resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRules {
    /// The rule of every kind that the configuration says something about.
    pub own: Arc<BTreeMap<AlertKind, Rule>>,
    /// When a probe flaps.
    pub flapping: Flapping,
    /// How long before a certificate expires that is told.
    pub expires_within: TimeDelta,
}

/// What is said of one kind; the rest comes from below.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct RuleLayer {
    pub(super) enabled: Option<bool>,
    pub(super) severity: Option<Severity>,
    pub(super) after: Option<After>,
    pub(super) lasting: Option<TimeDelta>,
    pub(super) resolve_after: Option<u32>,
}

/// The rules that hold at one level: built in, those of `[alerts]`, or a service's own.
#[derive(Debug, Clone)]
pub(in crate::config) struct RulesLayer {
    kinds: BTreeMap<AlertKind, RuleLayer>,
    window: Slot<u32>,
    enter: Slot<u32>,
    leave: Slot<u32>,
    expires_within: TimeDelta,
}

impl RuleLayer {
    fn over(self, below: &Self) -> Self {
        Self {
            enabled: self.enabled.or(below.enabled),
            severity: self.severity.or(below.severity),
            after: self.after.or(below.after),
            lasting: self.lasting.or(below.lasting),
            resolve_after: self.resolve_after.or(below.resolve_after),
        }
    }

    fn rule(&self, built_in: Rule) -> Rule {
        let After { rounds, of } = self.after.unwrap_or(After { rounds: built_in.rounds, of: built_in.of });
        Rule {
            enabled: self.enabled.unwrap_or(built_in.enabled),
            severity: self.severity.unwrap_or(built_in.severity),
            rounds,
            of,
            lasting: self.lasting.unwrap_or(built_in.lasting),
            resolve_after: self.resolve_after.unwrap_or(built_in.resolve_after),
        }
    }
}

impl RulesLayer {
    /// What holds where the file says nothing.
    pub(in crate::config) fn built_in() -> Self {
        let Flapping { window, enter, leave } = Flapping::default();
        Self {
            kinds: BTreeMap::new(),
            window: Slot::built_in(window),
            enter: Slot::built_in(enter),
            leave: Slot::built_in(leave),
            expires_within: EXPIRES_WITHIN,
        }
    }

    /// This level with a service's or probe's `own` rules over it; `occasions` says which kinds it can give rise to.
    pub(in crate::config) fn with(
        &self,
        own: &Slot<impl ByKind>,
        occasions: Option<&Occasions>,
        reader: &mut Reader<'_>,
    ) -> Self {
        let Some(own) = own.given() else { return self.clone() };
        if let Some(occasions) = occasions {
            occasions.check(&own.value.written(), reader);
        }
        self.under(&own.value, reader)
    }

    /// This level with `rules` over it; what has become of them is checked.
    pub(in crate::config) fn under(&self, rules: &impl ByKind, reader: &mut Reader<'_>) -> Self {
        let mut layer = self.clone();
        for Written { kind, layer: rule, .. } in rules.written() {
            let below = layer.kinds.remove(&kind).unwrap_or_default();
            layer.kinds.insert(kind, rule.over(&below));
        }
        if let Slot::Given(At { value: FlappingTable { window, enter, leave, .. }, .. }) = rules.flapping() {
            layer.window = window.clone().map(Whole::get).over(&self.window);
            layer.enter = enter.clone().map(Percent::get).over(&self.enter);
            layer.leave = leave.clone().map(Percent::get).over(&self.leave);
            if !enter.is_absent() || !leave.is_absent() {
                layer.check_shares(reader);
            }
        }
        let within = rules.certificate().given().and_then(|expiring| value(&expiring.value.within));
        layer.expires_within = within.map_or(self.expires_within, |within| span(within.get()));
        layer
    }

    fn check_shares(&self, reader: &mut Reader<'_>) {
        let (Some(enter), Some(leave)) = (self.enter.given(), self.leave.given()) else { return };
        if leave.value <= enter.value {
            return;
        }
        let (culprit, other) = if leave.span.is_some() { (leave, enter) } else { (enter, leave) };
        reader
            .fault(
                culprit.place(),
                format!("flapping begins at {}% and is over below {}%", enter.value, leave.value),
            )
            .hint("leave is the smaller of the two, so that a probe in between stays what it is")
            .also(other.span.as_ref(), "the other share is here");
    }

    /// The rules for what is probed with `timing`; nothing after a fault.
    pub(in crate::config) fn rules(&self, timing: &Timing) -> Option<AlertRules> {
        let built_in = Rules::uniform(timing.alert_after, timing.resolve_after, TimeDelta::zero());
        let own = self.kinds.iter().map(|(kind, layer)| (*kind, layer.rule(built_in.base(*kind))));
        let own: BTreeMap<AlertKind, Rule> = own.collect();
        let [window, enter, leave] =
            [&self.window, &self.enter, &self.leave].map(|slot| slot.given().map(|at| at.value));
        let off = own.get(&AlertKind::Flapping).is_some_and(|rule| !rule.enabled);
        let flapping = Flapping { window: window?, enter: enter?, leave: leave? };
        let flapping = if off { Flapping::OFF } else { flapping };
        Some(AlertRules { own: Arc::new(own), flapping, expires_within: self.expires_within })
    }
}
