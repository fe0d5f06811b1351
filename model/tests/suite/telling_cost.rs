//! What telling costs: as much as there are alerts, not as their square.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use vipwatch_model::{
    alert::{Alert, AlertKey, AlertKind},
    dispatch::{Circumstances, Dispatcher, Policy, Scene},
};

use crate::town::at;

/// How long it takes to tell of `nodes` that fail, with ten services each, and to say what explains what.
fn cost(nodes: usize) -> Duration {
    let policy = Policy::to_all(vec!["ops".into()]);
    let mut dispatcher = Dispatcher::default();
    for n in 0..nodes * 10 {
        let key = AlertKey { kind: AlertKind::NodeDown, subject: format!("shop/{n}") };
        let since = at(0) + TimeDelta::milliseconds(i64::try_from(n).unwrap());
        let mut alert =
            Alert::of_vantage(format!("{n:06}"), key, AlertKind::NodeDown.severity(), since, since);
        alert.service = Some(format!("shop/{n}"));
        alert.node = Some(format!("node-{}", n / 10));
        dispatcher.opened(&alert, Circumstances::default());
    }
    let scene = Scene { policy: &policy, windows: &[], vantage: "test", page: "", now: at(1_000) };
    let begun = Instant::now();
    let told = dispatcher.tend(&scene).outgoing;
    let explained = dispatcher.explanations(&policy).len();
    let took = begun.elapsed();
    assert_eq!(told.len(), nodes);
    assert_eq!(explained, nodes * 9);
    took
}

#[test]
fn ten_times_as_many_alerts_do_not_cost_a_hundred_times_as_much() {
    let least = |nodes| (0..3).map(|_| cost(nodes)).min().unwrap();
    let (few, many) = (least(60), least(600));
    assert!(many < few * 35, "{few:?} for 600 alerts, {many:?} for 6000");
}
