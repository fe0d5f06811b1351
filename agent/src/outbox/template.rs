//! Texts with places to fill in: minijinja templates of an operator's making, filled in with a notification.
//!
//! What is filled in is escaped for where it stands, whatever it holds: it may come from the network. What a template can
//! cost is bounded, and every template is tried on made-up notifications before it is taken.

use std::{fmt, sync::Arc};

use minijinja::{
    AutoEscape, Environment, Error, UndefinedBehavior, Value, escape_formatter,
    value::{Serde, ValueKind},
};
use serde_json::{Map, Value as Json, json};
use vipwatch_model::notification::Notification;

use super::{sample, story::Story};
use crate::config::Secret;

/// What rendering may cost: so many instructions, or 64 times as many bytes.
const FUEL: u64 = 100_000;
/// The largest text that is sent, in bytes.
const LARGEST: usize = 256 * 1024;

/// A text with places to fill in.
#[derive(Clone)]
pub struct Template {
    source: Secret,
    escape: Escape,
    /// What came into it from the environment.
    hidden: Vec<Secret>,
    environment: Arc<Environment<'static>>,
}

/// For where a text is meant, which decides how what is filled in is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// Text: as it is.
    Nothing,
    /// JSON: values, with their quotes.
    Json,
    /// HTML or XML.
    Markup,
    /// A URL, or a form: percent signs.
    Percent,
    /// A header: one line.
    Line,
}

/// Why a template cannot be rendered. Holds nothing that came from the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub message: String,
    /// The line where it is, from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.line.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.escape)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.escape == other.escape
    }
}

impl Eq for Template {}

impl Template {
    /// The template `source`, into which `hidden` came from the environment.
    #[must_use]
    pub fn new(source: Secret, escape: Escape, hidden: Vec<Secret>) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // So that errors name what is undefined.
        environment.set_debug(hidden.is_empty());
        environment.set_auto_escape_callback(move |_| escape.minijinja());
        environment.set_formatter(move |out, state, value| match escape {
            Escape::Json => escape_formatter(out, state, value),
            Escape::Percent => Ok(out.write_str(&percent_encoded(&plain(value).to_string()))?),
            Escape::Line => Ok(out.write_str(&plain(value).to_string().replace(char::is_control, " "))?),
            Escape::Nothing | Escape::Markup => escape_formatter(out, state, &plain(value)),
        });
        Self { source, escape, hidden, environment: Arc::new(environment) }
    }

    /// What came into it from the environment, and must not be shown.
    #[must_use]
    pub fn hidden(&self) -> &[Secret] {
        &self.hidden
    }

    /// Fills in what `context` holds.
    ///
    /// # Errors
    /// When the template is wrong, asks for what is not there, or costs too much.
    pub fn render(&self, context: &Value) -> Result<String, Flaw> {
        let template = self.environment.template_from_str(self.source.expose());
        let text =
            template.and_then(|template| template.render(context)).map_err(|error| self.flaw(&error))?;
        if text.len() > LARGEST {
            return Err(Flaw {
                message: format!("what comes out is larger than {LARGEST} bytes"),
                line: None,
            });
        }
        Ok(text)
    }

    /// Renders it for made-up notifications of every event.
    ///
    /// # Errors
    /// When one of them cannot be rendered, or is no JSON although it should be.
    pub fn try_out(&self) -> Result<(), Flaw> {
        let template = self.environment.template_from_str(self.source.expose());
        template.map_err(|error| self.flaw(&error))?;
        for notification in sample::all() {
            let with = |flaw: Flaw| Flaw {
                message: format!("{} for the event {}", flaw.message, notification.event),
                ..flaw
            };
            let text = self.render(&context(&notification)).map_err(with)?;
            if self.escape == Escape::Json
                && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
            {
                let message =
                    format!("what comes out is no JSON at line {}, column {}", error.line(), error.column());
                return Err(with(Flaw { message, line: None }));
            }
        }
        Ok(())
    }

    fn flaw(&self, error: &Error) -> Flaw {
        // Details may quote the template, which is fine as long as it is the operator's own words.
        let detail = error.detail().filter(|_| self.hidden.is_empty());
        let message = detail.map_or_else(|| error.kind().to_string(), str::to_owned);
        Flaw { message, line: error.line() }
    }
}

impl Escape {
    fn minijinja(self) -> AutoEscape {
        match self {
            Self::Nothing => AutoEscape::None,
            Self::Json => AutoEscape::Json,
            Self::Markup => AutoEscape::Html,
            Self::Percent => AutoEscape::Custom("percent".into()),
            Self::Line => AutoEscape::Custom("line".into()),
        }
    }
}

/// What templates are filled in with: the document, and the `story` as it is told to chats. What may be missing from the
/// document is there as null, so that a template can ask for it.
pub(super) fn context(notification: &Notification) -> Value {
    let story = Story::of(notification);
    let mut document = serde_json::to_value(notification).unwrap_or_default();
    if let Some(document) = document.as_object_mut() {
        complete(document);
        document.entry("also").or_insert(json!([]));
        for key in ["alert_event", "explained_by"] {
            document.entry(key).or_insert(Json::Null);
        }
        document.insert("story".to_owned(), json!({ "title": story.title, "text": story.text() }));
        for companion in document.get_mut("also").and_then(Json::as_array_mut).into_iter().flatten() {
            companion.as_object_mut().map(complete);
        }
    }
    Value::from(Serde(document))
}

