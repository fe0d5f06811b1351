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
pub mod group;
mod matcher;
mod outlook;
mod policy;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

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
pub use telling::{Held, LONGEST_SUSPICION, Telling, Told};

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
    /// When it is settled whether a node failed that is suspected to be its cause.
    pub suspects_until: Option<DateTime<Utc>>,
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
    /// Silences that are over.
    pub expired: Vec<String>,
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
        let Circumstances { served_by, suspects_until } = circumstances;
        let telling = Telling { served_by, suspects_until, ..Telling::nothing(alert) };
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
        let held = self.held(entry, &self.outlook(scene.policy), scene);
        let is_muted = entry.telling.is_muted(held.as_ref());
        self.doubts.settle(&alert.id);
        if unheard && is_muted {
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

    /// Tells everything that may be told now.
    pub fn tend(&mut self, scene: &Scene<'_>) -> Dispatch {
        let mut dispatch = Dispatch::default();
        self.clock_is(scene.now);
        self.expire(scene.now, &mut dispatch);
        self.open(scene, &mut dispatch);
        self.end(scene, &mut dispatch);
        self.remind(scene, &mut dispatch);
        self.forget(scene, &mut dispatch);
        dispatch.next = self.next(scene);
        dispatch
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
        let mut group = self.groups.get(&group_of(entry, outlook)).copied().unwrap_or_default();
        let until = group.opens_at(entry.alert.severity, scene.policy, scene.now);
        (until > scene.now).then_some(Held::Gathered { until })
    }

    /// What keeps an alert from being told that nobody was told of.
    fn held(&self, entry: &Entry, outlook: &Outlook<'_>, scene: &Scene<'_>) -> Option<Held> {
        self.muted(&entry.alert, outlook, scene).or_else(|| {
            if self.doubts.cover(&entry.alert.id) {
                return Some(Held::Unsure);
            }
            let until = entry.telling.suspects_until.filter(|until| *until > scene.now)?;
            outlook.root(entry).is_none().then_some(Held::Gathered { until })
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
        let active = |silence: &&Silence| silence.from <= scene.now && scene.now < silence.until;
        let silences = self.silences.values().filter(active).filter(|silence| silence.matcher.matches(alert));
        let silence = silences.max_by_key(|silence| silence.until)?;
        Some(Held::Silenced { silence: silence.id.clone(), by: silence.by.clone(), until: silence.until })
    }

    /// Alerts of which `alert` keeps anything from being told.
    fn inhibited_by(&self, alert: &Alert, policy: &Policy) -> Vec<String> {
        let outlook = self.outlook(policy);
        let inhibited = self
            .open_alerts()
            .filter(|entry| outlook.inhibitor(&entry.alert).is_some_and(|by| by.id == alert.id));
        inhibited.map(|entry| entry.alert.id.clone()).collect()
    }

    /// Nothing lies in the future: where the clock was set back, nothing waits for it to come round again.
    fn clock_is(&mut self, now: DateTime<Utc>) {
        self.groups.values_mut().for_each(|group| group.clock_is(now));
        self.entries.values_mut().for_each(|entry| entry.telling.clock_is(now));
        self.silences.values_mut().for_each(|silence| silence.clock_is(now));
    }

    fn expire(&mut self, now: DateTime<Utc>, dispatch: &mut Dispatch) {
        let over = self.silences.extract_if(.., |_, silence| silence.until <= now);
        dispatch.expired.extend(over.map(|(id, _)| id));
    }

    /// Tells what was opened.
    fn open(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let mut ready: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut turned: Vec<String> = Vec::new();
        let outlook = self.outlook(scene.policy);
        for entry in self.open_alerts().filter(|entry| !is_told(entry, scene.policy)) {
            let held = self.held(entry, &outlook, scene);
            if entry.telling.is_muted(held.as_ref()) != entry.telling.muted {
                turned.push(entry.alert.id.clone());
            }
            if held.is_none() {
                ready.entry(group_of(entry, &outlook)).or_default().push(entry.alert.id.clone());
            }
        }
        for id in turned {
            let Some(Entry { telling, .. }) = self.entries.get_mut(&id) else { continue };
            telling.muted = !telling.muted;
            dispatch.tellings.insert(id, telling.clone());
        }
        for (name, group) in self.groups.iter_mut().filter(|(name, _)| !ready.contains_key(*name)) {
            if group.waiting.take().is_some() {
                dispatch.groups.insert(name.clone(), Some(*group));
            }
        }
        for (name, ids) in ready {
            let Some(worst) = ids.iter().map(|id| self.entries[id].alert.severity).min() else { continue };
            let group = self.groups.entry(name.clone()).or_default();
            let before = *group;
            let due = group.opens_at(worst, scene.policy, scene.now) <= scene.now;
            if due {
                group.note_opened(worst, scene.policy, scene.now);
            }
            if *group != before {
                dispatch.groups.insert(name.clone(), Some(*group));
            }
            if due {
                // What is open anew is not told before the end of what it follows.
                let keys: BTreeSet<AlertKey> =
                    ids.iter().map(|id| self.entries[id].alert.key.clone()).collect();
                let followed =
                    |entry: &&Entry| entry.telling.end.is_some() && keys.contains(&entry.alert.key);
                let followed = self.entries.values().filter(followed).map(|entry| entry.alert.id.clone());
                self.tell_ends(followed.collect(), scene, dispatch);
                self.tell(Event::Opened, &ids, scene, dispatch);
                for id in &ids {
                    self.note_told(id, &name, scene, dispatch);
                }
            }
        }
    }

    fn note_told(&mut self, id: &str, group: &str, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let Some(Entry { alert, telling }) = self.entries.get_mut(id) else { return };
        telling.note_told(scene.now, scene.policy.receivers_of(alert));
        group.clone_into(&mut telling.group);
        dispatch.tellings.insert(id.to_owned(), telling.clone());
    }

    /// Tells what is over, and forgets it.
    fn end(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let mut over: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.telling.end.is_some()) {
            over.entry(entry.telling.group.clone()).or_default().push(entry.alert.id.clone());
        }
        for (name, ids) in over {
            let group = self.groups.entry(name.clone()).or_default();
            if group.resolves_at(scene.policy, scene.now) > scene.now {
                continue;
            }
            group.resolved = Some(scene.now);
            dispatch.groups.insert(name, Some(*group));
            self.tell_ends(ids, scene, dispatch);
        }
    }

    fn tell_ends(&mut self, ids: Vec<String>, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        self.tell(Event::Resolved, &ids, scene, dispatch);
        for id in ids {
            if let Some(Entry { mut telling, .. }) = self.entries.remove(&id) {
                telling.end = None;
                dispatch.tellings.insert(id, telling);
            }
        }
    }

    /// Tells again what is open for long and what nobody has taken on.
    fn remind(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let Some(every) = scene.policy.repeat_every else { return };
        let mut due: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let outlook = self.outlook(scene.policy);
        for entry in self.open_alerts().filter(|entry| is_told(entry, scene.policy)) {
            let at = entry.telling.reminder_at(every);
            let is_due = at.is_some_and(|at| at <= scene.now) && !self.doubts.cover(&entry.alert.id);
            if is_due && self.muted(&entry.alert, &outlook, scene).is_none() {
                due.entry(entry.telling.group.clone()).or_default().push(entry.alert.id.clone());
            }
        }
        for ids in due.into_values() {
            for id in &ids {
                let told = self.entries.get_mut(id).and_then(|entry| entry.telling.told.as_mut());
                if let Some(told) = told {
                    told.reminders += 1;
                    told.reminded_at = Some(scene.now);
                }
            }
            self.tell(Event::Reminder, &ids, scene, dispatch);
            for id in ids {
                let telling = self.entries[&id].telling.clone();
                dispatch.tellings.insert(id, telling);
            }
        }
    }

    /// One notification per receiver about those of the alerts that it is to be told of.
    fn tell(&self, event: Event, ids: &[String], scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let mut by_receiver: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
        for entry in ids.iter().filter_map(|id| self.entries.get(id)) {
            let told = entry.telling.told.as_ref().map_or(&[][..], |told| &told.to);
            let to = match event {
                // Nobody is told twice that it is open.
                Event::Opened => {
                    let mut to = scene.policy.receivers_of(&entry.alert);
                    to.retain(|name| !told.contains(name));
                    to
                }
                _ => told.to_vec(),
            };
            // Who was told may be configured no longer.
            for receiver in to.into_iter().filter(|name| scene.policy.receivers.contains(name)) {
                by_receiver.entry(receiver).or_default().push(entry);
            }
        }
        let outlook = self.outlook(scene.policy);
        for (receiver, entries) in by_receiver {
            let notification = compose::notification(event, &receiver, entries, &outlook, scene);
            dispatch.outgoing.extend(notification.map(|notification| Outgoing { receiver, notification }));
        }
    }

    fn forget(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let used: BTreeSet<&str> = self.entries.values().map(|entry| entry.telling.group.as_str()).collect();
        let over = |name: &String, group: &Group| {
            !used.contains(name.as_str()) && group.is_over(scene.policy, scene.now)
        };
        let gone: Vec<String> = self
            .groups
            .iter()
            .filter(|(name, group)| over(name, group))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.groups.remove(&name);
            dispatch.groups.insert(name, None);
        }
    }

    /// When something may have to be told without anything else happening.
    fn next(&self, scene: &Scene<'_>) -> Option<DateTime<Utc>> {
        let soon = |at: &DateTime<Utc>| *at > scene.now;
        let held = self.held_alerts(scene).into_values().filter_map(|held| held.until());
        let ends = self.entries.values().filter(|entry| entry.telling.end.is_some()).filter_map(|entry| {
            self.groups.get(&entry.telling.group).map(|group| group.resolves_at(scene.policy, scene.now))
        });
        let windows_end = self.groups.values().filter_map(|group| group.over_at(scene.policy));
        let reminders =
            self.open_alerts().filter_map(|entry| entry.telling.reminder_at(scene.policy.repeat_every?));
        let silences = self.silences.values().flat_map(|silence| [silence.from, silence.until]);
        let windows = scene.windows.iter().map(|window| window.until);
        held.chain(ends).chain(windows_end).chain(reminders).chain(silences).chain(windows).filter(soon).min()
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
fn group_of(entry: &Entry, outlook: &Outlook<'_>) -> String {
    group::of(&outlook.root(entry).unwrap_or(entry).alert)
}
