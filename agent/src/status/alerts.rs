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
    let mut held = desk.dispatcher.held_alerts(&scene(&pipeline.plan, &desk.windows, now));
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
        Held::Gathered { .. } => ("gathering", "waits for others to be told along with".to_owned(), None),
    };
    HoldView { by: by.to_owned(), why, until, alert }
}

fn delivery(receiver: &str, status: &ReceiverStatus, alert: &str) -> Option<DeliveryView> {
    let recent = status.recent.get(alert)?;
    Some(DeliveryView {
        receiver: receiver.to_owned(),
        state: match recent.state {
            DeliveryState::Pending => api::DeliveryState::Pending,
            DeliveryState::Delivered => api::DeliveryState::Delivered,
            DeliveryState::Dead => api::DeliveryState::Dead,
            DeliveryState::Superseded => api::DeliveryState::Superseded,
        },
        attempts: recent.attempts,
        last_error: recent.last_error.clone(),
    })
}

/// The silences in force, the one that ends first at the front.
pub(super) fn silences(pipeline: &Pipeline) -> Vec<SilenceView> {
    let mut silences: Vec<SilenceView> = pipeline.desk.dispatcher.silences().map(silence_view).collect();
    silences.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
    silences
}

/// The maintenance windows that are open.
pub(super) fn maintenance(pipeline: &Pipeline) -> Vec<MaintenanceView> {
    let windows = pipeline.desk.windows.iter();
    windows
        .map(|window| MaintenanceView {
            name: window.name.clone(),
            matcher: matcher_view(&window.matcher),
            open_until: Some(window.until),
            opens_at: None,
        })
        .collect()
}
