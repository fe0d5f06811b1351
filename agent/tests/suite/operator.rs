//! Operators at work: the commands that list alerts, take them on and silence them, against a running agent.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::SocketAddr,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::alert::{AlertKind, Event};
use vipwatch_web::api::Overview;

use crate::{
    agent::{Home, Page, Receiver, Running, connect, free_address, vipwatch},
    cluster::{Cluster, ECHO, receiver},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command that asks the agent of `home`.
pub(crate) fn ask(home: &Home, arguments: &[&str]) -> Output {
    let mut command = vipwatch();
    command.env_remove("VIPWATCH_API_TOKEN").env("USER", "kim").env_remove("SUDO_USER");
    command.args(arguments).arg("--config").arg(home.path()).output().unwrap()
}

/// What the command said, after it has gone well.
#[track_caller]
pub(crate) fn told(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub(crate) fn assert_failed(output: &Output, code: i32, words: &str) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(words), "{words:?} is not in {error}");
}

/// The page's word on the translated VIP.
fn held(overview: &Overview) -> Option<String> {
    let alert = overview.alerts.iter().find(|alert| alert.kind == "source_translated")?;
    alert.held.as_ref().map(|held| held.why.clone())
}

#[test]
fn a_silence_holds_back_what_its_end_then_tells_and_an_acknowledgement_is_told() {
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let home = Home::new(&cluster.config(listen, 200, &receiver("ops", ops.address)));
    let log = home.path().with_file_name("log");
    let mut command = home.command();
    let agent = Running::of(command.stderr(Stdio::from(File::create(&log).unwrap())));
    let mut page = Page::open(listen);
    page.wait_for("the healthy service", PATIENCE, |overview| overview.summary.up > 0);
    assert_eq!(told(&ask(&home, &["alerts"])), "No alert is open.\n");
    assert_eq!(told(&ask(&home, &["silences"])), "No silence is in force.\n");

    let silenced =
        ask(&home, &["silence", "--for", "2h", "--comment", "chart upgrade", "--service", "default/*"]);
    assert_eq!(silenced.stderr, b"", "what it holds back is watched");
    let misspelt = ask(&home, &["silence", "--for", "2h", "--comment", "x", "--service", "defualt/*"]);
    assert!(String::from_utf8_lossy(&misspelt.stderr).contains("is it spelt as in the configuration?"));
    told(&ask(&home, &["unsilence", told(&misspelt).split(' ').nth(1).unwrap(), "--by", "robin"]));
    let sentence = told(&silenced);
    assert!(sentence.starts_with("Silence ") && sentence.contains("service default/*"), "{sentence}");
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    page.wait_for("the silenced alert", PATIENCE, |overview| {
        held(overview)
            .is_some_and(|why| why.starts_with("silence by kim@") && why.ends_with(": chart upgrade"))
    });
    let alerts = told(&ask(&home, &["alerts"]));
    assert!(alerts.contains("source_translated") && alerts.contains("chart upgrade"), "{alerts}");

    // The silence outlives a crash, and so does what it holds back.
    agent.kill();
    let agent = Running::of(command.stderr(Stdio::from(File::options().append(true).open(&log).unwrap())));
    let mut page = Page::open(listen);
    page.wait_for("the silence after a crash", PATIENCE, |overview| held(overview).is_some());
    let silences: Value = serde_json::from_str(&told(&ask(&home, &["silences", "--json"]))).unwrap();
    let id = silences[0]["id"].as_str().unwrap().to_owned();
    let before = ops.all_within(Duration::ZERO);
    assert!(before.iter().all(|other| other.alert.service.as_deref() != Some(ECHO)), "{before:#?}");
    assert!(told(&ask(&home, &["unsilence", &id[..12], "--by", "robin"])).contains("is over"));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    assert_failed(&ask(&home, &["unsilence", &id]), 1, "there is no silence");

    let alert = &opened.alert.id;
    let done = told(&ask(&home, &["ack", alert, "--by", "robin", "--comment", "rolling back"]));
    assert_eq!(done, format!("robin has taken on: {}. Reminders of it stop.\n", opened.alert.title));
    let (acknowledged, _) = ops.next_of(AlertKind::SourceTranslated, Event::Acknowledged, PATIENCE);
    let by = acknowledged.acknowledgement.unwrap();
    assert_eq!((by.by.as_str(), by.comment.as_str()), ("robin", "rolling back"));
    agent.kill();
    let agent = Running::start(&home);
    let listed: Value = serde_json::from_str(&{
        connect(listen);
        told(&ask(&home, &["alerts", "--json"]))
    })
    .unwrap();
    let after: Vec<_> = listed.as_array().unwrap().iter().filter(|listed| listed["id"] == **alert).collect();
    assert_eq!(after[0]["acknowledgement"]["by"], "robin", "{listed:#}");
    assert_failed(&ask(&home, &["ack", "no-such-alert"]), 1, "no open alert");
    agent.kill();

    let log = std::fs::read_to_string(log).unwrap();
    for (what, who) in [
        ("an operator silenced alerts", "kim@"),
        ("an operator ended a silence", "robin"),
        ("an operator took an alert on", "robin"),
    ] {
        let line = log
            .lines()
            .find(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what:?} is not in\n{log}"));
        assert!(line.contains(who) && line.contains("peer=127.0.0.1:"), "{line}");
    }
}

