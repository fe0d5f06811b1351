//! DNS as an echo: CoreDNS' plug-in whoami answers with the client in the ADDITIONAL section, and leaves ANSWER empty.
//! The name itself has an A or AAAA record with the address; `_udp.` or `_tcp.` in front of it an SRV record with the
//! port.

use hickory_proto::rr::{RData, Record};

use super::{DnsError, Question, Rcode, address_in};
use crate::{address::unmapped, flow::SourceReport};

impl Question {
    /// Reads the source address out of the answer to the query with this `id`.
    ///
    /// # Errors
    /// When the message does not answer this question, or does not tell the client.
    pub fn read_whoami(&self, id: u16, message: &[u8]) -> Result<SourceReport, DnsError> {
        let message = self.response(id, message)?;
        match Rcode::from(message.metadata.response_code) {
            Rcode::NoError => {}
            rcode => return Err(DnsError::Failed(rcode)),
        }
        let mut own = message.additionals.iter().filter(|record| record.name == self.name);
        let address = own.find_map(address_in).ok_or(DnsError::NoClient)?;
        let port = message.additionals.iter().find_map(|record| self.port_in(record));
        Ok(SourceReport::of(unmapped(address), port))
    }

    fn port_in(&self, record: &Record) -> Option<u16> {
        let protocol = record.name.iter().next()?;
        let ours = protocol.eq_ignore_ascii_case(b"_udp") || protocol.eq_ignore_ascii_case(b"_tcp");
        match &record.data {
            RData::SRV(srv) if ours && record.name.base_name() == self.name => {
                Some(srv.port).filter(|port| *port != 0)
            }
            _ => None,
        }
    }
}
