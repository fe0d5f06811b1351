//! The failures of nodes that are open, indexed by what they may explain and when they began.

use std::{cell::OnceCell, collections::HashMap};

use chrono::{DateTime, Utc};

use super::{
    Entry,
    explain::{TOGETHER, blames_a_node, explains, is_failure},
};
use crate::alert::AlertKind;

/// Failures, for asking which of them explains an alert. What nobody asks for is not indexed.
pub(super) struct Failures<'a> {
    /// Oldest first.
    all: Vec<&'a Entry>,
    anywhere: OnceCell<Index<'a>>,
    by_node: OnceCell<Index<'a>>,
    by_service: OnceCell<Index<'a>>,
}

/// By place, oldest first.
type Index<'a> = HashMap<Place<'a>, Vec<&'a Entry>>;

/// What a failure and an alert have to have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    Anywhere,
    Node(Option<&'a str>),
    Service(Option<&'a str>),
}

impl Place<'_> {
    /// The place of this sort where `failure` is.
    fn of<'a>(self, failure: &'a Entry) -> Place<'a> {
        match self {
            Self::Anywhere => Place::Anywhere,
            Self::Node(_) => Place::Node(failure.alert.node.as_deref()),
            Self::Service(_) => Place::Service(failure.alert.service.as_deref()),
        }
    }
}

impl<'a> Failures<'a> {
    /// The failures among these alerts, which have to come oldest first.
    pub(super) fn among(open: &[&'a Entry]) -> Self {
        let failures = open.iter().copied().filter(|entry| is_failure(&entry.alert));
        Self {
            all: failures.collect(),
            anywhere: OnceCell::new(),
            by_node: OnceCell::new(),
            by_service: OnceCell::new(),
        }
    }

    /// The failure that explains an alert: of several the oldest.
    pub(super) fn root(&self, entry: &Entry) -> Option<&'a Entry> {
        let alert = &entry.alert;
        let at = |place| self.oldest(place, alert.since);
        let oldest = match alert.key.kind {
            AlertKind::NodeDown | AlertKind::NodeUnhealthy => at(Place::Node(alert.node.as_deref())),
            AlertKind::Unreachable | AlertKind::Degraded if blames_a_node(alert) => at(Place::Anywhere),
            AlertKind::Unreachable | AlertKind::Degraded => {
                oldest_of(entry.telling.served_by.iter().filter_map(|node| at(Place::Node(Some(node)))))
            }
            AlertKind::NoHealthyNode | AlertKind::RedundancyLost => {
                let services = [None, alert.service.as_deref()];
                oldest_of(services.into_iter().filter_map(|service| at(Place::Service(service))))
            }
            _ => None,
        };
        oldest.filter(|failure| explains(failure, entry))
    }

    /// The oldest failure of this place that began about then.
    fn oldest(&self, place: Place<'_>, since: DateTime<Utc>) -> Option<&'a Entry> {
        if self.all.is_empty() {
            return None;
        }
        let index = match place {
            Place::Anywhere => &self.anywhere,
            Place::Node(_) => &self.by_node,
            Place::Service(_) => &self.by_service,
        };
        let here = index.get_or_init(|| self.index(place)).get(&place)?;
        here.iter().copied().find(|failure| (failure.alert.since - since).abs() <= TOGETHER)
    }

    fn index(&self, place: Place<'_>) -> Index<'a> {
        let mut index = Index::new();
        for failure in &self.all {
            index.entry(place.of(failure)).or_default().push(*failure);
        }
        index
    }
}

fn oldest_of<'a>(failures: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
    failures.min_by(|a, b| a.alert.id.cmp(&b.alert.id))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        alert::{Alert, AlertKey},
        cause::{Cause, CauseKind},
        dispatch::Telling,
    };

    const KINDS: [AlertKind; 7] = [
        AlertKind::NodeDown,
        AlertKind::NodeUnhealthy,
        AlertKind::Unreachable,
        AlertKind::Degraded,
        AlertKind::NoHealthyNode,
        AlertKind::RedundancyLost,
        AlertKind::SourceTranslated,
    ];

    /// An alert that began within ten minutes of others, half of them failures; the id follows from its place.
    fn entry() -> impl Strategy<Value = Entry> {
        let name = |names: [&'static str; 3]| proptest::option::of(proptest::sample::select(names.to_vec()));
        let kind = prop_oneof![Just(AlertKind::NodeDown), proptest::sample::select(KINDS.to_vec())];
        let served_by = proptest::collection::vec(proptest::sample::select(vec!["a", "b", "c"]), 0..3);
        (kind, 0..600_i64, name(["a", "b", "c"]), name(["x", "y", "z"]), served_by, any::<bool>()).prop_map(
            |(kind, second, node, service, served_by, blames)| {
                let since = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
                let key = AlertKey::of_vantage(kind, "any");
                let mut alert = Alert::of_vantage(String::new(), key, kind.severity(), since, since);
                alert.node = node.map(str::to_owned);
                alert.service = service.map(str::to_owned);
                alert.cause = blames.then(|| Cause::new(CauseKind::NodeDown, "A node is down."));
                let served_by = served_by.into_iter().map(str::to_owned).collect();
                let telling = Telling { served_by, ..Telling::nothing(&alert) };
                Entry { alert, telling }
            },
        )
    }

    proptest! {
        #[test]
        fn the_oldest_that_explains_is_found(mut entries in proptest::collection::vec(entry(), 1..40)) {
            for (i, entry) in entries.iter_mut().enumerate() {
                entry.alert.id = format!("{i:02}");
            }
            let failures = Failures::among(&entries.iter().collect::<Vec<_>>());
            for entry in &entries {
                let plainly = entries.iter().find(|failure| explains(failure, entry));
                let id = |entry: Option<&Entry>| entry.map(|entry| entry.alert.id.clone());
                prop_assert_eq!(id(failures.root(entry)), id(plainly), "{:?}", entry.alert);
            }
        }
    }
}
