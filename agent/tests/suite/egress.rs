//! Learning the egress address: from each kind of source over real sockets, and the whole agent behind a NAT that
//! changes.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use vipwatch::{
    clock::Clock,
    config,
    egress::{self, Known},
    plan::Plan,
    prober::Prober,
};
use vipwatch_model::alert::{AlertKind, Event, Severity};
use vipwatch_web::api::{Overview, State};

use crate::{
    agent::{Home, Page, Receiver, Running, free_address, state, vip},
    cluster::receiver,
    outsider::{Outsider, Tells},
};

const OURS: &str = "198.51.100.7";
const MOVED: &str = "203.0.113.7";
const PATIENCE: Duration = Duration::from_secs(20);

/// What is learnt under the `[egress]` section given, and whatever follows it.
async fn learn(egress: &str) -> Known {
    let source = format!("[agent]\nvantage = \"test\"\n[egress]\n{egress}\n");
    let config = config::parse(&source, Path::new("probes.toml"), &|_| None);
    let config = config.unwrap_or_else(|faults| panic!("{}", faults.render(false)));
    let plan = Arc::new(Plan::new(&config));
    egress::learn_once(plan, &Prober::new(16), &Clock::system()).await
}

/// Who saw which address, from which address of this host: `stun 127.0.0.1:1 from 127.0.0.1: 198.51.100.7`.
fn learnt(known: &Known) -> Vec<String> {
    let mut learnt: Vec<String> = known
        .egress()
        .learnt
        .iter()
        .map(|learnt| format!("{} from {}: {}", learnt.from, learnt.local, learnt.address))
        .collect();
    learnt.sort();
    learnt
}

fn reasons(known: &Known) -> Vec<&str> {
    known.egress().unknown.iter().map(|unknown| unknown.why.as_str()).collect()
}

fn stun(server: SocketAddr) -> String {
    format!("from = [\"stun\"]\nstun = [\"{server}\"]\n")
}

#[tokio::test]
async fn each_kind_of_source_tells_the_address() {
    let outsider = Outsider::telling(Tells::address(OURS));
    let Outsider { stun, dns, http, .. } = &outsider;
    for (keys, name) in [
        (format!("from = [\"stun\"]\nstun = [\"{stun}\"]"), format!("stun {stun}")),
        (
            format!("from = [\"dns\"]\ndns = [{{ server = \"{dns}\", name = \"myip.example.net\" }}]"),
            format!("dns myip.example.net at {dns}"),
        ),
        (
            format!(
                "from = [\"dns\"]\ndns = [{{ server = \"{dns}\", name = \"me.example.net\", record = \"TXT\" }}]"
            ),
            format!("dns me.example.net at {dns}"),
        ),
        (
            format!("from = [\"http\"]\nhttp = [\"http://{http}/ip?key=s3cr3t\"]"),
            format!("http http://{http}/ip"),
        ),
        (
            format!(
                "from = [\"reference\"]\nreference = [\"control\"]\n\
                 [[probe]]\nname = \"control\"\nkind = \"http\"\nurl = \"http://{http}/\"\necho = {{}}"
            ),
            "reference control".to_owned(),
        ),
    ] {
        let known = learn(&keys).await;
        assert_eq!(learnt(&known), [format!("{name} from 127.0.0.1: {OURS}")], "{:?}", reasons(&known));
    }
}

#[tokio::test]
async fn the_families_are_learnt_apart() {
    let v6: IpAddr = "::1".parse().unwrap();
    let (four, six) = (Outsider::telling(Tells::Truth), Outsider::at(v6, Tells::Truth));
    let known = learn(&format!(
        "from = [\"stun\", \"dns\", \"http\"]\nstun = [\"{}\", \"{}\"]\nhttp = [\"http://{}/\"]\n\
         dns = [{{ server = \"{}\", name = \"myip.example.net\" }}]",
        four.stun, six.stun, six.http, six.dns
    ))
    .await;
    let expected = [
        format!("dns myip.example.net at {} from ::1: ::1", six.dns),
        format!("http http://{}/ from ::1: ::1", six.http),
        format!("stun {} from 127.0.0.1: 127.0.0.1", four.stun),
        format!("stun {} from ::1: ::1", six.stun),
    ];
    assert_eq!(learnt(&known), expected);
    let without = |name: String, family: &str| format!("{name} over {family}: it has no {family} address");
    assert_eq!(
        reasons(&known),
        [
            without(format!("stun {}", four.stun), "IPv6"),
            without(format!("stun {}", six.stun), "IPv4"),
            without(format!("http http://{}/", six.http), "IPv4"),
            without(format!("dns myip.example.net at {}", six.dns), "IPv4"),
        ]
    );
}

