//! `vipwatch alerts` and `vipwatch ack`: what is open, and taking it on.

use std::{collections::HashSet, process::ExitCode};

use chrono::{DateTime, Utc};
use clap::Args;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use vipwatch_web::api::{
    AcknowledgementView, AlertView, DeliveryState, DeliveryView, NewAcknowledgement, Severity,
};

use super::remote::{Remote, Signature, Trouble, pick, plain, say, stored, telling_length};
use crate::{clock::Clock, config};

#[derive(Debug, Args)]
pub(super) struct Alerts {
    #[command(flatten)]
    remote: Remote,
    /// Print the alerts as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Ack {
    /// The alert's id, or the beginning of it, as `vipwatch alerts` shows it.
    id: String,
    /// What you do about it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    #[command(flatten)]
    signature: Signature,
    #[command(flatten)]
    remote: Remote,
}

impl Alerts {
    pub(super) async fn run(self) -> ExitCode {
        say(self.ask().await)
    }

    async fn ask(self) -> Result<String, Trouble> {
        let alerts: Vec<AlertView> = self.remote.client()?.get(&["alerts"], &[]).await?;
        if self.json {
            return Ok(format!("{:#}\n", serde_json::json!(alerts)));
        }
        if alerts.is_empty() {
            return Ok("No alert is open.\n".to_owned());
        }
        Ok(format!("{}\n", table(&alerts, Clock::system().now())))
    }
}

impl Ack {
    pub(super) async fn run(self) -> ExitCode {
        say(self.ask().await)
    }

    async fn ask(self) -> Result<String, Trouble> {
        let client = self.remote.client()?;
        let alerts: Vec<AlertView> = client.get(&["alerts"], &[]).await?;
        let id = pick(alerts.iter().map(|alert| alert.id.as_str()), &self.id, "open alert")?;
        let body = NewAcknowledgement { by: self.signature.name(), comment: self.comment };
        let done: AcknowledgementView = stored(client.post(&["alerts", id, "acknowledgement"], &body).await?);
        let alert = alerts.iter().find(|alert| alert.id == id);
        let title = alert.map_or_else(String::new, |alert| plain(&alert.title));
        Ok(format!("{} has taken on: {title}. Reminders of it stop.\n", plain(&done.by)))
    }
}

fn table(alerts: &[AlertView], now: DateTime<Utc>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Alert", "Subject", "State"]);
    whole(&mut table, 0);
    let length = telling_length(alerts.iter().map(|alert| alert.id.as_str()));
    for (alert, explained) in with_consequences(alerts) {
        let (word, color) = match alert.severity {
            Severity::Critical => ("critical", Color::Red),
            Severity::Warning => ("warning", Color::Yellow),
            Severity::Info => ("info", Color::Blue),
        };
        let indent = if explained { "└ " } else { "" };
        let id = alert.id.get(..length).unwrap_or(&alert.id);
        let (subject, title) = (plain(&alert.subject), plain(&alert.title));
        let since = format!("since {}, {}", clock(alert.opened_at, now), span(alert.opened_at, now));
        table.add_row([
            Cell::new(format!("{}\n{word}\n{}", plain(id), plain(&alert.kind))).fg(color),
            Cell::new(format!("{indent}{subject}\n{title}\n{since}")),
            Cell::new(plain(&standing(alert, now))),
        ]);
    }
    table
}

