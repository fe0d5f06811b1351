//! `vipwatch deliveries`: what was told to whom, what waits, and what was given up; and attempting that again.

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};
use comfy_table::{Cell, Color, ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use vipwatch_web::api::{DELIVERIES, DeliveryState, OutboxEntry, RefusedRetry, Retried};

use super::{
    alerts::{clock, span, whole},
    remote::{Remote, Signature, Trouble, plain, say},
};
use crate::clock::Clock;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Deliveries {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Attempt deliveries again that were given up.
    Retry(Retry),
}

#[derive(Debug, Args)]
struct List {
    /// Only those that have come so far.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those to this receiver.
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Only those that tell of this alert: its id, or the beginning of it.
    #[arg(long, value_name = "ID")]
    alert: Option<String>,
    /// How many at most, the newest first.
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=i64::from(DELIVERIES)))]
    limit: u32,
    /// Print them as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
struct Retry {
    #[command(flatten)]
    which: Which,
    /// Only those to this receiver.
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    signature: Signature,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The deliveries, by the numbers that `vipwatch deliveries` shows.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All that were given up.
    #[arg(long)]
    all_dead: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Waiting, or being retried.
    Pending,
    /// Given up.
    Dead,
    /// The receiver has it.
    Delivered,
    /// Left out, because it was over before it could be told.
    Superseded,
}

impl Deliveries {
    pub(super) async fn run(self) -> ExitCode {
        say(match self.action {
            Some(Action::Retry(retry)) => retry.ask().await,
            None => self.list.ask().await,
        })
    }
}

impl List {
    async fn ask(self) -> Result<String, Trouble> {
        let limit = self.limit.to_string();
        let filter = [
            ("state", self.state.map(|state| word(state.into()))),
            ("receiver", self.receiver.as_deref()),
            ("alert", self.alert.as_deref()),
            ("limit", Some(limit.as_str())),
        ];
        let query: Vec<_> = filter.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let entries: Vec<OutboxEntry> = self.remote.client()?.get(&["deliveries"], &query).await?;
        if self.json {
            return Ok(format!("{:#}\n", serde_json::json!(entries)));
        }
        if entries.is_empty() {
            return Ok("There is no such delivery.\n".to_owned());
        }
        Ok(format!("{}\n", table(&entries, Clock::system().now())))
    }
}

impl Retry {
    async fn ask(self) -> Result<String, Trouble> {
        let retry = vipwatch_web::api::Retry {
            // All of one receiver's are said by its name.
            all: self.which.all_dead && self.receiver.is_none(),
            deliveries: self.which.ids,
            receiver: self.receiver,
            by: self.signature.name(),
        };
        let done: Retried = self.remote.client()?.post(&["deliveries", "retry"], &retry).await?;
        if self.json {
            return Ok(format!("{:#}\n", serde_json::json!(done)));
        }
        Ok(outcome(&done))
    }
}

/// What came of it, a sentence per line.
fn outcome(done: &Retried) -> String {
    let mut lines = Vec::new();
    match (done.deliveries, done.superseded) {
        (0, 0) if done.refused.is_empty() => lines.push("Nothing was given up.".to_owned()),
        (0, _) => {}
        (1, _) => lines.push("One delivery is attempted again.".to_owned()),
        (several, _) => lines.push(format!("{several} deliveries are attempted again.")),
    }
    match done.superseded {
        0 => {}
        1 => lines.push("One is left out: its receiver knows meanwhile that it is over.".to_owned()),
        several => {
            lines.push(format!("{several} are left out: their receivers know meanwhile that it is over."));
        }
    }
    for RefusedRetry { receiver, deliveries, ids } in &done.refused {
        let which = if ids.is_empty() { format!("{deliveries} in all") } else { ids.join(", ") };
        lines.push(format!(
            "Refused what was given up for {}, which is not in the configuration: {}.",
            plain(receiver),
            plain(&which)
        ));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Dead => Self::Dead,
            State::Delivered => Self::Delivered,
            State::Superseded => Self::Superseded,
        }
    }
}

fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "pending",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Dead => "dead",
        DeliveryState::Superseded => "superseded",
    }
}

fn table(entries: &[OutboxEntry], now: DateTime<Utc>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["ID", "Receiver", "Tells", "State"]);
    whole(&mut table, 0);
    for entry in entries {
        let color = match entry.state {
            DeliveryState::Pending => Color::Yellow,
            DeliveryState::Dead => Color::Red,
            DeliveryState::Delivered => Color::Green,
            DeliveryState::Superseded => Color::Reset,
        };
        table.add_row([
            Cell::new(plain(&entry.id)),
            Cell::new(format!("{}\n{}", plain(&entry.receiver), clock(entry.created_at, now))),
            Cell::new(plain(&tells(entry))),
            Cell::new(plain(&standing(entry, now))).fg(color),
        ]);
    }
    table
}