#[test]
fn the_page_shows_what_a_window_or_a_silence_holds_back() {
    const WINDOWS: &str = r#"
[[maintenance]]
name = "long-since"
from = 2020-01-01T00:00:00Z
to = 2999-03-02T02:00:00Z
services = ["default/*"]
[[maintenance]]
name = "far-off"
from = 2998-01-01T00:00:00Z
to = 2998-01-01T02:00:00Z
[[maintenance]]
name = "long-ago"
from = 2020-01-01T00:00:00Z
to = 2020-01-01T02:00:00Z
"#;
    let cluster = Cluster::start();
    let ops = Receiver::start();
    let listen = free_address();
    let receiver = receiver("ops", ops.address);
    let home = Home::new(&cluster.config(listen, 200, &format!("{receiver}{WINDOWS}")));
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let shown = page.wait_for("the alert inside the window", PATIENCE, |overview| {
        held(overview).as_deref() == Some("maintenance window long-since")
    });
    let windows: Vec<_> = shown.maintenance.iter().map(|window| window.name.as_str()).collect();
    assert_eq!(windows, ["long-since", "far-off"], "the open one first, and none that is over for good");
    assert!(shown.maintenance[0].open_until.is_some() && shown.maintenance[1].opens_at.is_some());

    home.configure(&cluster.config(listen, 200, &receiver));
    let (opened, _) = ops.next_of(AlertKind::SourceTranslated, Event::Opened, PATIENCE);
    let told = page.wait_for("that it was told", PATIENCE, |overview| {
        overview.alerts.iter().any(|alert| alert.id == opened.alert.id && alert.told_to == ["ops"])
    });
    assert_eq!((held(&told), told.maintenance.len()), (None, 0));
    let silence =
        ["silence", "--for", "1h", "--comment", "known", "--kind", "source_translated", "--by", "kim"];
    self::told(&ask(&home, &silence));
    page.wait_for("that nobody is reminded of it", PATIENCE, |overview| {
        held(overview).as_deref() == Some("silence by kim: known")
    });
    agent.kill();
}

