//! Deliveries, as operators see them, and attempting again what was given up.

use tokio::{sync::mpsc, time::timeout};
use vipwatch_model::delivery;
use vipwatch_web::{
    Operator, Refusal,
    api::{DeliveryFilter, DeliveryState, OutboxEntry, RefusedRetry, Retried, Retry},
};

use super::{AgentControl, PATIENCE};
use crate::{
    outbox,
    status::delivery_state,
    store::{Filter, Listed, Replayed},
};

impl AgentControl {
    pub(super) async fn list(&self, filter: DeliveryFilter) -> Result<Vec<OutboxEntry>, Refusal> {
        let limit = usize::try_from(filter.most()).unwrap_or(usize::MAX);
        let state = filter.state.map(|state| match state {
            DeliveryState::Pending => delivery::DeliveryState::Pending,
            DeliveryState::Delivered => delivery::DeliveryState::Delivered,
            DeliveryState::Dead => delivery::DeliveryState::Dead,
            DeliveryState::Superseded => delivery::DeliveryState::Superseded,
        });
        let filter = Filter { state, receiver: filter.receiver, alert: filter.alert, limit };
        let listed = self.store.deliveries(filter).await;
        let listed = listed.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        Ok(listed.into_iter().map(entry).collect())
    }

    pub(super) async fn attempt_again(&self, retry: Retry, operator: Operator) -> Result<Retried, Refusal> {
        let number = |id: &String| {
            id.parse().map_err(|_| Refusal::Missing(format!("there is no delivery {id:?}: ids are numbers")))
        };
        let ids = retry.deliveries.iter().map(number).collect::<Result<Vec<i64>, _>>()?;
        let (reply, mut replied) = mpsc::channel(1);
        let named = !ids.is_empty();
        let command = outbox::Command::Retry { ids, receiver: retry.receiver.clone(), reply };
        let asked = async {
            self.outbox.send(command).await.ok()?;
            replied.recv().await
        };
        let replayed = match timeout(PATIENCE, asked).await.ok().flatten() {
            Some(Ok(replayed)) => replayed,
            Some(Err(why)) => return Err(Refusal::Unavailable(why)),
            None => {
                let why = "the database does not answer, or the agent is ending: look at its log";
                return Err(Refusal::Unavailable(why.to_owned()));
            }
        };
        let (put_back, superseded) = (replayed.put_back(), replayed.superseded());
        if put_back + superseded == 0 {
            self.must_be_of_use(&replayed, retry.receiver.as_deref(), named)?;
        }
        tracing::info!(
            by = %operator.by, peer = %operator.peer, deliveries = put_back, superseded, refused = ?replayed.refused,
            receiver = ?retry.receiver, "an operator had deliveries attempted again that were given up"
        );
        let refused = replayed.refused.into_iter().map(|(receiver, ids)| RefusedRetry {
            receiver,
            deliveries: count(ids.len()),
            // Of those that nobody named there may be any number.
            ids: ids.iter().filter(|_| named).map(i64::to_string).collect(),
        });
        Ok(Retried { deliveries: count(put_back), superseded: count(superseded), refused: refused.collect() })
    }

    /// Nothing was put back: whoever named something hears why.
    fn must_be_of_use(
        &self,
        replayed: &Replayed,
        receiver: Option<&str>,
        named: bool,
    ) -> Result<(), Refusal> {
        if !replayed.refused.is_empty() {
            let refused = replayed.refused.iter().map(|(receiver, ids)| match ids.as_slice() {
                ids if named => format!("{} to {receiver:?}", list(ids)),
                [_] => format!("one to {receiver:?}"),
                several => format!("{} to {receiver:?}", several.len()),
            });
            return Err(Refusal::Conflict(format!(
                "refused {}: no such receiver is configured; put it into the configuration again to have them delivered",
                refused.collect::<Vec<_>>().join(", ")
            )));
        }
        let is_known = |name: &str| self.overview.borrow().receivers.iter().any(|known| known.name == name);
        match receiver {
            Some(name) if !is_known(name) => {
                Err(Refusal::Missing(format!("there is no receiver {name:?} in the configuration")))
            }
            _ if named => {
                let why = "none of these was given up: `vipwatch deliveries --state dead` lists what was";
                Err(Refusal::Missing(why.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn list(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

fn count(deliveries: usize) -> u64 {
    u64::try_from(deliveries).unwrap_or(u64::MAX)
}

fn entry(listed: Listed) -> OutboxEntry {
    OutboxEntry {
        id: listed.id.to_string(),
        receiver: listed.receiver,
        event: listed.event.to_string(),
        alerts: listed.alerts,
        title: listed.title,
        state: delivery_state(listed.state),
        attempts: listed.attempts,
        created_at: listed.created_at,
        next_at: listed.next_at,
        done_at: listed.done_at,
        last_error: listed.last_error,
    }
}
