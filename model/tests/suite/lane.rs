//! A receiver's lane: what it does with deliveries, in plain data.

mod properties;
mod replay;
mod rig;

use std::time::Duration;

use chrono::TimeDelta;
use vipwatch_model::{
    alert::{Event, Severity},
    delivery::DeliveryState,
    lane::{Manner, RateLimit, Reply, Step},
    notification::Notification,
};

use rig::{Rig, TAKEN, acknowledged, in_part, later, opened, refused, reminder, resolved};

#[test]
fn deliveries_that_share_an_alert_keep_their_order_and_others_pass() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a", "b"]));
    rig.accept(acknowledged(&["b"]));
    rig.accept(opened(&["c"]));
    assert_eq!(rig.attempt(later("HTTP 500")), "a-opened");
    assert_eq!(rig.attempt(TAKEN), "c-opened");
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    assert_eq!(rig.attempt(TAKEN), "b-acknowledged");
    assert_eq!(rig.lane.pending(), 0);
}

#[test]
fn nothing_more_is_told_of_an_alert_until_what_was_told_is_written() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.accept(acknowledged(&["a"]));
    rig.accept(opened(&["b"]));
    rig.writes = false;
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    assert_eq!(rig.attempt(TAKEN), "b-opened", "another alert need not wait");
    assert_eq!(rig.waits(), None);
    rig.write();
    assert_eq!(rig.attempt(TAKEN), "a-acknowledged");
}

#[test]
fn what_is_over_before_it_could_be_told_is_left_out_and_its_end_says_so() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a", "b"]));
    assert_eq!(rig.attempt(later("no reply in time")), "a-opened");
    rig.accept(acknowledged(&["b"]));
    rig.accept(resolved(&["a"]));
    assert_eq!(rig.state("a-opened"), DeliveryState::Pending, "b is not over yet");
    rig.accept(resolved(&["b"]));
    for left_out in ["a-opened", "b-acknowledged"] {
        assert_eq!(rig.state(left_out), DeliveryState::Superseded);
    }
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    assert_eq!(rig.attempt(TAKEN), "b-resolved");
    for taken in &rig.taken {
        let told: Notification = serde_json::from_str(&taken.document).unwrap();
        assert_eq!(told.idempotency_key, taken.key.notification);
        let resolution = told.resolution.unwrap();
        assert!(resolution.superseded);
        assert_eq!(
            resolution.reason,
            "Its opening could not be delivered: you may not have been told of it. It is over."
        );
    }
}

#[test]
fn an_end_says_so_only_of_alerts_whose_opening_was_left_out() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    rig.accept(reminder(&["a"], 1));
    rig.accept(opened(&["b"]));
    rig.accept(resolved(&["a", "b"]));
    assert_eq!(rig.state("a-reminder-1"), DeliveryState::Superseded);
    assert_eq!(rig.state("b-opened"), DeliveryState::Superseded);
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    let told: Notification = serde_json::from_str(&rig.taken[1].document).unwrap();
    assert!(!told.resolution.unwrap().superseded);
    assert!(told.also[0].resolution.as_ref().unwrap().superseded);
}

#[test]
fn an_attempt_on_its_way_is_not_left_out_unless_it_fails() {
    for (reply, then) in [(TAKEN, false), (later("HTTP 502"), true)] {
        let mut rig = Rig::new(Manner::default());
        rig.accept(opened(&["a"]));
        let in_flight = rig.begin();
        rig.accept(resolved(&["a"]));
        assert_eq!(rig.state("a-opened"), DeliveryState::Pending);
        rig.end(in_flight, reply);
        assert_eq!(rig.attempt(TAKEN), "a-resolved");
        let told: Notification = serde_json::from_str(&rig.taken.last().unwrap().document).unwrap();
        assert_eq!(told.resolution.unwrap().superseded, then);
    }
}

#[test]
fn a_reminder_gives_way_to_the_next_one() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(reminder(&["a"], 1));
    rig.accept(reminder(&["a"], 2));
    assert_eq!(rig.state("a-reminder-1"), DeliveryState::Superseded);
    assert_eq!(rig.attempt(TAKEN), "a-reminder-2");
}

