//! What a notification says, in words and without any markup: one telling for chats, pagers and mail alike.

use chrono::{DateTime, Utc};
use vipwatch_model::{
    alert::{Alert, Event, Severity},
    notification::{Companion, Notification, Resolution},
};

/// No more alerts than these are listed by name.
const LISTED: usize = 20;
/// No more addresses or pods than these are listed in a fact.
const NAMED: usize = 5;

/// A notification in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// One line: what happened, and to what.
    pub(super) title: String,
    /// How it should look.
    pub(super) tone: Tone,
    /// What there is to say, the most important first. Commands stand between backticks.
    pub(super) passages: Vec<Passage>,
    /// The alerts that are told along with it.
    pub(super) lists: Vec<List>,
    /// What is known about it.
    pub(super) facts: Vec<Fact>,
    /// The status page.
    pub(super) page: String,
}

/// How urgent something is, or that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Clients are hurt now.
    Critical,
    /// Something is not as it should be.
    Warning,
    /// For information.
    Info,
    /// It is over.
    Over,
    /// Somebody takes care of it, or only tries a receiver.
    Calm,
}

/// A sentence or more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passage {
    /// What it is about, unless that is plain.
    pub(super) heading: Option<&'static str>,
    /// The sentences.
    pub(super) text: String,
}

/// Alerts, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// What they are.
    pub(super) heading: &'static str,
    /// One line each; the last one may say how many there are besides.
    pub(super) lines: Vec<String>,
}

/// Something known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// What.
    pub(super) name: &'static str,
    /// The fact itself.
    pub(super) value: String,
}

impl Story {
    /// Tells `notification`.
    pub(super) fn of(notification: &Notification) -> Self {
        Self {
            title: title(notification),
            tone: tone(notification),
            passages: passages(notification),
            lists: lists(notification),
            facts: facts(notification),
            page: notification.page.clone(),
        }
    }

    /// All of it but the title, as plain text.
    pub(super) fn text(&self) -> String {
        let passages = self.passages.iter().map(|passage| match passage.heading {
            Some(heading) => format!("{heading}: {}", passage.text),
            None => passage.text.clone(),
        });
        let lists = self.lists.iter().map(|list| format!("{}:\n- {}", list.heading, list.lines.join("\n- ")));
        let facts: Vec<_> = self.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
        let facts = [facts.join("\n"), self.page.clone()];
        passages.chain(lists).chain(facts).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
    }
}

impl Tone {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::Critical,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }

    /// A colour for it: 0xRRGGBB.
    pub(super) fn color(self) -> u32 {
        match self {
            Self::Critical => 0x00d1_242f,
            Self::Warning => 0x00d4_a72c,
            Self::Info => 0x0021_8bff,
            Self::Over => 0x002d_a44e,
            Self::Calm => 0x006e_7781,
        }
    }
}

fn title(notification: &Notification) -> String {
    let title = line(&notification.alert.title);
    let more = match notification.also.len() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let severity = worst(notification);
    match notification.event {
        Event::Opened => format!("{}: {title}{more}", capitalized(severity.as_str())),
        Event::Reminder => format!("Still {severity}: {title}{more}"),
        Event::Acknowledged => format!("Acknowledged: {title}{more}"),
        Event::Resolved => {
            let lasted = notification.resolution.as_ref().map(|resolution| resolution.open_seconds);
            let after = lasted.map_or_else(String::new, |seconds| format!(" {}", lasting(seconds)));
            format!("Resolved{after}: {title}{more}")
        }
        Event::Digest => match open(notification).min_by_key(|alert| alert.severity) {
            Some(worst) => format!("{}: {}{more}", capitalized(severity.as_str()), line(&worst.title)),
            None => format!("Resolved: {title}{more}"),
        },
        Event::Test => format!("Test: {title}"),
    }
}

fn tone(notification: &Notification) -> Tone {
    match notification.event {
        Event::Opened | Event::Reminder => Tone::of(worst(notification)),
        Event::Resolved => Tone::Over,
        Event::Digest if open(notification).next().is_none() => Tone::Over,
        Event::Digest => Tone::of(worst(notification)),
        Event::Acknowledged | Event::Test => Tone::Calm,
    }
}

/// The worst severity of what is told and open; where all of it is over, that of what leads.
fn worst(notification: &Notification) -> Severity {
    // The worst comes first in the order of severities.
    open(notification).map(|alert| alert.severity).min().unwrap_or(notification.alert.severity)
}

