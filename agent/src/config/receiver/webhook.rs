//! A receiver of kind `webhook`: any HTTP server that takes vipwatch's own document.

use super::{Endpoint, ReceiverTable};
use crate::config::reader::Reader;

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where it listens.
    pub endpoint: Endpoint,
}

impl Webhook {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        let endpoint = table.endpoint.resolve(table.kind.given()?, table.auth, reader)?;
        Some(Self { endpoint })
    }
}
