//! `vipwatch silence`, `silences` and `unsilence`: what nobody wants to hear of for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use chrono::{DateTime, Utc};
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use vipwatch_model::alert::{AlertKind, Severity};
use vipwatch_web::api::{self, MatcherView, NewSilence, SilenceView};

use super::{
    alerts::{clock, span, whole},
    remote::{Remote, Signature, Trouble, pick, plain, say, stored, telling_length},
};
use crate::{clock::Clock, config};

#[derive(Debug, Args)]
pub(super) struct Silence {
    /// For how long, such as 30m, 2h or 1d12h
    #[arg(long = "for", value_name = "DURATION", value_parser = config::read_duration)]
    duration: Duration,
    /// Why nobody is to be told
    #[arg(long, value_name = "TEXT")]
    comment: String,
    #[command(flatten)]
    matcher: Matcher,
    #[command(flatten)]
    signature: Signature,
    #[command(flatten)]
    remote: Remote,
}

/// Which alerts. What is given several times means any of these, except for labels; of different things, all have to fit.
#[derive(Debug, Args)]
#[group(id = "which", required = true, multiple = true)]
struct Matcher {
    /// Alerts of this kind, such as `node_down`
    #[arg(long = "kind", value_name = "KIND", value_parser = kind)]
    kinds: Vec<AlertKind>,
    /// Alerts of this severity: critical, warning or info
    #[arg(long = "severity", value_name = "SEVERITY", value_parser = severity)]
    severities: Vec<Severity>,
    /// Alerts of this service, NAMESPACE/NAME; * stands for anything
    #[arg(long = "service", value_name = "NAME")]
    services: Vec<String>,
    /// Alerts about this node; * stands for anything
    #[arg(long = "node", value_name = "NAME")]
    nodes: Vec<String>,
    /// Alerts of this probe; * stands for anything
    #[arg(long = "probe", value_name = "NAME")]
    probes: Vec<String>,
    /// Alerts with this label; * stands for anything
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// All alerts
    #[arg(long, conflicts_with_all = ["kinds", "severities", "services", "nodes", "probes", "labels"])]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Silences {
    #[command(flatten)]
    remote: Remote,
    /// Print the silences as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unsilence {
    /// The silence's id, or the beginning of it, as `vipwatch silences` shows it.
    id: String,
    #[command(flatten)]
    signature: Signature,
    #[command(flatten)]
    remote: Remote,
}

impl Silence {
    pub(super) async fn run(self) -> ExitCode {
        say(self.ask().await)
    }

    async fn ask(self) -> Result<String, Trouble> {
        if let Some(key) = self.matcher.label_given_twice() {
            let usage = format!("--label {key} is given twice, and one alert cannot fit both");
            return Err(Trouble::Usage(usage));
        }
        let for_seconds = u32::try_from(self.duration.as_secs()).unwrap_or(u32::MAX);
        let body = NewSilence {
            all: self.matcher.all,
            matcher: self.matcher.view(),
            for_seconds: Some(for_seconds),
            until: None,
            by: self.signature.name(),
            comment: self.comment,
        };
        let done: SilenceView = stored(self.remote.client()?.post(&["silences"], &body).await?);
        let (id, until) = (plain(&done.id), clock(done.until, done.from));
        Ok(format!("Silence {id} holds until {until}: {}.\n", words(&done.matcher)))
    }
}

impl Silences {
    pub(super) async fn run(self) -> ExitCode {
        say(self.ask().await)
    }

    async fn ask(self) -> Result<String, Trouble> {
        let silences: Vec<SilenceView> = self.remote.client()?.get(&["silences"], &[]).await?;
        if self.json {
            return Ok(format!("{:#}\n", serde_json::json!(silences)));
        }
        if silences.is_empty() {
            return Ok("No silence is in force.\n".to_owned());
        }
        Ok(format!("{}\n", table(&silences, Clock::system().now())))
    }
}

impl Unsilence {
    pub(super) async fn run(self) -> ExitCode {
        say(self.ask().await)
    }

    async fn ask(self) -> Result<String, Trouble> {
        let client = self.remote.client()?;
        let silences: Vec<SilenceView> = client.get(&["silences"], &[]).await?;
        let id = pick(silences.iter().map(|silence| silence.id.as_str()), &self.id, "silence")?;
        let by = self.signature.name();
        let ended: SilenceView = stored(client.delete(&["silences", id], &[("by", &by)]).await?);
        Ok(format!("The silence by {} is over: {}.\n", plain(&ended.by), words(&ended.matcher)))
    }
}

