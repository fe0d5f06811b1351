//! Who is told of alerts, and when: routing, grouping, inhibition, maintenance, silences, acknowledgements, reminders.
//!
//! The [`crate::alert::Board`] says what is open. The [`Dispatcher`] decides what becomes of that. It takes `now` and gives
//! back data: notifications to deliver, and what has to be stored so that a restart goes on in the middle of anything.
//!
//! An alert is told as opened once to each of its receivers, and its end to those who were told. What may not be told
//! now is *held*, and told when nothing holds it any more, if it is still open then. One that was only waiting for others of
//! its group is told even if it ended meanwhile.

mod compose;
mod doubt;
mod explain;
mod failures;
pub mod group;
mod matcher;
mod outlook;
mod policy;
mod telling;
mod tend;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    alert::{Alert, AlertKey, Event, Known, Nodes},
    notification::{Acknowledgement, Notification, Resolution},
};
use doubt::Doubts;
pub use group::Group;
pub use matcher::{Matcher, fits};
use outlook::Outlook;
pub use policy::{Extent, Inhibition, Policy, Route, Silence, Window};
pub use telling::{Held, LONGEST_WAIT, Telling, Told};

/// What telling depends on besides the alerts.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What is configured.
    pub policy: &'a Policy,
    /// The maintenance windows that are open.
    pub windows: &'a [Window],
    /// Where the agent stands.
    pub vantage: &'a str,
    /// The status page.
    pub page: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What is known of an alert when it is opened, beyond its story.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Nodes that answered for its target lately.
    pub served_by: Vec<String>,
    /// When it is settled whether a node failed that is suspected to be its cause; of a node that failed, what it takes along.
    pub company_until: Option<DateTime<Utc>>,
}

/// A notification and who gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The receiver.
    pub receiver: String,
    /// What it is told.
    pub notification: Notification,
}

/// What follows: what to deliver, what to store, and when to ask again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dispatch {
    /// What to deliver.
    pub outgoing: Vec<Outgoing>,
    /// How far telling of these alerts has come, by id.
    pub tellings: BTreeMap<String, Telling>,
    /// Groups that changed; `None` for those that may be forgotten.
    pub groups: BTreeMap<String, Option<Group>>,
    /// Silences that changed; `None` for those that are over.
    pub silences: BTreeMap<String, Option<Silence>>,
    /// When something has to be told, or may be, without anything else happening.
    pub next: Option<DateTime<Utc>>,
}

/// An alert and how far telling of it has come.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The alert.
    pub alert: Alert,
    /// How far telling of it has come.
    pub telling: Telling,
}

/// Decides who is told what, and when.
#[derive(Debug, Clone, Default)]
pub struct Dispatcher {
    /// Open alerts, and those whose end is still to be told, by id.
    entries: BTreeMap<String, Entry>,
    groups: BTreeMap<String, Group>,
    silences: BTreeMap<String, Silence>,
    doubts: Doubts,
    /// When something may be told that was held back when that was looked at last.
    opens: Option<DateTime<Utc>>,
}

impl Dispatcher {
    /// Takes up what was stored before a restart. What is known already stays.
    pub fn remember(
        &mut self,
        entries: impl IntoIterator<Item = Entry>,
        groups: impl IntoIterator<Item = (String, Group)>,
        silences: impl IntoIterator<Item = Silence>,
    ) {
        for entry in entries {
            if entry.telling.end.is_none() {
                self.doubts.raise(&entry.alert);
            }
            self.entries.entry(entry.alert.id.clone()).or_insert(entry);
        }
        for (name, group) in groups {
            self.groups.entry(name).or_insert(group);
        }
        for silence in silences {
            self.silences.entry(silence.id.clone()).or_insert(silence);
        }
    }

    /// An alert was opened. It is told by the next [`Dispatcher::tend`].
    pub fn opened(&mut self, alert: &Alert, circumstances: Circumstances) {
        let Circumstances { served_by, company_until } = circumstances;
        let telling = Telling { served_by, company_until, ..Telling::nothing(alert) };
        self.entries.insert(alert.id.clone(), Entry { alert: alert.clone(), telling });
    }

    /// A round of `this` was judged, and the board brought up to date: what of the alerts that are still open does it confirm?
    /// `nodes` are as for [`crate::alert::Board::update`]. Tells whether that makes a difference.
    pub fn judged(&mut self, this: &Known<'_>, nodes: &Nodes<'_>) -> bool {
        let entries = &self.entries;
        self.doubts.judged(this, nodes, |id| entries.get(id).map(|entry| &entry.alert))
    }

