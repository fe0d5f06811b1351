//! The open alerts in the picture: their stories, who was told, and why somebody was not.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::Alert,
    dispatch::{Held, Silence, Telling},
};
use vipwatch_web::api::{
    self, AcknowledgementView, AlertView, DeliveryView, HoldView, MaintenanceView, SilenceView,
};

use crate::{
    control::{matcher_view, severity_view, silence_view},
    outbox::ReceiverStatus,
    pipeline::{Pipeline, scene},
    store::DeliveryState,
};

/// The open alerts, newest first.
pub(super) fn open(
    pipeline: &Pipeline,
    receivers: &HashMap<String, ReceiverStatus>,
    now: DateTime<Utc>,
) -> Vec<AlertView> {
    let desk = &pipeline.desk;
    let scene = scene(&pipeline.plan, &desk.windows, now);
    let mut held = desk.dispatcher.held_alerts(&scene);
    held.extend(desk.dispatcher.muted_alerts(&scene));
    let explained = desk.dispatcher.explanations(&pipeline.plan.policy);
    let silences: BTreeMap<&str, &Silence> =
        desk.dispatcher.silences().map(|silence| (silence.id.as_str(), silence)).collect();
    let mut alerts: Vec<AlertView> = pipeline
        .alerts
        .iter()
        .map(|alert| {
            let id = alert.id.as_str();
            let deliveries =
                pipeline.plan.receivers.iter().filter_map(|receiver| {
                    delivery(&receiver.name, receivers.get(&receiver.name)?, &alert.id)
                });
            AlertView {
                held: held.remove(id).map(|held| hold(held, &silences)),
                consequence_of: explained.get(id).map(|root| root.id.clone()),
                deliveries: deliveries.collect(),
                ..view(alert, desk.dispatcher.telling(id))
            }
        })
        .collect();
    alerts.sort_by(|a, b| b.id.cmp(&a.id));
    alerts
}

fn view(alert: &Alert, telling: Option<&Telling>) -> AlertView {
    let told = telling.and_then(|telling| telling.told.as_ref());
    let acknowledgement = telling.and_then(|telling| telling.acknowledgement.as_ref());
    let observed = alert.observed.iter();
    AlertView {
        id: alert.id.clone(),
        kind: alert.key.kind.to_string(),
        subject: alert.key.subject.clone(),
        severity: severity_view(alert.severity),
        service: alert.service.clone(),
        probe: alert.probe.clone(),
        node: alert.node.clone(),
        target: alert.target.clone(),
        labels: alert.labels.clone(),
        opened_at: alert.opened_at,
        title: alert.title.clone(),
        reason: alert.reason.clone(),
        expected: alert.expected.clone(),
        observed: observed.map(|seen| format!("{} ({})", seen.address, seen.what)).collect(),
        cause: alert.cause.as_ref().map(|cause| cause.text.clone()),
        remedy: alert.remedy.clone(),
        told_at: told.map(|told| told.at),
        told_to: told.map(|told| told.to.clone()).unwrap_or_default(),
        held: None,
        acknowledgement: acknowledgement.map(|taken| AcknowledgementView {
            by: taken.by.clone(),
            comment: taken.comment.clone(),
            at: taken.at,
        }),
        consequence_of: None,
        deliveries: Vec::new(),
    }
}

fn hold(held: Held, silences: &BTreeMap<&str, &Silence>) -> HoldView {
    let until = held.until();
    let (by, why, alert) = match held {
        Held::Inhibited { by, title } => ("inhibition", format!("inhibited: {title}"), Some(by)),
        Held::Maintenance { window, .. } => ("maintenance", format!("maintenance window {window}"), None),
        Held::Silenced { silence, by, .. } => {
            let comment = silences.get(silence.as_str()).map_or("", |silence| silence.comment.as_str());
            ("silence", format!("silence by {by}: {comment}"), None)
        }
        Held::Unsure => ("unsure", "waits for a round that says whether it still holds".to_owned(), None),
        Held::Gathered { .. } => ("gathering", "waits for others to be told along with".to_owned(), None),
    };
    HoldView { by: by.to_owned(), why, until, alert }
}

fn delivery(receiver: &str, status: &ReceiverStatus, alert: &str) -> Option<DeliveryView> {
    let recent = status.recent.get(alert)?;
    Some(DeliveryView {
        receiver: receiver.to_owned(),
        event: recent.event.to_string(),
        state: delivery_state(recent.state),
        attempts: recent.attempts,
        last_error: recent.last_error.clone(),
    })
}

/// How far a delivery has come, as the API says it.
pub(crate) fn delivery_state(state: DeliveryState) -> api::DeliveryState {
    match state {
        DeliveryState::Pending => api::DeliveryState::Pending,
        DeliveryState::Delivered => api::DeliveryState::Delivered,
        DeliveryState::Dead => api::DeliveryState::Dead,
        DeliveryState::Superseded => api::DeliveryState::Superseded,
    }
}

/// The silences in force, the one that ends first at the front.
pub(super) fn silences(pipeline: &Pipeline) -> Vec<SilenceView> {
    let mut silences: Vec<SilenceView> = pipeline.desk.dispatcher.silences().map(silence_view).collect();
    silences.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
    silences
}

/// The maintenance windows that are open, and those to come, in this order.
pub(super) fn maintenance(pipeline: &Pipeline, now: DateTime<Utc>) -> Vec<MaintenanceView> {
    let open_until = |name: &str| {
        let mut windows = pipeline.desk.windows.iter();
        windows.find(|window| window.name == name).map(|window| window.until)
    };
    let mut views: Vec<MaintenanceView> = pipeline
        .plan
        .maintenance
        .iter()
        .map(|maintenance| MaintenanceView {
            name: maintenance.name.clone(),
            matcher: matcher_view(&maintenance.matcher),
            open_until: open_until(&maintenance.name),
            opens_at: maintenance.next(now),
        })
        .filter(|view| view.open_until.is_some() || view.opens_at.is_some())
        .collect();
    views.sort_by_key(|view| (view.open_until.is_none(), view.open_until.or(view.opens_at)));
    views
}
