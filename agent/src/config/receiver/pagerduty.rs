//! A receiver of kind `pagerduty`: an integration of PagerDuty's Events API v2.

use super::{Endpoint, ReceiverTable};
use crate::config::{
    reader::Reader,
    secret::{Hidden, Secret},
    table::table,
    value::{Complaint, Text},
};

/// An integration of PagerDuty's Events API v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PagerDuty {
    /// Where events are sent.
    pub endpoint: Endpoint,
    /// The integration's key.
    pub routing_key: Secret,
}

table! {
    /// What only PagerDuty has.
    pub(in crate::config) struct PagerDutyTable {
        /// The integration key of the service to alert, with pagerduty. Never shown.
        optional routing_key: Hidden<RoutingKey>,
    }
}

/// An integration key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct RoutingKey(Secret);

impl Text for RoutingKey {
    const WHAT: &'static str = "an integration key: letters and digits";
    const EXAMPLE: &'static str = "${PAGERDUTY_KEY}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}

impl PagerDuty {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        table.kind.given()?.needs("routing_key", &table.pagerduty.routing_key, RoutingKey::EXAMPLE, reader);
        let routing_key = table.pagerduty.routing_key.clone().required();
        let endpoint = table.endpoint(reader)?;
        let Hidden(RoutingKey(routing_key)) = routing_key?;
        Some(Self { endpoint, routing_key })
    }
}