#[tokio::test]
async fn each_uplink_is_asked_over() {
    let outsider = Outsider::telling(Tells::Truth);
    let (stun, http) = (outsider.stun, outsider.http);
    let known = learn(&format!(
        "from = [\"stun\", \"http\"]\nstun = [\"{stun}\"]\nhttp = [\"http://{http}/\"]\n\
         source_addresses = [\"127.0.0.2\", \"203.0.113.99\"]"
    ))
    .await;
    let expected = [
        format!("http http://{http}/ from 127.0.0.1: 127.0.0.1"),
        format!("http http://{http}/ from 127.0.0.2: 127.0.0.2"),
        format!("stun {stun} from 127.0.0.1: 127.0.0.1"),
        format!("stun {stun} from 127.0.0.2: 127.0.0.2"),
    ];
    assert_eq!(learnt(&known), expected);
    let gone = "203.0.113.99 is";
    let about_gone: Vec<_> = reasons(&known).into_iter().filter(|why| why.contains(gone)).collect();
    assert_eq!(about_gone.len(), 2, "{:?}", reasons(&known));
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let outsider = Outsider::telling(Tells::address(OURS));
    outsider.drop_next(1);
    let known = learn(&stun(outsider.stun)).await;
    assert_eq!(learnt(&known).len(), 1, "{:?}", reasons(&known));
    assert_eq!(outsider.asked(), 2);
}

#[tokio::test]
async fn who_does_not_answer_is_given_up_in_time() {
    let outsider = Outsider::telling(Tells::Nothing);
    let Outsider { stun, dns, http, .. } = &outsider;
    let started = Instant::now();
    let known = learn(&format!(
        "from = [\"stun\", \"dns\", \"http\"]\nstun = [\"{stun}\"]\nhttp = [\"http://{http}/\"]\ntimeout = \"300ms\"\n\
         dns = [{{ server = \"{dns}\", name = \"myip.example.net\" }}]"
    ))
    .await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(learnt(&known), [""; 0]);
    let silent =
        reasons(&known).into_iter().filter(|why| why.ends_with("over IPv4: no answer within 300 ms"));
    assert_eq!(silent.count(), 3, "{:?}", reasons(&known));
}

#[tokio::test]
async fn where_nobody_listens_is_told_at_once() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let started = Instant::now();
    let known = learn(&stun(nobody)).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(reasons(&known)[0].contains("refused"), "{:?}", reasons(&known));
}

#[tokio::test]
async fn a_reference_that_is_translated_itself_teaches_nothing() {
    let outsider = Outsider::telling(Tells::address("10.244.1.1"));
    let known = learn(&format!(
        "from = [\"reference\"]\nreference = [\"control\"]\n[cluster]\npod_cidrs = [\"10.244.0.0/16\"]\n\
         [[probe]]\nname = \"control\"\nkind = \"http\"\nurl = \"http://{}/\"\necho = {{}}",
        outsider.http
    ))
    .await;
    assert_eq!(learnt(&known), [""; 0]);
    assert_eq!(
        reasons(&known)[0],
        "reference control over IPv4: its own answer is translated: it reports 10.244.1.1 (pod network in 10.244.0.0/16)"
    );
    assert!(known.inside().is_empty(), "that says nothing about this agent");
}

/// An agent that watches an echo, and learns its egress address from somebody else.
struct Watched {
    echo: Outsider,
    outsider: Outsider,
    home: Home,
    listen: SocketAddr,
    page: Page,
    receiver: Receiver,
    _agent: Running,
}

const EVERY: Duration = Duration::from_millis(300);

impl Watched {
    /// Both see the agent as told here.
    fn start(echo: Tells, outsider: Tells) -> Self {
        let (echo, outsider) = (Outsider::telling(echo), Outsider::telling(outsider));
        let (listen, receiver) = (free_address(), Receiver::start());
        let home = Home::new(&config(&echo, &stun(outsider.stun), listen, &receiver));
        let agent = Running::start(&home);
        let page = Page::open(listen);
        Self { echo, outsider, home, listen, page, receiver, _agent: agent }
    }

    /// An agent behind a NAT with the address [`OURS`], which both see.
    fn behind_nat() -> Self {
        let mut watched = Self::start(Tells::address(OURS), Tells::address(OURS));
        let up = watched.until("the healthy probe", |overview| state(overview, "echo") == State::Up);
        assert_eq!(finding(&up), "preserved");
        watched
    }

