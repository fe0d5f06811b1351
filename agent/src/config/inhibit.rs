//! `[[inhibit]]`: which open alerts keep others from being told.

use std::collections::BTreeSet;

use vipwatch_model::{
    alert::{AlertKind, Scope},
    dispatch::{Extent, Inhibition},
};

use super::{
    choice::{Choice as _, choice},
    reader::{At, Reader, Slot},
    table::table,
    value::List,
};

choice! {
    Extent: "something that two alerts can have in common" {
        "probe" => Extent::Probe,
        "node" => Extent::Node,
        "service" => Extent::Service,
        "vantage" => Extent::Vantage,
    }
}

table! {
    /// While an alert of one kind is open, alerts of others are not told. Added to what is built in.
    pub(super) struct InhibitTable {
        /// The kind that has to be open.
        required source: AlertKind,
        /// The kinds that are not told meanwhile. Left out: all others.
        optional targets: List<AlertKind>,
        /// What both have to have in common: the probe, the node, the service, or nothing but this agent.
        required extent: Extent,
    }
}

impl InhibitTable {
    pub(super) fn resolve(self) -> Option<Inhibition> {
        Some(Inhibition {
            source: self.source.required()?,
            targets: self.targets.optional()?.map(List::into_values).unwrap_or_default(),
            extent: self.extent.required()?,
        })
    }

    /// The kinds that it keeps from being told, each with its place.
    fn targets(&self) -> Vec<At<AlertKind>> {
        match (&self.targets, self.source.given()) {
            (Slot::Given(targets), _) => targets.value.0.clone(),
            (Slot::Absent, Some(source)) => {
                others(source.value).map(|value| At { value, span: source.span.clone() }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Reports kinds that can never have in common what they have to.
    fn check_extent(&self, reader: &mut Reader<'_>) {
        let Some(extent) = self.extent.given() else { return };
        let targets = self.targets.given().map_or(&[][..], |targets| &targets.value.0);
        for kind in self.source.given().into_iter().chain(targets) {
            if !belongs(kind.value, extent.value) {
                let word = Extent::WORDS
                    .iter()
                    .find(|(_, known)| *known == extent.value)
                    .map_or("", |(word, _)| word);
                reader
                    .fault(
                        kind.place(),
                        format!("an alert of {} is never about one {word} alone", kind.value),
                    )
                    .hint("extent is what the source and its targets have in common")
                    .also(extent.span.as_ref(), "the extent is here");
            }
        }
    }

    /// Reports a circle that this closes, and otherwise adds its pairs to those there are.
    fn check_circles(&self, pairs: &mut BTreeSet<Pair>, reader: &mut Reader<'_>) {
        let Some(source) = self.source.given() else { return };
        for target in self.targets() {
            if target.value == source.value {
                reader.fault(target.place(), "a kind cannot inhibit itself").hint("leave it out of targets");
                continue;
            }
            if let Some(way) = way(target.value, source.value, pairs) {
                let words: Vec<&str> = [source.value].iter().chain(&way).map(|kind| kind.as_str()).collect();
                reader
                    .fault(
                        target.place(),
                        format!("they would silence each other: {}", words.join(" inhibits ")),
                    )
                    .hint(
                        "leave one of them out; inhibit_defaults = false in [alerts] drops what is built in",
                    );
                return;
            }
            pairs.insert((source.value, target.value));
        }
    }
}

/// The first inhibits the second.
type Pair = (AlertKind, AlertKind);

fn others(kind: AlertKind) -> impl Iterator<Item = AlertKind> {
    AlertKind::ALL.iter().copied().filter(move |other| *other != kind)
}

/// Whether alerts of `kind` are about one `extent`, at least sometimes.
fn belongs(kind: AlertKind, extent: Extent) -> bool {
    match extent {
        Extent::Probe => kind.scope() == Scope::Probe,
        // A node may also answer some of its pings only.
        Extent::Node => matches!(
            kind,
            AlertKind::NodeUnhealthy | AlertKind::NodeDown | AlertKind::Degraded | AlertKind::Flapping
        ),
        Extent::Service => kind.scope() != Scope::Vantage,
        Extent::Vantage => true,
    }
}

/// By which kinds `from` inhibits `to`, both included.
fn way(from: AlertKind, to: AlertKind, pairs: &BTreeSet<Pair>) -> Option<Vec<AlertKind>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while let Some(way) = ways.pop() {
        let last = way[way.len() - 1];
        if last == to {
            return Some(way);
        }
        let next = pairs.iter().filter(|(source, _)| *source == last).map(|(_, target)| *target);
        ways.extend(
            next.filter(|target| seen.insert(*target)).map(|target| [way.as_slice(), &[target]].concat()),
        );
    }
    None
}

/// Reports what would keep alerts from being told for as long as they are open: kinds that inhibit each other.
pub(super) fn check(tables: &[InhibitTable], with_defaults: bool, reader: &mut Reader<'_>) {
    let built_in = if with_defaults { Inhibition::defaults() } else { Vec::new() };
    let mut pairs = BTreeSet::new();
    for Inhibition { source, targets, .. } in built_in {
        let targets = if targets.is_empty() { others(source).collect() } else { targets };
        pairs.extend(targets.into_iter().map(|target| (source, target)));
    }
    for table in tables {
        table.check_extent(reader);
        table.check_circles(&mut pairs, reader);
    }
}
