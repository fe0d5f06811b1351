//! Answers DNS queries as CoreDNS's whoami plugin does: whatever name and type is asked for, the ANSWER
//! section is empty and ADDITIONAL holds the client's address (A or AAAA) and port (SRV of `_udp.NAME` or
//! `_tcp.NAME`). A TXT record beside them holds the names of who answers.
//!
//! No answer is longer than [`MESSAGE_BYTES`], and only queries are answered: two servers cannot be made to
//! talk to each other.

use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::{Edns, Message, Metadata, ResponseCode};
use hickory_proto::rr::rdata::{SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Echo;
use crate::datagram::{self, DATAGRAM_BYTES, Reply};
use crate::pace::{Pace, Rates};
use crate::server::Flow;
use crate::stats::Counter;

/// What every client takes, with EDNS and without.
const MESSAGE_BYTES: usize = 512;
/// The longest string in a TXT record.
const STRING_BYTES: usize = 255;
/// Queries answered over one connection.
const QUERIES: usize = 16;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// Answers every query on `socket` within `rates` until `shutdown` is cancelled.
pub(crate) async fn serve(
    socket: UdpSocket,
    echo: &Echo,
    rates: Rates,
    counter: &Counter,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let pace = Pace::new(rates, Instant::now());
    let reply = |query: &[u8], flow| {
        respond(query, Transport::Udp, echo, flow).map_or(Reply::Malformed, Reply::Answer)
    };
    datagram::serve(socket, pace, counter, shutdown, reply).await
}

/// The response to a query; `None` when it is none that could be understood.
fn respond(query: &[u8], transport: Transport, echo: &Echo, flow: Flow) -> Option<Vec<u8>> {
    if !asks_one_question(query) {
        return None;
    }
    let query = Message::from_vec(query).ok()?;
    let [question] = query.queries.as_slice() else { return None };
    if question.query_class() != DNSClass::IN {
        return None;
    }
    let name = question.name();

    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata = Metadata::response_from_request(&query.metadata);
    response.metadata.authoritative = true;
    response.add_query(question.clone());
    if let Some(asked) = &query.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM_BYTES).set_dnssec_ok(asked.flags().dnssec_ok);
        response.set_edns(edns);
        if asked.version() > 0 {
            response.metadata.response_code = ResponseCode::BADVERS;
            return response.to_vec().ok();
        }
    }
    response.add_additional(address(name, flow));
    response.add_additionals(port(name, transport, flow));
    let without_names = response.to_vec().ok()?;
    let Some(names) = names(name, echo, flow) else { return Some(without_names) };
    response.add_additional(names);
    let with_names = response.to_vec().ok().filter(|message| message.len() <= MESSAGE_BYTES);
    Some(with_names.unwrap_or(without_names))
}

/// Whether the header is that of a query with one question and no records beside those of EDNS. Looked at
/// before the message is parsed, which sets memory aside for as many questions as the header claims.
fn asks_one_question(message: &[u8]) -> bool {
    // A bit that says whether it is a response, four that say what is wanted (0 is a query), then flags.
    matches!(message, [_, _, flags, _, 0, 1, 0, 0, 0, 0, ..] if flags & 0b1111_1000 == 0)
}

fn address(name: &Name, flow: Flow) -> Record {
    let address = match flow.peer.ip().to_canonical() {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    };
    Record::from_rdata(name.clone(), 0, address)
}

/// `None` when the name is so long that none can be put before it.
fn port(name: &Name, transport: Transport, flow: Flow) -> Option<Record> {
    let label = match transport {
        Transport::Udp => "_udp",
        Transport::Tcp => "_tcp",
    };
    let port = SRV::new(0, 0, flow.peer.port(), Name::root());
    Some(Record::from_rdata(name.prepend_label(label).ok()?, 0, RData::SRV(port)))
}

