//! TLS handshakes that tell what they saw: the certificate is recorded and judged even where it is refused.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls_platform_verifier::Verifier;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OnceCell,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, Error,
        client::{Resumption, danger::ServerCertVerifier},
        crypto::CryptoProvider,
        pki_types::ServerName,
    },
};
use vipwatch_model::{
    flow::{Failure, FailureKind, Outcome},
    observation::Certificate,
};

use super::{
    blame,
    connection::Wire,
    flow::Progress,
    method::Tls,
    trust::{self, Roots},
    verifier::Recorder,
};

/// How much longer than the handshake a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(50);

/// Makes handshakes. Holds what can be shared between flows without tying them together (session resumption is
/// off): a client configuration of which each flow takes a copy, and the system's authorities.
pub(super) struct Handshakes {
    provider: Arc<CryptoProvider>,
    template: OnceLock<ClientConfig>,
    system: OnceCell<Arc<dyn ServerCertVerifier>>,
}

impl Handshakes {
    pub(super) fn new() -> Self {
        Self { provider: trust::provider(), template: OnceLock::new(), system: OnceCell::new() }
    }

    /// Makes a handshake on `stream`, and puts the certificate that the server showed into `shown`.
    pub(super) async fn make(
        &self,
        tls: &Tls,
        stream: TcpStream,
        shown: &mut Option<Certificate>,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(tls.server_name.clone()).map_err(|_| {
            Failure::new(FailureKind::Tls, format!("{} cannot be a server name", tls.server_name))
        })?;
        let authorities = match &tls.roots {
            Roots::Own(authorities) => Ok(authorities.verifier()),
            Roots::System => self.system().await,
        };
        let authorities = match authorities {
            Err(failure) if !tls.insecure => return Err(failure),
            authorities => authorities.map_err(|failure| failure.detail),
        };
        let recorder = Arc::new(Recorder::new(authorities, tls.insecure, Arc::clone(&self.provider)));
        let mut config = self.template()?;
        config.dangerous().set_certificate_verifier(Arc::clone(&recorder) as _);
        if let Some(identity) = &tls.identity {
            config.client_auth_cert_resolver = identity.resolver();
        }
        let made = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        *shown = recorder.shown();
        made.map_err(|error| failure(&error, shown.as_ref()))
    }

    async fn system(&self) -> Result<Arc<dyn ServerCertVerifier>, Failure> {
        let verifier = self.system.get_or_try_init(|| async {
            let verifier = Verifier::new(Arc::clone(&self.provider))?;
            Ok(Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
        });
        let unusable = |error: Error| {
            Failure::new(FailureKind::Agent, format!("this host's certificate store cannot be used: {error}"))
        };
        verifier.await.cloned().map_err(unusable)
    }

    /// A client configuration without a verifier of its own.
    fn template(&self) -> Result<ClientConfig, Failure> {
        if let Some(template) = self.template.get() {
            return Ok(template.clone());
        }
        let unusable =
            |error: Error| Failure::new(FailureKind::Agent, format!("TLS cannot be used: {error}"));
        let nobody = Recorder::new(Err(String::new()), false, Arc::clone(&self.provider));
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(nobody))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(self.template.get_or_init(|| config).clone())
    }
}

/// Ends a connection after its handshake, as politely as TLS has it.
///
/// In TLS 1.3 the server judges the client's certificate only after the client is done, so a refusal comes now: before
/// the connection's end, which is waited for as long as the handshake took, and a little.
pub(super) async fn part(mut wire: Wire, progress: &Progress) -> Result<Outcome, Failure> {
    let took = Duration::from_micros(progress.phases.tls_us.unwrap_or_default().into());
    let goodbye = async {
        wire.shutdown().await?;
        wire.read(&mut [0; 64]).await
    };
    match timeout(took + GOODBYE, goodbye).await {
        Ok(Err(error)) => match blame::failure(&error) {
            refused if refused.kind == FailureKind::Tls => Err(refused),
            // However it ends: the handshake was made.
            _ => Ok(Outcome::Answered),
        },
        _ => Ok(Outcome::Answered),
    }
}

/// What a failed handshake means; what is wrong with the certificate, if that is the reason.
fn failure(error: &io::Error, shown: Option<&Certificate>) -> Failure {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match (tls, shown.and_then(|shown| shown.refused.as_deref())) {
        (Some(Error::InvalidCertificate(_)), Some(why)) => Failure::new(FailureKind::Tls, why),
        (None, _) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(FailureKind::Tls, "the server closed the connection in the middle of the handshake")
        }
        _ => blame::failure(error),
    }
}
