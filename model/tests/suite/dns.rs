//! DNS questions and answers against messages of another make: those of hickory-proto's own encoder, and bytes by hand.

use std::net::IpAddr;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, SRV, TXT},
    },
};
use proptest::prelude::*;
use vipwatch_model::dns::{DnsError, Question, Rcode, RecordKind};

const ID: u16 = 0x4d2a;

fn question() -> Question {
    Question::new("whoami.example.net", RecordKind::A).unwrap()
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A response to [`question`].
fn response() -> Message {
    let mut message = Message::new(ID, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(name("whoami.example.net."), RecordType::A));
    message
}

fn address(owner: &str, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(name(owner), 0, data)
}

fn port(owner: &str, port: u16) -> Record {
    Record::from_rdata(name(owner), 0, RData::SRV(SRV::new(0, 0, port, Name::root())))
}

/// As CoreDNS' whoami answers.
fn whoami(client: IpAddr, protocol: &str, from: u16) -> Vec<u8> {
    let mut message = response();
    message.metadata.authoritative = true;
    message.add_additional(address("whoami.example.net.", client));
    message.add_additional(port(&format!("{protocol}.whoami.example.net."), from));
    message.to_vec().unwrap()
}

#[test]
fn a_query_is_as_the_standard_says() {
    // RFC 1035, 4.1: id, recursion desired, one question; the name in labels, type A, class IN.
    let by_hand =
        b"\x4d\x2a\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06whoami\x07example\x03net\x00\x00\x01\x00\x01";
    assert_eq!(question().query(ID), by_hand);
    assert_eq!(question().to_string(), "whoami.example.net. A");
    let root = Question::new(".", RecordKind::Txt).unwrap().query(1);
    assert_eq!(root, b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01");
}

#[test]
fn names_that_no_domain_has_are_refused() {
    let long_label = format!("{}.example", "x".repeat(64));
    let long = vec!["x".repeat(60); 5].join(".");
    for text in ["", "..", "a..b", "a b", "a\\046b", "ä.example", long_label.as_str(), long.as_str()] {
        assert!(Question::new(text, RecordKind::A).is_err(), "{text}");
    }
    assert!(Question::new("_dns.Example.NET.", RecordKind::Aaaa).is_ok());
}

#[test]
fn whoami_tells_the_client_over_udp_and_tcp() {
    for (client, seen) in
        [("10.244.1.1", "10.244.1.1"), ("2001:db8::9", "2001:db8::9"), ("::ffff:192.0.2.9", "192.0.2.9")]
    {
        for protocol in ["_udp", "_tcp"] {
            let report =
                question().read_whoami(ID, &whoami(client.parse().unwrap(), protocol, 41234)).unwrap();
            assert_eq!((report.address.to_string().as_str(), report.port), (seen, Some(41234)));
            assert!(!report.trusts_headers && report.forwarded.is_empty());
        }
    }
}

/// The same answer written by hand, with names that point back into the message.
#[test]
fn compressed_names_are_followed() {
    let mut message = b"\x4d\x2a\x84\x00\x00\x01\x00\x00\x00\x00\x00\x02".to_vec();
    message.extend(b"\x06WhoAmI\x07example\x03net\x00\x00\x01\x00\x01");
    message.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\xc0\x00\x02\x09");
    message.extend(b"\x04_udp\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\xa1\x12\x00");
    let report = question().read_whoami(ID, &message).unwrap();
    assert_eq!((report.address.to_string().as_str(), report.port), ("192.0.2.9", Some(41234)));
}

#[test]
fn records_of_other_names_are_not_the_client() {
    let mut message = response();
    message.add_answer(address("whoami.example.net.", "192.0.2.66".parse().unwrap()));
    message.add_additional(address("ns.example.net.", "192.0.2.66".parse().unwrap()));
    message.add_additional(port("_udp.ns.example.net.", 53));
    assert_eq!(question().read_whoami(ID, &message.to_vec().unwrap()), Err(DnsError::NoClient));

    message.add_additional(address("whoami.example.net.", "192.0.2.9".parse().unwrap()));
    message.add_additional(port("_sip.whoami.example.net.", 5060));
    let report = question().read_whoami(ID, &message.to_vec().unwrap()).unwrap();
    assert_eq!((report.address.to_string().as_str(), report.port), ("192.0.2.9", None));
}

#[test]
fn what_answers_no_question_of_ours_is_named() {
    let sound = whoami("192.0.2.9".parse().unwrap(), "_udp", 41234);
    let changed = |change: fn(&mut Message)| {
        let mut message = Message::from_vec(&sound).unwrap();
        change(&mut message);
        message.to_vec().unwrap()
    };
    for (message, error) in [
        (Vec::new(), DnsError::Malformed),
        (sound[..11].to_vec(), DnsError::Malformed),
        (sound[..sound.len() - 1].to_vec(), DnsError::Malformed),
        (question().query(ID), DnsError::NotAResponse),
        (changed(|message| message.metadata.id ^= 1), DnsError::OtherId),
        (changed(|message| message.metadata.truncation = true), DnsError::Truncated),
        (changed(|message| message.queries[0].name = name("other.example.net.")), DnsError::OtherQuestion),
        (changed(|message| message.queries[0].query_type = RecordType::AAAA), DnsError::OtherQuestion),
        (changed(|message| message.queries.clear()), DnsError::OtherQuestion),
        (changed(|message| message.additionals.clear()), DnsError::NoClient),
        (
            changed(|message| message.metadata.response_code = ResponseCode::Refused),
            DnsError::Failed(Rcode::Refused),
        ),
    ] {
        assert_eq!(question().read_whoami(ID, &message), Err(error), "{error}");
    }
    let refused = b"\x4d\x2a\x81\x05\x00\x00\x00\x00\x00\x00\x00\x00";
    assert_eq!(question().read_whoami(ID, refused), Err(DnsError::Failed(Rcode::Refused)));
    assert_eq!(DnsError::Failed(Rcode::Other(11)).to_string(), "the name server answers with code 11");
}

/// A name that points at itself, and two that point at each other.
#[test]
fn loops_come_to_an_end() {
    let head = b"\x4d\x2a\x84\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    for name in [b"\xc0\x0c\x00\x01\x00\x01".as_slice(), b"\x01a\xc0\x10\xc0\x0c\x00\x01\x00\x01"] {
        let message = [head, name].concat();
        assert_eq!(question().read(ID, &message), Err(DnsError::Malformed));
    }
}

#[test]
fn plain_answers_keep_addresses_texts_and_ttls() {
    let mut message = response();
    message.add_answer(Record::from_rdata(
        name("whoami.example.net."),
        30,
        RData::CNAME(CNAME(name("lb.example.net."))),
    ));
    for last in [9u8, 10] {
        message.add_answer(Record::from_rdata(
            name("lb.example.net."),
            60 + u32::from(last),
            RData::A(A::new(192, 0, 2, last)),
        ));
    }
    let text = TXT::new(vec!["198.51.100.7".to_owned(), ":53".to_owned()]);
    message.add_answer(Record::from_rdata(name("lb.example.net."), 0, RData::TXT(text)));
    let answer = question().read(ID, &message.to_vec().unwrap()).unwrap();
    assert_eq!(answer.rcode, Rcode::NoError);
    let expected: [(IpAddr, u32); 2] = [([192, 0, 2, 9].into(), 69), ([192, 0, 2, 10].into(), 70)];
    assert_eq!(answer.addresses, expected);
    assert_eq!(answer.texts, ["198.51.100.7:53"]);

    let mut missing = response();
    missing.metadata.response_code = ResponseCode::NXDomain;
    let answer = question().read(ID, &missing.to_vec().unwrap()).unwrap();
    assert_eq!((answer.rcode, answer.addresses.len()), (Rcode::NxDomain, 0));
}

proptest! {
    #[test]
    fn every_client_reads_back(client: IpAddr, from in 1u16.., id: u16, tcp: bool) {
        let mut message = whoami(client, if tcp { "_tcp" } else { "_udp" }, from);
        message[..2].copy_from_slice(&id.to_be_bytes());
        let report = question().read_whoami(id, &message).unwrap();
        prop_assert_eq!((report.address, report.port), (client.to_canonical(), Some(from)));
    }

    #[test]
    fn any_bytes_give_an_answer_or_an_error(
        tail in proptest::collection::vec(any::<u8>(), 0..600),
        counts in proptest::collection::vec(0u8..4, 3),
        from in 0usize..80,
        with in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let _ = question().read(ID, &tail);
        // Behind a sound head and question.
        let mut message = response().to_vec().unwrap();
        for (section, count) in counts.iter().enumerate() {
            message[7 + 2 * section] = *count;
        }
        message.extend(&tail);
        let _ = question().read(ID, &message);
        let _ = question().read_whoami(ID, &message);
        // A sound answer with a few bytes changed.
        let mut message = whoami("192.0.2.9".parse().unwrap(), "_udp", 41234);
        let from = from.min(message.len());
        let end = message.len().min(from + with.len());
        message.splice(from..end, with);
        let _ = question().read_whoami(ID, &message);
    }
}
