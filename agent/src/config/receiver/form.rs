//! `template = { .. }`: what to send to a webhook instead of vipwatch's own document.

use std::path::PathBuf;

use hyper::header::{HeaderName, HeaderValue};
use schemars::Schema;

use super::endpoint::EndpointTable;
use crate::{
    config::{
        address::WebUrl,
        header,
        reader::{At, Reader, Slot, Toml},
        secret::{Hidden, Secret},
        table::table,
        value::{Complaint, Pairs, Text, Value, text_schema, text_values},
    },
    outbox::{Escape, Template},
};

/// What the operator wants sent instead of vipwatch's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Where to.
    pub url: Option<Template>,
    /// Headers, besides those that are always the same.
    pub headers: Vec<(HeaderName, Template)>,
    /// The body.
    pub body: Option<Body>,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The text.
    pub template: Template,
    /// What kind of text it is.
    pub content_type: HeaderValue,
}

impl Form {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All its templates.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|(_, template)| template);
        let body = self.body.as_ref().map(|body| &body.template);
        self.url.iter().chain(headers).chain(body)
    }
}

table! {
    /// What to send instead of vipwatch's own document: minijinja templates, filled in with the document's fields.
    pub(in crate::config) struct FormTable {
        /// The body. Never shown.
        optional body: Source,
        /// A file with the body. References to the environment are replaced in it, too.
        optional body_file: PathBuf,
        /// What the body is. In JSON (the default), HTML, XML and forms what is filled in is escaped accordingly.
        optional content_type: ContentType,
        /// Headers. Their values are never shown.
        optional headers: Pairs<header::HeaderName, Source>,
        /// Where to, instead of url. Scheme and host have to stand there as they are. Never shown.
        optional url: Source,
    }
}

/// Such a table. Whatever stands in its place is blanked out: it may be a body or a URL that was to stand in it.
#[derive(Debug, Clone)]
pub(in crate::config) struct HiddenForm(pub(super) FormTable);

impl Value for HiddenForm {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        if !value.get_ref().is_table() {
            reader.conceal(value.span());
        }
        FormTable::read(value, reader).map(Self)
    }

    fn schema() -> Schema {
        FormTable::schema()
    }
}

/// The text of a template. It is blanked out wherever the file is shown.
#[derive(Debug, Clone)]
pub(in crate::config) struct Source {
    text: Secret,
    /// What came into it from the environment.
    hidden: Vec<Secret>,
}

/// Any text.
struct AnyText(String);

impl Text for AnyText {
    const WHAT: &'static str = "a template";
    const EXAMPLE: &'static str = "{{ story.title }}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        Ok(Self(text.to_owned()))
    }
}

impl Value for Source {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        reader.conceal(value.span());
        let AnyText(text) = reader.text(value)?;
        Some(Self { text: Secret::from(text), hidden: reader.references(value) })
    }

    fn schema() -> Schema {
        text_schema::<AnyText>()
    }
}

/// What kind of text a body is.
#[derive(Debug, Clone)]
pub(in crate::config) struct ContentType(String);

impl Text for ContentType {
    const WHAT: &'static str = "a media type";
    const EXAMPLE: &'static str = "text/plain; charset=utf-8";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let names = text.split(';').next().and_then(|name| name.split_once('/'));
        if !printable || !names.is_some_and(|(kind, of)| !kind.trim().is_empty() && !of.trim().is_empty()) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(text.to_owned()))
    }
}

text_values!(ContentType);

impl ContentType {
    /// How what is filled into such a text is escaped.
    fn escape(&self) -> Escape {
        let name = self.0.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "application/json" => Escape::Json,
            "text/html" | "text/xml" | "application/xml" => Escape::Markup,
            "application/x-www-form-urlencoded" => Escape::Percent,
            name if name.ends_with("+json") => Escape::Json,
            name if name.ends_with("+xml") => Escape::Markup,
            _ => Escape::Nothing,
        }
    }
}

impl FormTable {
    /// The form. Where the URL is a template, `endpoint` learns from it where it leads to.
    pub(super) fn resolve(self, endpoint: &mut EndpointTable, reader: &mut Reader<'_>) -> Option<Form> {
        let url = self.url(endpoint, reader);
        let headers = self.headers(endpoint, reader);
        let body = self.body(reader);
        Some(Form { url: url?, headers: headers?, body: body? })
    }

