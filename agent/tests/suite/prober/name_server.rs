//! Name servers that answer as a test wants it.

use std::net::SocketAddr;

use hickory_resolver::proto::{
    op::{Message, MessageType},
    rr::{Name, RData, Record, rdata::SRV},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::server::Server;

/// Answers datagrams: `answer` is given each query and its sender.
pub(super) async fn over_udp(
    at: &str,
    answer: impl Fn(Message, SocketAddr) -> Vec<Message> + Send + 'static,
) -> Server {
    Server::datagrams(at, move |_, query, peer| {
        let answers = answer(Message::from_vec(query).unwrap(), peer);
        answers.into_iter().map(|answer| answer.to_vec().unwrap()).collect()
    })
    .await
}

/// Answers the first query on each connection.
pub(super) async fn over_tcp(
    at: &str,
    answer: impl Fn(Message, SocketAddr) -> Vec<Message> + Clone + Send + Sync + 'static,
) -> Server {
    Server::at(at, move |mut stream| {
        let answer = answer.clone();
        async move {
            let mut query = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut query).await.unwrap();
            for answer in answer(Message::from_vec(&query).unwrap(), stream.peer_addr().unwrap()) {
                let message = answer.to_vec().unwrap();
                let _ = stream.write_u16(message.len().try_into().unwrap()).await;
                let _ = stream.write_all(&message).await;
            }
        }
    })
    .await
}

/// The response to `query`, still empty.
pub(super) fn response(query: &Message) -> Message {
    let mut response = query.clone();
    response.metadata.message_type = MessageType::Response;
    response
}

/// As CoreDNS' plug-in whoami answers.
pub(super) fn whoami(query: Message, peer: SocketAddr) -> Vec<Message> {
    let mut response = response(&query);
    let name = query.queries[0].name.clone();
    let data = match peer {
        SocketAddr::V4(v4) => RData::A((*v4.ip()).into()),
        SocketAddr::V6(v6) => RData::AAAA((*v6.ip()).into()),
    };
    let port = RData::SRV(SRV::new(0, 0, peer.port(), Name::root()));
    response.add_additional(Record::from_rdata(name.clone(), 0, data));
    response.add_additional(Record::from_rdata(name.prepend_label("_udp").unwrap(), 0, port));
    vec![response]
}
