//! What is open, for receivers that forget what they are not told again.

use std::sync::Arc;

use vipwatch_model::alert::Alert;

/// An open alert, and who knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The alert, as it was told.
    pub alert: Arc<Alert>,
    /// The names of the receivers that it was told to, or is about to be, and of those that would be told of it now.
    pub told: Arc<[String]>,
    /// Where the agent stands.
    pub vantage: Arc<str>,
    /// The status page.
    pub page: Arc<str>,
}

impl Standing {
    /// Whether `receiver` is to know of it.
    #[must_use]
    pub fn is_known_to(&self, receiver: &str) -> bool {
        self.told.iter().any(|name| name == receiver)
    }
}
