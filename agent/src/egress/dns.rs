//! Asking a DNS server that answers with the asker's own address. It is asked directly: through a resolver one would
//! learn the resolver's address.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use vipwatch_model::{address::unmapped, egress::Family};

use super::datagram;
use crate::config::DnsRecord;

/// The address that `server` sees us come from, as it answers for `name`, and our own end.
///
/// # Errors
/// Why it is not known, in words.
pub(super) async fn ask(
    server: SocketAddr,
    source: Option<IpAddr>,
    name: &str,
    record: DnsRecord,
    limit: Duration,
) -> Result<(IpAddr, IpAddr), String> {
    let family = Family::of(server.ip());
    let query = query(name, record, family)?;
    let request = query.to_vec().map_err(|error| format!("the question cannot be written: {error}"))?;
    datagram::ask(server, source, &request, limit, |answer| read(&query, family, answer)).await
}

fn query(name: &str, record: DnsRecord, family: Family) -> Result<Message, String> {
    let mut name =
        Name::from_ascii(name).map_err(|error| format!("the name cannot be asked for: {error}"))?;
    name.set_fqdn(true);
    let kind = match (record, family) {
        (DnsRecord::Address, Family::V4) => RecordType::A,
        (DnsRecord::Address, Family::V6) => RecordType::AAAA,
        (DnsRecord::Text, _) => RecordType::TXT,
    };
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, kind));
    Ok(query)
}

/// What `answer` says; nothing at all if it belongs to another question.
fn read(query: &Message, family: Family, answer: &[u8]) -> Option<Result<IpAddr, String>> {
    let answer = Message::from_vec(answer).ok()?;
    let [question] = query.queries.as_slice() else { return None };
    let ours = answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        && answer.queries == query.queries;
    ours.then(|| address(question.name(), family, &answer))
}

/// The one address of `family` in `answer`.
fn address(name: &Name, family: Family, answer: &Message) -> Result<IpAddr, String> {
    let code = answer.metadata.response_code;
    if code != ResponseCode::NoError {
        return Err(format!("the server answers \"{code}\""));
    }
    // CoreDNS's whoami puts the asker's address beside the answer, under the same name.
    let beside = answer.additionals.iter().filter(|record| record.name == *name);
    let mut addresses: Vec<IpAddr> = answer.answers.iter().chain(beside).flat_map(told).collect();
    addresses.retain(|address| Family::of(*address) == family);
    addresses.sort_unstable();
    addresses.dedup();
    match addresses.as_slice() {
        [address] => Ok(*address),
        [] => Err(format!("the answer holds no {family} address")),
        _ => Err("the answer holds several addresses, so it does not tell who asks".to_owned()),
    }
}

