//! HTTPS, with a certificate from files and with one of the server's own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vipwatch_echo::{Counts, Listener, Settings, Tls, bind_tcp};

use crate::running::{GET, Running, answer_in, exchange, localhost, settings};

fn start(tls: Tls, settings: Settings) -> Running {
    Running::start(vec![Listener::Https(bind_tcp(localhost()).unwrap(), tls)], settings)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn client(authority: Option<CertificateDer<'static>>) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.unwrap();
    let config = match authority {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority).unwrap();
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        None => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting)).with_no_client_auth()
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn connect(client: &TlsConnector, server: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server).await.unwrap();
    client.connect(ServerName::try_from("echo.example.net").unwrap(), stream).await
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_client_that_knows_the_certificate_is_answered() {
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("tls.crt"), files.path().join("tls.key"));
    let made = generate_simple_self_signed(["echo.example.net".to_owned()]).unwrap();
    write(&certificate, &made.cert.pem());
    write(&key, &made.signing_key.serialize_pem());
    let server = start(Tls::from_files(&certificate, &key).unwrap(), settings());

    let mut stream = connect(&client(Some(made.cert.der().clone())), server.addresses[0]).await.unwrap();
    let own = stream.get_ref().0.local_addr().unwrap();
    let answer = answer_in(&exchange(&mut stream, GET).await);
    assert_eq!((answer.peer, answer.pod.as_deref()), (own.into(), Some("echo-1")));

    let stranger = generate_simple_self_signed(["echo.example.net".to_owned()]).unwrap();
    assert!(connect(&client(Some(stranger.cert.der().clone())), server.addresses[0]).await.is_err());
    assert_eq!(server.end().await, Counts { answered: 1, refused: 0, malformed: 1 });
}

#[tokio::test]
async fn a_certificate_of_its_own_is_good_for_clients_that_do_not_care() {
    let server = start(Tls::self_signed(&settings().identity).unwrap(), settings());
    let mut stream = connect(&client(None), server.addresses[0]).await.unwrap();
    answer_in(&exchange(&mut stream, GET).await);

    let mut plain = server.connect().await;
    assert!(!exchange(&mut plain, GET).await.contains("vipwatch"));
    assert_eq!(server.end().await, Counts { answered: 1, refused: 0, malformed: 1 });
}

#[tokio::test]
async fn the_proxy_header_comes_before_tls() {
    let tls = Tls::self_signed(&settings().identity).unwrap();
    let server = start(tls, Settings { proxy_protocol: true, ..settings() });
    let mut stream = server.connect().await;
    let header = b"PROXY TCP4 192.0.2.9 198.51.100.1 41234 443\r\n";
    stream.write_all(header).await.unwrap();
    let name = ServerName::try_from("echo.example.net").unwrap();
    let mut stream = client(None).connect(name, stream).await.unwrap();
    assert_eq!(answer_in(&exchange(&mut stream, GET).await).peer.to_string(), "192.0.2.9:41234");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let files = tempfile::tempdir().unwrap();
    let path = |name: &str| files.path().join(name);
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["x".to_owned()]).unwrap();
    let other = generate_simple_self_signed(["x".to_owned()]).unwrap();
    write(&path("crt"), &cert.pem());
    write(&path("key"), &signing_key.serialize_pem());
    write(&path("other"), &other.signing_key.serialize_pem());
    write(&path("empty"), "");

    let told = |certificate: &str, key: &str| {
        Tls::from_files(&path(certificate), &path(key)).err().map(|error| error.to_string())
    };
    assert_eq!(told("crt", "key"), None);
    for (certificate, key, blamed) in
        [("none", "key", "none"), ("empty", "key", "empty"), ("crt", "none", "none"), ("crt", "crt", "crt")]
    {
        let error = told(certificate, key).unwrap();
        assert!(error.contains(&format!("from {}: ", path(blamed).display())), "{error}");
    }
    assert!(told("crt", "other").unwrap().starts_with("failed to use the certificate with the key: "));
}

/// A client that takes any certificate.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