/// `node=NAME`, `pod=NAME` and `namespace=NAME`, as far as they are known.
fn names(name: &Name, echo: &Echo, flow: Flow) -> Option<Record> {
    let answer = echo.answer(flow);
    let strings: Vec<String> = [("node", answer.node), ("pod", answer.pod), ("namespace", answer.namespace)]
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value?)))
        .filter(|string| string.len() <= STRING_BYTES)
        .collect();
    (!strings.is_empty()).then(|| Record::from_rdata(name.clone(), 0, RData::TXT(TXT::new(strings))))
}

/// Answers the queries that come over one connection, until the client closes it or lets `patience` pass.
/// Ends it when one is not understood.
pub(crate) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    flow: Flow,
    echo: &Echo,
    patience: Duration,
    counter: &Counter,
) -> io::Result<()> {
    let mut buffer = [0; DATAGRAM_BYTES as usize];
    for _ in 0..QUERIES {
        let Some(query) = timeout(patience, read_query(&mut stream, &mut buffer)).await?? else {
            return Ok(());
        };
        let Some(response) = query.and_then(|query| respond(query, Transport::Tcp, echo, flow)) else {
            counter.malformed();
            return Ok(());
        };
        let length = u16::try_from(response.len()).map_err(io::Error::other)?.to_be_bytes();
        timeout(patience, stream.write_all(&[&length, response.as_slice()].concat())).await??;
        counter.answered();
    }
    stream.shutdown().await
}

