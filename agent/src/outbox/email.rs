//! The receiver that is a mailbox, or several: one mail per notification, handed to a mail server over SMTP.
//!
//! The conversation is `lettre`'s, on a connection of our own ([`wire`]): so that recipients are refused one by one
//! and not all for one, and that nothing of it is without a bound. Who has the mail is remembered until everybody does
//! ([`recipients`]), and another attempt is for the others.

mod html;
mod letter;
mod reach;
mod recipients;
mod refusal;
mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lettre::transport::smtp::{
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters},
    commands::{Data, Mail, Rcpt, Rset},
    extension::ClientId,
    response::Response,
};
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use self::{
    recipients::Recipients,
    refusal::{Refusal, Stage},
    wire::Wire,
};
use super::{
    exchange::{Exchange, Exchanges, Mask, Side},
    progress::Progress,
    receiver::{Message, Reply},
};
use crate::{
    config::{self, Encryption},
    prober::Roots,
};

/// How long a server may take to say goodbye. The mail is with it by then.
const GOODBYE: Duration = Duration::from_secs(1);
/// A server that answers so closes the connection (RFC 5321, 3.8).
const CLOSES: u16 = 421;

/// A client for one mail server.
pub struct Email {
    config: config::Email,
    timeout: Duration,
    hello: ClientId,
    security: Security,
    /// Mails that some have and others do not.
    mails: Progress<Recipients>,
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
        Ok(Self { config: config.clone(), timeout, hello, security, mails: Progress::default() })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, message: &Message<'_>, exchanges: &mut Exchanges) -> Reply {
        let letter = match letter::write(&self.config, message) {
            Ok(letter) => letter.formatted(),
            Err(error) => return Reply::Refused { error: format!("the mail cannot be written: {error}") },
        };
        let key = &message.notification.idempotency_key;
        let everybody = || self.config.to.iter().map(|to| to.email.clone());
        let mut recipients = self.mails.take(key).unwrap_or_else(|| Recipients::new(everybody()));
        let mut received = None;
        let sent = timeout(self.timeout, self.send(&letter, &mut recipients, &mut received)).await;
        let broke = match sent {
            Ok(Ok(mut server)) => {
                let _ = timeout(GOODBYE, server.quit()).await;
                None
            }
            Ok(Err(refusal)) => Some(refusal),
            Err(_) => Some(Refusal::late(recipients.asked())),
        };
        let reply = recipients.reply(broke, message.now);
        if matches!(reply, Reply::Later { .. } | Reply::LaterInPart { .. }) {
            self.mails.keep(key, recipients);
        }
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

    /// Hands `letter` over, for all `recipients` that the server takes and that have not got it. Gives the connection; what
    /// the server said to the letter is `received`.
    async fn send(
        &self,
        letter: &[u8],
        recipients: &mut Recipients,
        received: &mut Option<Response>,
    ) -> Result<AsyncSmtpConnection, Refusal> {
        let mut server = self.connect().await?;
        let failed = |stage| move |error| Refusal::new(stage, &error);
        for places in recipients.transactions() {
            let from = self.config.from.email.clone();
            server.command(Mail::new(Some(from), Vec::new())).await.map_err(failed(Stage::Sender))?;
            let mut welcome = Vec::new();
            for place in places {
                if ask(&mut server, recipients, place).await? {
                    welcome.push(place);
                }
            }
            if welcome.is_empty() {
                server.command(Rset).await.map_err(failed(Stage::Letter))?;
                continue;
            }
            server.command(Data).await.map_err(failed(Stage::Letter))?;
            recipients.hand_over(welcome);
            let answer = server.message(letter).await;
            if answer.as_ref().map_or_else(|error| error.status().is_some(), |_| true) {
                recipients.mail_answered(answer.is_ok());
            }
            *received = Some(answer.map_err(failed(Stage::Letter))?);
        }
        Ok(server)
    }

    /// A connection on which a mail may be sent: encrypted and known to the server, as far as that is configured.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Refusal> {
        let tcp = reach::connect(&self.config.server, self.timeout).await;
        let tcp = tcp.map_err(|error| Refusal::unreachable(&error))?;
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

/// Asks the server whether it takes a mail for the recipient at `place`.
async fn ask(
    server: &mut AsyncSmtpConnection,
    recipients: &mut Recipients,
    place: usize,
) -> Result<bool, Refusal> {
    let address = recipients.ask(place);
    let refusal = match server.command(Rcpt::new(address.clone(), Vec::new())).await {
        Ok(_) => None,
        Err(error) => {
            let refusal = Refusal::new(Stage::Recipient(&address), &error);
            if error.status().is_none_or(|code| u16::from(code) == CLOSES) {
                return Err(refusal);
            }
            Some(refusal)
        }
    };
    let is_welcome = refusal.is_none();
    recipients.answered(place, refusal);
    Ok(is_welcome)
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
