//! Who has a mail, who may take it later, who never will, and of whom nobody knows. Pure: what is asked of the server, and when, is up to
//! [`super::Email`].

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lettre::Address;

use super::refusal::Refusal;
use crate::outbox::receiver::Reply;

/// How long those are waited for who may take a mail that others have: what follows about the same alert waits as well.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// How often a mail is handed over once more after the server did not say whether it took it. A server may take it and be too
/// slow to say so; then each of these is another copy.
const REPEATS: u32 = 3;
/// How long to wait before such a repetition, so that a server that is started anew has its time.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// No more refusals than these are told in words.
const TOLD: usize = 3;

/// Everybody a mail is for, and how far it has come with each.
#[derive(Debug)]
pub(super) struct Recipients {
    all: Vec<(Address, Fate)>,
    /// For whom the server was handed the mail, and has not said whether it takes it.
    handed_over: Vec<usize>,
    /// How often it has not said so.
    unanswered: u32,
    /// When the first of them had it.
    reached_at: Option<DateTime<Utc>>,
    /// Of whom the server has to say something now.
    asking: Option<usize>,
}

/// How far a mail has come with one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// Nothing is known yet.
    Open,
    /// The conversation came to its end at this one. So that it holds up nobody else, it is asked for alone.
    Apart,
    /// It may take it later.
    Deferred(Refusal),
    /// It has it.
    Reached,
    /// It will never take it.
    Refused(Refusal),
    /// The server never said whether it took it, however often it was handed over.
    Unknown,
}

impl Fate {
    fn is_settled(&self) -> bool {
        matches!(self, Self::Reached | Self::Refused(_) | Self::Unknown)
    }
}

impl Recipients {
    /// Nobody of `all` has it.
    pub(super) fn new(all: impl Iterator<Item = Address>) -> Self {
        let all = all.map(|address| (address, Fate::Open)).collect();
        Self { all, handed_over: Vec::new(), unanswered: 0, reached_at: None, asking: None }
    }

    /// Who is to get the mail now, by their places, in one transaction each.
    pub(super) fn transactions(&self) -> Vec<Vec<usize>> {
        let left = (0..self.all.len()).filter(|&place| !self.all[place].1.is_settled());
        let (apart, together): (Vec<_>, Vec<_>) = left.partition(|&place| self.all[place].1 == Fate::Apart);
        let together = Some(together).filter(|together| !together.is_empty());
        together.into_iter().chain(apart.into_iter().map(|place| vec![place])).collect()
    }

    /// Of whom the server has to say something now, if the conversation has come to that.
    pub(super) fn asked(&self) -> Option<&Address> {
        self.asking.map(|place| &self.all[place].0)
    }

    /// The server is asked whether it takes the mail for this one. Without an answer the conversation ends here.
    pub(super) fn ask(&mut self, place: usize) -> Address {
        self.asking = Some(place);
        self.all[place].0.clone()
    }

    /// It does not: for now, or for good. Or it does, and the mail is to follow.
    pub(super) fn answered(&mut self, place: usize, refusal: Option<Refusal>) {
        self.asking = None;
        self.all[place].1 = match refusal {
            None => Fate::Open,
            Some(refusal) if refusal.is_for_good() => Fate::Refused(refusal),
            Some(refusal) => Fate::Deferred(refusal),
        };
    }

    /// The server gets the mail for these. Without an answer, nobody knows whether it has it.
    pub(super) fn hand_over(&mut self, places: Vec<usize>) {
        self.handed_over = places;
    }

    /// The server has said that it takes the mail, or that it does not.
    pub(super) fn mail_answered(&mut self, taken: bool) {
        let places = std::mem::take(&mut self.handed_over);
        if taken {
            self.reached(&places);
        }
    }

    /// The server has the mail for these.
    fn reached(&mut self, places: &[usize]) {
        places.iter().for_each(|&place| self.all[place].1 = Fate::Reached);
    }

    /// What an attempt came to that ended at `now`: by `broke`, unless the server was asked for everybody.
    pub(super) fn reply(&mut self, broke: Option<Refusal>, now: DateTime<Utc>) -> Reply {
        let stuck = self.asking.take();
        if let Some(place) = stuck {
            self.all[place].1 = Fate::Apart;
        }
        let unanswered = std::mem::take(&mut self.handed_over);
        let repeat_after = (!unanswered.is_empty()).then_some(REPEAT_AFTER);
        if repeat_after.is_some() {
            self.unanswered += 1;
        }
        if self.unanswered > REPEATS {
            unanswered.iter().for_each(|&place| self.all[place].1 = Fate::Unknown);
        }
        let reached = self.reached_so_far();
        if reached > 0 {
            self.reached_at.get_or_insert(now);
        }
        let too_late = self.reached_at.is_some_and(|reached| now - reached >= PATIENCE);
        for (_, fate) in &mut self.all {
            let refusal = match fate {
                Fate::Reached | Fate::Refused(_) | Fate::Unknown => continue,
                Fate::Deferred(refusal) if broke.is_none() => Some(&*refusal),
                _ => broke.as_ref(),
            };
            if let Some(refusal) = refusal.filter(|refusal| too_late || refusal.is_for_good()) {
                *fate = Fate::Refused(refusal.clone());
            }
        }
        let settled = self.all.iter().all(|(_, fate)| fate.is_settled());
        let nobody = self.all.iter().all(|(_, fate)| matches!(fate, Fate::Refused(_)));
        let error = self.why(broke.as_ref().filter(|_| !settled));
        match (settled, reached) {
            (true, reached) if reached == self.all.len() => Reply::Taken,
            (true, _) if nobody => Reply::Refused { error },
            (true, _) => Reply::TakenInPart { error },
            (false, 1..) if broke.is_none() || stuck.is_some() => Reply::LaterInPart { error },
            (false, _) => Reply::Later { error, retry_after: repeat_after },
        }
    }

