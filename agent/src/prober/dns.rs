//! A question to a name server and its answer, by a message of our own on a socket of our own: a resolver would hide
//! what is lost on the way.

use std::{collections::BTreeSet, io::ErrorKind, net::IpAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vipwatch_model::{
    dns::{Answer, DnsError, Question, Rcode},
    flow::{Failure, FailureKind, Outcome},
};

use super::{
    blame,
    connection::Wire,
    flow::Progress,
    method::{Bind, DnsExchange, DnsPurpose, UdpExchange},
    udp,
};

/// The most addresses that a failure names.
const ADDRESSES_SHOWN: usize = 8;

/// Asks in a datagram. What comes with another id is late or forged; the answer is waited for all the same.
pub(super) async fn over_udp(
    bind: &Bind,
    exchange: &DnsExchange,
    progress: &mut Progress,
) -> Result<Outcome, Failure> {
    let id = fastrand::u16(..);
    let query = exchange.question.query(id);
    let is_answer = |datagram: &[u8]| datagram.starts_with(&id.to_be_bytes());
    let message = udp::ask(bind, &query, UdpExchange::RETRANSMIT_AFTER, progress, is_answer).await?;
    outcome(exchange, id, &message)
}

/// Asks on a connection, where each message follows its length in two bytes (RFC 1035, 4.2.2).
pub(super) async fn over_tcp(
    mut wire: Wire,
    exchange: &DnsExchange,
    progress: &mut Progress,
) -> Result<Outcome, Failure> {
    let id = fastrand::u16(..);
    let query = exchange.question.query(id);
    let length = u16::try_from(query.len())
        .map_err(|_| Failure::new(FailureKind::Agent, "the question is too long for DNS"))?;
    wire.write_all(&[&length.to_be_bytes(), query.as_slice()].concat())
        .await
        .map_err(|error| blame::failure(&error))?;
    let length = wire.read_u16().await.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            Failure::new(FailureKind::Reset, "the connection was closed without an answer")
        }
        _ => blame::failure(&error),
    })?;
    progress.phases.first_byte_us = Some(progress.lap());
    let mut message = vec![0; length.into()];
    wire.read_exact(&mut message).await.map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Failure::new(FailureKind::Protocol, "the answer broke off"),
        _ => blame::failure(&error),
    })?;
    progress.phases.body_us = Some(progress.lap());
    outcome(exchange, id, &message)
}

fn outcome(exchange: &DnsExchange, id: u16, message: &[u8]) -> Result<Outcome, Failure> {
    let question = &exchange.question;
    match &exchange.purpose {
        DnsPurpose::Whoami => match question.read_whoami(id, message) {
            Ok(report) => Ok(Outcome::Echoed(report)),
            Err(error @ DnsError::Failed(Rcode::ServFail)) => Err(unexpected(error.to_string())),
            Err(error @ (DnsError::Failed(_) | DnsError::NoClient | DnsError::Truncated)) => {
                Ok(Outcome::Unreadable(error.to_string()))
            }
            Err(error) => Err(Failure::new(FailureKind::Protocol, error.to_string())),
        },
        DnsPurpose::Answer { addresses, min_ttl, max_ttl } => match question.read(id, message) {
            Ok(answer) => match fault(question, &answer, addresses, *min_ttl, *max_ttl) {
                Some(why) => Err(unexpected(why)),
                None => Ok(Outcome::Answered),
            },
            Err(error @ DnsError::Truncated) => Err(unexpected(error.to_string())),
            Err(error) => Err(Failure::new(FailureKind::Protocol, error.to_string())),
        },
    }
}

fn unexpected(why: String) -> Failure {
    Failure::new(FailureKind::Unexpected, why)
}

/// In what the answer is not as it ought to be.
fn fault(
    question: &Question,
    answer: &Answer,
    expected: &[IpAddr],
    min_ttl: Option<u32>,
    max_ttl: Option<u32>,
) -> Option<String> {
    if answer.rcode != Rcode::NoError {
        return Some(DnsError::Failed(answer.rcode).to_string());
    }
    if answer.addresses.is_empty() && answer.texts.is_empty() {
        return Some(format!("the name server knows no {question}"));
    }
    let found: BTreeSet<IpAddr> = answer.addresses.iter().map(|(address, _)| *address).collect();
    let expected: BTreeSet<IpAddr> = expected.iter().copied().collect();
    if !expected.is_empty() && found != expected {
        return Some(format!("{question} is {} instead of {}", list(&found), list(&expected)));
    }
    let ttls = || answer.addresses.iter().map(|(_, ttl)| *ttl);
    if let (Some(least), Some(ttl)) = (min_ttl, ttls().min())
        && ttl < least
    {
        return Some(format!("{question} may be kept for {ttl} s, which is less than {least} s"));
    }
    if let (Some(most), Some(ttl)) = (max_ttl, ttls().max())
        && ttl > most
    {
        return Some(format!("{question} may be kept for {ttl} s, which is more than {most} s"));
    }
    None
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let shown: Vec<String> = addresses.iter().take(ADDRESSES_SHOWN).map(IpAddr::to_string).collect();
    match addresses.len().saturating_sub(ADDRESSES_SHOWN) {
        _ if shown.is_empty() => "no address".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