    /// Something else than a round says that the alert with this key still holds. Tells whether that makes a difference.
    pub fn confirmed(&mut self, key: &AlertKey) -> bool {
        let entry =
            self.entries.values().find(|entry| entry.alert.key == *key && entry.telling.end.is_none());
        entry.is_some_and(|entry| self.doubts.settle(&entry.alert.id))
    }

    /// An alert is over. Gives how far telling of it had come, for the store, unless nothing of it is left to tell.
    pub fn resolved(&mut self, alert: &Alert, resolution: &Resolution, scene: &Scene<'_>) -> Option<Telling> {
        for id in self.inhibited_by(alert, scene.policy) {
            self.doubts.raise(&self.entries[&id].alert);
        }
        let entry = self.entries.get(&alert.id)?;
        let unheard = entry.telling.told.is_none();
        let is_muted = || {
            let held = self.held(entry, &self.outlook(scene.policy), scene);
            entry.telling.is_muted(held.as_ref())
        };
        let is_lost = unheard && is_muted();
        self.doubts.settle(&alert.id);
        if is_lost {
            self.entries.remove(&alert.id);
            return None;
        }
        let Entry { alert, telling } = self.entries.get_mut(&alert.id)?;
        let mut resolution = resolution.clone();
        if unheard {
            resolution.supersede();
            telling.note_told(scene.now, scene.policy.receivers_of(alert));
        }
        telling.end = Some(resolution);
        Some(telling.clone())
    }

    /// Somebody takes an alert on: reminders of it stop, and those who were told of it hear so. `None` where no such alert is
    /// open.
    pub fn acknowledge(
        &mut self,
        id: &str,
        acknowledgement: Acknowledgement,
        scene: &Scene<'_>,
    ) -> Option<Dispatch> {
        let entry = self.entries.get_mut(id).filter(|entry| entry.telling.end.is_none())?;
        let again = entry.telling.acknowledgement.replace(acknowledgement.clone()).is_some();
        let mut dispatch = Dispatch::default();
        dispatch.tellings.insert(id.to_owned(), entry.telling.clone());
        if let Some(told) = entry.telling.told.as_ref().filter(|_| !again) {
            for receiver in told.to.iter().filter(|name| scene.policy.receivers.contains(name)) {
                let mut notification = Notification::about(Event::Acknowledged, entry.alert.clone(), scene);
                notification.acknowledgement = Some(acknowledgement.clone());
                dispatch.outgoing.push(Outgoing { receiver: receiver.clone(), notification });
            }
        }
        dispatch.next = self.next(scene);
        Some(dispatch)
    }

    /// From now on, what the silence is about is not told.
    pub fn silence(&mut self, silence: Silence) {
        self.silences.insert(silence.id.clone(), silence);
    }

    /// Ends a silence before its time; gives it back, if there is such a one.
    pub fn end_silence(&mut self, id: &str) -> Option<Silence> {
        self.silences.remove(id)
    }