#[test]
fn the_token_is_taken_from_the_configuration_and_changes_with_it() {
    let listen = free_address();
    let config = |token: &str| {
        format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\napi_token = \"{token}\"\n")
    };
    let home = Home::new(&config("0123456789abcdef"));
    let agent = Running::start(&home);
    connect(listen);
    let silence = ["silence", "--for", "1h", "--comment", "move", "--all"];
    assert!(told(&ask(&home, &silence)).contains("all alerts"));

    let url = format!("http://{listen}/");
    let elsewhere = |token: Option<&str>| {
        let mut command = vipwatch();
        command.env_remove("VIPWATCH_API_TOKEN").envs(token.map(|token| ("VIPWATCH_API_TOKEN", token)));
        command.args(silence).args(["--agent", &url]).output().unwrap()
    };
    assert_failed(&elsewhere(None), 1, "VIPWATCH_API_TOKEN=TOKEN vipwatch");
    assert_failed(&elsewhere(Some("fedcba9876543210")), 1, "not the token");
    told(&elsewhere(Some("0123456789abcdef")));

    home.configure(&config("fedcba9876543210"));
    let give_up = Instant::now() + PATIENCE;
    while elsewhere(Some("fedcba9876543210")).status.code() != Some(0) {
        assert!(Instant::now() < give_up, "the new token is not taken over");
    }
    assert_failed(&elsewhere(Some("0123456789abcdef")), 1, "not the token");
    agent.kill();
}