fn tells(entry: &OutboxEntry) -> String {
    let more = match entry.alerts.len() {
        0 | 1 => String::new(),
        alerts => format!(" (and {} more)", alerts - 1),
    };
    format!("{}: {}{more}", entry.event, entry.title)
}

/// How far it has come.
fn standing(entry: &OutboxEntry, now: DateTime<Utc>) -> String {
    let attempts = match entry.attempts {
        0 => String::new(),
        1 => " after one attempt".to_owned(),
        several => format!(" after {several} attempts"),
    };
    let error = entry.last_error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    match entry.state {
        DeliveryState::Delivered => {
            let when = entry.done_at.map_or_else(String::new, |at| format!(" at {}", clock(at, now)));
            let but = error.replacen(':', ", but not to everybody:", 1);
            format!("delivered{when}{attempts}{but}")
        }
        DeliveryState::Dead => format!("given up{attempts}{error}"),
        DeliveryState::Superseded => format!("left out, need not be told any more{error}"),
        DeliveryState::Pending => {
            let next = match entry.next_at {
                Some(at) if at > now => format!(", next attempt in {}", span(now, at)),
                _ => String::new(),
            };
            format!("waits{attempts}{next}{error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_says_what_is_told_what_is_left_out_and_what_is_refused() {
        let mut done = Retried::default();
        assert_eq!(outcome(&done), "Nothing was given up.\n");
        done.superseded = 1;
        assert_eq!(outcome(&done), "One is left out: its receiver knows meanwhile that it is over.\n");
        (done.deliveries, done.superseded) = (1, 3);
        let refused = |ids: &[&str]| RefusedRetry {
            receiver: "mail".to_owned(),
            deliveries: 2,
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
        };
        done.refused = vec![refused(&["7", "9"]), refused(&[])];
        assert_eq!(
            outcome(&done),
            "One delivery is attempted again.\n\
             3 are left out: their receivers know meanwhile that it is over.\n\
             Refused what was given up for mail, which is not in the configuration: 7, 9.\n\
             Refused what was given up for mail, which is not in the configuration: 2 in all.\n"
        );
    }

    #[test]
    fn the_state_says_what_comes_next_and_what_went_wrong() {
        let now: DateTime<Utc> = "2026-11-23T10:05:00Z".parse().unwrap();
        let entry = |state, attempts, last_error: Option<&str>| OutboxEntry {
            id: "7".to_owned(),
            receiver: "ops".to_owned(),
            event: "opened".to_owned(),
            alerts: vec!["a".to_owned(), "b".to_owned()],
            title: "node-1 does not answer".to_owned(),
            state,
            attempts,
            created_at: now,
            next_at: Some(now + chrono::TimeDelta::minutes(4)),
            done_at: (state != DeliveryState::Pending).then_some(now),
            last_error: last_error.map(str::to_owned),
        };
        let said = |state, attempts, last_error| standing(&entry(state, attempts, last_error), now);
        assert_eq!(
            said(DeliveryState::Pending, 3, Some("HTTP 503")),
            "waits after 3 attempts, next attempt in 4m: HTTP 503"
        );
        assert_eq!(said(DeliveryState::Delivered, 1, None), "delivered at 10:05:00Z after one attempt");
        assert_eq!(
            said(DeliveryState::Delivered, 2, Some("SMTP 550")),
            "delivered at 10:05:00Z after 2 attempts, but not to everybody: SMTP 550"
        );
        assert_eq!(said(DeliveryState::Dead, 1, Some("HTTP 400")), "given up after one attempt: HTTP 400");
        assert_eq!(said(DeliveryState::Superseded, 0, None), "left out, need not be told any more");
        let told = tells(&entry(DeliveryState::Pending, 0, None));
        assert_eq!(told, "opened: node-1 does not answer (and 1 more)");
    }
    #[test]
    fn ids_and_receivers_stay_whole_on_a_narrow_terminal() {
        let now: DateTime<Utc> = "2026-11-23T10:05:00Z".parse().unwrap();
        let entry = OutboxEntry {
            id: "1234567".to_owned(),
            receiver: "night-shift-pager".to_owned(),
            event: "acknowledged".to_owned(),
            alerts: vec!["a".to_owned()],
            title: "default/echo loses its clients' source addresses ".repeat(3),
            state: DeliveryState::Dead,
            attempts: 3,
            created_at: now - chrono::TimeDelta::days(1),
            next_at: None,
            done_at: Some(now),
            last_error: Some("no_spaces_in_it".repeat(20)),
        };
        let shown = table(&[entry], now).force_no_tty().set_width(80).to_string();
        for whole in ["1234567", "night-shift-pager", "2026-11-22 10:05:00Z"] {
            assert!(shown.contains(&format!(" {whole} ")), "{whole}\n{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }
}
