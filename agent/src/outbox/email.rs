//! The receiver that is a mailbox, or several: one mail per notification, handed to a mail server over SMTP.
//!
//! The conversation is `lettre`'s, on a connection of our own ([`wire`]): so that recipients are refused one by one
//! and not all for one, and that nothing of it is without a bound.

mod html;
mod letter;
mod refusal;
mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::Response,
    },
};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use self::{
    refusal::{Refusal, Stage},
    wire::Wire,
};
use super::{
    exchange::{Exchange, Exchanges, Mask, Side},
    receiver::{Message, Reply},
};
use crate::{
    config::{self, Encryption},
    prober::Roots,
};

/// How long a server may take to say goodbye. The mail is with it by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// A client for one mail server.
pub struct Email {
    config: config::Email,
    timeout: Duration,
    hello: ClientId,
    security: Security,
}

/// How the connection is encrypted.
enum Security {
    None,
    StartTls(TlsParameters),
    Implicit(TlsConnector, ServerName<'static>),
}

impl Email {
    /// A client for `config`, whose attempts take `timeout` at most.
    ///
    /// # Errors
    /// When TLS cannot be set up, in words.
    pub fn new(config: &config::Email, timeout: Duration) -> Result<Self, String> {
        let hello = config.helo.clone().map_or_else(ClientId::default, ClientId::Domain);
        let security = Security::new(config).map_err(|error| format!("TLS cannot be set up: {error}"))?;
        Ok(Self { config: config.clone(), timeout, hello, security })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let letter = match letter::write(&self.config, message) {
            Ok(letter) => letter.formatted(),
            Err(error) => return Reply::Refused { error: format!("the mail cannot be written: {error}") },
        };
        let sent = timeout(self.timeout, self.send(&letter)).await;
        let (reply, received) = match sent {
            Ok(Ok((mut server, said))) => {
                let _ = timeout(GOODBYE, server.quit()).await;
                (Reply::Taken, Some(said))
            }
            Ok(Err(refusal)) => (refusal.into(), None),
            Err(_) => (Reply::Later { error: "no reply in time".into(), retry_after: None }, None),
        };
        if exchanges.are_wanted() {
            exchanges.push(self.exchange(&letter, received.as_ref()));
        }
        reply
    }

    fn exchange(&self, letter: &[u8], received: Option<&Response>) -> Exchange {
        let mask = Mask::new(self.config.login.iter().map(|login| login.password.clone()));
        let to = self.config.to.iter().map(|to| ("RCPT TO".to_owned(), to.email.to_string()));
        let envelope =
            std::iter::once(("MAIL FROM".to_owned(), self.config.from.email.to_string())).chain(to);
        let letter = String::from_utf8_lossy(letter).replace('\r', "");
        let said = |said: &Response| {
            let text: Vec<&str> = said.message().collect();
            Side::new(&format!("SMTP {}", said.code()), Vec::new(), &text.join("\n"), &mask)
        };
        Exchange {
            sent: Side::new(&format!("SMTP {}", self.config.server), envelope.collect(), &letter, &mask),
            received: received.map(said),
        }
    }

    /// Hands `letter` over, for every recipient that the server takes. Gives the connection and what the server said to
    /// that.
    async fn send(&self, letter: &[u8]) -> Result<(AsyncSmtpConnection, Response), Refusal> {
        let mut server = self.connect().await?;
        let failed = |stage| move |error| Refusal::new(stage, &error);
        let from = self.config.from.email.clone();
        server.command(Mail::new(Some(from), Vec::new())).await.map_err(failed(Stage::Sender))?;
        let mut refusals = Vec::new();
        for to in &self.config.to {
            let rcpt = Rcpt::new(to.email.clone(), Vec::new());
            match server.command(rcpt).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => refusals.push((&to.email, error)),
                Err(error) => return Err(Refusal::new(Stage::Recipient, &error)),
            }
        }
        if refusals.len() == self.config.to.len() {
            return Err(worth_another_attempt(&refusals));
        }
        for (address, error) in &refusals {
            let refusal = Refusal::new(Stage::Recipient, error);
            tracing::warn!(%address, error = %refusal, "a mail goes to fewer recipients than it should");
        }
        server.command(Data).await.map_err(failed(Stage::Letter))?;
        let said = server.message(letter).await.map_err(failed(Stage::Letter))?;
        Ok((server, said))
    }