/// Asks for a silence of everything, as the page does; the status line and the body of the answer.
fn hush(listen: SocketAddr, comment: &str) -> (String, String) {
    let body =
        format!(r#"{{"by":"kim","comment":"{comment}","for_seconds":3600,"matcher":{{}},"all":true}}"#);
    let mut stream = connect(listen);
    write!(
        stream,
        "POST /api/v1/silences HTTP/1.0\r\nHost: {listen}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn what_was_answered_outlives_a_crash_right_after_it() {
    let listen = free_address();
    let home = Home::new(&format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n"));
    let stored = || {
        let database = rusqlite::Connection::open(home.database()).unwrap();
        database.query_row("SELECT count(*) FROM silence", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    for so_far in 1..=3 {
        let agent = Running::start(&home);
        let (status, body) = hush(listen, "known");
        assert!(status.contains("200"), "{status}: {body}");
        agent.kill();
        assert_eq!(stored(), so_far);
    }

    // Somebody else keeps the database from being written.
    let agent = Running::start(&home);
    let mut page = Page::open(listen);
    page.wait_for("the silences from before", PATIENCE, |overview| overview.silences.len() == 3);
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, body) = hush(listen, "while it is locked");
    let changed: Value = serde_json::from_str(&body).unwrap();
    assert!(status.contains("200") && changed["id"].is_string(), "{status}: {body}");
    assert!(changed["not_stored"].as_str().is_some_and(|why| !why.is_empty()), "{body}");
    // The command prints the id, so that nobody does it again, and warns.
    let silenced = ask(&home, &["silence", "--for", "1h", "--comment", "locked out", "--all"]);
    let id = told(&silenced).split(' ').nth(1).unwrap().to_owned();
    let warning = String::from_utf8_lossy(&silenced.stderr);
    assert!(warning.contains("is not stored yet, and a restart before it is would undo it: "), "{warning}");
    let overview = page.wait_for("what is not stored", PATIENCE, |overview| overview.silences.len() == 5);
    assert!(overview.silences.iter().any(|silence| silence.id == id), "{id} is not shown");
    database.execute_batch("ROLLBACK").unwrap();
    drop(database);
    let (status, body) = hush(listen, "afterwards");
    assert!(status.contains("200") && body.contains(r#""not_stored":null"#), "{status}: {body}");
    agent.kill();
    assert_eq!(stored(), 6);
}

#[test]
fn what_cannot_be_done_is_said_with_its_exit_code() {
    let home = Home::new(&format!("[agent]\nvantage = \"test\"\nlisten = \"{}\"\n", free_address()));
    let lonely = ask(&home, &["alerts"]);
    assert_failed(&lonely, 69, "is the agent running");
    assert_failed(&ask(&home, &["silence", "--for", "2h", "--comment", "x"]), 2, "--all");
    assert_failed(
        &ask(&home, &["silence", "--for", "2h", "--comment", "x", "--all", "--node", "n"]),
        2,
        "--node",
    );
    assert_failed(&ask(&home, &["silence", "--for", "2", "--comment", "x", "--all"]), 2, "needs a unit");
    assert_failed(
        &ask(&home, &["silence", "--for", "2h", "--comment", "x", "--kind", "snat"]),
        2,
        "source_translated",
    );
    assert_failed(
        &ask(&home, &["silence", "--for", "2h", "--comment", "x", "--label", "team=a", "--label", "team=b"]),
        2,
        "--label team is given twice",
    );
    home.configure("[agent]\nlisten = \"here\"\n");
    let nowhere = ask(&home, &["silences"]);
    assert_failed(&nowhere, 78, "expected an address");
    assert_failed(&nowhere, 78, "--agent URL");
    std::fs::remove_file(home.path()).unwrap();
    assert_failed(&ask(&home, &["silences"]), 78, "--agent URL");
}

/// The agent goes on with what it has read; whoever is called at night must not have to mend the file first.
#[test]
fn the_agent_is_asked_whatever_else_is_wrong_with_the_file() {
    let listen = free_address();
    let head = format!("[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\n");
    let receiver = "[[receiver]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"${VIPWATCH_TEST_HOOK}\"\n";
    let home = Home::new(&format!("{head}{receiver}"));
    let mut command = home.command();
    let agent = Running::of(command.env("VIPWATCH_TEST_HOOK", "http://127.0.0.1:9/"));
    connect(listen);
    let silence = |comment| ask(&home, &["silence", "--for", "1h", "--comment", comment, "--all"]);
    assert_eq!(told(&ask(&home, &["alerts"])), "No alert is open.\n");
    assert_eq!(told(&ask(&home, &["deliveries"])), "There is no such delivery.\n");
    told(&silence("a variable that only the service has"));
    home.configure(&format!("{head}[[service]]\nnmae = = 7\n"));
    told(&silence("an edit that is not finished"));

    let secret = "[[receiver]]\nname = \"m\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\nusername = \"m\"\n\
                  password_file = \"only-for-the-service\"\n";
    home.configure(&format!("{head}{secret}"));
    told(&silence("a file that only the service reads"));
    let silences: Value = serde_json::from_str(&told(&ask(&home, &["silences", "--json"]))).unwrap();
    assert_eq!(silences.as_array().unwrap().len(), 3);
    agent.kill();
}

/// Reading takes no token, and whoever lacks it hears why.
#[test]
fn a_token_that_only_the_service_reads_is_asked_for() {
    let listen = free_address();
    let home = Home::new(&format!(
        "[agent]\nvantage = \"test\"\nlisten = \"{listen}\"\napi_token = \"${{VIPWATCH_TEST_TOKEN}}\"\n"
    ));
    let mut command = home.command();
    let agent = Running::of(command.env("VIPWATCH_TEST_TOKEN", "0123456789abcdef"));
    connect(listen);
    assert_eq!(told(&ask(&home, &["alerts"])), "No alert is open.\n");
    let refused = ask(&home, &["silence", "--for", "1h", "--comment", "x", "--all"]);
    assert_failed(&refused, 1, "VIPWATCH_API_TOKEN=TOKEN vipwatch");
    assert_failed(&refused, 1, "cannot be read by you");
    agent.kill();
}

/// Somebody else listens where the agent should: nothing that it says is taken for the agent's word.
#[test]
fn a_stranger_in_the_agents_place_is_recognised() {
    let receiver = Receiver::start();
    let strange =
        vipwatch().args(["alerts", "--agent", &format!("http://{}/", receiver.address)]).output().unwrap();
    assert_failed(&strange, 69, "is no agent of this version");
}