    /// The silences that are not over.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// The open alerts, oldest first.
    pub fn open_alerts(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.telling.end.is_none())
    }

    /// How far telling of an open alert has come.
    #[must_use]
    pub fn telling(&self, id: &str) -> Option<&Telling> {
        self.entries.get(id).map(|entry| &entry.telling)
    }

    /// The alerts that most likely explain others, by the id of what they explain.
    #[must_use]
    pub fn explanations<'a>(&'a self, policy: &'a Policy) -> BTreeMap<&'a str, &'a Alert> {
        let outlook = self.outlook(policy);
        let explained = |entry: &'a Entry| Some((entry.alert.id.as_str(), &outlook.root(entry)?.alert));
        self.open_alerts().filter_map(explained).collect()
    }

    /// The alert that most likely explains this one.
    #[must_use]
    pub fn explanation<'a>(&'a self, id: &str, policy: &'a Policy) -> Option<&'a Alert> {
        let entry = self.entries.get(id)?;
        self.outlook(policy).root(entry).map(|root| &root.alert)
    }

    /// Why open alerts have not been told that something holds, by id.
    #[must_use]
    pub fn held_alerts(&self, scene: &Scene<'_>) -> BTreeMap<&str, Held> {
        let outlook = self.outlook(scene.policy);
        let untold = self.open_alerts().filter(|entry| !is_told(entry, scene.policy));
        let held = untold.filter_map(|entry| {
            let held = self.held(entry, &outlook, scene).or_else(|| self.gathered(entry, &outlook, scene))?;
            Some((entry.alert.id.as_str(), held))
        });
        held.collect()
    }

    /// Why nobody is reminded of open alerts that were told, by id.
    #[must_use]
    pub fn muted_alerts(&self, scene: &Scene<'_>) -> BTreeMap<&str, Held> {
        let outlook = self.outlook(scene.policy);
        let told = self.open_alerts().filter(|entry| is_told(entry, scene.policy));
        let muted = told
            .filter_map(|entry| Some((entry.alert.id.as_str(), self.muted(&entry.alert, &outlook, scene)?)));
        muted.collect()
    }

    fn outlook<'a>(&'a self, policy: &'a Policy) -> Outlook<'a> {
        Outlook::new(self.open_alerts(), policy)
    }

    /// Whether the alert waits for others of its group.
    fn gathered(&self, entry: &Entry, outlook: &Outlook<'_>, scene: &Scene<'_>) -> Option<Held> {
        let mut group = self.groups.get(&group_of(entry, outlook).to_string()).copied().unwrap_or_default();
        let until = group.opens_at(entry.alert.severity, scene.policy, scene.now);
        (until > scene.now).then_some(Held::Gathered { until })
    }

    /// What keeps an alert from being told that nobody was told of.
    fn held(&self, entry: &Entry, outlook: &Outlook<'_>, scene: &Scene<'_>) -> Option<Held> {
        self.muted(&entry.alert, outlook, scene).or_else(|| {
            if self.doubts.cover(&entry.alert.id) {
                return Some(Held::Unsure);
            }
            let leads = match outlook.root(entry) {
                Some(root) if self.muted(&root.alert, outlook, scene).is_some() => return None,
                root => root.unwrap_or(entry),
            };
            let until = leads.telling.company_until?.min(entry.alert.opened_at + LONGEST_WAIT);
            (until > scene.now).then_some(Held::Gathered { until })
        })
    }

    /// What keeps anything from being told about an alert.
    fn muted(&self, alert: &Alert, outlook: &Outlook<'_>, scene: &Scene<'_>) -> Option<Held> {
        if let Some(other) = outlook.inhibitor(alert) {
            return Some(Held::Inhibited { by: other.id.clone(), title: other.title.clone() });
        }
        let windows = scene.windows.iter().filter(|window| window.matcher.matches(alert));
        if let Some(window) = windows.max_by_key(|window| window.until) {
            return Some(Held::Maintenance { window: window.name.clone(), until: window.until });
        }
        let active =
            self.silences.values().filter_map(|silence| Some((silence.active_until(scene.now)?, silence)));
        let silences = active.filter(|(_, silence)| silence.matcher.matches(alert));
        let (until, silence) = silences.max_by_key(|(until, _)| *until)?;
        Some(Held::Silenced { silence: silence.id.clone(), by: silence.by.clone(), until })
    }

    /// Alerts of which `alert` keeps anything from being told.
    fn inhibited_by(&self, alert: &Alert, policy: &Policy) -> Vec<String> {
        let rules = || policy.inhibitions.iter().filter(|rule| rule.source == alert.key.kind);
        let concerned =
            self.open_alerts().filter(|entry| rules().any(|rule| rule.concerns(entry.alert.key.kind)));
        let outlook = self.outlook(policy);
        let inhibited =
            concerned.filter(|entry| outlook.inhibitor(&entry.alert).is_some_and(|by| by.id == alert.id));
        inhibited.map(|entry| entry.alert.id.clone()).collect()
    }
}

/// Whether the alert was told to somebody who is there still, or there is nobody to tell.
fn is_told(entry: &Entry, policy: &Policy) -> bool {
    entry.telling.told.as_ref().is_some_and(|told| {
        told.to.iter().any(|name| policy.receivers.contains(name))
            || policy.receivers_of(&entry.alert).is_empty()
    })
}

/// The group that an alert is told with: that of the failure that explains it, if there is one.
fn group_of<'a, 'o: 'a>(entry: &'a Entry, outlook: &Outlook<'o>) -> group::Name<'a> {
    group::Name::of(&outlook.root(entry).unwrap_or(entry).alert)
}
