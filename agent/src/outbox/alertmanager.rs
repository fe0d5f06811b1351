//! The receiver that is a Prometheus Alertmanager, or several of them.
//!
//! An Alertmanager takes an alert for over once its `endsAt` has passed, and forgets all of them when it is started
//! anew. So alerts are told again for as long as they are open. An alert is told when one Alertmanager has it: the
//! others get it when it is told again.

mod entry;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, timeout_at};

use self::entry::Entry;
use super::{
    exchange::Exchanges,
    post::{Letter, Post},
    receiver::{Message, Reply},
    standing::Standing,
};
use crate::config;

/// How long an attempt waits for the others once one of them has it: one that hangs must not hold up what follows.
const GRACE: Duration = Duration::from_millis(500);
/// The same when alerts are told again. Longer, as it is the only way in which one that is slow hears of them.
const REFRESH_GRACE: Duration = Duration::from_secs(2);
/// For how many intervals an open alert counts without being told again.
const LASTS: i32 = 4;
/// The most alerts in one request, so that it stays within what proxies let through.
const BATCH: usize = 64;
/// The most ended alerts that are remembered.
const ENDED: usize = 1_024;

/// A client for Alertmanagers that know the same.
pub struct Alertmanager {
    /// The receiver's name.
    name: String,
    servers: Vec<Server>,
    resend_every: Duration,
    /// Alerts that were over lately, and until when they are told again. None of them is told as open any more,
    /// however old the list is that is to be told again.
    ended: Mutex<VecDeque<(DateTime<Utc>, Entry)>>,
}

/// One Alertmanager.
struct Server {
    post: Post,
    /// What may be shown of its URL.
    origin: String,
    /// Whether it failed to take what it was sent last.
    fails: AtomicBool,
}

impl Alertmanager {
    /// A client for the receiver called `name`; each request takes `timeout` at most.
    ///
    /// # Errors
    /// When TLS cannot be set up, in words.
    pub fn new(name: &str, config: &config::Alertmanager, timeout: Duration) -> Result<Self, String> {
        let servers = config.endpoints.iter().map(|endpoint| {
            let post = Post::new(endpoint, timeout)?;
            Ok(Server { post, origin: endpoint.origin().to_owned(), fails: AtomicBool::new(false) })
        });
        Ok(Self {
            name: name.to_owned(),
            servers: servers.collect::<Result<_, String>>()?,
            resend_every: config.resend_every,
            ended: Mutex::default(),
        })
    }

    /// How often [`Self::refresh`] is due.
    pub fn refresh_every(&self) -> Duration {
        self.resend_every
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let entries = entry::told_by(message.notification, self.lasting(message.now));
        self.remember(&entries, message.now);
        // The others get it when it is told again. Somebody who tries the receiver wants to hear of them.
        let grace = (!exchanges.are_wanted()).then_some(GRACE);
        match self.tell(&entries, message.now, grace, exchanges).await {
            Reply::LaterInPart { .. } if grace.is_some() => Reply::Taken,
            reply => reply,
        }
    }

    /// Tells again what is open, as far as this receiver was told, and what was over lately.
    pub async fn refresh(&self, standing: &[Standing], now: DateTime<Utc>) {
        let until = self.lasting(now);
        let known = standing.iter().filter(|standing| standing.is_known_to(&self.name));
        let mut entries = self.recently_ended(now);
        let over: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        let open = known.filter(|standing| !over.contains(&standing.alert.id));
        entries.extend(open.map(|standing| Entry::standing(standing, until)));
        if !entries.is_empty() {
            self.tell(&entries, now, Some(REFRESH_GRACE), &mut Exchanges::unwanted()).await;
        }
    }

    /// Until when an open alert counts that is told at `now`.
    fn lasting(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::from_std(self.resend_every).unwrap_or_default() * LASTS
    }

    fn remember(&self, entries: &[Entry], now: DateTime<Utc>) {
        let until = self.lasting(now);
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter().filter(|entry| entry.over) {
            ended.retain(|(_, known)| known.id != entry.id);
            ended.push_back((until, entry.clone()));
        }
        let surplus = ended.len().saturating_sub(ENDED);
        ended.drain(..surplus);
    }

