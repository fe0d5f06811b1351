//! What a change came to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A change that holds from now on, whether it is stored yet or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed<T> {
    /// What has changed, as it is now.
    #[serde(flatten)]
    pub now: T,
    /// Why it is not stored yet: a restart before it is would undo it. Nothing once it is stored.
    pub not_stored: Option<String>,
    /// What whoever asked for it may want to look at again: it holds, but may be meant otherwise.
    pub hint: Option<String>,
}

impl<T> Changed<T> {
    /// A change that is stored.
    pub fn stored(now: T) -> Self {
        Self { now, not_stored: None, hint: None }
    }
}
