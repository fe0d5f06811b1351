//! Where alerts are told from: carries out what the model's dispatcher says.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use vipwatch_model::{
    alert::{Alert, AlertKind, Changes},
    delivery::Delivery,
    dispatch::{
        Circumstances, Dispatch, Dispatcher, Entry, LONGEST_WAIT, Outgoing, Scene, Silence, Telling, Told,
        Window,
    },
    notification::{Acknowledgement, Resolution},
    probe::ProbeName,
    state::State,
};

use super::{Watched, nodes_watched};
use crate::{
    maintenance::Maintenance,
    outbox::Standing,
    plan::Plan,
    store::{Effects, StoredAlert},
};

/// The dispatcher and what it depends on.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) dispatcher: Dispatcher,
    /// The maintenance windows that are open.
    pub(crate) windows: Vec<Window>,
    /// When another one opens or ends.
    windows_change: Option<DateTime<Utc>>,
    /// When something may have to be told.
    next: Option<DateTime<Utc>>,
    /// What the clock said when it was looked at last.
    clock: Option<DateTime<Utc>>,
}

/// What telling depends on.
pub(crate) fn scene<'a>(plan: &'a Plan, windows: &'a [Window], now: DateTime<Utc>) -> Scene<'a> {
    Scene { policy: &plan.policy, windows, vantage: &plan.vantage, page: &plan.page, now }
}

impl Desk {
    /// Takes up what the database remembers.
    pub(crate) fn remember(
        &mut self,
        alerts: &[StoredAlert],
        groups: Vec<(String, vipwatch_model::dispatch::Group)>,
        silences: Vec<Silence>,
        plan: &Plan,
    ) {
        let entries = alerts.iter().map(|stored| {
            // Up to version 1 of the schema every alert was told to everybody at once.
            let told = || Telling {
                told: Some(Told::now(stored.alert.opened_at, plan.policy.receivers.clone())),
                ..Telling::nothing(&stored.alert)
            };
            Entry { alert: stored.alert.clone(), telling: stored.telling.clone().unwrap_or_else(told) }
        });
        self.dispatcher.remember(entries, groups, silences);
        self.next = Some(DateTime::<Utc>::MIN_UTC);
    }

    /// Whether what `probe` gave rise to still holds has to be seen anew: it is pointed at another target.
    pub(crate) fn doubt(&mut self, probe: &ProbeName) {
        let of_probe = |entry: &&Entry| entry.alert.probe == probe.as_str();
        let open: Vec<Entry> = self.dispatcher.open_alerts().filter(of_probe).cloned().collect();
        self.dispatcher.remember(open, [], []);
    }

    /// Other windows may be open now, and others come next.
    pub(crate) fn replanned(&mut self, now: DateTime<Utc>) {
        self.windows_change = Some(now);
        self.next = Some(now);
    }

    /// The open alerts that somebody was told of, if a receiver forgets what it is not told again. Known to be told are also those
    /// whom the routes name now, unless something holds it back: one that has got another name since must not take it for over.
    pub(crate) fn standing(&self, plan: &Plan, now: DateTime<Utc>) -> Vec<Standing> {
        if !plan.receivers.iter().any(|receiver| receiver.means.forgets()) {
            return Vec::new();
        }
        let (vantage, page): (Arc<str>, Arc<str>) = (plan.vantage.as_str().into(), plan.page.as_str().into());
        let scene = scene(plan, &self.windows, now);
        let (held, muted) = (self.dispatcher.held_alerts(&scene), self.dispatcher.muted_alerts(&scene));
        let told =
            self.dispatcher.open_alerts().filter_map(|entry| Some((entry, entry.telling.told.as_ref()?)));
        let standing = told.map(|(Entry { alert, .. }, told)| {
            let id = alert.id.as_str();
            let is_held = held.contains_key(id) || muted.contains_key(id);
            let now = if is_held { Vec::new() } else { plan.policy.receivers_of(alert) };
            Standing {
                alert: Arc::new(alert.clone()),
                told: told.to.iter().cloned().chain(now).collect(),
                vantage: Arc::clone(&vantage),
                page: Arc::clone(&page),
            }
        });
        standing.collect()
    }

