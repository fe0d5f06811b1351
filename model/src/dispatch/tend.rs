//! Tells what may be told now: what was opened, what is over, and what is open for long.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Dispatch, Dispatcher, Entry, Group, Outgoing, Policy, Scene, compose, group, group_of, is_told};
use crate::alert::{AlertKey, Event};

/// Alerts of one group that are told as opened now.
struct Due {
    group: String,
    ids: Vec<String>,
    /// Alerts that were the same, and whose end is still to be told.
    follows: Vec<String>,
}

/// By the id of an alert the id of what explains it.
type Roots = BTreeMap<String, String>;

impl Dispatcher {
    /// Tells everything that may be told now.
    pub fn tend(&mut self, scene: &Scene<'_>) -> Dispatch {
        let mut dispatch = Dispatch::default();
        self.clock_is(scene.now, &mut dispatch);
        self.expire(scene.now, &mut dispatch);
        self.open(scene, &mut dispatch);
        self.end(scene, &mut dispatch);
        self.remind(scene, &mut dispatch);
        self.forget(scene, &mut dispatch);
        dispatch.next = self.next(scene);
        dispatch
    }

    /// Nothing lies in the future: where the clock was set back, nothing waits for it to come round again.
    fn clock_is(&mut self, now: DateTime<Utc>, dispatch: &mut Dispatch) {
        self.groups.values_mut().for_each(|group| group.clock_is(now));
        self.entries.values_mut().for_each(|entry| entry.telling.clock_is(now));
        for (id, silence) in &mut self.silences {
            if silence.clock_is(now) {
                dispatch.silences.insert(id.clone(), Some(silence.clone()));
            }
        }
    }

    fn expire(&mut self, now: DateTime<Utc>, dispatch: &mut Dispatch) {
        let over = self.silences.extract_if(.., |_, silence| silence.until <= now);
        dispatch.silences.extend(over.map(|(id, _)| (id, None)));
    }

    /// Tells what was opened.
    fn open(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let outlook = self.outlook(scene.policy);
        let mut ready: BTreeMap<group::Name<'_>, Vec<&Entry>> = BTreeMap::new();
        let mut turned: Vec<String> = Vec::new();
        let mut later: Vec<DateTime<Utc>> = Vec::new();
        for entry in self.open_alerts().filter(|entry| !is_told(entry, scene.policy)) {
            let held = self.held(entry, &outlook, scene);
            if entry.telling.is_muted(held.as_ref()) != entry.telling.muted {
                turned.push(entry.alert.id.clone());
            }
            match held {
                Some(held) => later.extend(held.until()),
                None => ready.entry(group_of(entry, &outlook)).or_default().push(entry),
            }
        }
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut due: Vec<Due> = Vec::new();
        for (name, entries) in ready {
            let Some(worst) = entries.iter().map(|entry| entry.alert.severity).min() else { continue };
            let name = name.to_string();
            let mut group = self.groups.get(&name).copied().unwrap_or_default();
            let opens_at = group.opens_at(worst, scene.policy, scene.now);
            if opens_at <= scene.now {
                group.note_opened(worst, scene.policy, scene.now);
                let ids = entries.iter().map(|entry| entry.alert.id.clone()).collect();
                due.push(Due { group: name.clone(), ids, follows: Vec::new() });
            } else {
                later.push(opens_at);
            }
            groups.insert(name, group);
        }
        self.opens = later.into_iter().min();
        for id in turned {
            let Some(Entry { telling, .. }) = self.entries.get_mut(&id) else { continue };
            telling.muted = !telling.muted;
            dispatch.tellings.insert(id, telling.clone());
        }
        for (name, group) in self.groups.iter_mut().filter(|(name, _)| !groups.contains_key(*name)) {
            if group.waiting.take().is_some() {
                dispatch.groups.insert(name.clone(), Some(*group));
            }
        }
        for (name, group) in groups {
            if self.groups.insert(name.clone(), group) != Some(group) {
                dispatch.groups.insert(name, Some(group));
            }
        }
        self.tell_opened(due, scene, dispatch);
    }

    fn tell_opened(&mut self, mut due: Vec<Due>, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        if due.is_empty() {
            return;
        }
        self.follow(&mut due);
        let roots = self.roots(due.iter().flat_map(|due| due.follows.iter().chain(&due.ids)), scene.policy);
        for Due { group, ids, follows } in due {
            self.tell_ends(follows, &roots, scene, dispatch);
            self.tell(Event::Opened, &ids, &roots, scene, dispatch);
            for id in &ids {
                self.note_told(id, &group, scene, dispatch);
            }
        }
    }

