//! What an operator can have the agent do. Whoever may ask for it is decided before: see `guard`.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;

use crate::api::{
    AcknowledgementView, Changed, DeliveryFilter, NewSilence, OutboxEntry, Retried, Retry, SilenceView,
};

/// Who asks for a change, for the log and for those who are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who, in their own words: one line without control characters.
    pub by: String,
    /// Where the request came from.
    pub peer: SocketAddr,
}

/// Why something was not done, and how to mend that, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing.
    Missing(String),
    /// What is asked for makes no sense.
    Unfit(String),
    /// It makes sense, but not as things stand.
    Conflict(String),
    /// The agent cannot do it now.
    Unavailable(String),
}

/// The outcome of what was asked for, once it is known.
pub type Outcome<'a, T> = BoxFuture<'a, Result<T, Refusal>>;

/// What an operator can have the agent do. All texts have been checked: one line each, and of a bounded length.
pub trait Control: Send + Sync + 'static {
    /// Takes an open alert on, with a word on it.
    fn acknowledge(
        &self,
        alert: String,
        comment: String,
        operator: Operator,
    ) -> Outcome<'_, Changed<AcknowledgementView>>;

    /// Silences alerts from now on. That its matcher says something, or that all alerts are meant, has been checked.
    fn silence(&self, silence: NewSilence, operator: Operator) -> Outcome<'_, Changed<SilenceView>>;

    /// Ends a silence before its time; gives it back as it ended.
    fn end_silence(&self, id: String, operator: Operator) -> Outcome<'_, Changed<SilenceView>>;

    /// Lists deliveries, the newest first.
    fn deliveries(&self, filter: DeliveryFilter) -> Outcome<'_, Vec<OutboxEntry>>;

    /// Has deliveries that were given up attempted again.
    fn retry(&self, retry: Retry, operator: Operator) -> Outcome<'_, Retried>;
}