    /// How long it is until [`Desk::tend`] wants to be called although nothing happens. Once the clock was set back, that is
    /// now: what it was to wait for by the time before may be hours away, and a window may be open that was over.
    pub(crate) fn wait(&mut self, now: DateTime<Utc>) -> Option<Duration> {
        if self.clock.replace(now).is_some_and(|last| now < last) {
            self.replanned(now);
        }
        self.due().map(|due| (due - now).to_std().unwrap_or_default())
    }

    /// Whether [`Desk::tend`] wants to be called at `now`.
    pub(crate) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        self.next.into_iter().chain(self.windows_change).min()
    }

    /// Takes in what changed on the board, and says it in the log.
    pub(crate) fn take(
        &mut self,
        changes: Changes,
        plan: &Plan,
        watched: &HashMap<ProbeName, Watched>,
        now: DateTime<Utc>,
    ) -> Effects {
        let mut effects = Effects::default();
        for (alert, resolution) in changes.resolved {
            tracing::info!(
                alert = %alert.id, kind = %alert.key.kind, subject = %alert.key.subject,
                open_seconds = resolution.open_seconds, "resolved an alert"
            );
            self.end(alert, resolution, plan, &mut effects, now);
        }
        for alert in changes.opened {
            tracing::warn!(
                alert = %alert.id, kind = %alert.key.kind, subject = %alert.key.subject, reason = %alert.reason,
                "opened an alert"
            );
            self.dispatcher.opened(&alert, circumstances(&alert, plan, watched, now));
            effects.tellings.extend(
                self.dispatcher.telling(&alert.id).map(|telling| (alert.id.clone(), telling.clone())),
            );
            effects.opened.push(alert);
        }
        effects
    }

    /// An alert is over.
    pub(crate) fn end(
        &mut self,
        alert: Alert,
        resolution: Resolution,
        plan: &Plan,
        effects: &mut Effects,
        now: DateTime<Utc>,
    ) {
        let telling = self.dispatcher.resolved(&alert, &resolution, &scene(plan, &self.windows, now));
        effects.tellings.extend(telling.map(|telling| (alert.id.clone(), telling)));
        effects.resolved.push((alert, resolution));
    }

    /// Tells what may be told now.
    pub(crate) fn tend(&mut self, plan: &Plan, effects: &mut Effects, now: DateTime<Utc>) {
        if self.windows_change.is_some_and(|change| change <= now) {
            (self.windows, self.windows_change) = Maintenance::windows(&plan.maintenance, now);
        }
        let dispatch = self.dispatcher.tend(&scene(plan, &self.windows, now));
        self.carry_out(dispatch, effects, now);
    }

    /// Somebody takes an alert on; `None` if there is no such alert.
    pub(crate) fn acknowledge(&mut self, id: &str, by: Acknowledgement, plan: &Plan) -> Option<Effects> {
        let now = by.at;
        let dispatch = self.dispatcher.acknowledge(id, by, &scene(plan, &self.windows, now))?;
        let mut effects = Effects::default();
        self.carry_out(dispatch, &mut effects, now);
        Some(effects)
    }

    /// From now on, what the silence is about is not told.
    pub(crate) fn silence(&mut self, silence: Silence, effects: &mut Effects) {
        effects.silences.insert(silence.id.clone(), Some(silence.clone()));
        self.dispatcher.silence(silence);
    }

    /// Ends a silence; gives it back, if there is such a one.
    pub(crate) fn end_silence(&mut self, id: &str, effects: &mut Effects) -> Option<Silence> {
        let ended = self.dispatcher.end_silence(id)?;
        effects.silences.insert(ended.id.clone(), None);
        Some(ended)
    }

    fn carry_out(&mut self, dispatch: Dispatch, effects: &mut Effects, now: DateTime<Utc>) {
        let Dispatch { outgoing, tellings, groups, silences, next } = dispatch;
        effects.tellings.extend(tellings);
        effects.groups.extend(groups);
        effects.silences.extend(silences);
        effects.deliveries.extend(deliveries(outgoing, now));
        self.next = next;
    }
}

