//! Why a mail server does not have a mail, in words that hold no secret.

use std::{error::Error as _, fmt, io};

use lettre::transport::smtp::Error;

use crate::outbox::receiver::Reply;

/// The most of a server's own words that is told, in characters.
const TOLD: usize = 300;

/// Where the conversation came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Greeting,
    Encryption,
    Login,
    Sender,
    Recipient,
    Letter,
}

impl Stage {
    fn refused(self) -> &'static str {
        match self {
            Self::Greeting => "the server does not let us in",
            Self::Encryption => "the server refuses STARTTLS",
            Self::Login => "the server refuses username and password",
            Self::Sender => "the server refuses the sender",
            Self::Recipient => "the server refuses the recipient",
            Self::Letter => "the server refuses the mail",
        }
    }
}

/// Why the mail is not with the server, and whether there is a point in another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    error: String,
    for_good: bool,
}

impl Refusal {
    /// What `error` means at `stage`: a reply from 500 is meant for good.
    pub(super) fn new(stage: Stage, error: &Error) -> Self {
        let said = error.source().map(|source| plain(&source.to_string())).unwrap_or_default();
        let what = match error.status() {
            Some(_) => stage.refused(),
            None if stage == Stage::Encryption => "the connection cannot be encrypted",
            None if error.is_response() => "the server's answer cannot be read",
            None => "the connection broke",
        };
        let told = match error.status() {
            // A server could repeat here what it was told.
            Some(code) if stage == Stage::Login => format!("SMTP {code}"),
            Some(code) => format!("SMTP {code} {said}"),
            None => said,
        };
        Self { error: format!("{what}: {}", told.trim_end()), for_good: error.is_permanent() }
    }

    /// There is no connection, or none that can be trusted.
    pub(super) fn unreachable(error: &io::Error) -> Self {
        Self::passing(format!("failed to connect: {}", plain(&error.to_string())))
    }

    /// The server does not offer what is needed.
    pub(super) fn lacks(what: &str) -> Self {
        Self::passing(format!("the server does not offer {what}"))
    }

    /// Nothing would hide the password.
    pub(super) fn exposes_password() -> Self {
        Self::passing("the server is not on this host: the password is not sent without TLS".to_owned())
    }

    fn passing(error: String) -> Self {
        Self { error, for_good: false }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl From<Refusal> for Reply {
    fn from(Refusal { error, for_good }: Refusal) -> Self {
        if for_good { Self::Refused { error } } else { Self::Later { error, retry_after: None } }
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TOLD).collect()
}
