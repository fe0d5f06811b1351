//! `rate_limit = { .. }`: how many notifications a receiver gets.

use std::time::Duration;

use crate::config::{
    duration::{DAY, SECOND, Time},
    table::table,
    value::Whole,
};

/// How many notifications a receiver gets at most; what is beyond comes later, in one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// So many.
    pub notifications: u32,
    /// Within this time.
    pub per: Duration,
}

table! {
    /// How many notifications a receiver gets at most.
    pub(in crate::config) struct RateLimitTable {
        /// So many.
        required notifications: Whole<u32, 1, 10_000>,
        /// Within this time.
        default per: Time<SECOND, DAY> = "1m",
    }
}

impl RateLimitTable {
    pub(super) fn resolve(self) -> Option<RateLimit> {
        Some(RateLimit {
            notifications: self.notifications.required()?.get(),
            per: self.per.required()?.get(),
        })
    }
}