#[test]
fn an_end_that_cannot_be_read_leaves_nothing_out() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a", "b"]));
    rig.accept(resolved(&["a"]));
    let mut unreadable = resolved(&["b"]);
    unreadable.document = "{".into();
    rig.accept(unreadable);
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    let told: Notification = serde_json::from_str(&rig.taken[1].document).unwrap();
    assert!(!told.resolution.unwrap().superseded);
}

#[test]
fn a_dead_receiver_costs_one_attempt_per_pause_however_much_waits() {
    let mut rig = Rig::new(Manner::default());
    for i in 0..300 {
        rig.accept(opened(&[&format!("a{i}")]));
    }
    let begun = rig.now;
    let mut attempts = 0;
    while rig.now - begun < TimeDelta::days(1) {
        match rig.step() {
            Step::Attempt(delivery) => rig.end(delivery, later("connection refused")),
            Step::Wait(until) => {
                rig.now = until;
                continue;
            }
            other => panic!("{other:?}"),
        }
        attempts += 1;
    }
    // Five at once, nine while the pause grows to an hour, then one per hour.
    assert!((30..=40).contains(&attempts), "{attempts}");
    assert!(rig.lane.circuit().open_since().is_some());
    assert_eq!(rig.lane.pending(), 300);
    // One success, and everything goes out at once.
    for _ in 0..300 {
        rig.attempt(TAKEN);
    }
    assert_eq!((rig.lane.pending(), rig.lane.circuit().open_since()), (0, None));
}

#[test]
fn one_delivery_that_the_receiver_cannot_digest_does_not_keep_the_circuit_open() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["poison"]));
    for _ in 0..6 {
        rig.attempt(later("HTTP 500"));
        rig.now = rig.waits().unwrap();
    }
    rig.accept(opened(&["a"]));
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    assert_eq!(rig.lane.circuit().open_since(), None);
}

/// What fails by what it is about has its own pauses, so that it costs the others nothing.
#[test]
fn one_delivery_that_always_fails_is_not_attempted_after_every_other() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["poison"]));
    assert_eq!(rig.attempt(later("HTTP 500")), "poison-opened");
    for i in 0..8 {
        rig.accept(opened(&[&format!("a{i}")]));
        assert_eq!(rig.attempt(TAKEN), format!("a{i}-opened"));
    }
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::seconds(1)));
}

/// Some of those behind the receiver cannot be told for now: the others hear of what is new at once, however long that lasts.
#[test]
fn what_some_have_is_attempted_again_and_holds_up_nothing_else() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    for _ in 0..10 {
        assert_eq!(rig.attempt(in_part("greylisted")), "a-opened");
        assert_eq!(rig.lane.circuit().open_since(), None);
        rig.now = rig.waits().unwrap();
    }
    rig.now -= TimeDelta::minutes(5);
    rig.accept(opened(&["b"]));
    assert_eq!(rig.attempt(in_part("greylisted")), "b-opened");
    assert_eq!(rig.state("b-opened"), DeliveryState::Pending);
    // A receiver that failed before is known to answer by that.
    for _ in 0..5 {
        rig.now = rig.waits().unwrap();
        rig.attempt(later("no reply in time"));
    }
    assert!(rig.lane.circuit().open_since().is_some());
    rig.now = rig.waits().unwrap();
    rig.attempt(in_part("greylisted"));
    assert_eq!(rig.lane.circuit().open_since(), None);
}

#[test]
fn what_some_never_take_is_delivered_and_says_so() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.begin();
    let reply = Reply::TakenInPart { error: "no such user".into() };
    let decision = rig.lane.settle(reply, rig.now, 1.0).unwrap();
    let [row] = decision.rows.as_slice() else { panic!("{decision:?}") };
    assert_eq!((row.state, row.error.as_deref()), (DeliveryState::Delivered, Some("no such user")));
    assert_eq!(rig.lane.pending(), 0);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_for_everything_that_waits() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.accept(opened(&["b"]));
    let busy = rig::later_after("HTTP 429", 120);
    rig.attempt(busy);
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::seconds(120)));
    rig.lane.reconfigure(Manner::default(), rig.now);
    assert_eq!(rig.attempt(TAKEN), "a-opened", "what is configured anew is tried at once");
}

