//! Microsoft Teams: an adaptive card for a webhook of the Workflows app.
//!
//! Text runs know no Markdown, so nothing needs escaping, and commands can be set in a typewriter's type.

use serde_json::{Value, json};

use super::{
    cut::{shrink, to_characters},
    story::{Piece, Story, Tone, pieces},
};

/// The largest message is about 28 kB (learn.microsoft.com, "Limits and specifications for Microsoft Teams"), where the
/// service may count two bytes for each character.
const MESSAGE: usize = 13_500;
/// The longest title.
const TITLE: usize = 300;

/// The message.
pub(super) fn payload(story: &Story) -> Value {
    shrink(4_000, |message: &Value| message.to_string().len() <= MESSAGE, |share| message(story, share))
}

/// The message, where no text is longer than `share`.
fn message(story: &Story, share: usize) -> Value {
    let title = vec![json!({
        "type": "TextRun", "text": to_characters(&story.title, TITLE), "weight": "Bolder", "size": "Medium",
    })];
    let mut body = vec![
        json!({ "type": "Container", "style": style(story.tone), "bleed": true, "items": [block(title, "Default")] }),
    ];
    for passage in &story.passages {
        let heading = passage.heading.map(|heading| bold(&format!("{heading}: ")));
        let runs = heading.into_iter().chain(runs(&to_characters(&passage.text, share)));
        body.push(block(runs.collect(), "Default"));
    }
    for list in &story.lists {
        body.push(block(vec![bold(list.heading)], "Default"));
        for line in &list.lines {
            let line = format!("• {}", to_characters(line, share));
            body.push(block(runs(&line), "None"));
        }
    }
    for (i, fact) in story.facts.iter().enumerate() {
        let name = bold(&format!("{}: ", fact.name));
        let value = json!({ "type": "TextRun", "text": to_characters(&fact.value, share) });
        body.push(block(vec![name, value], if i == 0 { "Medium" } else { "None" }));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        // What Teams knows on every device.
        "version": "1.4",
        "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": "Status page", "url": story.page }],
        "msteams": { "width": "Full" },
    });
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    })
}

fn block(runs: Vec<Value>, spacing: &str) -> Value {
    json!({ "type": "RichTextBlock", "spacing": spacing, "inlines": runs })
}

fn bold(text: &str) -> Value {
    json!({ "type": "TextRun", "text": text, "weight": "Bolder" })
}

fn runs(text: &str) -> Vec<Value> {
    let run = |piece| match piece {
        Piece::Words(words) => json!({ "type": "TextRun", "text": words }),
        Piece::Command(command) => json!({ "type": "TextRun", "text": command, "fontType": "Monospace" }),
    };
    pieces(text).into_iter().map(run).collect()
}

/// The look of the title.
fn style(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "attention",
        Tone::Warning => "warning",
        Tone::Info => "accent",
        Tone::Over => "good",
        Tone::Calm => "emphasis",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{chat::samples, sample};

    #[test]
    fn every_event_has_its_message() {
        insta::assert_json_snapshot!(samples(payload));
    }

    #[test]
    fn the_largest_message_fits() {
        let message = payload(&Story::of(&sample::enormous())).to_string();
        assert!(message.len() <= MESSAGE, "{}", message.len());
    }
}
