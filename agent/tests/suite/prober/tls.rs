//! TLS with certificates of every kind: what is wrong is said, and what was shown is kept.

use rcgen::{CertificateParams, date_time_ymd};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use vipwatch::prober::{Authorities, Exchange, HttpExchange, Identity, Roots, TcpExchange, Tls};
use vipwatch_model::{
    echo::EchoFormat,
    flow::{FailureKind, Outcome},
    observation::{Certificate, Sight},
};

use super::{
    detail, kind, outcome,
    server::{Server, ok},
    sight, to,
};
use crate::authority::{Authority, Issued, named};

const NAME: &str = "echo.example.net";

/// An HTTPS echo, and a TCP echo for those who say nothing.
async fn serving(acceptor: TlsAcceptor) -> Server {
    Server::doing(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let peer = stream.peer_addr().unwrap().to_string();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
            let reply = if head.ends_with(b"\r\n\r\n") { ok(&peer) } else { format!("{peer}\n") };
            let _ = stream.write_all(reply.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn trusting(authority: &Authority) -> Tls {
    Tls { roots: Roots::Own(Authorities::from_pem(authority.pem.as_bytes()).unwrap()), ..Tls::new(NAME) }
}

async fn handshake(server: &Server, tls: Tls) -> Sight {
    sight(to(server.address, Exchange::Tls(tls)), 1).await
}

#[tokio::test]
async fn a_good_certificate_is_kept_with_the_flows_and_all_exchanges_work_over_it() {
    let authority = Authority::new("Test CA");
    let server = serving(authority.issue(&named(NAME, &[NAME])).acceptor(None, false)).await;
    let tls = Some(trusting(&authority));
    let exchanges = [
        Exchange::Http(HttpExchange { tls: tls.clone(), ..HttpExchange::get(NAME, "/") }),
        Exchange::Tcp(TcpExchange { tls, send: b"clientip\n".into(), ..TcpExchange::default() }),
    ];
    for exchange in exchanges {
        let mut method = to(server.address, exchange);
        method.echo = Some(EchoFormat::Auto);
        let sight = sight(method, 3).await;
        for flow in &sight.flows {
            assert!(
                matches!(&flow.outcome, Outcome::Echoed(report) if report.port == Some(flow.local.unwrap().port()))
            );
            assert!(flow.phases.connect_us.is_some() && flow.phases.tls_us.is_some());
        }
        let certificate = sight.certificate.unwrap();
        assert_eq!((certificate.subject.as_str(), certificate.issuer.as_str()), (NAME, "Test CA"));
        assert_eq!((certificate.chain, certificate.refused), (1, None));
        assert!(certificate.not_before < certificate.not_after);
    }
    let sight = handshake(&server, trusting(&authority)).await;
    assert_eq!(sight.flows[0].outcome, Outcome::Answered);
    assert!(sight.certificate.is_some());
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_named_and_the_certificate_kept() {
    let (authority, stranger) = (Authority::new("Test CA"), Authority::new("Another CA"));
    let from_to = |from, to| {
        let mut params = named(NAME, &[NAME]);
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        params
    };
    let cases: [(Issued, &str); 5] = [
        (
            authority.issue(&from_to(2020, 2021)),
            "the certificate of echo.example.net expired at 2021-01-01 00:00 UTC",
        ),
        (
            authority.issue(&from_to(4000, 4001)),
            "the certificate of echo.example.net is not valid before 4000-01-01 00:00 UTC",
        ),
        (
            authority.issue(&named("shop", &["shop.example.net", "*.shop.example.net"])),
            "the certificate is made out to shop.example.net, *.shop.example.net, not to echo.example.net",
        ),
        (Issued::self_signed(&named(NAME, &[NAME])), "the certificate of echo.example.net is self-signed"),
        (
            stranger.issue(&named(NAME, &[NAME])),
            "the certificate of echo.example.net was issued by Another CA, which is not trusted here",
        ),
    ];
    for (issued, why) in cases {
        let server = serving(issued.acceptor(None, false)).await;
        let sight = handshake(&server, trusting(&authority)).await;
        assert_eq!(
            (kind(&sight.flows[0].outcome), detail(&sight.flows[0].outcome)),
            (Some(FailureKind::Tls), why)
        );
        let Some(Certificate { refused: Some(refused), .. }) = sight.certificate else { panic!("{sight:?}") };
        assert_eq!(refused, why);

        let insecure = Tls { insecure: true, ..trusting(&authority) };
        let sight = handshake(&server, insecure).await;
        assert_eq!(sight.flows[0].outcome, Outcome::Answered);
        assert_eq!(sight.certificate.unwrap().refused.as_deref(), Some(why), "accepted all the same");
    }
}

#[tokio::test]
async fn a_name_out_of_a_certificate_is_fit_to_be_shown() {
    let nasty = format!("\u{1b}[31m{}\n", "x".repeat(1000));
    let issued = Issued::self_signed(&named(&nasty, &[NAME]));
    let sight = handshake(&serving(issued.acceptor(None, false)).await, Tls::new(NAME)).await;
    let certificate = sight.certificate.unwrap();
    assert_eq!(certificate.subject.chars().count(), 200);
    assert!(!certificate.subject.contains(char::is_control));
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_learns_when_one_was_wanted() {
    let authority = Authority::new("Test CA");
    for tls12 in [false, true] {
        let server = authority.issue(&named(NAME, &[NAME])).acceptor(Some(&authority), tls12);
        let server = serving(server).await;
        let client = authority.issue(&named("vipwatch", &[]));
        let identity = Identity::from_pem(client.chain.as_bytes(), client.key.as_bytes()).unwrap();
        for shown in [true, false] {
            let tls = Tls { identity: shown.then(|| identity.clone()), ..trusting(&authority) };
            let http = HttpExchange { tls: Some(tls.clone()), ..HttpExchange::get(NAME, "/") };
            for exchange in [Exchange::Tls(tls), Exchange::Http(http)] {
                let outcome = outcome(to(server.address, exchange.clone())).await;
                if shown {
                    assert_eq!(outcome, Outcome::Answered, "TLS 1.2: {tls12}, {exchange:?}");
                } else {
                    assert_eq!(
                        kind(&outcome),
                        Some(FailureKind::Tls),
                        "TLS 1.2: {tls12}, {exchange:?}: {outcome:?}"
                    );
                    assert!(detail(&outcome).contains("alert"), "{outcome:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_apart() {
    let tls = || Exchange::Tls(Tls::new(NAME));
    let http = Server::doing(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1024]).await;
    });
    let failed = outcome(to(http.await.address, tls())).await;
    assert_eq!(kind(&failed), Some(FailureKind::Tls), "{failed:?}");
    let hangs_up = Server::doing(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let failed = outcome(to(hangs_up.await.address, tls())).await;
    assert_eq!(detail(&failed), "the server closed the connection in the middle of the handshake");
    let silent = Server::silent().await;
    assert_eq!(kind(&outcome(to(silent.address, tls())).await), Some(FailureKind::Timeout));
}

#[test]
fn pem_that_cannot_be_used_is_named() {
    let wrong = |pem: &str| Authorities::from_pem(pem.as_bytes()).unwrap_err().to_string();
    assert_eq!(wrong(""), "it holds no certificate");
    assert!(
        wrong("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n")
            .starts_with("it cannot be used")
    );
    assert!(wrong("-----BEGIN CERTIFICATE-----\nQUJD\n").starts_with("it is not PEM"));
    let authority = Authority::new("Test CA");
    let (one, other): (Issued, Issued) =
        (authority.issue(&CertificateParams::default()), authority.issue(&CertificateParams::default()));
    let wrong = |chain: &str, key: &str| {
        Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(
        wrong(&one.chain, &one.chain),
        "it holds no private key (\"BEGIN PRIVATE KEY\", not encrypted)"
    );
    assert!(wrong(&one.chain, &other.key).starts_with("it cannot be used"));
    let identity = Identity::from_pem(one.chain.as_bytes(), one.key.as_bytes()).unwrap();
    assert_eq!(format!("{identity:?}"), "Identity");
    assert_eq!(identity, Identity::from_pem(one.chain.as_bytes(), one.key.as_bytes()).unwrap());
}
