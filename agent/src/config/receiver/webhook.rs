//! A receiver of kind `webhook`: any HTTP server that takes vipwatch's own document, or what templates make of it.

use hyper::Method;

use super::{Endpoint, ReceiverTable, form::Form, form::HiddenForm, signing_key::SigningKey};
use crate::config::{choice::choice, reader::Reader, secret::Hidden, table::table, value::OneOrMore};

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The request's method.
    pub method: Method,
    /// What requests are signed with: each of these signs.
    pub secrets: Vec<SigningKey>,
    /// What the operator wants sent instead of vipwatch's own.
    pub form: Form,
}

/// A method that can carry a document.
#[derive(Debug, Clone)]
pub(in crate::config) struct Verb(Method);

choice! { Verb: "a method that carries a document" { "POST" => Verb(Method::POST), "PUT" => Verb(Method::PUT) } }

table! {
    /// What only a webhook has.
    pub(in crate::config) struct WebhookTable {
        /// The request's method, with webhook: "POST" or "PUT". (An http probe has the same key.)
        default method: Verb = "POST",
        /// Secrets to sign requests with, as the Standard Webhooks specification says, with webhook. While they are being
        /// changed there are several: each of them signs. Never shown.
        optional secrets: OneOrMore<Hidden<SigningKey>>,
        /// What to send instead of vipwatch's own document, with webhook.
        optional template: HiddenForm,
    }
}

impl Webhook {
    pub(super) fn resolve(mut table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        let WebhookTable { method, secrets, template } = table.webhook.clone();
        let form = match template.optional()? {
            Some(HiddenForm(template)) => template.resolve(&mut table.endpoint, reader),
            None => Some(Form::default()),
        };
        let endpoint = table.endpoint(reader);
        let secrets = secrets.optional()?.map(OneOrMore::into_values).unwrap_or_default();
        let Verb(method) = method.required()?;
        Some(Self {
            endpoint: endpoint?,
            method,
            secrets: secrets.into_iter().map(|Hidden(key)| key).collect(),
            form: form?,
        })
    }
}
