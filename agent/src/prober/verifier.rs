//! A verifier of certificates that remembers what it was shown. It judges nothing itself: the system's verifier or
//! the probe's own authorities do.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, Utc};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use vipwatch_model::observation::Certificate;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

/// The most of a name out of a certificate that is kept, in characters.
const NAME_CAP: usize = 200;
/// The most names of a certificate that are told.
const NAMES_SHOWN: usize = 5;

/// Records one handshake.
pub(super) struct Recorder {
    /// Who judges; or why nobody can.
    authorities: Result<Arc<dyn ServerCertVerifier>, String>,
    insecure: bool,
    provider: Arc<CryptoProvider>,
    shown: OnceLock<Certificate>,
}

impl Recorder {
    pub(super) fn new(
        authorities: Result<Arc<dyn ServerCertVerifier>, String>,
        insecure: bool,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { authorities, insecure, provider, shown: OnceLock::new() }
    }

    /// The certificate that the server showed, if the handshake came that far.
    pub(super) fn shown(&self) -> Option<Certificate> {
        self.shown.get().cloned()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.authorities {
            Ok(authorities) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Err(why) => Err(Error::General(why.clone())),
        };
        if let Some((mut certificate, names)) = read(end_entity) {
            certificate.chain = u8::try_from(intermediates.len() + 1).unwrap_or(u8::MAX);
            certificate.refused =
                verdict.as_ref().err().map(|error| words(error, &certificate, &names, server_name));
            let _ = self.shown.set(certificate);
        }
        if self.insecure { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}

/// What the end-entity certificate says of itself, and the names that it is made out to, a few at most; `None` when it
/// cannot be parsed.
fn read(certificate: &CertificateDer<'_>) -> Option<(Certificate, Vec<String>)> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = alternative_names(&certificate);
    let validity = certificate.validity();
    let common_name = |name: &X509Name<'_>| name.iter_common_name().next()?.as_str().ok().map(plain);
    let whole_name = |name: &X509Name<'_>| plain(&name.to_string());
    let (subject, issuer) = (certificate.subject(), certificate.issuer());
    let read = Certificate {
        subject: common_name(subject)
            .or_else(|| names.first().cloned())
            .unwrap_or_else(|| whole_name(subject)),
        issuer: common_name(issuer).unwrap_or_else(|| whole_name(issuer)),
        not_before: time(validity.not_before.timestamp())?,
        not_after: time(validity.not_after.timestamp())?,
        chain: 1,
        refused: None,
    };
    Some((read, names))
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let readable = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(plain(name)),
        GeneralName::IPAddress(octets) => {
            let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
            let v6 = || <[u8; 16]>::try_from(*octets).map(IpAddr::from);
            v4.or_else(|_| v6()).ok().map(|address| address.to_string())
        }
        _ => None,
    });
    readable.take(NAMES_SHOWN).collect()
}

/// A name fit to be shown: whoever made the certificate chose it.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME_CAP).collect()
}

fn time(unix: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(unix, 0)
}

/// Why a certificate was refused, for people.
fn words(error: &Error, certificate: &Certificate, names: &[String], asked: &ServerName<'_>) -> String {
    let Error::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {} expired at {}", certificate.subject, minute(certificate.not_after))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!(
                "the certificate of {} is not valid before {}",
                certificate.subject,
                minute(certificate.not_before)
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = match names {
                [] => "no name at all".to_owned(),
                names => names.join(", "),
            };
            format!("the certificate is made out to {names}, not to {}", asked.to_str())
        }
        CertificateError::UnknownIssuer if certificate.subject == certificate.issuer => {
            format!("the certificate of {} is self-signed", certificate.subject)
        }
        CertificateError::UnknownIssuer => {
            format!(
                "the certificate of {} was issued by {}, which is not trusted here",
                certificate.subject, certificate.issuer
            )
        }
        CertificateError::BadSignature => format!(
            "the certificate of {} is not signed by the {} that is trusted here",
            certificate.subject, certificate.issuer
        ),
        error => format!("the certificate of {} is refused: {error}", certificate.subject),
    }
}

fn minute(time: DateTime<Utc>) -> impl fmt::Display {
    time.format("%Y-%m-%d %H:%M UTC")
}
