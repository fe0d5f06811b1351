//! aiosmtpd, on loopback: mails arrive under TLS and behind a login, are read by another parser than wrote them, and are
//! refused in every way.

use std::{
    io::{BufRead as _, BufReader, Lines},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rcgen::date_time_ymd;
use serde_json::{Value, json};
use tempfile::TempDir;
use vipwatch::outbox::{Receiver, Reply};
use vipwatch_lab::cluster::{Change, ExternalTrafficPolicy};
use vipwatch_model::{alert::Event, notification::Notification};

use crate::{
    agent::{Home, free_address, get},
    authority::{Authority, Issued, named},
    cluster::{Cluster, ECHO},
    told::{later, later_in_part, now, opened, receiver, refused, resolved, tell, tell_at},
};

const PATIENCE: Duration = Duration::from_secs(20);
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/usr/lib/python3/dist-packages");
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/email/server.py");
const LOGIN: &str = "username = \"vipwatch\"\npassword = \"s3cr3t\"\n";

/// A mail server; killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    mails: mpsc::Receiver<Value>,
    files: TempDir,
}

impl Server {
    /// One that shows a sound certificate and has one user.
    fn start(encryption: &str, refuses: &Value) -> Self {
        let authority = Authority::new("Test CA");
        let issued = authority.issue(&named("mail", &["localhost", "127.0.0.1"]));
        Self::showing(&authority, &issued, encryption, refuses, &[])
    }

    fn showing(
        authority: &Authority,
        issued: &Issued,
        encryption: &str,
        refuses: &Value,
        lacks: &[&str],
    ) -> Self {
        assert!(
            std::path::Path::new(TOOLS).exists(),
            "there is no aiosmtpd: run `deploy/tools.sh receivers`"
        );
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        std::fs::write(path("ca.pem"), &authority.pem).unwrap();
        std::fs::write(path("certificate.pem"), &issued.chain).unwrap();
        std::fs::write(path("key.pem"), &issued.key).unwrap();
        let wanted = json!({
            "encryption": encryption,
            "certificate": path("certificate.pem"),
            "key": path("key.pem"),
            // Without encryption it asks for no login: then it takes none.
            "login": if encryption == "none" { Value::Null } else { json!(["vipwatch", "s3cr3t"]) },
            "refuses": refuses,
            "lacks": lacks,
        });
        let mut child = Command::new("python3")
            .args(["-W", "ignore", SERVER])
            .arg(wanted.to_string())
            .env("PYTHONPATH", TOOLS)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
        let (tell, mails) = mpsc::channel();
        thread::spawn(move || read(lines, &tell));
        Self { child, address: ([127, 0, 0, 1], port).into(), mails, files }
    }

    /// A receiver that trusts its authority.
    fn mailbox(&self, encryption: &str, more: &str) -> Receiver {
        let ca = self.files.path().join("ca.pem");
        let ca =
            if encryption == "none" { String::new() } else { format!("ca_file = \"{}\"\n", ca.display()) };
        self.mailbox_at("127.0.0.1", encryption, &format!("{ca}{more}"))
    }

    fn mailbox_at(&self, host: &str, encryption: &str, more: &str) -> Receiver {
        receiver(&format!(
            "kind = \"email\"\nsmtp = \"{host}:{}\"\nencryption = \"{encryption}\"\nhelo = \"agent.example.net\"\n\
             from = \"vipwatch <vipwatch@example.net>\"\n\
             to = [\"Jörg <oncall@example.net>\", \"archive@example.net\"]\n{more}",
            self.address.port()
        ))
    }

    fn mail(&self) -> Value {
        self.mails.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(lines: Lines<BufReader<ChildStdout>>, tell: &mpsc::Sender<Value>) {
    for line in lines {
        let Ok(line) = line else { return };
        let _ = tell.send(serde_json::from_str(&line).unwrap());
    }
}

/// The values of the header `name`.
fn headers<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}

#[track_caller]
fn header<'a>(mail: &'a Value, name: &str) -> &'a str {
    let found = headers(mail, name);
    assert_eq!(found.len(), 1, "{name}: {mail:#}");
    found[0]
}

