//! Slack: an incoming webhook's message, with Block Kit inside an attachment, which alone has a colour.

use serde_json::{Value, json};

use super::{
    cut::{characters, fit, shrink},
    story::{Story, marked_up},
};

/// The longest title; it is a line, and Slack shows some 150 characters of it in a notification.
const TITLE: usize = 300;
/// The longest text of a section block (docs.slack.dev, "Section block").
const SECTION: usize = 3_000;
/// The longest text of a field, and how many fields a section has (ditto).
const FIELD: usize = 2_000;
const FIELDS: usize = 10;
/// All blocks together. The documents name no limit; messages beyond some 13,200 characters are refused with
/// `msg_blocks_too_long` (github.com/slackapi/bolt-js, issue 2509).
const BLOCKS: usize = 12_000;

/// The message.
pub(super) fn payload(story: &Story) -> Value {
    let title = fit(&story.title, TITLE, characters, escaped);
    // Within a link neither of these would be taken for what it is.
    let page = escaped(&story.page).replace('|', "%7C");
    let blocks = shrink(
        SECTION,
        |blocks: &Value| characters(&blocks.to_string()) <= BLOCKS,
        |share| blocks(story, share),
    );
    json!({
        "text": format!("*<{page}|{title}>*"),
        "unfurl_links": false,
        "attachments": [{
            "color": format!("#{:06x}", story.tone.color()),
            "fallback": title,
            "blocks": blocks,
        }],
    })
}

/// The blocks, where no text is longer than `share`.
fn blocks(story: &Story, share: usize) -> Value {
    let mut blocks = Vec::new();
    for passage in &story.passages {
        let heading = passage.heading.map(|heading| format!("*{heading}*\n")).unwrap_or_default();
        blocks.push(section(&fit(&passage.text, share, characters, |text| {
            format!("{heading}{}", mrkdwn(text))
        })));
    }
    for list in &story.lists {
        let lines = list.lines.join("\n");
        let list = |text: &str| format!("*{}*\n{}", list.heading, bullets(text));
        blocks.push(section(&fit(&lines, share, characters, list)));
    }
    for facts in story.facts.chunks(FIELDS) {
        let fields = facts.iter().map(|fact| {
            let field = |text: &str| format!("*{}*\n{}", fact.name, escaped(text));
            text(&fit(&fact.value, share.min(FIELD), characters, field))
        });
        blocks.push(json!({ "type": "section", "fields": fields.collect::<Vec<_>>() }));
    }
    blocks.into()
}

fn section(content: &str) -> Value {
    json!({ "type": "section", "text": text(content) })
}

/// `verbatim` keeps Slack from turning names into mentions and links.
fn text(content: &str) -> Value {
    json!({ "type": "mrkdwn", "text": content, "verbatim": true })
}

fn bullets(text: &str) -> String {
    text.lines().map(|line| format!("• {}", mrkdwn(line))).collect::<Vec<_>>().join("\n")
}

/// Slack's markup for a text with commands.
fn mrkdwn(text: &str) -> String {
    marked_up(text, escaped, |command| format!("`{}`", escaped(command)))
}

/// The three characters that have a meaning everywhere: without them there is no mention and no link.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
    fn nobody_is_mentioned() {
        let mut notification = sample::opened();
        notification.alert.title = "<!channel> & <@U012AB3CD>".into();
        notification.alert.reason = "<!here> `<!everyone>` <https://example.net|free>".into();
        let text = payload(&Story::of(&notification)).to_string();
        assert!(text.contains("&lt;!channel&gt; &amp; &lt;@U012AB3CD&gt;"), "{text}");
        assert!(!text.contains("<!") && !text.contains("<@") && !text.contains("<https://example"), "{text}");
    }

    #[test]
    fn no_fact_is_left_out() {
        let mut notification = sample::resolved();
        notification.alert.node = Some("node-1".into());
        let story = Story::of(&notification);
        assert!(story.facts.len() > FIELDS, "{:?}", story.facts);
        let text = payload(&story).to_string();
        for fact in &story.facts {
            assert!(text.contains(&format!("*{}*", fact.name)), "{}: {text}", fact.name);
        }
    }

    #[test]
    fn the_largest_message_fits() {
        let payload = payload(&Story::of(&sample::enormous()));
        let blocks = payload["attachments"][0]["blocks"].as_array().unwrap();
        assert!(characters(&Value::from(blocks.clone()).to_string()) <= BLOCKS);
        assert!(blocks.len() <= 50);
        assert!(characters(payload["text"].as_str().unwrap()) < TITLE + 100);
        for block in blocks {
            assert!(block["text"]["text"].as_str().is_none_or(|text| characters(text) <= SECTION));
            assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= FIELDS));
        }
    }
}
