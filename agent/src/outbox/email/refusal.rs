//! Why a mail server does not have a mail, in words that hold no secret.

use std::{error::Error as _, fmt, io};

use lettre::{Address, transport::smtp::Error};

/// The most of a server's own words that is told, in characters.
const TOLD: usize = 300;

/// Where the conversation came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage<'a> {
    Greeting,
    Encryption,
    Login,
    Sender,
    Recipient(&'a Address),
    Letter,
}

impl Stage<'_> {
    fn refused(self) -> String {
        match self {
            Self::Greeting => "the server does not let us in".to_owned(),
            Self::Encryption => "the server refuses STARTTLS".to_owned(),
            Self::Login => "the server refuses username and password".to_owned(),
            Self::Sender => "the server refuses the sender".to_owned(),
            Self::Recipient(address) => format!("the server refuses {address}"),
            Self::Letter => "the server refuses the mail".to_owned(),
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
    pub(super) fn new(stage: Stage<'_>, error: &Error) -> Self {
        let said = error.source().map(|source| plain(&source.to_string())).unwrap_or_default();
        let what = match error.status() {
            Some(_) => stage.refused(),
            None if stage == Stage::Encryption => "the connection cannot be encrypted".to_owned(),
            None if error.is_response() => "the server's answer cannot be read".to_owned(),
            None => "the connection broke".to_owned(),
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

    /// The time was over, and with it the conversation: at the question for `recipient`, if it was one.
    pub(super) fn late(recipient: Option<&Address>) -> Self {
        let about = recipient.map_or_else(String::new, |address| format!(" about {address}"));
        Self::passing(format!("no reply in time{about}"))
    }

    /// Whether there is no point in another attempt.
    pub(super) fn is_for_good(&self) -> bool {
        self.for_good
    }

    #[cfg(test)]
    pub(super) fn made_up(error: &str, for_good: bool) -> Self {
        Self { error: error.to_owned(), for_good }
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

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TOLD).collect()
}