    /// Kills the agent, does something to its database, and starts it again.
    fn restarted(self, meanwhile: impl FnOnce(&rusqlite::Connection)) -> Self {
        let Self { echo, outsider, home, listen, receiver, _agent: agent, .. } = self;
        agent.kill();
        meanwhile(&rusqlite::Connection::open(home.database()).unwrap());
        let agent = Running::start(&home);
        let page = Page::open(listen);
        Self { echo, outsider, home, listen, page, receiver, _agent: agent }
    }

    fn until(&mut self, what: &str, wanted: impl Fn(&Overview) -> bool) -> Overview {
        self.page.wait_for(what, PATIENCE, wanted)
    }

    /// Waits for `n` more rounds.
    fn rounds(&mut self, n: u64) -> Overview {
        let now = self.until("a picture", |_| true).agent.scheduler.rounds;
        self.until("more rounds", |overview| overview.agent.scheduler.rounds >= now + n)
    }
}

fn config(echo: &Outsider, egress: &str, listen: SocketAddr, webhook: &Receiver) -> String {
    let every = EVERY.as_millis();
    let told = receiver("test", webhook.address);
    format!(
        r#"
[agent]
vantage = "test"
listen = "{listen}"
[egress]
{egress}timeout = "100ms"
[defaults]
every = "{every}ms"
timeout = "150ms"
flows = 2
[alerts]
group_window = "0s"
[cluster]
pod_cidrs = ["10.244.0.0/16"]
[[probe]]
name = "echo"
kind = "http"
url = "http://{}/"
echo = {{}}
{told}"#,
        echo.http
    )
}

fn finding(overview: &Overview) -> String {
    vip(overview, "echo").last.as_ref().map_or_else(String::new, |last| last.finding.clone())
}

fn reason(overview: &Overview) -> String {
    vip(overview, "echo").last.as_ref().map_or_else(String::new, |last| last.reason.clone())
}

