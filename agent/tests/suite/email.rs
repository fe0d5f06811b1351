//! Mails: what mail servers of every temper are told and not told, and what a real one makes of it (feature
//! `receiver-tests`).

#[cfg(feature = "receiver-tests")]
mod real;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
};
use vipwatch::outbox::{Receiver, Reply};

use crate::{
    authority::{Authority, named},
    told::{later, later_in_part, opened, receiver, refused, rehearse, serve, tell},
};

const TIMEOUT: Duration = Duration::from_millis(600);
const PASSWORD: &str = "s3cr3t";

/// What a server answers to what begins like this; the first entry is its greeting, and to all else it says 250.
type Script = &'static [(&'static str, &'static str)];

/// A server that follows `script`, and the lines that it has heard.
async fn server(script: Script) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&heard);
    // Whoever has heard enough breaks off.
    let address = serve(move |stream| {
        let told = Arc::clone(&told);
        async move { drop(follow(script, BufStream::new(stream), &told).await) }
    });
    (address.await, heard)
}

async fn follow(
    script: Script,
    mut stream: BufStream<TcpStream>,
    told: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut answer = script[0].1;
    loop {
        match answer {
            "" => std::future::pending().await,
            "close" => return Ok(()),
            answer => stream.write_all(answer.as_bytes()).await?,
        }
        stream.flush().await?;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        while answer.starts_with("354") && line != ".\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
        }
        told.lock().unwrap().push(line.trim_end().to_owned());
        let found = script[1..].iter().find(|(begin, _)| line.starts_with(begin));
        answer = found.map_or("250 fine\r\n", |(_, answer)| answer);
    }
}

/// A receiver at `address` with these further keys.
fn mailbox(address: SocketAddr, more: &str) -> Receiver {
    patient_mailbox(address, more, "600ms")
}

fn patient_mailbox(address: SocketAddr, more: &str, timeout: &str) -> Receiver {
    receiver(&format!(
        "kind = \"email\"\nsmtp = \"{address}\"\nfrom = \"vipwatch@example.net\"\nto = [\"oncall@example.net\"]\n\
         timeout = \"{timeout}\"\n{more}"
    ))
}

const LOGIN: &str = "encryption = \"none\"\nusername = \"vipwatch\"\npassword = \"s3cr3t\"";

/// What comes of telling a server that follows `script`, and what it has heard. It never takes longer than it may, and
/// the password is in no error.
async fn told(script: Script, more: &str) -> (Reply, Vec<String>) {
    let (address, heard) = server(script).await;
    let began = Instant::now();
    let reply = tell(&mailbox(address, more), &opened()).await;
    assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2), "{reply:?} after {:?}", began.elapsed());
    assert!(!format!("{reply:?}").contains(PASSWORD), "{reply:?}");
    let heard = heard.lock().unwrap().clone();
    (reply, heard)
}

const PLAIN: &str = "encryption = \"none\"\nhelo = \"agent.example.net\"";

#[tokio::test]
async fn the_conversation_is_as_short_as_can_be() {
    let (reply, heard) = told(&[("", "220 hello\r\n"), ("DATA", "354 go\r\n")], PLAIN).await;
    assert_eq!(reply, Reply::Taken);
    let all = [
        "EHLO agent.example.net",
        "MAIL FROM:<vipwatch@example.net>",
        "RCPT TO:<oncall@example.net>",
        "DATA",
        ".",
        "QUIT",
    ];
    assert_eq!(heard, all);
}