impl Matcher {
    fn label_given_twice(&self) -> Option<&str> {
        let mut keys = BTreeSet::new();
        self.labels.iter().map(|(key, _)| key.as_str()).find(|key| !keys.insert(*key))
    }

    fn view(self) -> MatcherView {
        let severity = |severity| match severity {
            Severity::Critical => api::Severity::Critical,
            Severity::Warning => api::Severity::Warning,
            Severity::Info => api::Severity::Info,
        };
        MatcherView {
            kinds: self.kinds.into_iter().map(|kind| kind.to_string()).collect(),
            severities: self.severities.into_iter().map(severity).collect(),
            services: self.services,
            nodes: self.nodes,
            probes: self.probes,
            labels: self.labels.into_iter().collect(),
        }
    }
}

pub(super) fn kind(word: &str) -> Result<AlertKind, String> {
    one_of(word, AlertKind::ALL)
}

fn severity(word: &str) -> Result<Severity, String> {
    one_of(word, Severity::ALL)
}

fn one_of<T: std::str::FromStr + std::fmt::Display>(word: &str, all: &[T]) -> Result<T, String> {
    word.parse().map_err(|_| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        format!("the words are {}", all.join(", "))
    })
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn table(silences: &[SilenceView], now: DateTime<Utc>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Silence", "What", "Why"]);
    whole(&mut table, 0);
    let length = telling_length(silences.iter().map(|silence| silence.id.as_str()));
    for silence in silences {
        let id = silence.id.get(..length).unwrap_or(&silence.id);
        table.add_row([
            format!("{}\nuntil {}\nfor {}", plain(id), clock(silence.until, now), span(now, silence.until)),
            words(&silence.matcher),
            format!("{}\nby {}", plain(&silence.comment), plain(&silence.by)),
        ]);
    }
    table
}

/// What a matcher is about, in words.
fn words(matcher: &MatcherView) -> String {
    if matcher.is_everything() {
        return "all alerts".to_owned();
    }
    let severities: Vec<String> =
        matcher.severities.iter().map(|severity| format!("{severity:?}").to_lowercase()).collect();
    let lists = [
        ("kind", &matcher.kinds),
        ("severity", &severities),
        ("service", &matcher.services),
        ("node", &matcher.nodes),
        ("probe", &matcher.probes),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    let lists = lists.map(|(name, list)| format!("{name} {}", list.join(" or ")));
    let labels: &BTreeMap<String, String> = &matcher.labels;
    let labels = labels.iter().map(|(key, value)| format!("label {key}={value}"));
    plain(&lists.chain(labels).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matcher_is_said_in_words() {
        assert_eq!(words(&MatcherView::default()), "all alerts");
        let matcher = MatcherView {
            severities: vec![api::Severity::Info],
            services: vec!["shop/*".to_owned(), "mail/postfix".to_owned()],
            labels: [("team".to_owned(), "web\u{1b}".to_owned())].into(),
            ..MatcherView::default()
        };
        assert_eq!(words(&matcher), "severity info, service shop/* or mail/postfix, label team=web");
    }

    #[test]
    fn ids_stay_whole_on_a_narrow_terminal() {
        let now: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
        let silence = |id: &str| SilenceView {
            id: id.to_owned(),
            matcher: MatcherView { services: vec!["shop/front".repeat(20)], ..MatcherView::default() },
            from: now,
            until: now + chrono::TimeDelta::hours(40),
            by: "kim@bastion".repeat(5),
            comment: "new switches".repeat(9),
        };
        let silences = [silence("01a20779-1fb1-7000-8000-1"), silence("01a20779-1fb1-7000-8000-2")];
        let shown = table(&silences, now).force_no_tty().set_width(80).to_string();
        for whole in [
            "01a20779-1fb1-7000-8000-1",
            "01a20779-1fb1-7000-8000-2",
            "until 2026-11-25 02:00:00Z",
            "for 1d16h",
        ] {
            assert!(shown.contains(&format!(" {whole} ")), "{whole}\n{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    }

    #[test]
    fn wrong_words_are_answered_with_the_right_ones() {
        assert_eq!(severity("bad").unwrap_err(), "the words are critical, warning, info");
        assert!(kind("unreachable").is_ok());
        assert!(label("team").is_err());
    }
}
