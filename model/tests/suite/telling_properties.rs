//! Whatever happens, in whatever order: what is opened is told once, its end once and never before, and nothing is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::prelude::*;
use vipwatch_model::{
    alert::Event,
    dispatch::{Matcher, Policy, Silence},
    notification::Notification,
    rule::Flapping,
};

use crate::town::Town;

const PROBES: [&str; 6] =
    ["shop/front", "shop/back", "node-1", "shop/front node-1", "shop/front node-2", "elsewhere"];
const VIP_ROUNDS: [&str; 6] = ["up", "down", "translated", "degraded", "unknown", "up, dns_drift"];
const NODE_ROUNDS: [&str; 5] = ["ready", "idle", "silent", "closed", "unknown"];

/// One thing that happens.
#[derive(Debug, Clone)]
enum Happening {
    /// Rounds of one probe, ten seconds apart.
    Rounds(usize, usize, u8),
    /// Seconds go by.
    Wait(u8),
    Restart,
    Blind(bool),
    /// The n-th of the open alerts is acknowledged.
    Acknowledge(u8),
    /// For so many seconds.
    Silence(u8),
    /// Another configuration, with these receivers.
    Receivers(&'static [&'static str]),
    /// One probe is pointed at another target.
    Retarget(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..PROBES.len(), 0..6_usize, 1..4_u8).prop_map(|(probe, round, times)| Happening::Rounds(probe, round, times)),
        2 => (1..120_u8).prop_map(Happening::Wait),
        2 => Just(Happening::Restart),
        1 => any::<bool>().prop_map(Happening::Blind),
        1 => any::<u8>().prop_map(Happening::Acknowledge),
        1 => (1..100_u8).prop_map(Happening::Silence),
        1 => proptest::sample::select(vec![&["a"][..], &["b"], &["a", "b"]]).prop_map(Happening::Receivers),
        1 => (0..PROBES.len()).prop_map(Happening::Retarget),
    ]
}

fn round(probe: usize, round: usize) -> &'static str {
    match PROBES[probe] {
        "node-1" => ["up", "down"][round % 2],
        name if name.contains(' ') => NODE_ROUNDS[round % NODE_ROUNDS.len()],
        _ => VIP_ROUNDS[round],
    }
}

/// What one receiver has been told of one alert.
#[derive(Debug, Default)]
struct Heard {
    opened: u32,
    resolved: u32,
}

/// Takes in what was told, and holds it against what was told before.
fn hear(
    heard: &mut BTreeMap<(String, String), Heard>,
    keys: &mut BTreeSet<(String, String)>,
    receiver: &str,
    notification: &Notification,
) -> Result<(), TestCaseError> {
    let key = (receiver.to_owned(), notification.idempotency_key.clone());
    prop_assert!(keys.insert(key), "{} was told twice", notification.idempotency_key);
    let lead = (&notification.alert, &notification.resolution);
    let also = notification.also.iter().map(|companion| (&companion.alert, &companion.resolution));
    for (alert, resolution) in std::iter::once(lead).chain(also) {
        let heard = heard.entry((receiver.to_owned(), alert.id.clone())).or_default();
        match notification.event {
            Event::Opened => {
                prop_assert_eq!((heard.opened, heard.resolved), (0, 0), "{} told anew", alert.id);
                heard.opened += 1;
            }
            Event::Resolved => {
                let superseded = resolution.as_ref().is_some_and(|resolution| resolution.superseded);
                prop_assert!((heard.opened == 1) != superseded, "{}: an end without a beginning", alert.id);
                prop_assert_eq!(heard.resolved, 0, "{} ended twice", alert.id);
                heard.resolved += 1;
            }
            Event::Reminder | Event::Acknowledged => {
                prop_assert_eq!((heard.opened, heard.resolved), (1, 0), "{} is not open", alert.id);
            }
            Event::Digest | Event::Test => prop_assert!(false, "nobody asked for that"),
        }
    }
    Ok(())
}

fn reload(town: &mut Town, receivers: &[&str]) {
    town.policy.receivers = receivers.iter().map(|name| (*name).to_owned()).collect();
    town.reload(&[], &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_alert_is_told_once_and_its_end_once(
        happenings in proptest::collection::vec(happening(), 1..60),
        group_window in prop_oneof![Just(0), Just(30)],
        group_wait in prop_oneof![Just(0), Just(15)],
        flapping in any::<bool>(),
    ) {
        let mut town = Town::new(Policy {
            group_window: TimeDelta::seconds(group_window),
            group_wait: TimeDelta::seconds(group_wait),
            repeat_every: Some(TimeDelta::seconds(100)),
            ..Policy::to_all(vec!["a".into(), "b".into()])
        });
        if flapping {
            town.rules.flapping = Flapping::default();
        }
        let mut heard = BTreeMap::new();
        let mut keys = BTreeSet::new();
        let mut all_stay = true;
        let wait = |town: &mut Town, seconds: i64| {
            let until = town.now + TimeDelta::seconds(seconds);
            town.wait(until, |_| (Vec::new(), None));
        };
        for (i, happening) in happenings.into_iter().enumerate() {
            match happening {
                Happening::Rounds(probe, word, times) => for _ in 0..times {
                    wait(&mut town, 10);
                    town.round(PROBES[probe], round(probe, word));
                    town.tend();
                },
                Happening::Wait(seconds) => wait(&mut town, seconds.into()),
                Happening::Restart => town.restart(&[]),
                Happening::Blind(blind) => town.blind(blind),
                Happening::Acknowledge(n) => town.acknowledge_any(n.into()),
                Happening::Silence(seconds) => town.silence(Silence {
                    id: format!("s{i}"),
                    matcher: Matcher::default(),
                    from: town.now,
                    until: town.now + TimeDelta::seconds(seconds.into()),
                    asked_from: None,
                    by: "kim".into(),
                    comment: String::new(),
                }),
                Happening::Receivers(names) => {
                    all_stay = false;
                    reload(&mut town, names);
                }
                Happening::Retarget(probe) => {
                    let named = town.watches(PROBES[probe]).then(|| PROBES[probe].to_owned());
                    town.reload(&[], named.as_slice());
                }
            }
            for out in town.take_outgoing() {
                hear(&mut heard, &mut keys, &out.receiver, &out.notification)?;
            }
        }
        // All are there again; everything heals, and time goes by.
        let still_open: BTreeSet<String> =
            town.alerts().filter(|(_, open)| *open).map(|(id, _)| id.to_owned()).collect();
        reload(&mut town, &["a", "b"]);
        town.blind(false);
        for _ in 0..25 {
            wait(&mut town, 10);
            for probe in PROBES {
                let well = if probe.contains(' ') { "ready" } else { "up" };
                town.round(probe, well);
                town.tend();
            }
        }
        wait(&mut town, 200);
        for out in town.take_outgoing() {
            hear(&mut heard, &mut keys, &out.receiver, &out.notification)?;
        }
        for (id, open) in town.alerts() {
            prop_assert!(!open, "{id} is open still");
            for receiver in ["a", "b"] {
                match heard.get(&(receiver.to_owned(), id.to_owned())) {
                    // Who was away when it ended has missed that.
                    Some(heard) if all_stay || still_open.contains(id) => {
                        prop_assert_eq!(heard.resolved, 1, "the end of {} was not told", id);
                    }
                    Some(_) => {}
                    None => {
                        prop_assert!(!all_stay || town.unheard.contains(id), "{id} was never told to {receiver}");
                    }
                }
            }
        }
        prop_assert_eq!(town.held(), Vec::<String>::new());
        prop_assert!(town.is_forgotten(), "groups of old stay in the database");
    }
}
