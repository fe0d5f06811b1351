//! Asking a STUN server (RFC 8489): one datagram there, one back, with the address that the request came from.

mod message;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use message::{Refused, TransactionId};

use super::datagram;

/// The address that `server` sees us come from, and our own end.
///
/// # Errors
/// Why it is not known, in words.
pub(super) async fn ask(
    server: SocketAddr,
    source: Option<IpAddr>,
    limit: Duration,
) -> Result<(IpAddr, IpAddr), String> {
    let id = transaction_id()?;
    let read = |answer: &[u8]| match message::answer(id, answer) {
        Ok(address) => Some(Ok(address.ip())),
        Err(Refused::Foreign) => None,
        Err(refused) => Some(Err(refused.to_string())),
    };
    datagram::ask(server, source, &message::request(id), limit, read).await
}

fn transaction_id() -> Result<TransactionId, String> {
    let mut id = TransactionId::default();
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut id).map_err(|_| "this host has no randomness to offer".to_owned())?;
    Ok(id)
}
