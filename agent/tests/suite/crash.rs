//! SIGKILL at any moment: no alert is lost, none is told anew, and counting goes on where it was.

mod account;
mod flaky;

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy, ProxyHealth};
use vipwatch_web::api::State;

use self::{
    account::{Account, account},
    flaky::{Flaky, TIMEOUT},
};
use crate::{
    agent::{Home, Page, Running, free_address, state},
    cluster::{Cluster, ECHO},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// How many agents are killed how often. They watch the same cluster, each for itself.
const AGENTS: usize = 3;
const KILLS: usize = 120;

#[test]
fn killed_hundreds_of_times_every_alert_is_accounted_for() {
    const SEED: u64 = 0x_76_69_70;
    let survived = std::panic::catch_unwind(|| kill_hundreds_of_times(SEED));
    if let Err(panic) = survived {
        eprintln!("the seed was {SEED:#x}");
        std::panic::resume_unwind(panic);
    }
}

fn kill_hundreds_of_times(seed: u64) {
    let cluster = Cluster::start();
    let calm = AtomicBool::new(false);
    thread::scope(|scope| {
        let chaos = scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(seed);
            while !calm.load(Ordering::Relaxed) {
                cluster.apply(any_change(&mut random));
                thread::sleep(Duration::from_millis(random.u64(50..300)));
            }
            cluster.apply(Change::HealAll);
        });
        let victims = (1..=AGENTS as u64).map(|n| {
            let cluster = &cluster;
            scope.spawn(move || Victim::new(cluster, seed + n).killed_often(seed + n))
        });
        let victims: Vec<_> =
            victims.collect::<Vec<_>>().into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        calm.store(true, Ordering::Relaxed);
        chaos.join().unwrap();
        for victim in victims {
            victim.unwrap().recovers(&cluster);
        }
    });
}

/// Something happens in the cluster.
fn any_change(random: &mut fastrand::Rng) -> Change {
    // The nodes with pods.
    let node = ["node-1", "node-3"][random.usize(..2)];
    match random.u8(..10) {
        0..3 => Change::policy(ECHO, ExternalTrafficPolicy::Cluster),
        3..5 => Change::policy(ECHO, ExternalTrafficPolicy::Local),
        5 | 6 => Change::endpoints(ECHO, &[(node, 2)]),
        7 => Change::StrayMasquerade { node: node.to_owned(), present: random.bool() },
        8 => Change::ProxyHealth { node: node.to_owned(), health: ProxyHealth::Stale },
        _ => Change::HealAll,
    }
}

/// An agent that is killed again and again, and those whom it tells.
struct Victim {
    home: Home,
    listen: std::net::SocketAddr,
    receivers: [Flaky; 2],
}

impl Victim {
    fn new(cluster: &Cluster, seed: u64) -> Self {
        let listen = free_address();
        let receivers = [Flaky::start("ops", seed), Flaky::start("mail", seed + 1)];
        // One of them is told little at a time, and what it misses in a digest.
        let sections = receivers.iter().zip(["", "rate_limit = { notifications = 2, per = \"1s\" }\n"]);
        let sections = sections.map(|(receiver, more)| {
            let (name, address) = (receiver.name, receiver.address);
            format!(
                "[[receiver]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"http://{address}/\"\ntimeout = \"{}ms\"\n{more}",
                TIMEOUT.as_millis()
            )
        });
        let sections: String = sections.collect();
        // Every second round tells something, and nothing is held back because of something else.
        let config = cluster
            .config(listen, 100, &sections)
            .replace("_after = 2", "_after = 1")
            .replace("[alerts]", "[alerts]\ninhibit_defaults = false\nflapping = { enabled = false }");
        Self { home: Home::new(&config), listen, receivers }
    }

    fn start(&self) -> Running {
        Running::of(self.home.command().env("RUST_LOG", "off").stderr(Stdio::null()))
    }

    fn killed_often(self, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..KILLS {
            let agent = self.start();
            // At times in the middle of the start, mostly after some rounds.
            thread::sleep(Duration::from_millis(random.u64(50..400)));
            agent.kill();
        }
        self
    }

    /// Everything is well from now on: all that is still to be told gets through. Then accounts for it.
    fn recovers(self, cluster: &Cluster) {
        self.receivers.iter().for_each(Flaky::recover);
        let agent = self.start();
        Page::open(self.listen).wait_for("everything is healthy", PATIENCE, |overview| {
            overview.alerts.is_empty() && state(overview, &cluster.vip_probe()) == State::Up
        });
        let database = Connection::open(self.home.database()).unwrap();
        let left = "SELECT (SELECT count(*) FROM delivery WHERE state = 'pending')
                         + (SELECT count(*) FROM alert WHERE resolved_at IS NULL)";
        let give_up = Instant::now() + PATIENCE;
        while database.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
            assert!(Instant::now() < give_up, "something is still to be told");
            thread::sleep(Duration::from_millis(20));
        }
        agent.kill();
        let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        for receiver in &self.receivers {
            let name = receiver.name;
            let Account { alerts, deliveries, superseded, digests, repeated } =
                account(&database, name, &receiver.taken());
            println!(
                "{KILLS} kills, {alerts} alerts, {deliveries} deliveries to {name}: {superseded} openings left out, \
                 {digests} digests, {repeated} repeated"
            );
            let met_everything = superseded > 0 && repeated > 0 && (digests > 0 || name != "mail");
            assert!(alerts > 0 && met_everything, "it did not come to what the test is about");
        }
    }
}

#[test]
fn a_count_goes_on_after_a_kill() {
    let cluster = Cluster::start();
    let listen = free_address();
    // It takes 64 bad rounds: no single run gets there.
    let config = cluster.config(listen, 100, "").replace("alert_after = 2", "alert_after = 64");
    let home = Home::new(&config);
    let (agent, _) = cluster.watched_by(&home, listen);
    let name = cluster.vip_probe();
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let pending = |overview: &vipwatch_web::api::Overview| {
        let vip = crate::agent::vip(overview, &name);
        vip.pending.as_ref().map_or(0, |pending| pending.rounds)
    };
    let seen = Page::open(listen).wait_for("some bad rounds", PATIENCE, |overview| pending(overview) >= 5);
    agent.kill();
    let agent = Running::start(&home);
    let resumed = Page::open(listen).wait_for("more of them", PATIENCE, |overview| pending(overview) > 0);
    // What was not committed yet (at most one group of 50 ms) may be counted again.
    assert!(pending(&resumed) + 1 >= pending(&seen), "{} after {}", pending(&resumed), pending(&seen));
    agent.kill();
}
