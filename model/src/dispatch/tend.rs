//! Tells what may be told now: what was opened, what is over, and what is open for long.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{Dispatch, Dispatcher, Entry, Group, Outgoing, Scene, compose, group_of, is_told};
use crate::alert::{AlertKey, Event};

impl Dispatcher {
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
    pub(super) fn next(&self, scene: &Scene<'_>) -> Option<DateTime<Utc>> {
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