/// One delivery for each; the same notification is written out once.
fn deliveries(outgoing: Vec<Outgoing>, now: DateTime<Utc>) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = Vec::with_capacity(outgoing.len());
    let mut last = None;
    for Outgoing { receiver, notification } in outgoing {
        let document: Arc<str> = match &last {
            Some((same, document)) if *same == notification => Arc::clone(document),
            _ => match serde_json::to_string(&notification) {
                Ok(document) => document.into(),
                Err(error) => {
                    tracing::error!(%error, "failed to write a notification");
                    continue;
                }
            },
        };
        deliveries.push(Delivery::new(&notification, Arc::clone(&document), &receiver, now));
        last = Some((notification, document));
    }
    deliveries
}

/// Which nodes answered for the alert's target lately; and until when it will turn out whether one of them failed, or what else
/// a node that failed takes along: then all of it is told in one.
fn circumstances(
    alert: &Alert,
    plan: &Plan,
    watched: &HashMap<ProbeName, Watched>,
    now: DateTime<Utc>,
) -> Circumstances {
    let Some(this) = watched.get(&ProbeName::new(&alert.probe)) else { return Circumstances::default() };
    let served_by = served_by(this).map(str::to_owned).collect();
    let company: Vec<&Watched> = match (alert.key.kind, alert.node.as_deref()) {
        (AlertKind::Unreachable, _) => suspects(this, plan, watched).collect(),
        (AlertKind::NodeDown, Some(node)) => {
            watched.values().filter(|other| depends_on(other, node)).collect()
        }
        _ => Vec::new(),
    };
    let until = company.into_iter().filter_map(|other| {
        let planned = &other.planned;
        let (to, rounds, needed) = other.machine.pending(&planned.probe.rules)?;
        let wait = TimeDelta::from_std(planned.gap * (needed - rounds) + planned.timeout);
        let worse = matches!(to, State::Down | State::Degraded)
            || (to == State::Idle && other.machine.state == State::Up);
        worse.then(|| now + wait.map_or(LONGEST_WAIT, |wait| wait.min(LONGEST_WAIT)))
    });
    Circumstances { company_until: until.max(), served_by }
}

/// The nodes that answered for the target of a probe lately.
fn served_by(watched: &Watched) -> impl Iterator<Item = &str> {
    watched.distribution.answered_by().iter().filter_map(|by| by.node.as_deref())
}

/// What watches the nodes that may be why the target of `this` does not answer: those that answered for it lately, or all of them.
fn suspects<'a>(
    this: &'a Watched,
    plan: &'a Plan,
    watched: &'a HashMap<ProbeName, Watched>,
) -> impl Iterator<Item = &'a Watched> {
    let concerned =
        |node: &&Watched| node.planned.probe.subject.node().is_some_and(|node| may_be_served_by(this, node));
    let of_service = nodes_watched(plan, watched, &this.planned.probe);
    let hosts = plan.hosts.iter().filter_map(|name| watched.get(name));
    let hosts = hosts.filter(|_| this.planned.probe.subject.service().is_some());
    of_service.chain(hosts).filter(concerned).filter(|node| {
        node.machine.pending(&node.planned.probe.rules).is_some_and(|(to, ..)| to == State::Down)
    })
}

/// Whether the failure of `node` may explain trouble that this finds: it asks that node, or may be answered by it.
fn depends_on(watched: &Watched, node: &str) -> bool {
    match watched.planned.probe.subject.node() {
        Some(asked) => asked == node,
        None => may_be_served_by(watched, node),
    }
}

/// Whether `node` answered for the target of a probe lately, or may have, as a node of the cluster does for a service: nobody
/// says who did.
fn may_be_served_by(watched: &Watched, node: &str) -> bool {
    let unknown = served_by(watched).next().is_none() && watched.planned.probe.subject.service().is_some();
    unknown || served_by(watched).any(|served| served == node)
}
