//! The agent's own source address as the far side ought to see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One egress address, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EgressView {
    /// The address or network; `None` when it is not known.
    pub address: Option<String>,
    /// Where it is known from, such as `stun stun.example.net:3478`; why not, when it is not known.
    pub source: String,
    /// This host's own address on the way out for which it holds; `None` for all of them.
    pub local: Option<String>,
    /// When it was last confirmed; `None` for what is not asked for.
    pub confirmed_at: Option<DateTime<Utc>>,
}

/// Another egress address than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EgressChangeView {
    /// When it was learnt.
    pub at: DateTime<Utc>,
    /// The address before.
    pub from: String,
    /// The address from then on.
    pub to: String,
    /// Who said so.
    pub source: String,
}
