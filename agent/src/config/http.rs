//! What is asked over HTTP, and what the answer ought to be.

use hyper::{
    Method,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use schemars::{Schema, json_schema};
use toml::de::DeValue;

use super::{
    address::HostName,
    auth::{self, AuthTable},
    choice::choice,
    header::{self, FlowHeaderName},
    protocol::{HTTP, Spoken},
    reader::{Reader, Slot, Toml},
    secret::Hidden,
    table::table,
    value::{Complaint, List, Pairs, Text, Value, Whole},
};

/// An HTTP request, wherever it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// The request's method.
    pub method: Method,
    /// The `Host` header, where it is not the target's own.
    pub host: Option<String>,
    /// Path and query, starting with `/`.
    pub path: String,
    /// Further headers, all of them marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Ranges of statuses that will do; none: whatever is no failure of the server.
    pub expect_status: Vec<(u16, u16)>,
}

choice! {
    Method: "a method" {
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "OPTIONS" => Method::OPTIONS,
        "POST" => Method::POST,
    }
}

table! {
    /// What is asked over HTTP, and what the answer ought to be.
    pub(super) struct HttpTable {
        /// The Host header, and with https the server's name. Left out: that of the target.
        optional host: HostName,
        /// The request's method.
        default method: Method = "GET",
        /// Headers to send along. Their values are never shown. Headers by which proxies name a client are
        /// refused: they would falsify what is measured.
        optional headers: Pairs<FlowHeaderName, Hidden<header::HeaderValue>>,
        /// Who asks.
        flatten auth: AuthTable,
        /// The statuses that will do: 204, "2xx", "200-299". Left out: any below 500.
        optional expect_status: List<Status>,
    }
}

/// A range of HTTP statuses: `204`, `"2xx"` or `"200-299"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status(u16, u16);

impl Text for Status {
    const WHAT: &'static str = "an HTTP status or a range of them";
    const EXAMPLE: &'static str = "2xx";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
        let range = match (text.strip_suffix("xx"), text.split_once('-')) {
            (Some(class), _) => status(&format!("{class}00")).map(|first| (first, first + 99)),
            (None, Some((first, last))) => status(first).zip(status(last)).filter(|(a, b)| a <= b),
            (None, None) => status(text).map(|status| (status, status)),
        };
        let (first, last) = range.ok_or_else(|| {
            Complaint::expected::<Self>().hint("for example 204, \"2xx\" or \"200-299\"; from 100 to 599")
        })?;
        Ok(Self(first, last))
    }
}

impl Value for Status {
    fn read(value: &Toml<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Integer(_) => {
                let status = Whole::<u16, 100, 599>::read(value, reader)?.get();
                Some(Self(status, status))
            }
            _ => reader.text(value),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 100, "maximum": 599 },
            { "type": "string", "pattern": "^([1-5]xx|[1-5][0-9]{2}(-[1-5][0-9]{2})?)$|\\$\\{" },
        ] })
    }
}

impl HttpTable {
    /// Reports the keys that are of no use where no HTTP is spoken.
    pub(super) fn check(&self, spoken: &Spoken, reader: &mut Reader<'_>) {
        spoken.takes("host", &self.host, HTTP, reader);
        spoken.takes("method", &self.method, HTTP, reader);
        spoken.takes("headers", &self.headers, HTTP, reader);
        self.auth.check(spoken, HTTP, HTTP, reader);
        spoken.takes("expect_status", &self.expect_status, HTTP, reader);
    }

    /// Reports a method whose answers have no body, where `body` is a key that needs one.
    pub(super) fn has_body<T>(&self, key: &str, body: &Slot<T>, reader: &mut Reader<'_>) {
        let head = self.method.given().filter(|method| method.value == Method::HEAD);
        if let (Some(place), Some(head)) = (body.written(), head) {
            reader
                .fault(place, format!("{key} needs a body, and answers to HEAD have none"))
                .hint("take the method GET")
                .also(head.span.as_ref(), "the method is here");
        }
    }

    pub(super) fn resolve(self, path: String, reader: &mut Reader<'_>) -> Option<Http> {
        let own = self.headers.given().filter(|headers| {
            headers.value.pairs.keys().any(|name| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()))
        });
        let own = own.and_then(|headers| headers.span.clone());
        let authorization = self.auth.resolve(own, reader);
        let given = self.headers.optional()?.map(|headers| headers.pairs).unwrap_or_default();
        let mut headers = Vec::new();
        for (name, Hidden(header::HeaderValue(value))) in given {
            headers.push((HeaderName::from_bytes(name.as_bytes()).ok()?, auth::sensitive(value.expose())?));
        }
        headers.extend(authorization?.map(|value| (AUTHORIZATION, value)));
        let statuses = self.expect_status.optional()?.map(List::into_values).unwrap_or_default();
        Some(Http {
            method: self.method.required()?,
            host: self.host.optional()?.map(|HostName(host)| host),
            path,
            headers,
            expect_status: statuses.into_iter().map(|Status(first, last)| (first, last)).collect(),
        })
    }
}
