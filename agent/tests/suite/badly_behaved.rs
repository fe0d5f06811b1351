//! Receivers over HTTP that do not do as they should, of every kind: each of them costs one attempt its time-out at most,
//! is understood for what it is, and gets no secret into an error.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use rcgen::{CertificateParams, date_time_ymd};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use vipwatch::outbox::{Receiver, Reply};

use crate::{
    authority::{Authority, Issued, named},
    told::{later, opened, receiver, refused, rehearse, serve, tell},
};

const TIMEOUT: Duration = Duration::from_millis(600);
/// Part of every URL here.
const SECRET: &str = "s3cr3t";

/// A receiver of every kind that is told at `host` over `scheme`.
fn receivers(scheme: &str, host: &str, more: &str) -> Vec<Receiver> {
    let root = format!("{scheme}://user:{SECRET}@{host}/");
    let url = format!("{root}{SECRET}?token={SECRET}");
    let kinds = [
        format!("kind = \"webhook\"\nurl = \"{url}\"\n"),
        format!("kind = \"slack\"\nurl = \"{url}\"\n"),
        format!("kind = \"discord\"\nurl = \"{url}\"\n"),
        format!("kind = \"teams\"\nurl = \"{url}\"\n"),
        format!("kind = \"pagerduty\"\nurl = \"{url}\"\nrouting_key = \"{SECRET}0123456789\"\n"),
        format!("kind = \"ntfy\"\nurl = \"{root}\"\ntopic = \"{SECRET}\"\n"),
        format!("kind = \"alertmanager\"\nurls = [\"{url}\"]\nresend_every = \"1s\"\n"),
    ];
    kinds.iter().map(|kind| receiver(&format!("{kind}timeout = \"600ms\"\n{more}"))).collect()
}

/// How each of them comes away from a server that treats connections like this. It takes them no longer than it may.
async fn replies<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> Vec<Reply>
where
    F: Future<Output = ()> + Send + 'static,
{
    let address = serve(treat).await;
    told_at("http", &address.to_string(), "").await
}

async fn told_at(scheme: &str, host: &str, more: &str) -> Vec<Reply> {
    let receivers = receivers(scheme, host, more);
    let told = receivers.iter().map(|receiver| async {
        let began = Instant::now();
        let reply = tell(receiver, &opened()).await;
        assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2), "{reply:?} after {:?}", began.elapsed());
        assert!(!format!("{reply:?}").contains(SECRET), "{reply:?}");
        reply
    });
    join_all(told).await
}

/// All of them are satisfied.
#[track_caller]
fn taken(replies: &[Reply]) {
    assert!(!replies.is_empty() && replies.iter().all(|reply| *reply == Reply::Taken), "{replies:?}");
}

/// Reads a request, with its body.
async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"}") && !request.ends_with(b"}]") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(request).unwrap()
}

/// Answers every request like this, and closes the connection.
fn say(answer: impl Into<Vec<u8>>) -> impl Fn(TcpStream) -> futures_util::future::BoxFuture<'static, ()> {
    let answer: Arc<[u8]> = answer.into().into();
    move |mut stream| {
        let answer = Arc::clone(&answer);
        Box::pin(async move {
            hear(&mut stream).await;
            let _ = stream.write_all(&answer).await;
        })
    }
}

/// Writes `piece` over and over, with a pause in between, until nobody listens any more.
async fn for_ever(stream: &mut (impl AsyncWrite + Unpin), piece: &[u8], pause: Duration) -> io::Result<()> {
    loop {
        stream.write_all(piece).await?;
        tokio::time::sleep(pause).await;
    }
}

#[tokio::test]
async fn one_that_hangs() {
    let began = Instant::now();
    let silent = replies(|stream| async {
        let _open = stream;
        std::future::pending::<()>().await;
    });
    for reply in silent.await {
        assert_eq!(later(reply), "no reply in time");
    }
    assert!(began.elapsed() >= TIMEOUT, "{:?}", began.elapsed());
    let listens_and_hangs = replies(|mut stream| async move {
        hear(&mut stream).await;
        std::future::pending::<()>().await;
    });
    for reply in listens_and_hangs.await {
        assert_eq!(later(reply), "no reply in time");
    }
}