#[test]
fn a_change_of_the_nats_address_is_told_for_information_and_no_regression() {
    let mut watched = Watched::behind_nat();
    let before = watched.until("the egress", |overview| !overview.agent.egress.is_empty());
    assert_eq!(before.agent.egress_changes, []);
    let shown = &before.agent.egress[0];
    assert_eq!((shown.address.as_deref(), shown.local.as_deref()), (Some(OURS), Some("127.0.0.1")));
    assert_eq!(shown.source, format!("stun {}", watched.outsider.stun));
    assert!(shown.confirmed_at.is_some());

    watched.outsider.tell(Tells::address(MOVED));
    watched.echo.tell(Tells::address(MOVED));
    let after = watched.until("the change", |overview| !overview.agent.egress_changes.is_empty());
    let change = &after.agent.egress_changes[0];
    assert_eq!((change.from.as_str(), change.to.as_str()), (OURS, MOVED));
    let after = watched.rounds(5);
    assert_eq!((finding(&after), state(&after, "echo")), ("preserved".to_owned(), State::Up));
    assert_eq!(after.agent.egress_changes.len(), 1);
    // Rounds that began before anybody could be asked again are inconclusive, and never a regression.
    assert!(
        after.transitions.iter().all(|change| [State::Up, State::Unknown].contains(&change.to)),
        "{:?}",
        after.transitions
    );
    let (opened, others) = watched.receiver.next_of(AlertKind::EgressChanged, Event::Opened, PATIENCE);
    assert_eq!((opened.alert.key.subject.as_str(), opened.alert.severity), ("IPv4", Severity::Info));
    let told = format!("from {OURS} to {MOVED}, as told by stun {}.", watched.outsider.stun);
    assert!(opened.alert.reason.ends_with(&told), "{}", opened.alert.reason);
    assert!(others.is_empty(), "{others:#?}");

    let third = "203.0.113.8";
    watched.outsider.tell(Tells::address(third));
    watched.echo.tell(Tells::address(third));
    let (resolved, others) = watched.receiver.next_of(AlertKind::EgressChanged, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    let ended = resolved.resolution.unwrap().reason;
    assert_eq!(ended, format!("It changed again since: from {MOVED} to {third}."));
    assert!(others.is_empty(), "{others:#?}");
    let (again, others) = watched.receiver.next_of(AlertKind::EgressChanged, Event::Opened, PATIENCE);
    assert!(again.alert.reason.contains(&format!("from {MOVED} to {third}")), "{}", again.alert.reason);
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn a_change_is_news_for_an_hour_through_restarts() {
    let mut watched = Watched::behind_nat();
    watched.outsider.tell(Tells::address(MOVED));
    watched.echo.tell(Tells::address(MOVED));
    let (opened, _) = watched.receiver.next_of(AlertKind::EgressChanged, Event::Opened, PATIENCE);
    let open = |overview: &Overview| overview.alerts.iter().any(|alert| alert.id == opened.alert.id);
    watched.until("the news", open);
    watched = watched.restarted(|_| {});
    assert!(open(&watched.rounds(3)));

    watched = watched.restarted(|database| {
        let mut alert = opened.alert.clone();
        alert.opened_at -= TimeDelta::minutes(60);
        let story = serde_json::to_string(&alert).unwrap();
        let changed = database.execute("UPDATE alert SET story = ?1 WHERE id = ?2", [&story, &alert.id]);
        assert_eq!(changed, Ok(1));
    });
    let (resolved, _) = watched.receiver.next_of(AlertKind::EgressChanged, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
    assert!(resolved.resolution.unwrap().open_seconds >= 3_600);
}

#[test]
fn while_the_egress_cannot_be_learnt_verdicts_are_inconclusive() {
    let mut watched = Watched::behind_nat();
    // The NAT changes, and the one who could tell is away.
    watched.outsider.tell(Tells::Nothing);
    watched.echo.tell(Tells::address(MOVED));
    let unknown = watched.until("the unknown state", |overview| state(overview, "echo") == State::Unknown);
    assert_eq!(finding(&unknown), "inconclusive");
    assert!(
        reason(&unknown).contains("203.0.113.7 may be this agent's new egress address"),
        "{}",
        reason(&unknown)
    );
    watched.rounds(5);
    // What is of the cluster was translated, whatever the egress is.
    watched.echo.tell(Tells::address("10.244.1.1"));
    let (opened, others) = watched.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert!(others.is_empty(), "{others:#?}");
    watched.outsider.tell(Tells::address(MOVED));
    watched.echo.tell(Tells::address(MOVED));
    let (resolved, _) = watched.receiver.next_of(AlertKind::SourceTranslated, Event::Resolved, PATIENCE);
    assert_eq!(resolved.alert.id, opened.alert.id);
}

#[test]
fn until_the_egress_is_learnt_nothing_is_said() {
    let mut watched = Watched::start(Tells::address(OURS), Tells::Nothing);
    let unknown = watched.rounds(5);
    assert_eq!((finding(&unknown), state(&unknown, "echo")), ("inconclusive".to_owned(), State::Unknown));
    let silent = format!("stun {} over IPv4: no answer within 100 ms", watched.outsider.stun);
    assert!(reason(&unknown).contains(&silent), "{}", reason(&unknown));
    assert_eq!(
        (unknown.agent.egress[0].address.as_deref(), &unknown.agent.egress[0].source),
        (None, &silent)
    );
    watched.outsider.tell(Tells::address(OURS));
    watched.until("the healthy probe", |overview| state(overview, "echo") == State::Up);
    assert!(watched.receiver.all_within(EVERY).is_empty());
}

#[test]
fn an_address_that_the_nat_never_had_is_a_regression() {
    let mut watched = Watched::behind_nat();
    watched.echo.tell(Tells::address(MOVED));
    let (opened, _) = watched.receiver.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert_eq!(opened.alert.expected, [OURS]);
    assert_eq!(opened.alert.observed[0].address, MOVED);
    let shown = watched.rounds(2);
    assert_eq!(shown.agent.egress_changes, []);
}

#[test]
fn another_egress_section_takes_effect_on_reload() {
    let mut watched = Watched::behind_nat();
    let changed = config(&watched.echo, "from = [\"socket\"]\n", watched.listen, &watched.receiver);
    watched.home.configure(&changed.replace("timeout = \"100ms\"\n[defaults]", "[defaults]"));
    let translated =
        watched.until("the translated state", |overview| state(overview, "echo") == State::Translated);
    assert_eq!(translated.agent.egress.len(), 1);
    assert_eq!(translated.agent.egress[0].source, "the flow's own address");
    let again = config(&watched.echo, &stun(watched.outsider.stun), watched.listen, &watched.receiver);
    watched.home.configure(&again);
    watched.until("the preserved state", |overview| state(overview, "echo") == State::Up);
}

#[test]
fn one_round_from_the_command_line_learns_first() {
    let (echo, outsider) = (Outsider::telling(Tells::address(OURS)), Outsider::telling(Tells::address(OURS)));
    let unused = Receiver::start();
    let home = Home::new(&config(&echo, &stun(outsider.stun), free_address(), &unused));
    let probe = || {
        let mut command = crate::agent::vipwatch();
        let output = command.arg("probe").arg("--config").arg(home.path()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = probe();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("preserved"), "{text}");
    outsider.tell(Tells::Nothing);
    let (code, text) = probe();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("inconclusive"), "{text}");
}