fn told(record: &Record) -> Vec<IpAddr> {
    match &record.data {
        RData::A(a) => vec![IpAddr::V4(a.0)],
        RData::AAAA(aaaa) => vec![IpAddr::V6(aaaa.0)],
        RData::TXT(txt) => {
            let texts = txt.txt_data.iter().filter_map(|text| std::str::from_utf8(text).ok());
            texts.filter_map(|text| text.parse().ok()).map(unmapped).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::{A, AAAA, TXT};

    use super::*;

    const NAME: &str = "myip.example.net";

    fn answer(query: &Message, answers: &[(&str, RData)], additionals: &[(&str, RData)]) -> Message {
        let record = |(name, data): &(&str, RData)| {
            let mut name = Name::from_ascii(name).unwrap();
            name.set_fqdn(true);
            Record::from_rdata(name, 0, data.clone())
        };
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.add_query(query.queries[0].clone());
        answer.add_answers(answers.iter().map(record));
        answer.add_additionals(additionals.iter().map(record));
        answer
    }

    fn a(address: &str) -> RData {
        RData::A(A(address.parse().unwrap()))
    }

    fn txt(texts: &[&str]) -> RData {
        RData::TXT(TXT::new(texts.iter().map(|text| (*text).to_owned()).collect()))
    }

    fn told(
        record: DnsRecord,
        answers: &[(&str, RData)],
        additionals: &[(&str, RData)],
    ) -> Result<String, String> {
        let query = query(NAME, record, Family::V4).unwrap();
        let answer = answer(&query, answers, additionals).to_vec().unwrap();
        read(&query, Family::V4, &answer).unwrap().map(|address| address.to_string())
    }

    #[test]
    fn each_kind_of_server_is_understood() {
        let ours = Ok("198.51.100.7".to_owned());
        assert_eq!(told(DnsRecord::Address, &[(NAME, a("198.51.100.7"))], &[]), ours);
        assert_eq!(told(DnsRecord::Text, &[(NAME, txt(&["198.51.100.7"]))], &[]), ours);
        // With EDNS client subnet, Google's server adds a line that is no address.
        let lines = [(NAME, txt(&["edns0-client-subnet 198.51.100.0/24"])), (NAME, txt(&["198.51.100.7"]))];
        assert_eq!(told(DnsRecord::Text, &lines, &[]), ours);
        let beside = [(NAME, a("198.51.100.7")), ("ns.example.net", a("192.0.2.53"))];
        assert_eq!(told(DnsRecord::Address, &[], &beside), ours, "CoreDNS whoami");
    }

    #[test]
    fn what_does_not_tell_who_asks_is_named() {
        let v6 = RData::AAAA(AAAA("2001:db8::7".parse().unwrap()));
        let several = [(NAME, a("198.51.100.7")), (NAME, a("198.51.100.8"))];
        for (answers, why) in [
            (&[][..], "the answer holds no IPv4 address"),
            (&[(NAME, v6)], "the answer holds no IPv4 address"),
            (&[(NAME, txt(&["<b>198.51.100.7"]))], "the answer holds no IPv4 address"),
            (&several, "the answer holds several addresses, so it does not tell who asks"),
        ] {
            assert_eq!(told(DnsRecord::Address, answers, &[]), Err(why.to_owned()));
        }
        let query = query(NAME, DnsRecord::Address, Family::V4).unwrap();
        let mut refused = answer(&query, &[], &[]);
        refused.metadata.response_code = ResponseCode::Refused;
        let why = read(&query, Family::V4, &refused.to_vec().unwrap()).unwrap().unwrap_err();
        assert_eq!(why, "the server answers \"Query Refused\"");
    }

    #[test]
    fn answers_to_other_questions_are_waited_past() {
        let asked = query(NAME, DnsRecord::Address, Family::V4).unwrap();
        let right = answer(&asked, &[(NAME, a("198.51.100.7"))], &[]);
        let mut other_id = right.clone();
        other_id.metadata.id ^= 1;
        let mut question = right.clone();
        question.metadata.message_type = MessageType::Query;
        let mut other_name = right.clone();
        other_name.queries = query("other.example.net", DnsRecord::Address, Family::V4).unwrap().queries;
        let mut no_question = right.clone();
        no_question.queries.clear();
        for wrong in [other_id, question, other_name, no_question] {
            assert_eq!(read(&asked, Family::V4, &wrong.to_vec().unwrap()), None, "{wrong:?}");
        }
        assert_eq!(read(&asked, Family::V4, b"not DNS"), None);
        assert!(read(&asked, Family::V4, &right.to_vec().unwrap()).is_some());
    }

    #[test]
    fn over_ipv6_the_other_address_record_is_asked_for() {
        let query = query(NAME, DnsRecord::Address, Family::V6).unwrap();
        assert_eq!(query.queries[0].query_type(), RecordType::AAAA);
        let v6 = RData::AAAA(AAAA("2001:db8::7".parse().unwrap()));
        let answer = answer(&query, &[(NAME, v6)], &[]).to_vec().unwrap();
        let address = read(&query, Family::V6, &answer).unwrap();
        assert_eq!(address, Ok("2001:db8::7".parse().unwrap()));
    }
}