#[tokio::test]
async fn what_goes_to_and_fro_is_shown_without_the_password() {
    let repeats: Script = &[
        ("", "220 hello\r\n"),
        ("EHLO", "250-hi\r\n250 AUTH PLAIN\r\n"),
        ("DATA", "354 go\r\n"),
        (".", "250-taken\r\n250 from s3cr3t\r\n"),
    ];
    let (address, _) = server(repeats).await;
    let (reply, exchanges) = rehearse(&mailbox(address, LOGIN), &opened()).await;
    assert_eq!(reply, Reply::Taken);
    let [exchange] = exchanges.as_slice() else { panic!("{exchanges:?}") };
    assert_eq!(exchange.sent.line, format!("SMTP {address}"));
    let envelope = [("MAIL FROM", "vipwatch@example.net"), ("RCPT TO", "oncall@example.net")];
    assert_eq!(exchange.sent.headers, envelope.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(exchange.sent.body.contains("Subject: Critical: "), "{}", exchange.sent.body);
    let received = exchange.received.as_ref().unwrap();
    assert_eq!((received.line.as_str(), received.body.as_str()), ("SMTP 250", "taken\nfrom ***"));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_place() {
    for (script, error) in [
        (&[("", "554 no service\r\n")][..], "the server does not let us in: SMTP 554 no service"),
        (
            &[("", "220 hi\r\n"), ("EHLO", "550 go away\r\n")],
            "the server does not let us in: SMTP 550 go away",
        ),
        (
            &[("", "220 hi\r\n"), ("MAIL", "553 5.7.1 not you\r\n")],
            "the server refuses the sender: SMTP 553 5.7.1 not you",
        ),
        (
            &[("", "220 hi\r\n"), ("RCPT", "550-no\x1b[2J\r\n550 such user\r\n")],
            "the server refuses oncall@example.net: SMTP 550 no[2J such user",
        ),
        (&[("", "220 hi\r\n"), ("DATA", "554 no\r\n")], "the server refuses the mail: SMTP 554 no"),
        (
            &[("", "220 hi\r\n"), ("DATA", "354 go\r\n"), (".", "552 5.3.4 too big\r\n")],
            "the server refuses the mail: SMTP 552 5.3.4 too big",
        ),
    ] {
        assert_eq!(refused(told(script, PLAIN).await.0), error);
    }
    for (script, error) in [
        (&[("", "421 busy\r\n")][..], "the server does not let us in: SMTP 421 busy"),
        (
            &[("", "220 hi\r\n"), ("RCPT", "450 greylisted\r\n")],
            "the server refuses oncall@example.net: SMTP 450 greylisted",
        ),
        (
            &[("", "220 hi\r\n"), ("DATA", "354 go\r\n"), (".", "452 full\r\n")],
            "the server refuses the mail: SMTP 452 full",
        ),
    ] {
        assert_eq!(later(told(script, PLAIN).await.0), error);
    }
}

#[tokio::test]
async fn one_that_hangs() {
    let hangs: [(Script, &str); 4] = [
        (&[("", "")], ""),
        (&[("", "220 hi\r\n"), ("EHLO", "")], ""),
        (&[("", "220 hi\r\n"), ("RCPT", "")], " about oncall@example.net"),
        (&[("", "220 hi\r\n"), ("DATA", "")], ""),
    ];
    for (script, about) in hangs {
        assert_eq!(later(told(script, PLAIN).await.0), format!("no reply in time{about}"));
    }
    // The mail is with it by then.
    let goodbye: Script = &[("", "220 hi\r\n"), ("DATA", "354 go\r\n"), ("QUIT", "")];
    assert_eq!(told(goodbye, PLAIN).await.0, Reply::Taken);
}

/// A recipient at whom the conversation ends, be it that the server goes silent or breaks it off, costs the others one
/// attempt, and nobody gets the mail twice.
#[tokio::test]
async fn one_recipient_that_ends_the_conversation_holds_up_nobody_else() {
    let silent: Script = &[("", "220 hi\r\n"), ("RCPT TO:<archive", ""), ("DATA", "354 go\r\n")];
    let breaks_off: Script =
        &[("", "220 hi\r\n"), ("RCPT TO:<archive", "421 4.3.2 bye\r\n"), ("DATA", "354 go\r\n")];
    for (script, error) in [
        (silent, "no reply in time about archive@example.net"),
        (breaks_off, "the server refuses archive@example.net: SMTP 421 4.3.2 bye"),
    ] {
        let (address, heard) = server(script).await;
        let both = "kind = \"email\"\nfrom = \"vipwatch@example.net\"\nto = [\"archive@example.net\", \"oncall@example.net\"]";
        let mailbox = receiver(&format!("{both}\nsmtp = \"{address}\"\ntimeout = \"600ms\"\n{PLAIN}"));
        assert_eq!(later(tell(&mailbox, &opened()).await), error);
        let in_part = format!("{error}; 1 of 2 recipients have it");
        assert_eq!(later_in_part(tell(&mailbox, &opened()).await), in_part);
        assert_eq!(later_in_part(tell(&mailbox, &opened()).await), in_part);
        let heard = heard.lock().unwrap().clone();
        let asked = heard.iter().filter(|line| line.starts_with("RCPT TO:<oncall")).count();
        let mails = heard.iter().filter(|line| *line == ".").count();
        assert_eq!((asked, mails), (1, 1), "{heard:?}");
    }
}

/// A server that says nothing to a mail may have taken it: there is an end to the copies.
#[tokio::test]
async fn a_mail_that_is_never_answered_is_not_repeated_without_end() {
    let silent: Script = &[("", "220 hi\r\n"), ("DATA", "354 go\r\n"), (".", "")];
    let breaks_off: Script = &[("", "220 hi\r\n"), ("DATA", "354 go\r\n"), (".", "close")];
    for script in [silent, breaks_off] {
        let (address, heard) = server(script).await;
        let mailbox = mailbox(address, PLAIN);
        for _ in 0..3 {
            let Reply::Later { retry_after, .. } = tell(&mailbox, &opened()).await else { panic!() };
            assert_eq!(retry_after, Some(Duration::from_secs(60)));
        }
        let error = "the server never said whether it took the mail".to_owned();
        assert_eq!(tell(&mailbox, &opened()).await, Reply::TakenInPart { error });
        let copies = heard.lock().unwrap().iter().filter(|line| *line == ".").count();
        assert_eq!(copies, 4);
    }
}

#[tokio::test]
async fn one_that_speaks_something_else() {
    let strange: [Script; 4] = [
        &[("", "HTTP/1.1 400 Bad Request\r\n\r\n")],
        &[("", "\0\u{1}\u{2}\r\n")],
        &[("", "close")],
        &[("", "220 hi\r\n"), ("DATA", "close")],
    ];
    for script in strange {
        let error = later(told(script, PLAIN).await.0);
        assert!(error.starts_with("the server's answer cannot be read: "), "{error}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let error = later(tell(&mailbox(nobody, PLAIN), &opened()).await);
    assert_eq!(error, "failed to connect: Connection refused (os error 111)");
}

#[tokio::test]
async fn one_that_drips() {
    let address = serve(|mut stream| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mailbox = mailbox(address.await, PLAIN);
    let began = Instant::now();
    assert_eq!(later(tell(&mailbox, &opened()).await), "no reply in time");
    assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_never_ends() {
    let endless = async |piece: &'static [u8]| {
        let address =
            serve(move |mut stream| async move { while stream.write_all(piece).await.is_ok() {} }).await;
        later(tell(&patient_mailbox(address, PLAIN, "20s"), &opened()).await)
    };
    let too_much = "the connection broke: the server says more than a mail needs";
    assert_eq!(endless(&[b'a'; 1_000]).await, too_much);
    const LINE: &[u8] =
        b"220-and more and more and more and more and more and more and more and more and more\r\n";
    assert_eq!(endless(LINE).await, too_much);
}

/// Nothing is said to a server that does not encrypt, be it that somebody on the way keeps it from doing so.
#[tokio::test]
async fn without_starttls_nothing_is_said() {
    let login = "username = \"vipwatch\"\npassword = \"s3cr3t\"\nhelo = \"agent.example.net\"";
    let (reply, heard) = told(&[("", "220 hi\r\n"), ("EHLO", "250-hi\r\n250 AUTH PLAIN\r\n")], login).await;
    assert_eq!(later(reply), "the server does not offer STARTTLS");
    assert_eq!(heard, ["EHLO agent.example.net"]);
    let refuses: Script =
        &[("", "220 hi\r\n"), ("EHLO", "250-hi\r\n250 STARTTLS\r\n"), ("STARTTLS", "454 not now\r\n")];
    assert_eq!(later(told(refuses, login).await.0), "the server refuses STARTTLS: SMTP 454 not now");
}

/// What somebody on the way says in clear text behind the server's answer to STARTTLS must not count as said under
/// TLS: with it, a mail would be taken that no server has.
#[tokio::test]
async fn what_is_slipped_in_before_tls_does_not_count() {
    const SLIPPED: &[u8] =
        b"220 go\r\n250-hi\r\n250 fine\r\n250 fine\r\n250 fine\r\n354 go\r\n250 taken\r\n221 bye\r\n";
    let authority = Authority::new("Test CA");
    let acceptor = authority.issue(&named("mail", &["127.0.0.1"])).acceptor(None, false);
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), &authority.pem).unwrap();
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = BufStream::new(stream);
            for answer in [&b"220 hi\r\n"[..], b"250-hi\r\n250 STARTTLS\r\n", SLIPPED] {
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
                if answer != SLIPPED {
                    stream.read_line(&mut String::new()).await.unwrap();
                }
            }
            // The server itself speaks TLS as it should, and has not heard of any mail.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
    });
    let mailbox = mailbox(address.await, &format!("ca_file = \"{}\"", ca.path().display()));
    let error = later(tell(&mailbox, &opened()).await);
    assert!(error.starts_with("the connection cannot be encrypted: "), "{error}");
}

#[tokio::test]
async fn a_password_is_neither_repeated_nor_sent_in_vain() {
    // The base64 of the name and the password.
    let repeats: Script = &[
        ("", "220 hi\r\n"),
        ("EHLO", "250-hi\r\n250 AUTH PLAIN LOGIN\r\n"),
        ("AUTH", "535 5.7.8 s3cr3t AHZpcHdhdGNoAHMzY3IzdA== is wrong\r\n"),
    ];
    let (reply, heard) = told(repeats, LOGIN).await;
    assert_eq!(refused(reply), "the server refuses username and password: SMTP 535");
    assert!(heard.contains(&"AUTH PLAIN AHZpcHdhdGNoAHMzY3IzdA==".to_owned()), "{heard:?}");
    let (reply, heard) = told(&[("", "220 hi\r\n"), ("EHLO", "250-hi\r\n250 AUTH GSSAPI\r\n")], LOGIN).await;
    let lacks = "the server does not offer a way to log in with a password (AUTH PLAIN or LOGIN)";
    assert_eq!(later(reply), lacks);
    assert_eq!(heard.len(), 1, "{heard:?}");
}