/// The next query. The outer `None` is the end of the connection, the inner one a query too long to be one.
async fn read_query<'a>(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &'a mut [u8],
) -> io::Result<Option<Option<&'a [u8]>>> {
    let length = match stream.read_u16().await {
        Ok(length) => usize::from(length),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(query) = buffer.get_mut(..length) else { return Ok(Some(None)) };
    stream.read_exact(query).await?;
    Ok(Some(Some(query)))
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, OpCode, Query};
    use hickory_proto::rr::RecordType;
    use proptest::prelude::*;

    use super::*;
    use crate::Identity;

    fn flow(peer: &str) -> Flow {
        Flow { peer: peer.parse().unwrap(), local: "10.244.1.10:5353".parse().unwrap() }
    }

    fn query(name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.metadata.id = 4711;
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message
    }

    fn answer(query: &Message, transport: Transport, echo: &Echo, peer: &str) -> Option<Message> {
        let response = respond(&query.to_vec().unwrap(), transport, echo, flow(peer))?;
        assert!(response.len() <= MESSAGE_BYTES, "{}", response.len());
        Some(Message::from_vec(&response).unwrap())
    }

    fn texts(message: &Message) -> Vec<String> {
        message.additionals.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_client_is_in_the_additional_section() {
        let query = query("Who.example.", RecordType::MX);
        let response = answer(&query, Transport::Udp, &Echo::default(), "192.0.2.9:41234").unwrap();
        assert_eq!(response.metadata.id, 4711);
        assert_eq!(response.metadata.message_type, MessageType::Response);
        assert!(response.metadata.authoritative && response.metadata.recursion_desired);
        assert!(!response.metadata.recursion_available && !response.metadata.truncation);
        assert_eq!(response.queries, query.queries);
        assert!(response.answers.is_empty() && response.authorities.is_empty() && response.edns.is_none());
        assert_eq!(
            texts(&response),
            ["Who.example. 0 IN A 192.0.2.9", "_udp.Who.example. 0 IN SRV 0 0 41234 ."]
        );
    }

    #[test]
    fn addresses_are_unmapped_and_the_root_can_be_asked() {
        let query = query(".", RecordType::A);
        let mapped = answer(&query, Transport::Udp, &Echo::default(), "[::ffff:192.0.2.9]:1").unwrap();
        assert_eq!(texts(&mapped), [". 0 IN A 192.0.2.9", "_udp. 0 IN SRV 0 0 1 ."]);
        let v6 = answer(&query, Transport::Tcp, &Echo::default(), "[2001:db8::9]:2").unwrap();
        assert_eq!(texts(&v6), [". 0 IN AAAA 2001:db8::9", "_tcp. 0 IN SRV 0 0 2 ."]);
    }

    #[test]
    fn names_come_along_where_there_is_room() {
        let echo = Echo::new(Identity {
            node: Some("node-1".to_owned()),
            pod: Some("echo-1".to_owned()),
            namespace: None,
        });
        let named = answer(&query("x.", RecordType::A), Transport::Udp, &echo, "192.0.2.9:1").unwrap();
        assert_eq!(texts(&named)[2], "x. 0 IN TXT node=node-1pod=echo-1");

        let long = Some("x".repeat(250));
        let echo = Echo::new(Identity { node: long.clone(), pod: long.clone(), namespace: long });
        let unnamed = answer(&query("x.", RecordType::A), Transport::Udp, &echo, "192.0.2.9:1").unwrap();
        assert_eq!(unnamed.additionals.len(), 2);
    }

    #[test]
    fn the_longest_name_can_be_asked() {
        let label = "x".repeat(63);
        let name = format!("{label}.{label}.{label}.{}.", "x".repeat(61));
        let mut query = query(&name, RecordType::A);
        query.set_edns(Edns::new());
        let response = answer(&query, Transport::Udp, &Echo::default(), "[2001:db8::9]:1").unwrap();
        assert_eq!(response.additionals.len(), 1, "there is no room before it for _udp");
    }

    #[test]
    fn edns_is_answered_by_edns() {
        let mut query = query("x.", RecordType::A);
        query.set_edns(Edns::new());
        let response = answer(&query, Transport::Udp, &Echo::default(), "192.0.2.9:1").unwrap();
        assert_eq!(response.edns.unwrap().max_payload(), 1232);
        assert_eq!(response.additionals.len(), 2);

        query.edns.as_mut().unwrap().set_version(1);
        let response = answer(&query, Transport::Udp, &Echo::default(), "192.0.2.9:1").unwrap();
        assert_eq!(u16::from(response.metadata.response_code), u16::from(ResponseCode::BADVERS));
        assert!(response.additionals.is_empty());
    }

    #[test]
    fn what_is_no_query_is_not_answered() {
        let fine = || query("x.", RecordType::A);
        let refused =
            |message: &Message| answer(message, Transport::Udp, &Echo::default(), "192.0.2.9:1").is_none();
        assert!(!refused(&fine()));
        let response = answer(&fine(), Transport::Udp, &Echo::default(), "192.0.2.9:1").unwrap();
        assert!(refused(&response), "a response");
        let mut notify = fine();
        notify.metadata.op_code = OpCode::Notify;
        assert!(refused(&notify), "another operation");
        let mut two = fine();
        two.add_query(two.queries[0].clone());
        assert!(refused(&two), "two questions");
        let mut chaos = fine();
        chaos.queries[0].set_query_class(DNSClass::CH);
        assert!(refused(&chaos), "another class");
        let mut filled = fine();
        filled.add_answer(address(&Name::root(), flow("192.0.2.9:1")));
        assert!(refused(&filled), "a query with an answer");
        assert!(refused(&Message::query()), "no question");
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_short_response_or_none(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
            whole in any::<bool>(),
        ) {
            if whole && bytes.len() > 12 {
                bytes[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            }
            let response = respond(&bytes, Transport::Udp, &Echo::default(), flow("192.0.2.9:1"));
            prop_assert!(response.is_none_or(|response| response.len() <= MESSAGE_BYTES));
        }

        #[test]
        fn a_damaged_query_gives_a_short_response_or_none(at in 0_usize..28, byte in any::<u8>()) {
            let mut query = query("who.example.", RecordType::A);
            query.set_edns(Edns::new());
            let mut bytes = query.to_vec().unwrap();
            bytes[at] = byte;
            let response = respond(&bytes, Transport::Udp, &Echo::default(), flow("192.0.2.9:1"));
            prop_assert!(response.is_none_or(|response| response.len() <= MESSAGE_BYTES));
        }
    }
}