    /// Why not everybody has it, and how many do, if any.
    fn why(&self, broke: Option<&Refusal>) -> String {
        let waits = self.all.iter().any(|(_, fate)| matches!(fate, Fate::Deferred(_)));
        let mut told: Vec<String> = Vec::new();
        for (_, fate) in &self.all {
            let words = match (fate, broke) {
                (_, Some(broke)) => broke.to_string(),
                (Fate::Deferred(refusal), None) => refusal.to_string(),
                (Fate::Refused(refusal), None) if !waits => refusal.to_string(),
                (Fate::Unknown, None) if !waits => {
                    "the server never said whether it took the mail".to_owned()
                }
                _ => continue,
            };
            if !told.contains(&words) {
                told.push(words);
            }
        }
        let more = told.len().saturating_sub(TOLD);
        told.truncate(TOLD);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let reached = self.reached_so_far();
        if reached > 0 {
            told.push(format!("{reached} of {} recipients have it", self.all.len()));
        }
        told.join("; ")
    }

    fn reached_so_far(&self) -> usize {
        self.all.iter().filter(|(_, fate)| *fate == Fate::Reached).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(60 * minutes, 0).unwrap()
    }

    fn recipients(names: &[&str]) -> Recipients {
        let all = names.iter().map(|name| Address::new(*name, "example.net").unwrap());
        Recipients::new(all.collect::<Vec<_>>().into_iter())
    }

    fn greylisted(name: &str) -> Refusal {
        Refusal::made_up(&format!("the server refuses {name}: SMTP 451 greylisted"), false)
    }

    fn gone(name: &str) -> Refusal {
        Refusal::made_up(&format!("the server refuses {name}: SMTP 550 no such user"), true)
    }

    /// The server is asked for all that are left, and says this of each of them.
    fn attempt(recipients: &mut Recipients, says: &[Option<Refusal>], minute: i64) -> Reply {
        let mut says = says.iter();
        for places in recipients.transactions() {
            let mut welcome = Vec::new();
            for place in places {
                recipients.ask(place);
                let refusal = says.next().unwrap().clone();
                if refusal.is_none() {
                    welcome.push(place);
                }
                recipients.answered(place, refusal);
            }
            recipients.reached(&welcome);
        }
        assert!(says.next().is_none(), "fewer are asked for");
        recipients.reply(None, at(minute))
    }

    #[test]
    fn who_has_it_is_not_asked_for_again() {
        let mut it = recipients(&["a", "b", "c"]);
        let in_part = |error: &str| Reply::LaterInPart { error: error.into() };
        assert_eq!(
            attempt(&mut it, &[None, Some(greylisted("b")), Some(greylisted("c"))], 0),
            in_part(
                "the server refuses b: SMTP 451 greylisted; the server refuses c: SMTP 451 greylisted; 1 of 3 recipients have it"
            )
        );
        assert_eq!(
            attempt(&mut it, &[Some(greylisted("b")), None], 5),
            in_part("the server refuses b: SMTP 451 greylisted; 2 of 3 recipients have it")
        );
        assert_eq!(attempt(&mut it, &[None], 10), Reply::Taken);
    }

    #[test]
    fn who_never_takes_it_is_named_and_holds_up_nobody() {
        let error = "the server refuses b: SMTP 550 no such user; 1 of 2 recipients have it".to_owned();
        let mut it = recipients(&["a", "b"]);
        assert_eq!(
            attempt(&mut it, &[None, Some(gone("b"))], 0),
            Reply::TakenInPart { error: error.clone() }
        );
        let mut it = recipients(&["a", "b"]);
        let greylisted = Some(greylisted("a"));
        assert_eq!(
            attempt(&mut it, &[greylisted, Some(gone("b"))], 0),
            Reply::Later { error: "the server refuses a: SMTP 451 greylisted".into(), retry_after: None }
        );
        assert_eq!(attempt(&mut it, &[None], 1), Reply::TakenInPart { error });
        let mut it = recipients(&["a", "b"]);
        let error =
            "the server refuses a: SMTP 550 no such user; the server refuses b: SMTP 550 no such user";
        let nobody = Reply::Refused { error: error.into() };
        assert_eq!(attempt(&mut it, &[Some(gone("a")), Some(gone("b"))], 0), nobody);
    }