/// The alerts that are not over.
fn open(notification: &Notification) -> impl Iterator<Item = &Alert> {
    let leading = notification.resolution.is_none().then_some(&notification.alert);
    let also = notification.also.iter().filter(|companion| companion.resolution.is_none());
    leading.into_iter().chain(also.map(|companion| &companion.alert))
}

fn passages(notification: &Notification) -> Vec<Passage> {
    let alert = &notification.alert;
    let mut passages = Vec::new();
    let mut say = |heading: Option<&'static str>, text: &str| {
        let text = line(text);
        if !text.is_empty() {
            passages.push(Passage { heading, text });
        }
    };
    if let Some(acknowledgement) =
        notification.acknowledgement.as_ref().filter(|_| notification.event == Event::Acknowledged)
    {
        let comment = if acknowledgement.comment.trim().is_empty() {
            String::new()
        } else {
            format!(": {}", acknowledgement.comment)
        };
        say(None, &format!("{} has taken it on{comment}", acknowledgement.by));
    }
    match (&notification.resolution, notification.event) {
        (_, Event::Digest) => say(
            None,
            &format!("{} alerts in one: they were too many to tell one by one.", notification.also.len() + 1),
        ),
        (Some(resolution), _) => {
            say(None, &resolution.reason);
            say(Some("What it was"), &alert.reason);
        }
        (None, Event::Test) => say(None, &alert.reason),
        (None, _) => {
            say(None, &format!("{} Since {}.", line(&alert.reason), time(alert.since)));
            let because = notification.explained_by.as_ref();
            say(Some("Explained by"), because.map_or("", |explanation| &explanation.title));
            say(Some("Likely cause"), alert.cause.as_ref().map_or("", |cause| &cause.text));
            say(Some("What to do"), alert.remedy.as_deref().unwrap_or_default());
        }
    }
    passages
}

fn lists(notification: &Notification) -> Vec<List> {
    let list = |heading, lines: Vec<String>| {
        let more = lines.len().saturating_sub(LISTED);
        let mut lines: Vec<String> = lines.into_iter().take(LISTED).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        (!lines.is_empty()).then_some(List { heading, lines })
    };
    let also =
        |companion: &Companion| entry(companion.event, &companion.alert, companion.resolution.as_ref());
    if notification.event == Event::Digest {
        let event = notification.alert_event.unwrap_or(Event::Opened);
        let leading = entry(event, &notification.alert, notification.resolution.as_ref());
        let all = std::iter::once(leading).chain(notification.also.iter().map(also)).collect();
        return list("Alerts", all).into_iter().collect();
    }
    let (consequences, others): (Vec<&Companion>, Vec<&Companion>) =
        notification.also.iter().partition(|companion| companion.consequence);
    let lists = [("Consequences", consequences), ("Told along with it", others)];
    lists
        .into_iter()
        .filter_map(|(heading, companions)| list(heading, companions.into_iter().map(also).collect()))
        .collect()
}

/// One alert in one line.
fn entry(event: Event, alert: &Alert, resolution: Option<&Resolution>) -> String {
    let severity = alert.severity;
    let what = match (event, resolution) {
        (_, Some(resolution)) if resolution.superseded => "Resolved before it was told".to_owned(),
        (Event::Resolved, _) => "Resolved".to_owned(),
        (Event::Reminder, _) => format!("Still {severity}"),
        (Event::Acknowledged, _) => "Acknowledged".to_owned(),
        _ => capitalized(severity.as_str()),
    };
    format!("{what}: {}", line(&alert.title))
}

fn facts(notification: &Notification) -> Vec<Fact> {
    let alert = &notification.alert;
    let mut facts = Vec::new();
    let mut fact = |name, value: &str| {
        let value = line(value);
        if !value.is_empty() {
            facts.push(Fact { name, value });
        }
    };
    let about_one = !matches!(notification.event, Event::Digest | Event::Test);
    if about_one {
        fact("Service", alert.service.as_deref().unwrap_or_default());
        fact("Node", alert.node.as_deref().unwrap_or_default());
        fact("Target", &alert.target);
        fact("Source expected", &named(alert.expected.iter().cloned()));
        let observed = alert.observed.iter();
        fact("Source seen", &named(observed.map(|seen| format!("{} ({})", seen.address, seen.what))));
        fact("Answered by", &named(alert.responders.iter().cloned()));
        fact("Since", &time(alert.since));
        fact(
            "Until",
            &notification.resolution.as_ref().map(|resolution| time(resolution.at)).unwrap_or_default(),
        );
        fact("Labels", &named(alert.labels.iter().map(|(key, value)| format!("{key}={value}"))));
    }
    if let Some(acknowledgement) = &notification.acknowledgement {
        fact("Taken on by", &format!("{}, {}", acknowledgement.by, time(acknowledgement.at)));
    }
    fact("Vantage", &notification.vantage);
    facts
}

