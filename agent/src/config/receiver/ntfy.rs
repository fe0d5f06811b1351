//! A receiver of kind `ntfy`: a topic of an ntfy server.

use super::{Endpoint, ReceiverTable};
use crate::config::{
    address::WebUrl,
    reader::Reader,
    secret::{Hidden, Secret},
    table::table,
    value::{Complaint, Text},
};

/// A topic of an ntfy server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// The server.
    pub endpoint: Endpoint,
    /// The topic. Secret, because whoever knows it can read it on a public server.
    pub topic: Secret,
}

table! {
    /// What only ntfy has.
    pub(in crate::config) struct NtfyTable {
        /// The topic to publish to, with ntfy. Never shown: on a public server whoever knows it can read it.
        optional topic: Hidden<Topic>,
    }
}

/// A topic: letters, digits, `_` and `-`, 64 of them at most (docs.ntfy.sh, "Publishing").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Topic(Secret);

impl Text for Topic {
    const WHAT: &'static str = "a topic: up to 64 letters, digits, '_' and '-'";
    const EXAMPLE: &'static str = "${NTFY_TOPIC}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}

impl Ntfy {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        table.kind.given()?.needs("topic", &table.ntfy.topic, Topic::EXAMPLE, reader);
        if let Some(url) = table.endpoint.url.given() {
            let Hidden(WebUrl(server)) = &url.value;
            if server.path() != "/" || server.query().is_some() {
                reader
                    .fault(url.place(), "the URL of an ntfy server ends behind its host")
                    .hint("the topic has a key of its own");
            }
        }
        let topic = table.ntfy.topic.clone().required();
        let endpoint = table.endpoint(reader)?;
        let Hidden(Topic(topic)) = topic?;
        Some(Self { endpoint, topic })
    }
}
