//! A receiver of kind `email`: mailboxes, and the mail server that takes mails for them.

use lettre::message::Mailbox;

use super::{Kind, ReceiverTable};
use crate::{
    config::{
        choice::choice,
        name::DnsName,
        reader::{At, Reader},
        secret::Secret,
        server::Server,
        table::table,
        value::{Complaint, List, Text, text_values},
    },
    prober::{Host, Roots},
};

/// The port on which TLS is spoken from the start (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// Mailboxes and their mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// The mail server.
    pub server: Server,
    /// How the connection to it is encrypted.
    pub encryption: Encryption,
    /// Who may vouch for it.
    pub roots: Roots,
    /// As whom to log in, if at all.
    pub login: Option<Login>,
    /// What to call this host, where it is not its own name.
    pub helo: Option<String>,
    /// Whom mails are from.
    pub from: Mailbox,
    /// Who gets them; at least one.
    pub to: Vec<Mailbox>,
}

/// A user of a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: Secret,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// TLS after a start in clear text, and no mail without it.
    StartTls,
    /// TLS from the start.
    Implicit,
}

choice! {
    Encryption: "a way to encrypt" {
        "starttls" => Encryption::StartTls,
        "tls" => Encryption::Implicit,
        "none" => Encryption::None,
    }
}

table! {
    /// Mailboxes and their mail server.
    pub(in crate::config) struct EmailTable {
        /// The mail server and its port.
        optional smtp: Server,
        /// How the connection to it is encrypted. Left out: tls on port 465, starttls on others.
        optional encryption: Encryption,
        /// Whom mails are from.
        optional from: MailAddress,
        /// Who gets them.
        optional to: List<MailAddress>,
        /// What this host calls itself. Left out: its own name.
        optional helo: DnsName,
    }
}

/// A mailbox, with or without a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct MailAddress(Mailbox);

impl Text for MailAddress {
    const WHAT: &'static str = "a mail address";
    const EXAMPLE: &'static str = "On-call <oncall@example.net>";

    fn parse(text: &str) -> Result<Self, Complaint> {
        let mailbox: Mailbox = text.parse().map_err(|_| Complaint::expected::<Self>())?;
        let address: &str = mailbox.email.as_ref();
        // A name is encoded; an address has to be what every server understands.
        if text.chars().any(char::is_control) || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Complaint::expected::<Self>());
        }
        Ok(Self(mailbox))
    }
}

text_values!(MailAddress);

impl EmailTable {
    /// Reports the keys that mean nothing to a receiver of this `kind`.
    pub(super) fn check(&self, kind: &At<Kind>, reader: &mut Reader<'_>) {
        kind.takes("smtp", &self.smtp, &[Kind::Email], reader);
        kind.takes("encryption", &self.encryption, &[Kind::Email], reader);
        kind.takes("from", &self.from, &[Kind::Email], reader);
        kind.takes("to", &self.to, &[Kind::Email], reader);
        kind.takes("helo", &self.helo, &[Kind::Email], reader);
    }
}

impl Email {
    pub(super) fn resolve(table: ReceiverTable, reader: &mut Reader<'_>) -> Option<Self> {
        let kind = table.kind.given()?.clone();
        let EmailTable { smtp, encryption, from, to, helo } = table.email;
        let exposed = encryption.given().filter(|encryption| encryption.value == Encryption::None).cloned();
        let server = smtp.given().map(|smtp| smtp.value.clone());
        if let (Some(ca), Some(exposed)) = (table.endpoint.ca_file.written(), &exposed) {
            reader
                .fault(ca, "no authority is asked without encryption")
                .hint("leave one of them out")
                .also(exposed.span.as_ref(), "encryption is here");
        }
        let login = table.auth.login(reader);
        if let (Some(Some((place, _, _))), Some(exposed), Some(server)) = (&login, &exposed, &server)
            && !is_loopback(server)
        {
            reader
                .fault(
                    place.clone(),
                    "without encryption, the password would cross the network in clear text",
                )
                .hint("write encryption = \"starttls\" or \"tls\", or leave username and password out")
                .also(exposed.span.as_ref(), "encryption is here");
        }
        let roots = table.endpoint.roots(reader);
        kind.needs("smtp", &smtp, "smtp.example.net:587", reader);
        kind.needs("from", &from, "vipwatch@example.net", reader);
        kind.needs("to", &to, ["oncall@example.net"], reader);
        let (server, encryption, helo) = (smtp.required()?, encryption.optional()?, helo.optional()?);
        let by_port = if server.port == SUBMISSIONS { Encryption::Implicit } else { Encryption::StartTls };
        Some(Self {
            encryption: encryption.unwrap_or(by_port),
            server,
            roots: roots?,
            login: login?.map(|(_, username, password)| Login { username, password }),
            helo: helo.map(|DnsName(name)| name),
            from: from.required()?.0,
            to: to.required()?.into_values().into_iter().map(|MailAddress(mailbox)| mailbox).collect(),
        })
    }
}

/// Whether what is sent there stays on this host.
fn is_loopback(server: &Server) -> bool {
    match &server.host {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => name == "localhost",
    }
}
