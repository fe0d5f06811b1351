//! Carries out what operators ask for over the API: hands it to the pipeline, which owns the alerts, waits for what it
//! says, and answers when that is written: it outlives whatever comes next. Where it cannot be written now, the answer
//! says so: it is done all the same. Every change leaves a line in the log: who,
//! what, and from where.

mod matcher;
mod outbox;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use vipwatch_model::{dispatch::Silence, notification::Acknowledgement};
use vipwatch_web::{
    Access, Control, Operator, Outcome, Refusal, Token,
    api::{
        AcknowledgementView, Changed, DeliveryFilter, NewSilence, OutboxEntry, Overview, Retried, Retry,
        SilenceView,
    },
};

pub(crate) use matcher::{severity_view, view as matcher_view};

use crate::{clock::Clock, config, pipeline::Command, store::Store};

/// How long the pipeline may take. It never waits for anything itself, so this is far more than it needs.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest silence. What is to be left out for good belongs into the configuration.
const LONGEST: TimeDelta = TimeDelta::days(366);
/// What is said of a silence that fits nothing.
const NOTHING_FITS: &str =
    "nothing that is watched can open such an alert: is it spelt as in the configuration?";
/// The most silences at a time.
const MOST_SILENCES: usize = 1_000;

/// Who may change something, by what is configured.
#[must_use]
pub fn access(agent: &config::Agent) -> Access {
    let token = agent.api_token.as_ref();
    token.map_or(Access::ThisHost, |token| Access::Bearer(Token::new(token.expose())))
}

/// What operators can have this agent do.
pub struct AgentControl {
    /// The pipeline's input.
    pub pipeline: mpsc::Sender<Command>,
    /// The outbox's input.
    pub outbox: mpsc::Sender<crate::outbox::Command>,
    /// Where changes are written, and deliveries are read.
    pub store: Arc<Store>,
    /// The picture that the page shows.
    pub overview: watch::Receiver<Arc<Overview>>,
    /// Wall time.
    pub clock: Clock,
}

impl AgentControl {
    /// Has the pipeline do something; what it replies.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Refusal> {
        let (reply, replied) = oneshot::channel();
        let asked = async {
            self.pipeline.send(command(reply)).await.ok()?;
            replied.await.ok()
        };
        let reply = timeout(PATIENCE, asked).await.ok().flatten();
        reply.ok_or_else(|| Refusal::Unavailable("the agent is ending or stuck: look at its log".to_owned()))
    }

    /// What the pipeline was asked for, once it is written. It holds even if it cannot be.
    async fn stored<T: Send>(&self, now: T) -> Changed<T> {
        Changed { not_stored: self.store.written().await.err(), ..Changed::stored(now) }
    }

    async fn take_on(
        &self,
        alert: String,
        comment: String,
        operator: Operator,
    ) -> Result<Changed<AcknowledgementView>, Refusal> {
        let by = Acknowledgement { by: operator.by.clone(), comment, at: self.clock.now() };
        let view = AcknowledgementView { by: by.by.clone(), comment: by.comment.clone(), at: by.at };
        let id = alert.clone();
        if !self.ask(|reply| Command::Acknowledge { alert: id, by, reply }).await? {
            return Err(Refusal::Missing(format!("there is no open alert {alert:?}; it may be over by now")));
        }
        tracing::info!(
            by = %operator.by, peer = %operator.peer, %alert, comment = %view.comment, "an operator took an alert on"
        );
        Ok(self.stored(view).await)
    }

    async fn hush(&self, new: NewSilence, operator: Operator) -> Result<Changed<SilenceView>, Refusal> {
        let from = self.clock.now();
        let until = until(&new, from).map_err(|why| Refusal::Unfit(why.to_owned()))?;
        if self.overview.borrow().silences.len() >= MOST_SILENCES {
            return Err(Refusal::Conflict(format!(
                "there are {MOST_SILENCES} silences already: end some, or use fewer that say more by `*`"
            )));
        }
        let silence = Silence {
            id: uuid::Uuid::now_v7().to_string(),
            matcher: matcher::read(&new.matcher).map_err(Refusal::Unfit)?,
            from,
            until,
            asked_from: None,
            by: operator.by.clone(),
            comment: new.comment,
        };
        let view = silence_view(&silence);
        let matcher = serde_json::to_string(&silence.matcher).unwrap_or_default();
        let fits = self.ask(|reply| Command::Silence { silence, reply }).await?;
        tracing::info!(
            by = %operator.by, peer = %operator.peer, silence = %view.id, until = %view.until, %matcher,
            comment = %view.comment, "an operator silenced alerts"
        );
        let hint = (!fits).then(|| NOTHING_FITS.to_owned());
        Ok(Changed { hint, ..self.stored(view).await })
    }

    async fn end(&self, id: String, operator: Operator) -> Result<Changed<SilenceView>, Refusal> {
        let wanted = id.clone();
        let ended = self.ask(|reply| Command::EndSilence { id: wanted, reply }).await?;
        let Some(ended) = ended else {
            return Err(Refusal::Missing(format!("there is no silence {id:?}; it may be over by now")));
        };
        tracing::info!(by = %operator.by, peer = %operator.peer, silence = %id, "an operator ended a silence");
        Ok(self.stored(silence_view(&ended)).await)
    }
}

