//! What was found, drawn for people and as JSON for scripts.

use std::fmt::Write as _;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use vipwatch_model::{
    flow::{Flow, Outcome},
    observation::Sight,
    verdict::{Evidence, Finding, FlowFinding, Responder, Verdict},
};

/// Everything that was found.
pub(super) struct Report {
    pub(super) target: String,
    pub(super) verdict: Verdict,
    pub(super) sight: Sight,
    /// Name, address and verdict of each node that was asked.
    pub(super) nodes: Vec<(String, String, Verdict)>,
}

impl Report {
    pub(super) fn json(&self) -> String {
        let nodes: Vec<_> = self
            .nodes
            .iter()
            .map(|(node, target, verdict)| serde_json::json!({ "node": node, "target": target, "verdict": verdict }))
            .collect();
        let report = serde_json::json!({
            "target": self.target,
            "answer": self.answer().word,
            "verdict": self.verdict,
            "nodes": nodes,
        });
        format!("{report:#}\n")
    }

    pub(super) fn text(&self, colours: bool) -> String {
        let mut text = String::new();
        let answer = self.answer();
        let headline = format!("{} {}", answer.mark, answer.words);
        let headline = if colours { format!("\x1b[1;{}m{headline}\x1b[0m", answer.ansi) } else { headline };
        let _ = write!(text, "{headline}\n{}\n\n{}\n", wrapped(&self.verdict.reason, 0), self.flows());
        if !self.nodes.is_empty() {
            let _ = writeln!(text, "{}", self.node_table());
        }
        text.push('\n');
        if let Some(cause) = &self.verdict.cause {
            let _ = writeln!(text, "Likely cause  {}", labelled(&cause.text));
        }
        if let Some(remedy) = &self.verdict.remedy {
            let _ = writeln!(text, "What to do    {}", labelled(remedy));
        }
        for note in &self.verdict.notes {
            let _ = writeln!(text, "Note          {}", labelled(&note.text));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    fn answer(&self) -> Answer {
        let foreign = self.verdict.seen.iter().any(|seen| seen.class.is_some());
        match self.verdict.finding {
            Finding::OnlyInHeader => Answer {
                word: "not_preserved",
                mark: "✗",
                words: "Your source address is NOT preserved; only a header still holds it.",
                ansi: 31,
            },
            Finding::PartlyTranslated => Answer {
                word: "not_preserved",
                mark: "✗",
                words: "Your source address is preserved on SOME flows only.",
                ansi: 31,
            },
            _ if foreign => Answer {
                word: "not_preserved",
                mark: "✗",
                words: "Your source address is NOT preserved.",
                ansi: 31,
            },
            Finding::Preserved => {
                Answer {
                    word: "preserved", mark: "✓", words: "Your source address is preserved.", ansi: 32
                }
            }
            _ => Answer {
                word: "inconclusive",
                mark: "?",
                words: "Whether your source address is preserved cannot be told.",
                ansi: 33,
            },
        }
    }

    fn flows(&self) -> Table {
        let mut table = new_table();
        table.set_header(["Flow", "From", "To", "Seen as", "Answered by", "Time"]);
        for (nth, (flow, evidence)) in self.sight.flows.iter().zip(&self.verdict.evidence).enumerate() {
            table.add_row([
                Cell::new(nth + 1),
                Cell::new(evidence.local.map_or_else(|| "-".to_owned(), |local| local.to_string())),
                Cell::new(evidence.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string())),
                seen_as(evidence, flow),
                Cell::new(answered_by(flow)),
                Cell::new(time(flow)),
            ]);
        }
        table
    }

    fn node_table(&self) -> Table {
        let mut table = new_table();
        table.set_header(["Node", "Health check", "Says"]);
        for (node, target, verdict) in &self.nodes {
            table.add_row([Cell::new(node), Cell::new(target), Cell::new(&verdict.reason)]);
        }
        table
    }
}

struct Answer {
    word: &'static str,
    mark: &'static str,
    words: &'static str,
    ansi: u8,
}

fn new_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width());
    table
}

fn seen_as(evidence: &Evidence, flow: &Flow) -> Cell {
    let seen = evidence.seen.map(|seen| match evidence.port {
        Some(port) => std::net::SocketAddr::new(seen, port).to_string(),
        None => seen.to_string(),
    });
    let why = match &flow.outcome {
        Outcome::Failed(failure) => failure.detail.clone(),
        Outcome::Unreadable(why) => why.clone(),
        Outcome::Answered => "answered, but no echo".to_owned(),
        Outcome::Echoed(_) => String::new(),
    };
    let text = seen.unwrap_or(why);
    match evidence.finding {
        FlowFinding::Preserved => Cell::new(format!("✓ {text}")).fg(Color::Green),
        FlowFinding::PortChanged => Cell::new(format!("✓ {text} (another port)")).fg(Color::Green),
        FlowFinding::Translated => {
            Cell::new(format!("✗ {text}")).fg(Color::Red).add_attribute(Attribute::Bold)
        }
        FlowFinding::OnlyInHeader => {
            Cell::new(format!("✗ {text} (you in a header)")).fg(Color::Red).add_attribute(Attribute::Bold)
        }
        FlowFinding::HeaderTrusted => Cell::new(format!("? {text} (out of a header)")).fg(Color::Yellow),
        _ => Cell::new(format!("? {text}")).fg(Color::Yellow),
    }
}

fn answered_by(flow: &Flow) -> String {
    match &flow.outcome {
        Outcome::Echoed(report) if report.node.is_some() || report.pod.is_some() => {
            Responder { node: report.node.clone(), pod: report.pod.clone(), flows: 1 }.to_string()
        }
        _ => "-".to_owned(),
    }
}

fn time(flow: &Flow) -> String {
    match flow.outcome {
        Outcome::Failed(_) => "-".to_owned(),
        _ => format!("{:.1} ms", f64::from(flow.phases.total_us()) / 1_000.0),
    }
}

fn labelled(text: &str) -> String {
    const LABEL: usize = 14;
    wrapped(text, LABEL)
}

/// Wrapped to the terminal, with all lines but the first indented. Commands stay in one piece, to be copied.
fn wrapped(text: &str, indent: usize) -> String {
    let width = usize::from(width()).saturating_sub(indent).max(40);
    let mut lines = String::new();
    let mut column = 0;
    for word in words(text) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            let _ = write!(lines, "\n{:indent$}", "");
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

/// The words of `text`; what stands between backticks is one.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut in_command = false;
    text.split(move |c| {
        in_command ^= c == '`';
        c == ' ' && !in_command
    })
}

/// The width of the terminal, or what a log is comfortably read at.
fn width() -> u16 {
    Table::new().width().unwrap_or(110)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_in_one_piece() {
        let words: Vec<&str> = words("Ask: `kubectl get service x`. Then wait.").collect();
        assert_eq!(words, ["Ask:", "`kubectl get service x`.", "Then", "wait."]);
    }
}
