//! Whom a TLS client trusts, and as whom it appears.
//!
//! Made out of PEM when the configuration is read, so that a file that cannot be used is a fault of the
//! configuration and no flow has to parse it. Equal when the content is.

use std::{fmt, sync::Arc};

use rustls_platform_verifier::Verifier;
use thiserror::Error;
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore,
    client::{ResolvesClientCert, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// Who may vouch for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The authorities that this host's certificate store holds.
    System,
    /// These and no others.
    Own(Authorities),
}

/// Certificate authorities.
#[derive(Clone)]
pub struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

/// A client's certificate with its key. Its `Debug` shows neither.
#[derive(Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    resolver: Arc<SingleCertAndKey>,
}

/// Why a PEM text cannot be used.
#[derive(Debug, Error)]
pub enum Unusable {
    /// The text is broken.
    #[error("it is not PEM: {0}")]
    Pem(pem::Error),
    /// There is no certificate in it.
    #[error("it holds no certificate")]
    NoCertificate,
    /// There is no private key in it.
    #[error("it holds no private key (\"BEGIN PRIVATE KEY\", not encrypted)")]
    NoKey,
    /// A certificate or key does not hold what it should, or key and certificate do not belong together.
    #[error("it cannot be used: {0}")]
    Content(rustls::Error),
    /// The authorities cannot vouch for anybody.
    #[error("it cannot be used: {0}")]
    Verifier(rustls::client::VerifierBuilderError),
}

impl Roots {
    /// The TLS of a client that trusts them, and has no certificate of its own.
    ///
    /// # Errors
    /// When this host's certificate store cannot be used.
    pub fn client(&self) -> Result<ClientConfig, rustls::Error> {
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::System => Arc::new(Verifier::new(provider())?),
            Self::Own(authorities) => authorities.verifier(),
        };
        let builder =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

impl Authorities {
    /// Their certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.certificates.iter()
    }

    /// Reads the certificates in a PEM text.
    ///
    /// # Errors
    /// When it holds none, or one that cannot be read.
    pub fn from_pem(text: &[u8]) -> Result<Self, Unusable> {
        let certificates = certificates(text)?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            store.add(certificate.clone()).map_err(Unusable::Content)?;
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build();
        Ok(Self { certificates, verifier: verifier.map_err(Unusable::Verifier)? })
    }

    pub(super) fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        Arc::clone(&self.verifier) as _
    }
}

impl Identity {
    /// Reads a certificate chain, the client's own first, and its key. Both may be in one text.
    ///
    /// # Errors
    /// When one is missing or cannot be read, or they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => Unusable::NoKey,
            error => Unusable::Pem(error),
        })?;
        let certified = CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider());
        let resolver = Arc::new(SingleCertAndKey::from(certified.map_err(Unusable::Content)?));
        Ok(Self { chain, key: Arc::new(key), resolver })
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.resolver) as _
    }
}

/// The one cryptography provider in use.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(Unusable::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(Unusable::Pem(error)),
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Authorities {}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.certificates.len())
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key == other.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