/// Completes what a notification and its companions have in common.
fn complete(document: &mut Map<String, Json>) {
    document.entry("acknowledgement").or_insert(Json::Null);
    let resolution = document.entry("resolution").or_insert(Json::Null);
    if let Some(resolution) = resolution.as_object_mut() {
        resolution.entry("superseded").or_insert(false.into());
    }
    let Some(alert) = document.get_mut("alert").and_then(Json::as_object_mut) else { return };
    alert.entry("cause").or_insert(Json::Null);
    for flow in alert.get_mut("evidence").and_then(Json::as_array_mut).into_iter().flatten() {
        let Some(flow) = flow.as_object_mut() else { continue };
        for key in ["seen", "port", "failure"] {
            flow.entry(key).or_insert(Json::Null);
        }
    }
}

/// A value outside of JSON: nothing where there is none, and the words of JSON for the rest.
fn plain(value: &Value) -> Value {
    match value.kind() {
        ValueKind::None => Value::from(""),
        ValueKind::Bool => Value::from(if value.is_true() { "true" } else { "false" }),
        _ => value.clone(),
    }
}

/// A text that means nothing to a URL, nor to a form (RFC 3986, 2.3: all but the unreserved characters are encoded).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(source: &str, escape: Escape) -> Template {
        Template::new(Secret::from(source.to_owned()), escape, Vec::new())
    }

    fn render(source: &str, escape: Escape) -> Result<String, String> {
        let mut notification = sample::opened();
        notification.alert.title = "a \"b\" <c> &d\r\n/é".into();
        template(source, escape).render(&context(&notification)).map_err(|flaw| flaw.to_string())
    }

    #[test]
    fn what_is_filled_in_is_escaped_for_where_it_stands() {
        for (escape, expected) in [
            (Escape::Nothing, "a \"b\" <c> &d\r\n/é"),
            (Escape::Markup, "a &quot;b&quot; &lt;c&gt; &amp;d\r\n&#x2f;é"),
            (Escape::Percent, "a%20%22b%22%20%3Cc%3E%20%26d%0D%0A%2F%C3%A9"),
            (Escape::Line, "a \"b\" <c> &d  /é"),
        ] {
            assert_eq!(render("{{ alert.title }}", escape).unwrap(), expected, "{escape:?}");
        }
        let json = render("{{ alert.title }}", Escape::Json).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "a \"b\" <c> &d\r\n/é");
        for escape in [Escape::Nothing, Escape::Markup, Escape::Percent, Escape::Line] {
            assert_eq!(render("{{ alert.node }}{{ 1 > 0 }}", escape).unwrap(), "true", "{escape:?}");
        }
        let safe = render("{{ alert.title | safe }}", Escape::Percent).unwrap();
        assert!(!safe.contains('/'), "{safe}");
    }

    #[test]
    fn the_whole_document_is_there_and_the_story() {
        let source = r#"{"event": {{ event }}, "labels": {{ alert.labels }}, "first": {{ also[0].alert.id }},
            "story": {{ story.title }}, "cause": {{ alert.cause.kind }}, "flow": {{ alert.evidence[0].failure }},
            {% if resolution %}"over": {{ resolution.superseded }},{% endif %} "by": {{ acknowledgement }}}"#;
        let json: Json = serde_json::from_str(&render(source, Escape::Json).unwrap()).unwrap();
        assert_eq!(json["event"], "opened");
        assert_eq!(json["labels"], json!({ "team": "edge" }));
        assert_eq!(json["cause"], "policy_reset");
        assert_eq!(json["by"], Json::Null);
        let resolved =
            template("{{ resolution.superseded }} {{ also[0].resolution.superseded }}", Escape::Nothing);
        assert_eq!(resolved.render(&context(&sample::resolved())).unwrap(), "false false");
    }

    #[test]
    fn flaws_are_found_before_an_alert_needs_the_template() {
        for (source, flaw) in [
            ("{{ alert.titel }}", "`alert.titel` is undefined"),
            ("{{ alert.cause.text }}", "`alert.cause.text` is undefined"),
            ("{{ alert.labels.team }}", "`alert.labels.team` is undefined"),
            ("{% if resolution %}{{ resolution.why }}{% endif %}", "`resolution.why` is undefined"),
            ("\n{{ alert.title", "unexpected end of input"),
            ("{{ alert.title | shout }}", "filter shout is unknown"),
            ("{% include 'other' %}", "unknown statement include"),
            ("{% for i in range(1000000) %}{{ i }}{% endfor %}", "range has too many elements"),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
                "engine ran out of fuel",
            ),
            ("{{ 'x' * 1000000000 }}", "engine ran out of fuel"),
            ("{{ 'x' * 300000 }}", "what comes out is larger than 262144 bytes"),
        ] {
            let error = template(source, Escape::Nothing).try_out().unwrap_err();
            assert!(error.message.starts_with(flaw), "{source}: {error}");
        }
        let fine =
            "{{ alert.labels.team | default('nobody') }} {{ alert.cause.text if alert.cause else '-' }}";
        assert_eq!(template(fine, Escape::Nothing).try_out(), Ok(()));
    }

    #[test]
    fn what_should_be_json_is() {
        assert_eq!(template("{\"a\": {{ alert.title }}}", Escape::Json).try_out(), Ok(()));
        let error = template("{\"a\": \"{{ alert.title }}\"}", Escape::Json).try_out().unwrap_err();
        assert!(error.message.starts_with("what comes out is no JSON at line 1, column "), "{error}");
    }

    #[test]
    fn flaws_keep_what_came_from_the_environment_to_themselves() {
        let source = Secret::from("{{ s3cr3t }}".to_owned());
        let template = Template::new(source, Escape::Nothing, vec![Secret::from("s3cr3t".to_owned())]);
        let flaw = template.try_out().unwrap_err();
        assert_eq!((flaw.line, flaw.message.contains("s3cr3t")), (Some(1), false), "{flaw}");
        assert!(!format!("{template:?}").contains("s3cr3t"));
    }
}