#[tokio::test]
async fn a_mail_arrives_under_every_encryption() {
    for (encryption, more) in [("starttls", LOGIN), ("tls", LOGIN), ("none", "")] {
        let server = Server::start(encryption, &json!({}));
        assert_eq!(tell(&server.mailbox(encryption, more), &opened()).await, Reply::Taken, "{encryption}");
        let mail = server.mail();
        assert_eq!(mail["encrypted"], encryption != "none");
        assert_eq!(mail["login"], if more.is_empty() { Value::Null } else { json!(["vipwatch", "s3cr3t"]) });
        assert_eq!(mail["helo"], "agent.example.net");
        assert_eq!(mail["from"], "vipwatch@example.net");
        assert_eq!(mail["to"], json!(["oncall@example.net", "archive@example.net"]));
        assert_eq!((&mail["ascii"], &mail["defects"]), (&json!(true), &json!([])), "{mail:#}");
    }
}

#[tokio::test]
async fn it_says_what_happened_in_words_and_in_headers() {
    let server = Server::start("none", &json!({}));
    let mut notification = opened();
    notification.alert.reason = "Ärger: <b>4</b> & mehr.\n.\nQUIT".into();
    assert_eq!(tell(&server.mailbox("none", ""), &notification).await, Reply::Taken);
    let mail = server.mail();
    let subject = header(&mail, "Subject");
    assert!(
        subject.contains("Critical") && subject.contains("loses its clients' source addresses"),
        "{subject}"
    );
    assert_eq!(header(&mail, "From"), "vipwatch <vipwatch@example.net>");
    assert_eq!(header(&mail, "To"), "Jörg <oncall@example.net>, archive@example.net");
    assert_eq!(header(&mail, "Date"), "Mon, 23 Nov 2026 03:14:25 +0000");
    assert_eq!(header(&mail, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&mail, "X-Vipwatch-Event"), "opened");
    assert_eq!(header(&mail, "X-Vipwatch-Kind"), "source_translated");
    assert_eq!(header(&mail, "X-Vipwatch-Severity"), "critical");
    let (plain, html) =
        (mail["parts"]["text/plain"].as_str().unwrap(), mail["parts"]["text/html"].as_str().unwrap());
    assert!(
        plain.contains("Ärger: <b>4</b> & mehr. . QUIT") && plain.contains("http://192.0.2.9:9180/"),
        "{plain}"
    );
    assert!(
        html.contains("Ärger: &lt;b&gt;4&lt;/b&gt; &amp; mehr.")
            && html.contains("<code>kubectl get service</code>"),
        "{html}"
    );
}