#[tokio::test]
async fn one_that_drips() {
    let drip = Duration::from_millis(50);
    let head = replies(move |mut stream| async move {
        hear(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ").await.unwrap();
        let _ = for_ever(&mut stream, b"x", drip).await;
    });
    for reply in head.await {
        assert_eq!(later(reply), "no reply in time");
    }
    // The body tells nothing that anybody wants to know.
    let began = Instant::now();
    let body = replies(move |mut stream| async move {
        hear(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await.unwrap();
        let _ = for_ever(&mut stream, b"x", drip).await;
    });
    taken(&body.await);
    assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
}

#[tokio::test]
async fn one_that_never_ends() {
    let head = replies(|mut stream| async move {
        hear(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        let _ = for_ever(&mut stream, &b"x-more: and more\r\n".repeat(100), Duration::ZERO).await;
    });
    for reply in head.await {
        later(reply);
    }
    let began = Instant::now();
    let body = replies(|mut stream| async move {
        hear(&mut stream).await;
        stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await.unwrap();
        let _ = for_ever(&mut stream, &b"and more".repeat(1_000), Duration::ZERO).await;
    });
    for reply in body.await {
        assert_eq!(later(reply), "HTTP 503");
    }
    assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
}

/// Somebody who tries a receiver sees the beginning of what it says, and does not wait for the end.
#[tokio::test]
async fn of_an_endless_reply_the_beginning_is_shown() {
    for (pause, pieces) in [(Duration::ZERO, 8_000), (Duration::from_millis(50), 1)] {
        let address = serve(move |mut stream| async move {
            hear(&mut stream).await;
            stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.unwrap();
            let _ = for_ever(&mut stream, &b"no".repeat(pieces), pause).await;
        })
        .await;
        for receiver in receivers("http", &address.to_string(), "") {
            let began = Instant::now();
            let (reply, exchanges) = rehearse(&receiver, &opened()).await;
            assert_eq!(refused(reply), "HTTP 404");
            assert!(began.elapsed() < TIMEOUT + Duration::from_secs(2), "{:?}", began.elapsed());
            let body = &exchanges[0].received.as_ref().unwrap().body;
            assert!(body.starts_with("no") && body.len() <= 4_096, "{} bytes", body.len());
        }
    }
}

#[tokio::test]
async fn one_that_sends_elsewhere() {
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let elsewhere = serve(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    for status in [301, 302, 303, 307, 308] {
        let answer = format!(
            "HTTP/1.1 {status} Elsewhere\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n"
        );
        for reply in replies(say(answer)).await {
            assert_eq!(later(reply), format!("HTTP {status} (redirects are not followed)"));
        }
    }
    assert_eq!(visits.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn one_that_is_busy() {
    let busy =
        |headers: &str| say(format!("HTTP/1.1 429 Too Many Requests\r\n{headers}content-length: 0\r\n\r\n"));
    let asked = |after| Reply::Later { error: "HTTP 429".into(), retry_after: after };
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    for (headers, after) in [
        ("", None),
        ("retry-after: 120\r\n", minutes(2)),
        ("retry-after: Mon, 23 Nov 2026 03:19:25 GMT\r\n", minutes(5)),
        ("retry-after: Mon, 23 Nov 2026 01:00:00 GMT\r\n", None),
        ("retry-after: soon\r\n", None),
        ("retry-after: -1\r\n", None),
    ] {
        for reply in replies(busy(headers)).await {
            assert_eq!(reply, asked(after), "{headers}");
        }
    }
}

#[tokio::test]
async fn one_that_is_broken() {
    for status in [500, 502, 503, 504] {
        let answer = format!("HTTP/1.1 {status} Broken\r\ncontent-length: 0\r\n\r\n");
        for reply in replies(say(answer)).await {
            assert_eq!(later(reply), format!("HTTP {status}"));
        }
    }
    let garbage: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\x01\x02\xff\xfe",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"220 smtp ready\r\n\r\n",
    ];
    for answer in garbage {
        for reply in replies(say(answer)).await {
            later(reply);
        }
    }
}

#[tokio::test]
async fn one_that_wants_none_of_it() {
    for status in [400, 401, 403, 404, 410, 413, 451] {
        let answer = format!("HTTP/1.1 {status} {SECRET}\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");
        for reply in replies(say(answer)).await {
            assert_eq!(refused(reply), format!("HTTP {status}"));
        }
    }
}

#[tokio::test]
async fn one_that_closes_in_the_middle() {
    for answer in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\ncontent-len"] {
        for reply in replies(say(answer)).await {
            later(reply);
        }
    }
    for reply in replies(|stream| async { drop(stream) }).await {
        later(reply);
    }
    // The head was all that counts.
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nand";
    taken(&replies(say(cut)).await);
}

#[tokio::test]
async fn one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for reply in told_at("http", &address.to_string(), "").await {
        let error = later(reply);
        assert_eq!(error, "failed to connect: Connection refused (os error 111)");
    }
}

/// An HTTPS server that shows `certificate`.
async fn https(certificate: &Issued) -> SocketAddr {
    let acceptor = certificate.acceptor(None, false);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // Whoever does not trust it breaks off.
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            hear(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// The key by which a receiver trusts `authority`, and the file that it names.
fn trusting(authority: &Authority) -> (String, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &authority.pem).unwrap();
    (format!("ca_file = \"{}\"\n", path.display()), directory)
}

/// A certificate for the host under which servers are told here.
fn for_localhost() -> CertificateParams {
    named("alerts", &["localhost"])
}

#[tokio::test]
async fn one_whose_certificate_is_sound() {
    let authority = Authority::new("Test CA");
    let (trust, _file) = trusting(&authority);
    let address = https(&authority.issue(&for_localhost())).await;
    taken(&told_at("https", &format!("localhost:{}", address.port()), &trust).await);
}

#[tokio::test]
async fn one_whose_certificate_is_not() {
    let authority = Authority::new("Test CA");
    let (trust, _file) = trusting(&authority);
    let mut expired = for_localhost();
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    for (certificate, more, words) in [
        (authority.issue(&expired), &*trust, "expired"),
        (authority.issue(&named("other", &["other.example.net"])), &*trust, "not valid for name"),
        (Authority::new("Stranger").issue(&for_localhost()), &*trust, "UnknownIssuer"),
        (authority.issue(&for_localhost()), "", "UnknownIssuer"),
        (Issued::self_signed(&for_localhost()), &*trust, "certificate"),
    ] {
        let address = https(&certificate).await;
        for reply in told_at("https", &format!("localhost:{}", address.port()), more).await {
            let error = later(reply);
            assert!(error.contains(words), "{words:?} is not in {error:?}");
        }
    }
}

#[tokio::test]
async fn one_that_speaks_no_tls() {
    let address = serve(say("HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    for reply in told_at("https", &format!("localhost:{}", address.port()), "").await {
        later(reply);
    }
}
