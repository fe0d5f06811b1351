//! Which alerts a route or a maintenance window is about.

use vipwatch_model::{
    alert::{AlertKind, Severity},
    dispatch::Matcher,
};

use super::{
    name::{Line, Name},
    reader::Slot,
    table::table,
    value::{Complaint, List, Pairs, Text, text_values},
};

/// A name, or several by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(String);

impl Text for Names {
    const WHAT: &'static str = "a name, in which * stands for anything";
    const EXAMPLE: &'static str = "shop/*";

    fn parse(text: &str) -> Result<Self, Complaint> {
        Line::parse(text).map(|Line(names)| Self(names))
    }
}

text_values!(Names);

table! {
    /// Which alerts: those that fit every list that is given. Without any list: all.
    pub(super) struct MatcherTable {
        /// Kinds of alerts.
        optional kinds: List<AlertKind>,
        /// Severities.
        optional severities: List<Severity>,
        /// Services, as namespace/name; "*" stands for anything.
        optional services: List<Names>,
        /// Nodes; "*" stands for anything.
        optional nodes: List<Names>,
        /// Probes, as the page names them; "*" stands for anything.
        optional probes: List<Names>,
        /// Labels of services: all of them have to be there with such a value. "*" stands for anything.
        optional labels: Pairs<Name, Names>,
    }
}

impl MatcherTable {
    pub(super) fn resolve(self) -> Option<Matcher> {
        let labels = self.labels.optional()?.map(|labels| labels.pairs).unwrap_or_default();
        Some(Matcher {
            kinds: list(self.kinds)?,
            severities: list(self.severities)?,
            services: names(self.services)?,
            nodes: names(self.nodes)?,
            probes: names(self.probes)?,
            labels: labels.into_iter().map(|(key, Names(value))| (key, value)).collect(),
        })
    }
}

fn list<T>(slot: Slot<List<T>>) -> Option<Vec<T>> {
    Some(slot.optional()?.map(List::into_values).unwrap_or_default())
}

fn names(slot: Slot<List<Names>>) -> Option<Vec<String>> {
    Some(list(slot)?.into_iter().map(|Names(names)| names).collect())
}