#[tokio::test]
async fn all_mails_about_an_alert_make_one_thread() {
    let server = Server::start("none", &json!({}));
    let mailbox = server.mailbox("none", "");
    let mut reminder = opened();
    reminder.event = Event::Reminder;
    reminder.idempotency_key = format!("{}-reminder-1", reminder.alert.id);
    // Another alert, told along with this one.
    let mut other = resolved();
    other.alert.id = "another".into();
    other.idempotency_key = "another-resolved".into();
    other.also.push(vipwatch_model::notification::Companion {
        event: Event::Resolved,
        consequence: false,
        alert: opened().alert,
        resolution: other.resolution.clone(),
        acknowledgement: None,
    });
    let tell_it = async |notification: &Notification| {
        assert_eq!(tell(&mailbox, notification).await, Reply::Taken);
        server.mail()
    };
    let first = tell_it(&opened()).await;
    let root = "<01a20614-ac08-7098-b455-c6cdc68d2f3c-opened@example.net>";
    assert_eq!(header(&first, "Message-ID"), root);
    assert!(headers(&first, "In-Reply-To").is_empty() && headers(&first, "References").is_empty());
    let mut seen = vec![root.to_owned()];
    for notification in [reminder, resolved()] {
        let mail = tell_it(&notification).await;
        assert_eq!((header(&mail, "In-Reply-To"), header(&mail, "References")), (root, root));
        seen.push(header(&mail, "Message-ID").to_owned());
    }
    let mail = tell_it(&other).await;
    assert_eq!(header(&mail, "In-Reply-To"), "<another-opened@example.net>");
    assert_eq!(header(&mail, "References"), format!("<another-opened@example.net> {root}"));
    seen.push(header(&mail, "Message-ID").to_owned());
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
    let mut test = resolved();
    test.event = Event::Test;
    let mail = tell_it(&test).await;
    assert!(headers(&mail, "In-Reply-To").is_empty() && headers(&mail, "References").is_empty());
    // Another attempt at the same is the same mail, whenever it is made.
    assert_eq!(tell_at(now() + chrono::TimeDelta::hours(1), &mailbox, &opened()).await, Reply::Taken);
    assert_eq!(header(&server.mail(), "Message-ID"), root);
}

#[tokio::test]
async fn no_text_gets_into_a_header() {
    let server = Server::start("none", &json!({}));
    let mut notification = resolved();
    let evil = "x\r\nBcc: <evil@example.net>\r\n\r\nbody";
    notification.alert.title = evil.into();
    notification.alert.id = evil.into();
    notification.idempotency_key = evil.into();
    assert_eq!(tell(&server.mailbox("none", ""), &notification).await, Reply::Taken);
    let mail = server.mail();
    assert!(headers(&mail, "Bcc").is_empty(), "{mail:#}");
    assert_eq!(mail["to"].as_array().unwrap().len(), 2);
    assert_eq!(mail["defects"], json!([]));
    assert!(header(&mail, "Subject").contains("Bcc: <evil@example.net>"));
    let id = header(&mail, "Message-ID");
    assert_eq!(
        (id.matches('<').count(), id.matches('@').count(), id.ends_with("@example.net>")),
        (1, 1, true),
        "{id}"
    );
}