    fn recently_ended(&self, now: DateTime<Utc>) -> Vec<Entry> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|(until, _)| *until > now);
        ended.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// Tells every Alertmanager, all of them at the same time. As soon as one has it, the others are waited for no longer than
    /// `grace`; then they are cut off, so that nothing old is on its way to them when the next is told.
    async fn tell(
        &self,
        entries: &[Entry],
        now: DateTime<Utc>,
        grace: Option<Duration>,
        exchanges: &mut Exchanges,
    ) -> Reply {
        let mut bodies = Vec::new();
        for batch in entries.chunks(BATCH) {
            match serde_json::to_string(batch) {
                Ok(body) => bodies.push(body),
                Err(error) => {
                    return Reply::Refused { error: format!("the alerts cannot be written: {error}") };
                }
            }
        }
        let telling = self.servers.iter().enumerate().map(|(place, server)| {
            let told = server.tell(&bodies, now, exchanges.apart());
            told.map(move |answer| (place, answer))
        });
        let mut telling: FuturesUnordered<_> = telling.collect();
        let mut answers: Vec<_> = self.servers.iter().map(|_| (late(), exchanges.apart())).collect();
        let mut deadline = None;
        while let Some((place, answer)) = until(deadline, telling.next()).await.flatten() {
            if answer.0 == Reply::Taken && deadline.is_none() {
                deadline = grace.map(|grace| Instant::now() + grace);
            }
            answers[place] = answer;
        }
        let mut replies = Vec::new();
        for (server, (reply, apart)) in self.servers.iter().zip(answers) {
            server.note(&reply, &self.name);
            exchanges.take_in(apart);
            replies.push((server.origin.as_str(), reply));
        }
        sum_up(replies)
    }
}

impl Server {
    async fn tell(
        &self,
        bodies: &[String],
        now: DateTime<Utc>,
        mut exchanges: Exchanges,
    ) -> (Reply, Exchanges) {
        let mut reply = Reply::Taken;
        for body in bodies {
            reply = self.post.send(Letter::json(body.clone()), now, &mut exchanges).await;
            if reply != Reply::Taken {
                break;
            }
        }
        (reply, exchanges)
    }

    /// Logs when this Alertmanager begins and ceases to fail: as long as another one takes alerts, nothing else
    /// tells.
    fn note(&self, reply: &Reply, receiver: &str) {
        let error = reply.error();
        let failed = self.fails.swap(error.is_some(), Ordering::Relaxed);
        let origin = &self.origin;
        match error {
            Some(error) if !failed => {
                tracing::warn!(%receiver, %origin, %error, "an Alertmanager does not take alerts");
            }
            None if failed => tracing::info!(%receiver, %origin, "an Alertmanager takes alerts again"),
            _ => {}
        }
    }
}

/// The reply of one that has not said anything.
fn late() -> Reply {
    Reply::Later { error: "no reply in time".to_owned(), retry_after: None }
}

/// What `work` comes to, or nothing when it takes longer than until `deadline`.
async fn until<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(deadline) => timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

/// What the answers of all servers come to. Only when all refuse it is there no point in trying again.
fn sum_up(replies: Vec<(&str, Reply)>) -> Reply {
    let alone = replies.len() == 1;
    let taken = replies.iter().filter(|(_, reply)| *reply == Reply::Taken).count();
    if taken == replies.len() {
        return Reply::Taken;
    }
    let mut errors = Vec::new();
    let mut later = Vec::new();
    for (origin, reply) in replies {
        let Some(error) = reply.error() else { continue };
        errors.push(if alone { error.to_owned() } else { format!("{origin}: {error}") });
        if let Reply::Later { retry_after, .. } = reply {
            later.push(retry_after);
        }
    }
    let error = errors.join("; ");
    if taken > 0 {
        return Reply::LaterInPart { error };
    }
    match later.into_iter().min() {
        // Without a wish of one of them (which sorts first), the pause is that of the lane.
        Some(retry_after) => Reply::Later { error, retry_after },
        None => Reply::Refused { error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(error: &str, seconds: Option<u64>) -> Reply {
        Reply::Later { error: error.into(), retry_after: seconds.map(Duration::from_secs) }
    }

    fn refused(error: &str) -> Reply {
        Reply::Refused { error: error.into() }
    }

    #[test]
    fn those_who_do_not_have_it_are_named() {
        let replies = vec![("http://am1", refused("HTTP 401")), ("http://am2", Reply::Taken)];
        assert_eq!(sum_up(replies), Reply::LaterInPart { error: "http://am1: HTTP 401".into() });
        assert_eq!(sum_up(vec![("http://am1", Reply::Taken), ("http://am2", Reply::Taken)]), Reply::Taken);
    }

    #[test]
    fn one_that_may_take_it_later_is_worth_another_attempt() {
        let replies = vec![("http://am1", refused("HTTP 404")), ("http://am2", later("HTTP 503", Some(9)))];
        assert_eq!(sum_up(replies), later("http://am1: HTTP 404; http://am2: HTTP 503", Some(9)));
        let replies =
            vec![("http://am1", later("HTTP 429", Some(9))), ("http://am2", later("HTTP 503", None))];
        assert_eq!(sum_up(replies), later("http://am1: HTTP 429; http://am2: HTTP 503", None));
    }

    #[test]
    fn what_all_refuse_is_refused() {
        assert_eq!(sum_up(vec![("http://am1", refused("HTTP 400"))]), refused("HTTP 400"));
    }
}