fn named(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut text = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// One line without control characters: some of the words come from the network.
fn line(text: &str) -> String {
    text.replace(char::is_control, " ").trim().to_owned()
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A time as people read it.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A duration in its two largest units.
fn lasting(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("after {seconds} s"),
        (0, 0, _) => format!("after {minutes} min {} s", seconds % 60),
        (0, _, _) => format!("after {hours} h {minutes} min"),
        _ => format!("after {days} d {hours} h"),
    }
}

/// A piece of a text: commands stand between backticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words.
    Words(&'a str),
    /// A command, without its backticks.
    Command(&'a str),
}

/// `text` in somebody's markup: `words` writes its words, and `command` its commands.
pub(super) fn marked_up(
    text: &str,
    words: impl Fn(&str) -> String,
    command: impl Fn(&str) -> String,
) -> String {
    let piece = |piece| match piece {
        Piece::Words(text) => words(text),
        Piece::Command(text) => command(text),
    };
    pieces(text).into_iter().map(piece).collect()
}

/// The pieces of `text`. A backtick without a partner is a character like any other.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((words, after)) = rest.split_once('`')
        && let Some((command, after)) = after.split_once('`')
    {
        pieces.extend([Piece::Words(words), Piece::Command(command)]);
        rest = after;
    }
    pieces.push(Piece::Words(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Words("") | Piece::Command("")));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sample;

    #[test]
    fn every_event_has_its_words() {
        let told: String = sample::all()
            .iter()
            .map(|notification| {
                let story = Story::of(notification);
                format!("# {} ({:?})\n\n{}\n\n", story.title, story.tone, story.text())
            })
            .collect();
        insta::assert_snapshot!(told);
    }

    #[test]
    fn long_lists_are_cut_short() {
        let mut notification = sample::opened();
        let companion = notification.also[0].clone();
        notification.also = vec![companion; 100];
        notification.alert.responders = (0..100).map(|n| format!("pod-{n}")).collect();
        let story = Story::of(&notification);
        assert_eq!(story.lists[0].lines.len(), LISTED + 1);
        assert_eq!(story.lists[0].lines.last().unwrap(), "and 80 more");
        let responders = story.facts.iter().find(|fact| fact.name == "Answered by").unwrap();
        assert_eq!(responders.value, "pod-0, pod-1, pod-2, pod-3, pod-4 and 95 more");
        assert!(story.title.ends_with(" (and 100 more)"), "{}", story.title);
    }

    #[test]
    fn lines_stay_lines() {
        let mut notification = sample::opened();
        notification.alert.title = "one\r\ntwo\u{1b}[2J".into();
        notification.alert.responders = vec!["pod\non node".into()];
        let story = Story::of(&notification);
        assert_eq!(story.title, "Critical: one  two [2J (and 2 more)");
        assert!(story.text().contains("Answered by: pod on node\n"), "{}", story.text());
    }

    #[test]
    fn the_worst_that_is_open_sets_the_tone() {
        let mut notification = sample::opened();
        notification.alert.severity = Severity::Warning;
        notification.also[0].alert.severity = Severity::Critical;
        assert_eq!(Story::of(&notification).tone, Tone::Critical);
        let mut digest = sample::digest();
        assert_eq!(Story::of(&digest).tone, Tone::Warning);
        let resolution = sample::resolved().resolution;
        digest.resolution.clone_from(&resolution);
        digest.also.iter_mut().for_each(|companion| companion.resolution.clone_from(&resolution));
        assert_eq!(Story::of(&digest).tone, Tone::Over);
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [
            (0, "after 0 s"),
            (59, "after 59 s"),
            (160, "after 2 min 40 s"),
            (7_260, "after 2 h 1 min"),
            (180_000, "after 2 d 2 h"),
        ] {
            assert_eq!(lasting(seconds), text);
        }
    }

    #[test]
    fn commands_stand_between_backticks() {
        use Piece::{Command, Words};
        assert_eq!(
            pieces("Look: `ls`. Or `cat x`"),
            [Words("Look: "), Command("ls"), Words(". Or "), Command("cat x")]
        );
        assert_eq!(pieces("a ` b"), [Words("a ` b")]);
        assert_eq!(pieces("``"), []);
        assert_eq!(pieces(""), []);
    }
}