/// Keeps the cells of a column whole, such as ids, which are copied: the others make room.
pub(super) fn whole(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// The alerts, each followed by those that it explains or makes pointless, which are marked.
fn with_consequences(alerts: &[AlertView]) -> Vec<(&AlertView, bool)> {
    let mut ordered = Vec::with_capacity(alerts.len());
    let mut placed = HashSet::new();
    let is_open = |id: &str| alerts.iter().any(|alert| alert.id == id);
    let heads = alerts.iter().filter(|alert| !parent(alert).is_some_and(is_open));
    // Whatever is left explains itself in a circle: it is listed all the same.
    for head in heads.chain(alerts) {
        let mut next = vec![(head, false)];
        while let Some((alert, explained)) = next.pop() {
            if placed.insert(alert.id.as_str()) {
                ordered.push((alert, explained));
                let consequences = alerts.iter().rev().filter(|other| parent(other) == Some(&alert.id));
                next.extend(consequences.map(|other| (other, true)));
            }
        }
    }
    ordered
}

/// The id of the alert that explains this one, or makes it pointless.
fn parent(alert: &AlertView) -> Option<&str> {
    let inhibitor = alert.held.as_ref().and_then(|held| held.alert.as_deref());
    alert.consequence_of.as_deref().or(inhibitor)
}

/// Who knows of it, or why nobody does.
fn standing(alert: &AlertView, now: DateTime<Utc>) -> String {
    let mut parts = Vec::new();
    if let Some(AcknowledgementView { by, comment, .. }) = &alert.acknowledgement {
        let comment = if comment.is_empty() { String::new() } else { format!(" ({comment})") };
        parts.push(format!("acknowledged by {by}{comment}"));
    }
    let undelivered: Vec<_> =
        alert.deliveries.iter().filter(|delivery| delivery.state != DeliveryState::Delivered).collect();
    let knows = |receiver: &&String| {
        !undelivered.iter().any(|delivery| delivery.event == "opened" && delivery.receiver == **receiver)
    };
    let told_to: Vec<&str> = alert.told_to.iter().filter(knows).map(String::as_str).collect();
    match alert.told_at {
        Some(at) if alert.told_to.is_empty() => parts.push(format!("told to nobody, at {}", clock(at, now))),
        Some(at) if !told_to.is_empty() => {
            parts.push(format!("told to {} at {}", told_to.join(", "), clock(at, now)));
        }
        _ => {}
    }
    parts.extend(undelivered.iter().map(|DeliveryView { receiver, event, state, .. }| match state {
        DeliveryState::Dead => format!("{event} given up for {receiver}"),
        _ => format!("{event} not yet delivered to {receiver}"),
    }));
    if let Some(held) = &alert.held {
        let until = held.until.map_or_else(String::new, |until| format!(" until {}", clock(until, now)));
        parts.push(format!("held: {}{until}", held.why));
    }
    if parts.is_empty() { "about to be told".to_owned() } else { parts.join("; ") }
}

/// The time of day, with the date where that is another day.
pub(super) fn clock(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let format = if at.date_naive() == now.date_naive() { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%M:%SZ" };
    at.format(format).to_string()
}

/// The time between, in one or two units.
pub(super) fn span(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().unsigned_abs();
    let coarse = match seconds {
        0..120 => seconds,
        120..172_800 => seconds / 60 * 60,
        _ => seconds / 3_600 * 3_600,
    };
    config::show_duration(std::time::Duration::from_secs(coarse))
}

#[cfg(test)]
mod tests {
    use vipwatch_web::api::HoldView;

    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-11-23T{time}Z").parse().unwrap()
    }

    fn alert(id: &str) -> AlertView {
        serde_json::from_value(serde_json::json!({
            "id": id, "kind": "node_down", "subject": "ping@node-1", "severity": "warning", "probe": "ping@node-1", "target": "192.0.2.11",
            "labels": {}, "opened_at": "2026-11-23T10:00:00Z", "title": "node-1 does not answer", "reason": "",
            "expected": [], "observed": [], "told_to": [], "deliveries": []
        }))
        .unwrap()
    }

    #[test]
    fn the_state_says_who_knows_and_what_holds() {
        let now = at("10:05:00");
        let mut told = alert("1");
        assert_eq!(standing(&told, now), "about to be told");
        told.told_at = Some(at("10:00:01"));
        assert_eq!(standing(&told, now), "told to nobody, at 10:00:01Z");
        told.told_to = vec!["ops".to_owned(), "night".to_owned()];
        told.deliveries = vec![DeliveryView {
            receiver: "night".to_owned(),
            event: "opened".to_owned(),
            state: DeliveryState::Pending,
            attempts: 3,
            last_error: None,
        }];
        assert_eq!(standing(&told, now), "told to ops at 10:00:01Z; opened not yet delivered to night");
        told.deliveries[0].event = "reminder".to_owned();
        told.deliveries[0].state = DeliveryState::Dead;
        assert_eq!(standing(&told, now), "told to ops, night at 10:00:01Z; reminder given up for night");
        told.told_to = vec!["night".to_owned()];
        told.deliveries[0].event = "opened".to_owned();
        assert_eq!(standing(&told, now), "opened given up for night");
        told.told_to.push("ops".to_owned());
        told.acknowledgement =
            Some(AcknowledgementView { by: "kim".to_owned(), comment: "on it".to_owned(), at: now });
        assert!(standing(&told, now).starts_with("acknowledged by kim (on it); told to ops"));

        let mut held = alert("2");
        held.held = Some(HoldView {
            by: "maintenance".to_owned(),
            why: "maintenance window nightly".to_owned(),
            until: Some(at("10:05:00") + chrono::TimeDelta::days(1)),
            alert: None,
        });
        assert_eq!(standing(&held, now), "held: maintenance window nightly until 2026-11-24 10:05:00Z");
    }

    #[test]
    fn ids_and_kinds_stay_whole_on_a_narrow_terminal() {
        let alerts = [
            AlertView { kind: "certificate_expiring".to_owned(), ..alert("01a20779-232b-7000") },
            AlertView { subject: "very-long-name.".repeat(9), ..alert("01a20779-2331-7000") },
        ];
        let mut table = table(&alerts, at("10:05:00"));
        let shown = table.force_no_tty().set_width(80).to_string();
        for whole in
            ["01a20779-232", "01a20779-233", "certificate_expiring", "about to be told", "10:00:00Z, 5m"]
        {
            assert!(shown.contains(&format!(" {whole} ")), "{whole}\n{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn consequences_follow_what_explains_them() {
        let explained = |id: &str, by: &str| AlertView { consequence_of: Some(by.to_owned()), ..alert(id) };
        let alerts = [
            explained("4", "3"),
            explained("3", "1"),
            alert("2"),
            alert("1"),
            explained("5", "gone"),
            explained("6", "1"),
            explained("7", "7"),
        ];
        let order: Vec<_> = with_consequences(&alerts)
            .into_iter()
            .map(|(alert, explained)| (alert.id.clone(), explained))
            .collect();
        let expected =
            [("2", false), ("1", false), ("3", true), ("4", true), ("6", true), ("5", false), ("7", false)];
        assert_eq!(order, expected.map(|(id, explained)| (id.to_owned(), explained)));
    }

    #[test]
    fn spans_are_coarse() {
        let span = |seconds| span(at("00:00:00"), at("00:00:00") + chrono::TimeDelta::seconds(seconds));
        assert_eq!([0, 119, 121, 5_000, 200_000].map(span), ["0s", "1m59s", "2m", "1h23m", "2d7h"]);
    }
}