/// The error of a reply by which some have it, and others never will.
#[track_caller]
fn taken_in_part(reply: Reply) -> String {
    match reply {
        Reply::TakenInPart { error } => error,
        reply => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn recipients_are_refused_one_by_one() {
    let (gone, later_on) = ("550 5.1.1 no such user", "451 4.7.1 greylisted");
    let one = Server::start("none", &json!({ "archive@example.net": gone }));
    let error = taken_in_part(tell(&one.mailbox("none", ""), &opened()).await);
    assert_eq!(
        error,
        "the server refuses archive@example.net: SMTP 550 5.1.1 no such user; 1 of 2 recipients have it"
    );
    assert_eq!(one.mail()["to"], json!(["oncall@example.net"]));
    let of = |name: &str, said: &str| format!("the server refuses {name}@example.net: SMTP {said}");
    for (first, second, error) in [
        (gone, gone, Err(format!("{}; {}", of("oncall", gone), of("archive", gone)))),
        (gone, later_on, Ok(of("archive", later_on))),
        (later_on, later_on, Ok(format!("{}; {}", of("oncall", later_on), of("archive", later_on)))),
    ] {
        let server =
            Server::start("none", &json!({ "oncall@example.net": first, "archive@example.net": second }));
        let reply = tell(&server.mailbox("none", ""), &opened()).await;
        match error {
            Ok(error) => assert_eq!(later(reply), error),
            Err(error) => assert_eq!(refused(reply), error),
        }
    }
}

/// Greylisting: who is taken gets the mail at once, who is not gets it when the server is ready, and nobody twice.
#[tokio::test]
async fn who_is_deferred_gets_the_mail_later_and_nobody_gets_it_twice() {
    let greylisted = "451 4.7.1 greylisted";
    let server =
        Server::start("none", &json!({ "archive@example.net": [greylisted, greylisted, greylisted] }));
    let mailbox = server.mailbox("none", "");
    let error =
        "the server refuses archive@example.net: SMTP 451 4.7.1 greylisted; 1 of 2 recipients have it";
    let (oncall, archive) = (json!(["oncall@example.net"]), json!(["archive@example.net"]));

    assert_eq!(later_in_part(tell(&mailbox, &opened()).await), error);
    let first = server.mail();
    assert_eq!(first["to"], oncall);
    // Another one meanwhile: each has its own recipients left.
    assert_eq!(later_in_part(tell(&mailbox, &resolved()).await), error);
    assert_eq!(server.mail()["to"], oncall);
    assert_eq!(later_in_part(tell(&mailbox, &opened()).await), error);
    assert_eq!(tell(&mailbox, &opened()).await, Reply::Taken);
    let last = server.mail();
    assert_eq!(last["to"], archive);
    assert_eq!(header(&last, "Message-ID"), header(&first, "Message-ID"));
    assert_eq!(header(&last, "To"), header(&first, "To"), "it is the same mail");
    assert_eq!(tell(&mailbox, &resolved()).await, Reply::Taken);
    assert_eq!(server.mail()["to"], archive);
    assert!(server.mails.try_recv().is_err());

    // What ended is not remembered: the same notification, told anew, is for both.
    assert_eq!(tell(&mailbox, &opened()).await, Reply::Taken);
    assert_eq!(server.mail()["to"], json!(["oncall@example.net", "archive@example.net"]));
}

/// A whole agent with a server that greylists one recipient and does not know another.
#[test]
fn a_running_agent_tells_everybody_once() {
    let greylisted = "451 4.7.1 greylisted";
    let server = Server::start(
        "none",
        &json!({ "archive@example.net": [greylisted, greylisted], "former@example.net": "550 5.1.1 no such user" }),
    );
    let cluster = Cluster::start();
    let listen = free_address();
    let mail = format!(
        "[[receiver]]\nname = \"mail\"\nkind = \"email\"\nsmtp = \"{}\"\nencryption = \"none\"\n\
         from = \"vipwatch@example.net\"\nto = [\"oncall@example.net\", \"archive@example.net\", \"former@example.net\"]\n",
        server.address
    );
    // So that there is one alert to tell of.
    let config = cluster.config(listen, 200, &mail);
    let config = config.replace("[alerts]\n", "[alerts]\npolicy_drift = { enabled = false }\n");
    let home = Home::new(&config);
    let (agent, mut page) = cluster.watched_by(&home, listen);
    cluster.apply(Change::policy(ECHO, ExternalTrafficPolicy::Cluster));
    let (first, second) = (server.mail(), server.mail());
    assert_eq!(
        (&first["to"], &second["to"]),
        (&json!(["oncall@example.net"]), &json!(["archive@example.net"]))
    );
    assert_eq!(header(&first, "Message-ID"), header(&second, "Message-ID"));
    let error =
        "the server refuses former@example.net: SMTP 550 5.1.1 no such user; 2 of 3 recipients have it";
    page.wait_for("the delivery", PATIENCE, |overview| {
        let mail = &overview.receivers[0];
        mail.delivered == 1 && mail.last_error.as_deref() == Some(error)
    });
    let (_, deliveries) = get(listen, "/api/v1/deliveries");
    let deliveries: Value = serde_json::from_str(&deliveries).unwrap();
    assert_eq!(deliveries.as_array().unwrap().len(), 1, "{deliveries:#}");
    let delivery = &deliveries[0];
    assert_eq!((&delivery["state"], &delivery["attempts"]), (&json!("delivered"), &json!(3)));
    assert_eq!(delivery["last_error"], error);
    assert!(server.mails.try_recv().is_err());
    agent.kill();
}

#[tokio::test]
async fn a_mail_is_refused_for_now_or_for_good() {
    let full = Server::start("none", &json!({ "DATA": "452 4.3.1 no space" }));
    let error = later(tell(&full.mailbox("none", ""), &opened()).await);
    assert_eq!(error, "the server refuses the mail: SMTP 452 4.3.1 no space");
    let strict = Server::start("none", &json!({ "DATA": "554 5.7.1 spam" }));
    let error = refused(tell(&strict.mailbox("none", ""), &opened()).await);
    assert_eq!(error, "the server refuses the mail: SMTP 554 5.7.1 spam");
}

#[tokio::test]
async fn a_login_may_be_of_the_old_kind_and_may_fail() {
    let authority = Authority::new("Test CA");
    let issued = authority.issue(&named("mail", &["localhost", "127.0.0.1"]));
    let old = Server::showing(&authority, &issued, "starttls", &json!({}), &["PLAIN"]);
    assert_eq!(tell(&old.mailbox("starttls", LOGIN), &opened()).await, Reply::Taken);
    assert_eq!(old.mail()["login"], json!(["vipwatch", "s3cr3t"]));
    let wrong = "username = \"vipwatch\"\npassword = \"wr0ng\"\n";
    for (server, encryption) in [(&old, "starttls"), (&Server::start("tls", &json!({})), "tls")] {
        let error = refused(tell(&server.mailbox(encryption, wrong), &opened()).await);
        assert_eq!(error, "the server refuses username and password: SMTP 535");
    }
    // A server that insists on a login says so to somebody without one.
    let error = refused(tell(&old.mailbox("starttls", ""), &opened()).await);
    assert!(error.starts_with("the server refuses the sender: SMTP 530"), "{error}");
}

#[tokio::test]
async fn a_certificate_has_to_be_sound() {
    let authority = Authority::new("Test CA");
    let mut expired = named("mail", &["localhost", "127.0.0.1"]);
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    for (issued, words) in [
        (authority.issue(&named("other", &["other.example.net"])), "not valid for name"),
        (authority.issue(&expired), "expired"),
        (Authority::new("Stranger").issue(&named("mail", &["127.0.0.1"])), "UnknownIssuer"),
    ] {
        for encryption in ["starttls", "tls"] {
            let server = Server::showing(&authority, &issued, encryption, &json!({}), &[]);
            let error = later(tell(&server.mailbox(encryption, LOGIN), &opened()).await);
            assert!(error.contains(words), "{words:?} is not in {error:?}");
            assert!(server.mails.try_recv().is_err());
        }
    }
    // The authority is in no store of this host, and by its name the server is as good as by its address.
    let server = Server::start("starttls", &json!({}));
    let error = later(tell(&server.mailbox_at("127.0.0.1", "starttls", LOGIN), &opened()).await);
    assert!(error.contains("UnknownIssuer"), "{error}");
    let ca = format!("{LOGIN}ca_file = \"{}\"\n", server.files.path().join("ca.pem").display());
    assert_eq!(tell(&server.mailbox_at("localhost", "starttls", &ca), &opened()).await, Reply::Taken);
}

/// TLS from the start where the server wants STARTTLS, and the other way round.
#[tokio::test]
async fn a_mistaken_encryption_is_no_mail_in_clear_text() {
    let starttls = Server::start("starttls", &json!({}));
    later(tell(&starttls.mailbox("tls", LOGIN), &opened()).await);
    let error = refused(tell(&starttls.mailbox("none", ""), &opened()).await);
    assert!(error.starts_with("the server refuses the sender: SMTP 530"), "{error}");
    assert!(starttls.mails.try_recv().is_err());
    let tls = Server::start("tls", &json!({}));
    let mailbox = tls.mailbox("starttls", &format!("{LOGIN}timeout = \"500ms\"\n"));
    later(tell(&mailbox, &opened()).await);
}
