//! How the flows of recent rounds spread over pods and nodes, where the far side names them.
//!
//! In layer 2 mode one node gets all traffic of a VIP, with BGP several share it; under Cluster the receiving node
//! spreads it over all pods. What never gets any shows here.

use std::collections::VecDeque;

use crate::verdict::Responder;

/// Who answered in the latest rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Oldest first.
    rounds: VecDeque<Vec<Responder>>,
    /// The sum over `rounds`, sorted by name.
    total: Vec<Responder>,
}

impl Distribution {
    /// Takes in who answered in one more round, and forgets the oldest beyond `window` rounds.
    pub fn add(&mut self, answered_by: &[Responder], window: usize) {
        for by in answered_by {
            match self.total.iter_mut().find(|known| is_same(known, by)) {
                Some(known) => known.flows = known.flows.saturating_add(by.flows),
                None => {
                    self.total.push(by.clone());
                    self.total.sort_by(|a, b| (&a.node, &a.pod).cmp(&(&b.node, &b.pod)));
                }
            }
        }
        self.rounds.push_back(answered_by.to_vec());
        while self.rounds.len() > window {
            for gone in self.rounds.pop_front().unwrap_or_default() {
                if let Some(known) = self.total.iter_mut().find(|known| is_same(known, &gone)) {
                    known.flows = known.flows.saturating_sub(gone.flows);
                }
            }
        }
        self.total.retain(|known| known.flows > 0);
    }

    /// Who answered, and how many flows each.
    #[must_use]
    pub fn answered_by(&self) -> &[Responder] {
        &self.total
    }

    /// Those of `nodes` that answered no flow, although others did. Nothing while nobody says where it runs.
    pub fn silent<'a>(&self, nodes: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        if self.total.iter().all(|by| by.node.is_none()) {
            return Vec::new();
        }
        nodes.filter(|node| !self.total.iter().any(|by| by.node.as_deref() == Some(*node))).collect()
    }
}

fn is_same(a: &Responder, b: &Responder) -> bool {
    a.node == b.node && a.pod == b.pod
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by(node: &str, pod: &str, flows: u32) -> Responder {
        Responder { node: Some(node.into()), pod: Some(pod.into()), flows }
    }

    #[test]
    fn who_answered_is_counted_and_forgotten_again() {
        let mut distribution = Distribution::default();
        distribution.add(&[by("node-1", "a", 3), by("node-2", "b", 1)], 2);
        distribution.add(&[by("node-1", "a", 4)], 2);
        assert_eq!(distribution.answered_by(), [by("node-1", "a", 7), by("node-2", "b", 1)]);
        let nodes = || ["node-1", "node-2", "node-3"].into_iter();
        assert_eq!(distribution.silent(nodes()), ["node-3"]);
        distribution.add(&[by("node-1", "a", 4)], 2);
        assert_eq!(distribution.answered_by(), [by("node-1", "a", 8)]);
        assert_eq!(distribution.silent(nodes()), ["node-2", "node-3"]);
    }

    #[test]
    fn while_nobody_says_where_it_runs_no_node_is_silent() {
        let mut distribution = Distribution::default();
        distribution.add(&[Responder { node: None, pod: Some("a".into()), flows: 4 }], 5);
        assert!(distribution.silent(["node-1"].into_iter()).is_empty());
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_window(rounds in proptest::collection::vec(proptest::collection::vec((0..3_u8, 1..9_u32), 0..3), 0..30)) {
            let mut distribution = Distribution::default();
            let rounds: Vec<Vec<Responder>> = rounds
                .iter()
                .map(|round| round.iter().map(|(n, flows)| by(&format!("node-{n}"), "p", *flows)).collect())
                .collect();
            for round in &rounds {
                distribution.add(round, 4);
            }
            let kept = rounds.iter().rev().take(4).flatten().map(|by| by.flows).sum::<u32>();
            prop_assert_eq!(distribution.answered_by().iter().map(|by| by.flows).sum::<u32>(), kept);
        }
    }
}
