//! What has been learnt so far, and what a learning changes of it. Pure: answers in, a baseline and changes out.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    net::IpAddr,
};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    address::{AddressBook, AddressClass},
    egress::{Change, Egress, Family, Learnt, Unknown},
};

use crate::config;

/// Changes that are remembered.
const CHANGES: usize = vipwatch_web::api::RECENT_EGRESS_CHANGES;
/// Addresses that are remembered per source and own address: a NAT with a pool of addresses shows several.
const ADDRESSES: usize = 8;

/// One who was asked, over one way. Shown as `stun stun.example.net:3478 over IPv4`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    /// Who, such as `stun stun.example.net:3478`.
    pub(crate) source: String,
    /// Over which address family.
    pub(crate) family: Family,
    /// From which of this host's addresses; `None` leaves it to the routing table.
    pub(crate) from: Option<IpAddr>,
}

/// What came of a question: this host's own end and the address that was seen, or why nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) question: Question,
    pub(crate) heard: Result<(IpAddr, IpAddr), String>,
}

/// What has been learnt so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    learnt: Vec<Learnt>,
    unknown: Vec<Unknown>,
    /// What each question was answered last.
    latest: HashMap<Question, IpAddr>,
    changes: VecDeque<Change>,
    inside: BTreeSet<IpAddr>,
}

impl Memory {
    /// Takes in the answers of a learning that began `at`, and gives what is different from before.
    ///
    /// What nobody confirms any more is forgotten after `keep`. Until then it counts: a flow that was made just before
    /// a change may be judged just after it, a source may be silent for a while, and no address of the cluster
    /// ever was an egress address, so that nothing is overlooked by it.
    pub(crate) fn take(
        &mut self,
        answers: Vec<Answer>,
        book: &AddressBook,
        at: DateTime<Utc>,
        keep: TimeDelta,
    ) -> Vec<Change> {
        self.unknown.clear();
        self.inside.clear();
        let mut changes: Vec<Change> = Vec::new();
        for Answer { question, heard } in answers {
            let heard = heard.map(|(local, address)| (local, address.to_canonical()));
            let heard = heard.and_then(|(local, address)| {
                let class = book.classify(address);
                if class.is_cluster() {
                    self.inside.insert(address);
                }
                credible(address, &class, question.family).map(|()| (local, address))
            });
            match heard {
                Ok((local, address)) => {
                    self.learn(Learnt { local, address, from: question.source.clone(), at });
                    let before = self.latest.insert(question.clone(), address);
                    let Some(from) = before.filter(|before| *before != address) else { continue };
                    // Whoever else is asked sees the same change.
                    if !changes.iter().any(|change| (change.from, change.to) == (from, address)) {
                        let Question { source, family, from: local } = question;
                        changes.push(Change { at, family, local, from, to: address, source });
                    }
                }
                Err(why) => {
                    let why = format!("{question}: {why}");
                    self.unknown.push(Unknown { family: Some(question.family), why });
                }
            }
        }
        self.learnt.retain(|learnt| at - learnt.at <= keep);
        for change in &changes {
            self.changes.truncate(CHANGES - 1);
            self.changes.push_front(change.clone());
        }
        changes
    }

    /// The baseline that follows for `settings`.
    pub(crate) fn egress(&self, settings: &config::Egress) -> Egress {
        Egress {
            socket: settings.socket,
            fixed: settings.fixed.clone(),
            learnt: self.learnt.clone(),
            doubtful: Vec::new(),
            unknown: if settings.sources.is_empty() { Vec::new() } else { self.unknown.clone() },
        }
    }

    /// The latest changes, newest first.
    pub(crate) fn changes(&self) -> &VecDeque<Change> {
        &self.changes
    }

    /// Why the sources that failed last did so.
    pub(crate) fn failed(&self) -> &[Unknown] {
        &self.unknown
    }

    /// The addresses of the cluster that this agent was last seen as.
    pub(crate) fn inside(&self) -> &BTreeSet<IpAddr> {
        &self.inside
    }

    /// Forgets everything but the changes, and says why nothing is known now.
    pub(crate) fn forget(&mut self, why: &str) {
        self.learnt.clear();
        self.latest.clear();
        self.inside.clear();
        self.unknown = vec![Unknown { family: None, why: why.to_owned() }];
    }

    fn learn(&mut self, learnt: Learnt) {
        let same_way = |known: &Learnt| known.from == learnt.from && known.local == learnt.local;
        if let Some(known) =
            self.learnt.iter_mut().find(|known| same_way(known) && known.address == learnt.address)
        {
            known.at = learnt.at;
            return;
        }
        if self.learnt.iter().filter(|known| same_way(known)).count() >= ADDRESSES {
            let oldest = self.learnt.iter().enumerate().filter(|(_, known)| same_way(known));
            if let Some((oldest, _)) = oldest.min_by_key(|(_, known)| known.at) {
                self.learnt.remove(oldest);
            }
        }
        self.learnt.push(learnt);
    }
}

/// Whether `address`, asked for over `family`, can be this agent's egress address; why not, if not.
fn credible(address: IpAddr, class: &AddressClass, family: Family) -> Result<(), String> {
    if class.is_cluster() {
        Err(format!(
            "this agent is seen as {address} ({class}): behind an address of the cluster no translation can be told"
        ))
    } else if Family::of(address) != family {
        Err(format!("{address} is no {family} address"))
    } else if address.is_unspecified() || address.is_multicast() {
        Err(format!("{address} is no host's address"))
    } else {
        Ok(())
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Some(from) => write!(f, "{} from {from}", self.source),
            None => write!(f, "{} over {}", self.source, self.family),
        }
    }
}

#[cfg(test)]
mod tests;
