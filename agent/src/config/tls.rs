//! `tls = { .. }`: whom to trust, and as whom to appear.

use std::path::PathBuf;

use rustls::pki_types::{PrivateKeyDer, ServerName as TlsName, pem::PemObject as _};

use crate::prober::{Authorities, Identity, Roots, Unusable};

use super::{
    reader::{At, Reader, Slot},
    table::table,
    value::{Complaint, Text, text_values},
};

/// The TLS of a client, wherever it connects to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// The SNI and the name that the server has to prove, where it is not the host's.
    pub server_name: Option<String>,
    /// Who may vouch for the server.
    pub roots: Roots,
    /// The client's own certificate.
    pub identity: Option<Identity>,
    /// Whether any certificate will do.
    pub insecure: bool,
}

table! {
    /// The TLS of a client.
    pub(super) struct TlsTable {
        /// The name that the server has to prove, and that it is asked for (SNI). Left out: that of host,
        /// and without it the target's own.
        optional server_name: ServerName,
        /// A PEM file with the authorities that may vouch for the server. Left out: those of this host.
        optional ca_file: PathBuf,
        /// A PEM file with the client's certificate, and the chain above it.
        optional cert_file: PathBuf,
        /// A PEM file with the client's private key.
        optional key_file: PathBuf,
        /// Accept any certificate, even an expired or a stranger's one.
        default insecure: bool = false,
    }
}

/// A name that a certificate can be made out to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerName(String);

impl Text for ServerName {
    const WHAT: &'static str = "a host name or an IP address";
    const EXAMPLE: &'static str = "echo.example.net";

    fn parse(text: &str) -> Result<Self, Complaint> {
        match TlsName::try_from(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(Complaint::expected::<Self>()),
        }
    }
}

text_values!(ServerName);

impl Tls {
    /// What holds where the file says nothing.
    pub(super) fn built_in() -> Self {
        Self { server_name: None, roots: Roots::System, identity: None, insecure: false }
    }
}

impl TlsTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Tls> {
        let insecure = self.insecure.clone().required();
        if let (Some(ca), Some(true)) = (self.ca_file.given(), insecure) {
            reader
                .fault(ca.place(), "no authority is asked: insecure accepts any certificate")
                .hint("leave one of them out")
                .also(self.insecure.written().as_ref(), "insecure is here");
        }
        let roots = roots(&self.ca_file, reader);
        let identity = self.identity(reader);
        Some(Tls {
            server_name: self.server_name.optional()?.map(|ServerName(name)| name),
            roots: roots?,
            identity: identity?,
            insecure: insecure?,
        })
    }

    fn identity(&self, reader: &mut Reader<'_>) -> Option<Option<Identity>> {
        let (cert, key) = match (&self.cert_file, &self.key_file) {
            (Slot::Given(cert), Slot::Given(key)) => (cert, key),
            (Slot::Given(cert), Slot::Absent) => {
                reader.fault(cert.place(), "a client certificate without its key").hint("add key_file");
                return None;
            }
            (Slot::Absent, Slot::Given(key)) => {
                reader.fault(key.place(), "a private key without its certificate").hint("add cert_file");
                return None;
            }
            (Slot::Absent, Slot::Absent) => return Some(None),
            _ => return None,
        };
        // Both are read, so that both are reported.
        let (chain, secret) = (reader.content(cert), reader.content(key));
        let (chain, secret) = (chain?, secret?);
        let identity = Identity::from_pem(&chain, &secret);
        let culprit = if PrivateKeyDer::from_pem_slice(&secret).is_err() { key } else { cert };
        identity.map(Some).map_err(|error| unusable(culprit, &error, reader)).ok()
    }
}

/// Those in `ca_file` who may vouch for a server; without it, those of this host.
pub(super) fn roots(ca_file: &Slot<PathBuf>, reader: &mut Reader<'_>) -> Option<Roots> {
    let ca = match ca_file {
        Slot::Absent => return Some(Roots::System),
        Slot::Faulty => return None,
        Slot::Given(ca) => ca,
    };
    let content = reader.content(ca)?;
    Authorities::from_pem(&content).map(Roots::Own).map_err(|error| unusable(ca, &error, reader)).ok()
}

/// Reports a file that does not hold what it should, without a word of what it does hold.
fn unusable(file: &At<PathBuf>, error: &Unusable, reader: &mut Reader<'_>) {
    let path = reader.shown_path(file);
    let (why, hint) = match error {
        Unusable::Pem(_) => ("is not PEM", "PEM is text between lines of BEGIN and END"),
        Unusable::NoCertificate => ("holds no certificate", "it begins with -----BEGIN CERTIFICATE-----"),
        Unusable::NoKey => {
            ("holds no private key", "it begins with -----BEGIN PRIVATE KEY----- and is not encrypted")
        }
        Unusable::Content(rustls::Error::InconsistentKeys(_)) => {
            ("does not belong to the key", "take the certificate that was made out for key_file")
        }
        Unusable::Content(_) | Unusable::Verifier(_) => {
            ("cannot be used", "look at it with `openssl x509 -text -in FILE`")
        }
    };
    reader.fault(file.place(), format!("{path} {why}")).hint(hint);
}
