//! Questions to name servers.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vipwatch::prober::{DnsExchange, DnsPurpose, Exchange, FlowMethod};
use vipwatch_model::{
    dns::{Question, RecordKind},
    flow::{FailureKind, Outcome},
};

use super::{
    detail, kind,
    name_server::{over_tcp, over_udp, response, whoami},
    outcome,
    server::Server,
    sight, to,
};

fn asking(address: SocketAddr, tcp: bool, purpose: DnsPurpose) -> FlowMethod {
    let question = Question::new("www.example.net", RecordKind::A).unwrap();
    to(address, Exchange::Dns(DnsExchange { question, tcp, purpose }))
}

#[tokio::test]
async fn whoami_tells_each_flows_source() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        for (tcp, server) in [(false, over_udp(at, whoami).await), (true, over_tcp(at, whoami).await)] {
            let flows = sight(asking(server.address, tcp, DnsPurpose::Whoami), 3).await.flows;
            let ports: std::collections::HashSet<_> =
                flows.iter().map(|flow| flow.local.unwrap().port()).collect();
            assert_eq!(ports.len(), 3);
            for flow in flows {
                let Outcome::Echoed(report) = &flow.outcome else { panic!("{flow:?}") };
                let local = flow.local.unwrap();
                assert_eq!((report.address, report.port), (local.ip(), Some(local.port())));
                assert_eq!(flow.phases.connect_us.is_some(), tcp);
                assert!(flow.phases.first_byte_us.is_some());
            }
        }
    }
}

#[tokio::test]
async fn answers_to_other_questions_are_not_taken() {
    fn forged(query: Message) -> Message {
        let mut forged = whoami(query, "203.0.113.66:666".parse().unwrap()).remove(0);
        forged.metadata.id ^= 1;
        forged
    }
    let both =
        over_udp("127.0.0.1:0", |query, peer| vec![forged(query.clone()), whoami(query, peer).remove(0)]);
    let outcome_of_both = outcome(asking(both.await.address, false, DnsPurpose::Whoami)).await;
    assert!(matches!(outcome_of_both, Outcome::Echoed(report) if report.address.is_loopback()));
    let only = over_udp("127.0.0.1:0", |query, _| vec![forged(query)]).await;
    assert_eq!(
        kind(&outcome(asking(only.address, false, DnsPurpose::Whoami)).await),
        Some(FailureKind::Timeout)
    );
    let other_name = over_udp("127.0.0.1:0", |query, peer| {
        let mut other = whoami(query, peer).remove(0);
        other.queries[0].name = "other.example.net.".parse().unwrap();
        vec![other]
    });
    let failed = outcome(asking(other_name.await.address, false, DnsPurpose::Whoami)).await;
    assert_eq!(kind(&failed), Some(FailureKind::Protocol));
    assert_eq!(detail(&failed), "the answer is that to another question");
}

#[tokio::test]
async fn a_name_server_that_fails_or_cannot_tell_is_told_apart() {
    async fn of(change: fn(&mut Message)) -> Outcome {
        let answer = move |query: Message, _| {
            let mut message = response(&query);
            change(&mut message);
            vec![message]
        };
        let server = over_udp("127.0.0.1:0", answer).await;
        outcome(asking(server.address, false, DnsPurpose::Whoami)).await
    }
    let failed = of(|message| message.metadata.response_code = ResponseCode::ServFail).await;
    assert_eq!(kind(&failed), Some(FailureKind::Unexpected));
    assert!(detail(&failed).contains("SERVFAIL"), "{failed:?}");
    let refused = of(|message| message.metadata.response_code = ResponseCode::Refused).await;
    assert!(matches!(&refused, Outcome::Unreadable(why) if why.contains("REFUSED")), "{refused:?}");
    let nobody = of(|_| {}).await;
    assert!(matches!(&nobody, Outcome::Unreadable(why) if why.contains("whoami")), "{nobody:?}");
    let long = of(|message| message.metadata.truncation = true).await;
    assert!(matches!(&long, Outcome::Unreadable(why) if why.contains("ask over TCP")), "{long:?}");

    let garbage =
        Server::datagrams("127.0.0.1:0", |_, query, _| vec![[&query[..2], b"hunter2"].concat()]).await;
    let failed = outcome(asking(garbage.address, false, DnsPurpose::Whoami)).await;
    assert_eq!(
        (kind(&failed), detail(&failed)),
        (Some(FailureKind::Protocol), "the answer is no DNS message")
    );
}

#[tokio::test]
async fn connections_that_break_off_are_told_apart() {
    for (reply, kind_of, why) in [
        (&b""[..], FailureKind::Reset, "the connection was closed without an answer"),
        (b"\xff\xff hunter2", FailureKind::Protocol, "the answer broke off"),
        (b"\0\x05abcde", FailureKind::Protocol, "the answer is no DNS message"),
    ] {
        let server = Server::doing(move |mut stream| async move {
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(reply).await;
        })
        .await;
        let failed = outcome(asking(server.address, true, DnsPurpose::Whoami)).await;
        assert_eq!((kind(&failed), detail(&failed)), (Some(kind_of), why));
    }
}

#[tokio::test]
async fn a_plain_answer_holds_what_is_expected_for_as_long_as_is_expected() {
    async fn of(expected: &[&str], min_ttl: Option<u32>, max_ttl: Option<u32>) -> Outcome {
        let answer = |query: Message, _| {
            let mut message = response(&query);
            for (last, ttl) in [(202, 300), (201, 30)] {
                let data = RData::A(std::net::Ipv4Addr::new(192, 0, 2, last).into());
                message.add_answer(Record::from_rdata(query.queries[0].name.clone(), ttl, data));
            }
            vec![message]
        };
        let server = over_udp("127.0.0.1:0", answer).await;
        let addresses = expected.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect();
        outcome(asking(server.address, false, DnsPurpose::Answer { addresses, min_ttl, max_ttl })).await
    }
    assert_eq!(of(&[], None, None).await, Outcome::Answered);
    assert_eq!(of(&["192.0.2.201", "192.0.2.202"], Some(30), Some(300)).await, Outcome::Answered);
    for (wrong, why) in [
        (
            of(&["192.0.2.201"], None, None).await,
            "www.example.net. A is 192.0.2.201, 192.0.2.202 instead of 192.0.2.201",
        ),
        (of(&[], Some(60), None).await, "www.example.net. A may be kept for 30 s, which is less than 60 s"),
        (of(&[], None, Some(60)).await, "www.example.net. A may be kept for 300 s, which is more than 60 s"),
    ] {
        assert_eq!((kind(&wrong), detail(&wrong)), (Some(FailureKind::Unexpected), why));
    }

    let any = || DnsPurpose::Answer { addresses: Vec::new(), min_ttl: None, max_ttl: None };
    let empty = over_udp("127.0.0.1:0", |query, _| vec![response(&query)]).await;
    let wrong = outcome(asking(empty.address, false, any())).await;
    assert_eq!(detail(&wrong), "the name server knows no www.example.net. A");
    let unknown = over_udp("127.0.0.1:0", |query, _| {
        let mut message = response(&query);
        message.metadata.response_code = ResponseCode::NXDomain;
        vec![message]
    });
    let wrong = outcome(asking(unknown.await.address, false, any())).await;
    assert_eq!(kind(&wrong), Some(FailureKind::Unexpected));
    assert!(detail(&wrong).contains("NXDOMAIN"), "{wrong:?}");
}