    fn url(&self, endpoint: &mut EndpointTable, reader: &mut Reader<'_>) -> Option<Option<Template>> {
        let source = match &self.url {
            Slot::Absent => return Some(None),
            Slot::Faulty => {
                endpoint.url = Slot::Faulty;
                return None;
            }
            Slot::Given(source) => source,
        };
        reader.exclusive(&[("url", endpoint.url.written()), ("url in the template", source.span.clone())]);
        let beginning = beginning(source.value.text.expose());
        endpoint.url = match beginning {
            Some(url) => Slot::Given(At { value: Hidden(url), span: source.span.clone() }),
            None => {
                reader
                    .fault(source.place(), "this does not begin with scheme and host as they are")
                    .hint("for example \"https://alerts.example.net/{{ alert.severity }}\"");
                Slot::Faulty
            }
        };
        template(source, Escape::Percent, reader).map(Some)
    }

    fn headers(
        &self,
        endpoint: &EndpointTable,
        reader: &mut Reader<'_>,
    ) -> Option<Vec<(HeaderName, Template)>> {
        let Some(given) = self.headers.given() else {
            return self.headers.is_absent().then(Vec::new);
        };
        let fixed = endpoint.headers.given();
        let mut headers = Vec::new();
        for (name, source) in &given.value.pairs {
            let twice =
                fixed.filter(|fixed| fixed.value.pairs.keys().any(|other| other.eq_ignore_ascii_case(name)));
            if let Some(twice) = twice {
                reader
                    .fault(given.place(), format!("the header {name} is in headers already"))
                    .hint("leave one of them out")
                    .also(twice.span.as_ref(), "headers is here");
            }
            let source = At { value: source.clone(), span: given.span.clone() };
            let template = template(&source, Escape::Line, reader);
            headers.push(HeaderName::from_bytes(name.as_bytes()).ok().zip(template));
        }
        headers.into_iter().collect()
    }

    fn body(&self, reader: &mut Reader<'_>) -> Option<Option<Body>> {
        reader.exclusive(&[("body", self.body.written()), ("body_file", self.body_file.written())]);
        let content_type = match self.content_type.clone().optional()? {
            Some(content_type) => content_type,
            None => ContentType("application/json".to_owned()),
        };
        let source = match (&self.body, &self.body_file) {
            (Slot::Given(source), _) => source.clone(),
            (Slot::Absent, Slot::Given(path)) => {
                At { value: from_file(path, reader)?, span: path.span.clone() }
            }
            (Slot::Absent, Slot::Absent) => {
                if let Some(place) = self.content_type.written() {
                    reader
                        .fault(place, "a content_type without a body")
                        .hint("add body or body_file; vipwatch's own document is always JSON");
                }
                return Some(None);
            }
            _ => return None,
        };
        let template = template(&source, content_type.escape(), reader)?;
        Some(Some(Body { template, content_type: HeaderValue::from_str(&content_type.0).ok()? }))
    }
}

/// The template, if it can be rendered.
fn template(source: &At<Source>, escape: Escape, reader: &mut Reader<'_>) -> Option<Template> {
    let Source { text, hidden } = source.value.clone();
    let template = Template::new(text, escape, hidden);
    match template.try_out() {
        Ok(()) => Some(template),
        Err(flaw) => {
            reader
                .fault(source.place(), format!("this template cannot be rendered: {flaw}"))
                .hint("docs/receivers.md shows what templates can be filled in with");
            None
        }
    }
}

/// Scheme and host of the URL that a template makes: what stands before the first slash of its path.
fn beginning(template: &str) -> Option<WebUrl> {
    let (scheme, rest) = template.split_once("://")?;
    let (host, _) = rest.split_once('/')?;
    let plain = !scheme.contains('{') && !host.contains(['{', '?', '#']);
    WebUrl::parse(&format!("{scheme}://{host}/")).ok().filter(|_| plain)
}

fn from_file(path: &At<PathBuf>, reader: &mut Reader<'_>) -> Option<Source> {
    let content = reader.content(path)?;
    let Ok(text) = std::str::from_utf8(&content) else {
        let message = format!("{} is not UTF-8", reader.shown_path(path));
        reader.fault(path.place(), message);
        return None;
    };
    let (text, hidden) = reader.interpolated(text, &path.place())?;
    Some(Source { text: Secret::from(text), hidden })
}
