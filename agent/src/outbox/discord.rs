//! Discord: a webhook's message with one embed. The title stands above it: of a message without a text of its own,
//! telephones show nothing.

use serde_json::{Value, json};

use super::{
    cut::{characters, fit, shrink, to_characters},
    story::{Story, marked_up},
};

/// The longest title; it is a line. Discord would take 2,000 characters.
const TITLE: usize = 300;
// docs.discord.com, "Message", "Embed Limits".
const DESCRIPTION: usize = 4_096;
const FIELDS: usize = 25;
const VALUE: usize = 1_024;
const EMBED: usize = 6_000;

/// The message.
pub(super) fn payload(story: &Story) -> Value {
    let embed = shrink(DESCRIPTION, |embed| length(embed) <= EMBED, |share| embed(story, share));
    let title = fit(&story.title, TITLE, characters, escaped);
    json!({ "content": format!("**{title}**"), "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

/// The embed, where no part of the description is longer than `share`, nor it as a whole than allowed.
fn embed(story: &Story, share: usize) -> Value {
    let passages = story.passages.iter().map(|passage| {
        let heading = passage.heading.map(|heading| format!("**{heading}**\n")).unwrap_or_default();
        fit(&passage.text, share, characters, |text| format!("{heading}{}", markdown(text)))
    });
    let lists = story.lists.iter().map(|list| {
        let lines = |text: &str| {
            let lines: Vec<_> = text.lines().map(|line| format!("- {}", markdown(line))).collect();
            format!("**{}**\n{}", list.heading, lines.join("\n"))
        };
        fit(&list.lines.join("\n"), share, characters, lines)
    });
    let description = passages.chain(lists).collect::<Vec<_>>().join("\n\n");
    let facts =
        story.facts.iter().map(|fact| (fact.name, fit(&fact.value, share.min(VALUE), characters, escaped)));
    // As an embed's own URL it would have to be one that Discord finds well-formed, or the message is refused.
    let page = std::iter::once(("Page", to_characters(&story.page, VALUE)));
    let fields = facts.take(FIELDS - 1).chain(page);
    let fields: Vec<Value> =
        fields.map(|(name, value)| json!({ "name": name, "value": value, "inline": true })).collect();
    json!({
        "description": to_characters(&description, DESCRIPTION),
        "color": story.tone.color(),
        "fields": fields,
    })
}

/// What counts towards the limit of a whole embed.
fn length(embed: &Value) -> usize {
    let text = |value: &Value| value.as_str().map_or(0, characters);
    let fields = embed["fields"].as_array().into_iter().flatten();
    text(&embed["description"])
        + fields.map(|field| text(&field["name"]) + text(&field["value"])).sum::<usize>()
}

/// Discord's markup for a text with commands.
fn markdown(text: &str) -> String {
    marked_up(text, escaped, |command| format!("`{command}`"))
}

/// Words in which nothing is taken for markup.
fn escaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\*_~`|<>[]#".contains(c) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
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
    fn nobody_is_mentioned_and_nothing_is_markup() {
        let mut notification = sample::opened();
        notification.alert.reason = "@everyone <@1234> **bold** [free](https://example.net) `a_b` ` x".into();
        let payload = payload(&Story::of(&notification));
        let description = payload["embeds"][0]["description"].as_str().unwrap();
        let expected = r"@everyone \<@1234\> \*\*bold\*\* \[free\](https://example.net) `a_b` \` x";
        assert!(description.starts_with(expected), "{description}");
        assert_eq!(payload["allowed_mentions"], json!({ "parse": [] }));
    }

    #[test]
    fn the_largest_message_fits() {
        let payload = payload(&Story::of(&sample::enormous()));
        let embed = &payload["embeds"][0];
        assert!(length(embed) <= EMBED, "{}", length(embed));
        assert!(characters(payload["content"].as_str().unwrap()) <= TITLE + 4);
        assert!(characters(embed["description"].as_str().unwrap()) <= DESCRIPTION);
        assert!(embed["fields"].as_array().unwrap().len() <= FIELDS);
    }
}