    #[test]
    fn one_at_which_the_conversation_ends_is_asked_for_alone_and_last() {
        let mut it = recipients(&["a", "b", "c"]);
        assert_eq!(it.transactions(), [[0, 1, 2]]);
        it.ask(0);
        it.answered(0, None);
        it.ask(1);
        let late = Refusal::late(it.asked());
        assert_eq!(
            it.reply(Some(late), at(0)),
            Reply::Later { error: "no reply in time about b@example.net".into(), retry_after: None }
        );
        assert_eq!(it.transactions(), [vec![0, 2], vec![1]]);
        it.reached(&[0, 2]);
        it.ask(1);
        let late = Refusal::late(it.asked());
        let error = "no reply in time about b@example.net; 2 of 3 recipients have it".into();
        assert_eq!(it.reply(Some(late), at(1)), Reply::LaterInPart { error }, "the server does not fail");
        assert_eq!(it.transactions(), [[1]]);
        let broke = Refusal::made_up("failed to connect", false);
        let error = "failed to connect; 2 of 3 recipients have it".into();
        assert_eq!(it.reply(Some(broke), at(2)), Reply::Later { error, retry_after: None });
    }

    #[test]
    fn of_a_mail_that_is_never_answered_only_those_are_left_out_who_may_have_it() {
        let mut it = recipients(&["a", "b"]);
        let unanswered = |it: &mut Recipients| {
            it.ask(0);
            it.answered(0, None);
            it.ask(1);
            it.answered(1, Some(greylisted("b")));
            it.hand_over(vec![0]);
            it.reply(Some(Refusal::late(None)), at(0))
        };
        for _ in 0..REPEATS {
            let later = Reply::Later { error: "no reply in time".into(), retry_after: Some(REPEAT_AFTER) };
            assert_eq!(unanswered(&mut it), later);
            assert_eq!(it.transactions(), [[0, 1]]);
        }
        unanswered(&mut it);
        assert_eq!(it.transactions(), [[1]]);
        let error = "the server never said whether it took the mail; 1 of 2 recipients have it".into();
        assert_eq!(attempt(&mut it, &[None], 1), Reply::TakenInPart { error });
        // An answer is an answer, also where it is no.
        let mut it = recipients(&["a"]);
        for _ in 0..=REPEATS {
            it.hand_over(vec![0]);
            it.mail_answered(false);
            let full = Refusal::made_up("the server refuses the mail: SMTP 452 full", false);
            assert!(matches!(it.reply(Some(full), at(0)), Reply::Later { retry_after: None, .. }));
        }
    }

    #[test]
    fn what_some_have_waits_an_hour_for_the_others() {
        let mut it = recipients(&["a", "b"]);
        let full = || Some(greylisted("b"));
        attempt(&mut it, &[None, full()], 0);
        assert!(matches!(attempt(&mut it, &[full()], 59), Reply::LaterInPart { .. }));
        let error = "the server refuses b: SMTP 451 greylisted; 1 of 2 recipients have it".into();
        assert_eq!(attempt(&mut it, &[full()], 60), Reply::TakenInPart { error });
        // What nobody has is attempted for as long as it takes, and the hour begins with the first who has it.
        let mut it = recipients(&["a", "b"]);
        assert!(matches!(attempt(&mut it, &[full(), full()], 0), Reply::Later { .. }));
        assert!(matches!(attempt(&mut it, &[full(), full()], 6_000), Reply::Later { .. }));
        assert!(matches!(attempt(&mut it, &[None, full()], 6_010), Reply::LaterInPart { .. }));
        assert!(matches!(attempt(&mut it, &[full()], 6_069), Reply::LaterInPart { .. }));
        assert!(matches!(attempt(&mut it, &[full()], 6_070), Reply::TakenInPart { .. }));
    }

    #[test]
    fn a_refusal_of_the_mail_is_one_of_all_who_do_not_have_it() {
        let mut it = recipients(&["a", "b"]);
        attempt(&mut it, &[None, Some(greylisted("b"))], 0);
        let spam = Refusal::made_up("the server refuses the mail: SMTP 554 spam", true);
        let error = "the server refuses the mail: SMTP 554 spam; 1 of 2 recipients have it".into();
        assert_eq!(it.reply(Some(spam.clone()), at(1)), Reply::TakenInPart { error });
        let error = "the server refuses the mail: SMTP 554 spam".into();
        assert_eq!(recipients(&["a", "b"]).reply(Some(spam), at(1)), Reply::Refused { error });
    }

    #[test]
    fn a_long_list_of_refusals_is_cut_short() {
        let mut it = recipients(&["a", "b", "c", "d", "e"]);
        let all = ["a", "b", "c", "d", "e"].map(|name| Some(gone(name)));
        let error = attempt(&mut it, &all, 0).error().unwrap().to_owned();
        assert!(error.ends_with("; the server refuses c: SMTP 550 no such user; and 2 more"), "{error}");
    }
}