#[test]
fn a_refused_delivery_is_given_up_at_once() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.accept(resolved(&["b"]));
    assert_eq!(rig.attempt(refused("HTTP 400")), "a-opened");
    assert_eq!(rig.state("a-opened"), DeliveryState::Dead);
    assert_eq!(rig.attempt(TAKEN), "b-resolved");
    assert_eq!(rig.waits(), None);
}

/// A rig whose receiver has failed for so long that it is asked once per hour.
fn long_dead() -> Rig {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["dead"]));
    assert_eq!(rig.attempt(refused("HTTP 400")), "dead-opened");
    rig.accept(opened(&["a"]));
    for _ in 0..20 {
        let attempt = rig.begin();
        rig.end(attempt, later("connection refused"));
        rig.now = rig.waits().unwrap();
    }
    assert_eq!(rig.attempt(later("connection refused")), "a-opened");
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::hours(1)));
    rig
}

#[test]
fn what_is_new_waits_for_a_circuit_for_a_minute_at_most() {
    let mut rig = long_dead();
    rig.accept(opened(&["b"]));
    let soon = rig.now + TimeDelta::minutes(1);
    assert_eq!(rig.waits(), Some(soon));
    rig.now += TimeDelta::seconds(59);
    rig.accept(opened(&["c"]));
    assert_eq!(rig.waits(), Some(soon), "what is newer makes it no longer");
    rig.now = soon;
    assert_eq!(rig.attempt(TAKEN), "b-opened");
    assert_eq!(rig.attempt(TAKEN), "a-opened", "the receiver is back");
    assert_eq!(rig.attempt(TAKEN), "c-opened");
}

#[test]
fn what_is_new_waits_for_as_long_as_the_receiver_asked() {
    let mut rig = long_dead();
    rig.now += TimeDelta::hours(1);
    assert_eq!(rig.attempt(rig::later_after("HTTP 429", 300)), "a-opened");
    rig.accept(opened(&["b"]));
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::minutes(5)));
}

#[test]
fn what_is_put_back_does_not_wait_for_a_circuit() {
    let mut rig = long_dead();
    rig.put_back(&["dead-opened"]);
    assert_eq!(rig.attempt(TAKEN), "dead-opened");
}

fn three_a_minute(digests: bool) -> Manner {
    Manner { limit: Some(RateLimit { notifications: 3, per: Duration::from_secs(60) }), digests }
}

#[test]
fn what_a_limit_holds_back_is_told_in_one() {
    let mut rig = Rig::new(three_a_minute(true));
    rig.accept(opened(&["a"]));
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    rig.accept(resolved(&["a"]));
    rig.accept(opened(&["b", "c"]));
    rig.accept(opened(&["d"]));
    rig.accept(rig::severe(opened(&["e"]), Severity::Critical));
    assert_eq!(rig.attempt(TAKEN), "e-opened", "the critical one goes first when little may go out");
    assert_eq!(rig.attempt(later("HTTP 503")), "digest-1");
    for waits in ["a-resolved", "b-opened", "d-opened", "digest-1"] {
        assert_eq!(rig.state(waits), DeliveryState::Pending);
    }
    rig.restart();
    assert_eq!(rig.attempt(TAKEN), "digest-1", "the same one is told after a restart");
    for told in ["a-resolved", "b-opened", "d-opened", "digest-1"] {
        assert_eq!(rig.state(told), DeliveryState::Delivered);
    }
    let digest: Notification = serde_json::from_str(&rig.taken[2].document).unwrap();
    assert_eq!((digest.event, digest.alert_event), (Event::Digest, Some(Event::Opened)));
    assert_eq!(digest.alert.id, "b", "of equally bad ones what was opened leads");
    let also: Vec<_> = digest.also.iter().map(|also| (also.alert.id.as_str(), also.event)).collect();
    assert_eq!(also, [("c", Event::Opened), ("a", Event::Resolved), ("d", Event::Opened)]);
    assert!(digest.also[0].consequence, "of the leading one");
    assert!(digest.also[1].resolution.is_some());
    assert_eq!(rig.waits(), None);
}

