//! What was given up and is put back: what still matters is told, in order, and nothing that is known to be over.

use std::{collections::HashSet, time::Duration};

use vipwatch_model::{
    alert::Severity,
    delivery::DeliveryState,
    lane::{Manner, RateLimit, Rest, Step, rest},
    notification::Notification,
};

use super::rig::{Rig, TAKEN, acknowledged, later, opened, refused, reminder, resolved, severe};

#[test]
fn an_opening_that_is_put_back_goes_before_the_end_that_waits() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    rig.accept(acknowledged(&["a"]));
    assert_eq!(rig.attempt(refused("HTTP 401")), "a-opened");
    assert_eq!(rig.attempt(later("HTTP 500")), "a-acknowledged");
    rig.put_back(&["a-opened"]);
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(TAKEN), "a-acknowledged");
}

#[test]
fn what_a_receiver_knows_to_be_over_is_not_told_any_more() {
    let over = |alert: &str| ["a", "b"].contains(&alert);
    for told in [opened(&["a", "b"]), reminder(&["b"], 1), acknowledged(&["a"])] {
        assert_eq!(rest(told.event, &told.alerts, over), Rest::Nothing);
    }
    let partly = opened(&["a", "c"]);
    assert_eq!(rest(partly.event, &partly.alerts, over), Rest::Part);
    for told in [opened(&["c"]), resolved(&["a"])] {
        assert_eq!(rest(told.event, &told.alerts, over), Rest::All);
    }
}

#[test]
fn of_what_is_over_in_part_the_rest_is_told() {
    let mut told = opened(&["a", "b", "c"]);
    let mut document: Notification = serde_json::from_str(&told.document).unwrap();
    document.alert.severity = Severity::Critical;
    document.also[1].alert.severity = Severity::Info;
    told.document = serde_json::to_string(&document).unwrap().into();
    let mut told = severe(told, Severity::Critical);

    told.leave_out(|alert| alert == "a");
    let left: Notification = serde_json::from_str(&told.document).unwrap();
    assert_eq!((told.alerts, told.severity), (vec!["b".to_owned(), "c".to_owned()], Severity::Warning));
    assert_eq!((left.alert.id.as_str(), left.also.len(), left.also[0].consequence), ("b", 1, false));
    assert_eq!(left.idempotency_key, "a-opened", "it is the same notification");

    let mut whole = opened(&["a", "b"]);
    let before = whole.clone();
    whole.leave_out(|_| true);
    assert_eq!(whole, before, "one has to stay");
}

#[test]
fn an_opening_and_its_end_that_are_put_back_together_are_told_as_the_end_alone() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a"]));
    assert_eq!(rig.attempt(refused("HTTP 404")), "a-opened");
    rig.accept(resolved(&["a"]));
    assert_eq!(rig.attempt(refused("HTTP 404")), "a-resolved");
    rig.put_back(&["a-opened", "a-resolved"]);
    assert_eq!(rig.state("a-opened"), DeliveryState::Superseded);
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    let told: Notification = serde_json::from_str(&rig.taken[0].document).unwrap();
    assert!(told.resolution.unwrap().superseded);
    assert_eq!(rig.waits(), None);
}

#[test]
fn what_is_put_back_is_read_before_anything_else_is_told() {
    let mut rig = Rig::with_room(Manner::default(), 4);
    rig.accept(opened(&["a"]));
    assert_eq!(rig.attempt(refused("HTTP 404")), "a-opened");
    // The lane is full, so it would not ask the database by itself.
    for alert in ["b", "c", "d", "e"] {
        rig.accept(opened(&[alert]));
    }
    rig.reads = false;
    rig.put_back(&["a-opened"]);
    assert_eq!(rig.waits(), None);
    rig.read();
    rig.hear();
    assert_eq!(rig.attempt(TAKEN), "a-opened");
}

#[test]
fn an_opening_that_is_put_back_while_its_end_is_on_its_way_is_left_out() {
    for reply in [TAKEN, later("no reply in time")] {
        let mut rig = Rig::new(Manner::default());
        rig.accept(opened(&["a"]));
        assert_eq!(rig.attempt(refused("HTTP 404")), "a-opened");
        rig.accept(resolved(&["a"]));
        let end = rig.begin();
        rig.put_back(&["a-opened"]);
        assert_eq!(rig.state("a-opened"), DeliveryState::Pending);
        // Even where the answer was lost the receiver may have it.
        rig.end(end, reply.clone());
        assert_eq!(rig.state("a-opened"), DeliveryState::Superseded);
        if reply != TAKEN {
            rig.now = rig.waits().unwrap();
            assert_eq!(rig.attempt(TAKEN), "a-resolved");
        }
        assert_eq!(rig.waits(), None);
    }
}

#[test]
fn an_end_that_was_told_and_not_yet_written_when_its_opening_was_put_back_counts() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a", "b"]));
    assert_eq!(rig.attempt(refused("HTTP 404")), "a-opened");
    rig.accept(resolved(&["a"]));
    rig.writes = false;
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    rig.put_back(&["a-opened"]);
    rig.writes = true;
    rig.write();
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    let told: Notification = serde_json::from_str(&rig.taken[1].document).unwrap();
    assert_eq!((told.alert.id.as_str(), told.also.len()), ("b", 0));
}

/// What is put back goes first, so that after a restart what a digest sums up may not be among what is in memory.
#[test]
fn what_a_digest_has_told_is_not_told_again_wherever_it_waits() {
    let limit = Some(RateLimit { notifications: 1, per: Duration::from_secs(60) });
    let mut rig = Rig::with_room(Manner { limit, digests: true }, 6);
    let dead: Vec<String> = (0..7).map(|i| format!("d{i}")).collect();
    for alert in &dead {
        rig.accept(opened(&[alert]));
        rig.attempt(refused("HTTP 400"));
    }
    rig.accept(opened(&["x"]));
    rig.attempt(TAKEN);
    for alert in ["a", "b", "c", "d"] {
        rig.accept(opened(&[alert]));
    }
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(later("HTTP 500")), "digest-1");
    let dead: Vec<String> = dead.into_iter().map(|alert| alert + "-opened").collect();
    rig.put_back(&dead.iter().map(String::as_str).collect::<Vec<_>>());
    rig.restart();
    loop {
        match rig.step() {
            Step::Attempt(delivery) => rig.end(delivery, TAKEN),
            Step::Wait(until) => rig.now = until,
            other => break assert_eq!(other, Step::Idle),
        }
    }
    let told: Vec<_> = rig.taken.iter().flat_map(|told| &told.alerts).collect();
    assert_eq!(told.iter().collect::<HashSet<_>>().len(), told.len(), "{told:?}");
    assert_eq!(told.len(), 12);
}

#[test]
fn an_end_says_nothing_of_an_opening_that_was_put_back_and_taken() {
    let mut rig = Rig::new(Manner::default());
    rig.accept(opened(&["a", "b"]));
    rig.attempt(refused("HTTP 400"));
    rig.put_back(&["a-opened"]);
    assert_eq!(rig.attempt(later("HTTP 500")), "a-opened");
    rig.accept(resolved(&["a"]));
    rig.now = rig.waits().unwrap();
    assert_eq!(rig.attempt(TAKEN), "a-opened");
    assert_eq!(rig.attempt(TAKEN), "a-resolved");
    let told: Notification = serde_json::from_str(&rig.taken[1].document).unwrap();
    assert!(!told.resolution.unwrap().superseded);
}