    /// What is open anew is not told before the end of what it follows.
    fn follow(&self, due: &mut [Due]) {
        let mut places: HashMap<&AlertKey, usize> = HashMap::new();
        for (place, due) in due.iter().enumerate() {
            places.extend(due.ids.iter().map(|id| (&self.entries[id].alert.key, place)));
        }
        for entry in self.ended() {
            if let Some(place) = places.get(&entry.alert.key) {
                due[*place].follows.push(entry.alert.id.clone());
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
        let mut over: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for entry in self.ended() {
            over.entry(&entry.telling.group).or_default().push(&entry.alert.id);
        }
        let group = |name: &str| self.groups.get(name).copied().unwrap_or_default();
        over.retain(|name, _| group(name).resolves_at(scene.policy, scene.now) <= scene.now);
        if over.is_empty() {
            return;
        }
        let roots = self.roots(over.values().flatten().copied(), scene.policy);
        let over: Vec<(String, Vec<String>)> = over
            .into_iter()
            .map(|(name, ids)| (name.to_owned(), ids.into_iter().cloned().collect()))
            .collect();
        for (name, ids) in over {
            let group = self.groups.entry(name.clone()).or_default();
            group.resolved = Some(scene.now);
            dispatch.groups.insert(name, Some(*group));
            self.tell_ends(ids, &roots, scene, dispatch);
        }
    }

    fn tell_ends(&mut self, ids: Vec<String>, roots: &Roots, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        self.tell(Event::Resolved, &ids, roots, scene, dispatch);
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
        let is_due = |entry: &&Entry| {
            entry.telling.reminder_at(every).is_some_and(|at| at <= scene.now)
                && is_told(entry, scene.policy)
                && !self.doubts.cover(&entry.alert.id)
        };
        let long: Vec<&Entry> = self.open_alerts().filter(is_due).collect();
        if long.is_empty() {
            return;
        }
        let outlook = self.outlook(scene.policy);
        let mut due: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in long {
            if self.muted(&entry.alert, &outlook, scene).is_none() {
                due.entry(entry.telling.group.clone()).or_default().push(entry.alert.id.clone());
            }
        }
        let roots = self.roots(due.values().flatten(), scene.policy);
        for ids in due.into_values() {
            for id in &ids {
                let told = self.entries.get_mut(id).and_then(|entry| entry.telling.told.as_mut());
                if let Some(told) = told {
                    told.reminders += 1;
                    told.reminded_at = Some(scene.now);
                }
            }
            self.tell(Event::Reminder, &ids, &roots, scene, dispatch);
            for id in ids {
                let telling = self.entries[&id].telling.clone();
                dispatch.tellings.insert(id, telling);
            }
        }
    }

    /// What explains those of the alerts that something explains. Telling of them makes no difference to that.
    fn roots<'a>(&self, ids: impl Iterator<Item = &'a String>, policy: &Policy) -> Roots {
        let outlook = self.outlook(policy);
        let root = |id: &String| Some((id.clone(), outlook.root(self.entries.get(id)?)?.alert.id.clone()));
        ids.filter_map(root).collect()
    }

    /// One notification per receiver about those of the alerts that it is to be told of.
    fn tell(&self, event: Event, ids: &[String], roots: &Roots, scene: &Scene<'_>, dispatch: &mut Dispatch) {
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
        let root = |entry: &Entry| self.entries.get(roots.get(&entry.alert.id)?);
        for (receiver, entries) in by_receiver {
            let notification = compose::notification(event, &receiver, entries, root, scene);
            dispatch.outgoing.extend(notification.map(|notification| Outgoing { receiver, notification }));
        }
    }

    /// The alerts whose end is still to be told.
    fn ended(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.telling.end.is_some())
    }

    fn forget(&mut self, scene: &Scene<'_>, dispatch: &mut Dispatch) {
        let over = self.groups.iter().filter(|(_, group)| group.is_over(scene.policy, scene.now));
        let mut unused: HashSet<&str> = over.map(|(name, _)| name.as_str()).collect();
        if unused.is_empty() {
            return;
        }
        for entry in self.entries.values() {
            unused.remove(entry.telling.group.as_str());
        }
        let gone: Vec<String> = unused.into_iter().map(str::to_owned).collect();
        for name in gone {
            self.groups.remove(&name);
            dispatch.groups.insert(name, None);
        }
    }

    /// When something may have to be told without anything else happening.
    pub(super) fn next(&self, scene: &Scene<'_>) -> Option<DateTime<Utc>> {
        let soon = |at: &DateTime<Utc>| *at > scene.now;
        let ends = self.ended().filter_map(|entry| {
            self.groups.get(&entry.telling.group).map(|group| group.resolves_at(scene.policy, scene.now))
        });
        let windows_end = self.groups.values().filter_map(|group| group.over_at(scene.policy));
        let reminders =
            scene.policy.repeat_every.into_iter().flat_map(|every| {
                self.open_alerts().filter_map(move |entry| entry.telling.reminder_at(every))
            });
        let silences = self.silences.values().map(|silence| silence.until);
        let windows = scene.windows.iter().map(|window| window.until);
        let other = ends.chain(windows_end).chain(reminders).chain(silences).chain(windows);
        self.opens.into_iter().chain(other).filter(soon).min()
    }
}