impl Control for AgentControl {
    fn acknowledge(
        &self,
        alert: String,
        comment: String,
        operator: Operator,
    ) -> Outcome<'_, Changed<AcknowledgementView>> {
        Box::pin(self.take_on(alert, comment, operator))
    }

    fn silence(&self, silence: NewSilence, operator: Operator) -> Outcome<'_, Changed<SilenceView>> {
        Box::pin(self.hush(silence, operator))
    }

    fn end_silence(&self, id: String, operator: Operator) -> Outcome<'_, Changed<SilenceView>> {
        Box::pin(self.end(id, operator))
    }

    fn deliveries(&self, filter: DeliveryFilter) -> Outcome<'_, Vec<OutboxEntry>> {
        Box::pin(self.list(filter))
    }

    fn retry(&self, retry: Retry, operator: Operator) -> Outcome<'_, Retried> {
        Box::pin(self.attempt_again(retry, operator))
    }
}

/// When a silence that begins now is over.
fn until(new: &NewSilence, now: DateTime<Utc>) -> Result<DateTime<Utc>, &'static str> {
    let until = match (new.until, new.for_seconds) {
        (Some(until), None) => Some(until),
        (None, Some(seconds)) => now.checked_add_signed(TimeDelta::seconds(seconds.into())),
        _ => None,
    };
    match until {
        Some(until) if until <= now => Err("the silence would be over already"),
        Some(until) if until <= now + LONGEST => Ok(until),
        _ => Err(
            "a silence lasts 366 days at most: let a route in the configuration leave out what nobody ever wants to hear of",
        ),
    }
}

/// A silence as the API shows it.
pub(crate) fn silence_view(silence: &Silence) -> SilenceView {
    SilenceView {
        id: silence.id.clone(),
        matcher: matcher_view(&silence.matcher),
        from: silence.from,
        until: silence.until,
        by: silence.by.clone(),
        comment: silence.comment.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_over_some_day_but_not_yet() {
        let now: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
        let lasting =
            |seconds| until(&NewSilence { for_seconds: Some(seconds), ..NewSilence::default() }, now);
        assert_eq!(lasting(7_200), Ok(now + TimeDelta::hours(2)));
        assert!(lasting(0).is_err());
        assert!(lasting(366 * 86_400).is_ok());
        assert!(lasting(366 * 86_400 + 1).is_err());
        assert!(lasting(u32::MAX).is_err());
        let ending = |until_| until(&NewSilence { until: Some(until_), ..NewSilence::default() }, now);
        assert_eq!(ending(now + TimeDelta::hours(1)), Ok(now + TimeDelta::hours(1)));
        assert!(ending(now).is_err());
        assert!(ending(DateTime::<Utc>::MAX_UTC).is_err());
    }
}