#[test]
fn what_follows_on_a_digest_waits_for_it() {
    let mut rig = Rig::new(three_a_minute(true));
    for alert in ["a", "b", "c", "d"] {
        rig.accept(opened(&[alert]));
    }
    assert_eq!((rig.attempt(TAKEN), rig.attempt(TAKEN)), ("a-opened".into(), "b-opened".into()));
    let in_flight = rig.begin();
    assert_eq!(in_flight.key.notification, "digest-1");
    rig.accept(resolved(&["d"]));
    rig.accept(opened(&["e"]));
    rig.end(in_flight, TAKEN);
    assert_eq!(rig.state("d-opened"), DeliveryState::Delivered);
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::seconds(20)), "three have gone out");
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(TAKEN), "digest-2");
}

#[test]
fn a_receiver_that_refuses_a_digest_is_told_one_by_one() {
    let mut rig = Rig::new(three_a_minute(true));
    for alert in ["a", "b", "c", "d"] {
        rig.accept(opened(&[alert]));
    }
    assert_eq!((rig.attempt(TAKEN), rig.attempt(TAKEN)), ("a-opened".into(), "b-opened".into()));
    assert_eq!(rig.attempt(refused("HTTP 413")), "digest-1");
    assert_eq!(rig.state("digest-1"), DeliveryState::Superseded);
    assert_eq!(rig.attempt(TAKEN), "c-opened");
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(TAKEN), "d-opened");
}

#[test]
fn a_receiver_that_takes_no_digest_is_only_slowed_down() {
    let mut rig = Rig::new(three_a_minute(false));
    for alert in ["a", "b", "c", "d"] {
        rig.accept(opened(&[alert]));
    }
    rig.accept(rig::severe(opened(&["e"]), Severity::Critical));
    let told: Vec<String> = (0..3).map(|_| rig.attempt(TAKEN)).collect();
    assert_eq!(told, ["e-opened", "a-opened", "b-opened"]);
    for next in ["c-opened", "d-opened"] {
        rig.now += TimeDelta::seconds(20);
        assert_eq!(rig.attempt(TAKEN), next);
    }
}

#[test]
fn more_than_there_is_room_for_stays_in_the_database() {
    let mut rig = Rig::with_room(Manner::default(), 4);
    for i in 0..10 {
        rig.accept(opened(&[&format!("a{i}")]));
    }
    assert_eq!((rig.held(), rig.lane.pending()), (4, 10));
    let told: Vec<String> = (0..10).map(|_| rig.attempt(TAKEN)).collect();
    assert_eq!(told, (0..10).map(|i| format!("a{i}-opened")).collect::<Vec<_>>());
    assert_eq!(rig.lane.pending(), 0);
}

#[test]
fn after_a_start_nothing_is_attempted_before_the_database_has_been_read() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.accept(acknowledged(&["a"]));
    rig.attempt(rig::later_after("HTTP 503", 600));
    rig.reads = false;
    rig.restart();
    rig.accept(opened(&["b"]));
    assert_eq!(rig.waits(), None);
    rig.reads = true;
    rig.read();
    rig.hear();
    assert_eq!(rig.attempt(TAKEN), "a-opened", "after a start nothing is known against the receiver");
    assert_eq!(rig.attempt(TAKEN), "a-acknowledged");
    assert_eq!(rig.attempt(TAKEN), "b-opened");
}

#[test]
fn while_the_database_cannot_be_read_what_is_held_is_told() {
    let mut rig = Rig::new(Manner::default());
    rig.reads = false;
    rig.restart();
    rig.accept(opened(&["a"]));
    assert_eq!(rig.waits(), None);
    rig.lane.unreadable();
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    rig.reads = true;
    rig.read();
    rig.hear();
    assert_eq!(rig.waits(), None, "what was told is not told again");
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up_for_long() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.attempt(later("HTTP 500"));
    rig.now -= TimeDelta::days(300);
    assert_eq!(rig.waits(), Some(rig.now + TimeDelta::hours(1)));
}
