//! What a database that takes another one's place has to get, too: what is open, and what is still to be told.

use std::collections::BTreeMap;

use vipwatch_model::{
    alert::Alert,
    dispatch::{Group, Silence, Telling},
};

use super::{Effects, Restored};

#[derive(Default)]
pub(super) struct Standing {
    open: BTreeMap<String, Alert>,
    /// Alerts that are over, and of which that is still to be told.
    untold: BTreeMap<String, Alert>,
    /// Of both.
    tellings: BTreeMap<String, Telling>,
    groups: BTreeMap<String, Group>,
    silences: BTreeMap<String, Silence>,
}

impl Standing {
    pub(super) fn restored(restored: &Restored) -> Self {
        let mut standing = Self {
            groups: restored.groups.iter().cloned().collect(),
            silences: restored.silences.iter().map(|silence| (silence.id.clone(), silence.clone())).collect(),
            ..Self::default()
        };
        for stored in &restored.alerts {
            let (id, alert) = (stored.alert.id.clone(), stored.alert.clone());
            standing.tellings.extend(stored.telling.clone().map(|telling| (id.clone(), telling)));
            let alerts = if stored.is_open { &mut standing.open } else { &mut standing.untold };
            alerts.insert(id, alert);
        }
        standing
    }

    pub(super) fn note(&mut self, effects: &Effects) {
        self.open.extend(effects.opened.iter().map(|alert| (alert.id.clone(), alert.clone())));
        self.tellings.extend(effects.tellings.clone());
        for (alert, _) in &effects.resolved {
            self.open.remove(&alert.id);
            self.untold.insert(alert.id.clone(), alert.clone());
        }
        let tellings = &self.tellings;
        self.untold.retain(|id, _| tellings.get(id).is_some_and(|telling| telling.end.is_some()));
        self.tellings.retain(|id, _| self.open.contains_key(id) || self.untold.contains_key(id));
        keep(&mut self.groups, &effects.groups);
        keep(&mut self.silences, &effects.silences);
    }

    pub(super) fn effects(&self) -> Effects {
        let end = |alert: &Alert| self.tellings.get(&alert.id)?.end.clone();
        Effects {
            opened: self.open.values().cloned().collect(),
            resolved: self.untold.values().filter_map(|alert| Some((alert.clone(), end(alert)?))).collect(),
            tellings: self.tellings.clone(),
            groups: all(&self.groups),
            silences: all(&self.silences),
            ..Effects::default()
        }
    }
}

fn keep<T: Clone>(things: &mut BTreeMap<String, T>, changes: &BTreeMap<String, Option<T>>) {
    for (name, change) in changes {
        match change {
            Some(thing) => drop(things.insert(name.clone(), thing.clone())),
            None => drop(things.remove(name)),
        }
    }
}

fn all<T: Clone>(things: &BTreeMap<String, T>) -> BTreeMap<String, Option<T>> {
    things.iter().map(|(name, thing)| (name.clone(), Some(thing.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use vipwatch_model::{
        alert::{AlertKey, AlertKind, Severity},
        notification::Resolution,
    };

    use super::*;

    fn alert(id: &str) -> Alert {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        Alert::of_vantage(
            id.to_owned(),
            AlertKey::of_vantage(AlertKind::Degraded, id),
            Severity::Info,
            at,
            at,
        )
    }

    fn ended(id: &str) -> Effects {
        let end = Resolution::because(&alert(id), "It is over.".to_owned(), alert(id).opened_at);
        let telling = Telling { end: Some(end.clone()), ..Telling::nothing(&alert(id)) };
        Effects {
            resolved: vec![(alert(id), end)],
            tellings: [(id.to_owned(), telling)].into(),
            ..Effects::default()
        }
    }

    fn opened(id: &str) -> Effects {
        Effects {
            opened: vec![alert(id)],
            tellings: [(id.to_owned(), Telling::nothing(&alert(id)))].into(),
            groups: [(id.to_owned(), Some(Group::default()))].into(),
            ..Effects::default()
        }
    }

    #[test]
    fn what_is_open_and_what_is_still_to_be_told_stands_until_it_is_told() {
        let mut standing = Standing::default();
        standing.note(&opened("a"));
        standing.note(&opened("b"));
        standing.note(&ended("a"));
        let stands = standing.effects();
        assert_eq!(stands.opened, [alert("b")]);
        assert_eq!(stands.resolved, ended("a").resolved);
        assert_eq!(stands.tellings.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(stands.groups.keys().collect::<Vec<_>>(), ["a", "b"]);

        let told = [("a".to_owned(), Telling::nothing(&alert("a")))].into();
        let groups = [("a".to_owned(), None)].into();
        standing.note(&Effects { tellings: told, groups, ..Effects::default() });
        let stands = standing.effects();
        assert!(stands.resolved.is_empty());
        assert_eq!(stands.tellings.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(stands.groups.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_was_remembered_at_the_start_stands_as_well() {
        let stored = |effects: Effects, is_open| {
            let (id, telling) = effects.tellings.into_iter().next().unwrap();
            super::super::StoredAlert { alert: alert(&id), telling: Some(telling), is_open }
        };
        let alerts = vec![stored(opened("a"), true), stored(ended("b"), false)];
        let stands = Standing::restored(&Restored { alerts, ..Restored::default() }).effects();
        assert_eq!(stands.opened, [alert("a")]);
        assert_eq!(stands.resolved, ended("b").resolved);
    }
}
