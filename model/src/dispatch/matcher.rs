//! Which alerts a route, a window, a silence is about.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, AlertKind, Severity};

/// Which alerts something is about: those that fit every list that is not empty. Names may hold `*`, for any number of
/// any characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// Kinds of alerts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<AlertKind>,
    /// Severities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
    /// Services, `namespace/name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Probes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<String>,
    /// Labels: all of them have to be there with such a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Matcher {
    /// Whether it is about `alert`.
    #[must_use]
    pub fn matches(&self, alert: &Alert) -> bool {
        let one_of = |patterns: &[String], name: Option<&str>| {
            patterns.is_empty() || name.is_some_and(|name| patterns.iter().any(|pattern| fits(pattern, name)))
        };
        let labelled = |(key, pattern): (&String, &String)| {
            alert.labels.get(key).is_some_and(|value| fits(pattern, value))
        };
        (self.kinds.is_empty() || self.kinds.contains(&alert.key.kind))
            && (self.severities.is_empty() || self.severities.contains(&alert.severity))
            && one_of(&self.services, alert.service.as_deref())
            && one_of(&self.nodes, alert.node.as_deref())
            && one_of(&self.probes, Some(&alert.probe))
            && self.labels.iter().all(labelled)
    }

    /// Whether it is about every alert there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn an_asterisk_stands_for_anything() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "a/b"),
            ("shop/*", "shop/front"),
            ("*-db-*", "a-db-b"),
            ("a*b*a", "aba"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("shop/*", "shopping/x"), ("a*a", "a"), ("a*b*a", "aab"), ("", "a")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
