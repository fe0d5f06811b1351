//! A story as HTML for mail readers: few tags, no pictures, nothing that is fetched.

use crate::outbox::story::{List, Story, marked_up};

/// The story as a whole page.
pub(super) fn of(story: &Story) -> String {
    let mut html =
        String::from("<!DOCTYPE html>\n<html><body style=\"font-family: sans-serif; line-height: 1.4\">\n");
    html += &format!(
        "<h2 style=\"font-size: 1.2em; padding-left: 0.5em; border-left: 0.4em solid #{:06x}\">{}</h2>\n",
        story.tone.color(),
        escape(&story.title)
    );
    for passage in &story.passages {
        let heading =
            passage.heading.map(|heading| format!("<b>{}:</b> ", escape(heading))).unwrap_or_default();
        let text = marked_up(&passage.text, escape, |command| format!("<code>{}</code>", escape(command)));
        html += &format!("<p>{heading}{text}</p>\n");
    }
    for List { heading, lines } in &story.lists {
        html += &format!("<p><b>{}:</b></p>\n<ul>\n", escape(heading));
        for line in lines {
            html += &format!("<li>{}</li>\n", escape(line));
        }
        html += "</ul>\n";
    }
    html += "<table>\n";
    for fact in &story.facts {
        html += &format!(
            "<tr><td style=\"padding-right: 1em; vertical-align: top\">{}</td><td>{}</td></tr>\n",
            escape(fact.name),
            escape(&fact.value)
        );
    }
    let page = escape(&story.page);
    html += &format!("</table>\n<p><a href=\"{page}\">{page}</a></p>\n</body></html>\n");
    html
}

/// A text that is nothing but text, between tags and in attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::sample;

    #[test]
    fn the_whole_story_is_there() {
        insta::assert_snapshot!(of(&Story::of(&sample::opened())));
    }

    #[test]
    fn nothing_in_a_story_is_markup() {
        let evil = "<script>\"'&</script>";
        let mut notification = sample::opened();
        notification.page = evil.into();
        notification.vantage = evil.into();
        notification.also[0].alert.title = evil.into();
        let alert = &mut notification.alert;
        alert.title = evil.into();
        alert.reason = evil.into();
        alert.remedy = Some(format!("`{evil}` {evil}"));
        let html = of(&Story::of(&notification));
        assert!(!html.contains("<script") && !html.contains("</script"), "{html}");
        assert!(html.matches("&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;").count() >= 7, "{html}");
    }
}
