//! The server's side of TLS: with a certificate from files, or one made for this run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use crate::Identity;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificates' file cannot be read.
    #[error("failed to read certificates from {}: {fault}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: pem::Error,
    },
    /// The key's file cannot be read.
    #[error("failed to read a private key from {}: {fault}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: pem::Error,
    },
    /// Certificate and key do not go together, or are of a kind that is not supported.
    #[error("failed to use the certificate with the key: {0}")]
    Pair(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("failed to make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// How a listener speaks TLS.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl Tls {
    /// With the certificate chain and the private key in these PEM files.
    ///
    /// # Errors
    /// When they cannot be read or used.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let unreadable = |fault| TlsError::Certificate { path: certificate.to_owned(), fault };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(unreadable)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        if chain.is_empty() {
            return Err(unreadable(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|fault| TlsError::Key { path: key.to_owned(), fault })?;
        Self::new(chain, key)
    }

    /// With a certificate for this run, which nobody vouches for: for `localhost` and the names of `identity`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn self_signed(identity: &Identity) -> Result<Self, TlsError> {
        let names = [identity.node.as_deref(), identity.pod.as_deref(), Some("localhost")];
        // A name that cannot stand in a certificate is left out.
        let names = names.into_iter().flatten().filter(|name| name.is_ascii()).map(str::to_owned);
        let mut params = CertificateParams::new(names.collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "vipwatch echo");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Self::new(vec![certificate.der().clone()], key)
    }

    fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A client that wants to know its address does not come back: nothing is kept for it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}