    /// A connection on which a mail may be sent: encrypted and known to the server, as far as that is configured.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let (host, port) = (self.config.server.host.to_string(), self.config.server.port);
        let tcp = TcpStream::connect((host, port)).await.map_err(|error| Refusal::unreachable(&error))?;
        let peer = tcp.peer_addr().map_err(|error| Refusal::unreachable(&error))?;
        let wire: Box<dyn AsyncTokioStream> = match &self.security {
            Security::None | Security::StartTls(_) => Box::new(Wire::new(tcp, peer)),
            Security::Implicit(connector, name) => {
                let tls = connector.connect(name.clone(), tcp).await;
                Box::new(Wire::new(tls.map_err(|error| Refusal::unreachable(&error))?, peer))
            }
        };
        let greeted = AsyncSmtpConnection::connect_with_transport(wire, &self.hello).await;
        let mut server = greeted.map_err(|error| Refusal::new(Stage::Greeting, &error))?;
        if let Security::StartTls(parameters) = &self.security {
            if !server.can_starttls() {
                return Err(Refusal::lacks("STARTTLS"));
            }
            let encrypted = server.starttls(parameters.clone(), &self.hello).await;
            encrypted.map_err(|error| Refusal::new(Stage::Encryption, &error))?;
        }
        self.log_in(&mut server, peer).await?;
        Ok(server)
    }

    async fn log_in(&self, server: &mut AsyncSmtpConnection, peer: SocketAddr) -> Result<(), Refusal> {
        let Some(login) = &self.config.login else { return Ok(()) };
        if matches!(self.security, Security::None) && !peer.ip().is_loopback() {
            return Err(Refusal::exposes_password());
        }
        if server.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            return Err(Refusal::lacks("a way to log in with a password (AUTH PLAIN or LOGIN)"));
        }
        let credentials = Credentials::new(login.username.clone(), login.password.expose().to_owned());
        let known = server.auth(DEFAULT_MECHANISMS, &credentials).await;
        known.map(drop).map_err(|error| Refusal::new(Stage::Login, &error))
    }
}

/// What it comes to that every recipient was refused: a refusal that passes, if there is one among them.
fn worth_another_attempt(refusals: &[(&Address, lettre::transport::smtp::Error)]) -> Refusal {
    let passing = refusals.iter().find(|(_, error)| error.is_transient());
    match passing.or(refusals.first()) {
        Some((_, error)) => Refusal::new(Stage::Recipient, error),
        None => Refusal::lacks("a recipient"),
    }
}

impl Security {
    fn new(config: &config::Email) -> Result<Self, String> {
        let host = config.server.host.to_string();
        match config.encryption {
            Encryption::None => Ok(Self::None),
            Encryption::Implicit => {
                let client = config.roots.client().map_err(|error| error.to_string())?;
                let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
                Ok(Self::Implicit(TlsConnector::from(Arc::new(client)), name))
            }
            Encryption::StartTls => {
                let mut builder = TlsParameters::builder(host);
                if let Roots::Own(authorities) = &config.roots {
                    builder = builder.certificate_store(CertificateStore::None);
                    for authority in authorities.certificates() {
                        let authority = Certificate::from_der(authority.to_vec());
                        builder = builder.add_root_certificate(authority.map_err(|error| error.to_string())?);
                    }
                }
                Ok(Self::StartTls(builder.build().map_err(|error| error.to_string())?))
            }
        }
    }
}
