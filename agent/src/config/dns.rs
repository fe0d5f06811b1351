//! `dns = { .. }`: what is asked of a name server, and what it ought to answer.

use std::net::IpAddr;

use vipwatch_model::dns::{Question, RecordKind};

use crate::prober::{DnsExchange, DnsPurpose};

use super::{
    choice::choice,
    duration::{DAY, SECOND, Time},
    name::DnsName,
    reader::{At, Reader, Slot},
    table::table,
    value::{Complaint, List},
};

choice! {
    RecordKind: "a type of DNS record" {
        "A" => RecordKind::A,
        "AAAA" => RecordKind::Aaaa,
        "TXT" => RecordKind::Txt,
    }
}

/// What a question to a name server travels on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

choice! { Transport: "a transport" { "udp" => Transport::Udp, "tcp" => Transport::Tcp } }

table! {
    /// What is asked of a name server, and what it ought to answer.
    pub(super) struct DnsTable {
        /// The name to ask for. With an echo: any name in the zone of CoreDNS' whoami plug-in.
        required name: DnsName,
        /// The type of record to ask for.
        default record: RecordKind = "A",
        /// What the question travels on.
        default transport: Transport = "udp",
        /// The addresses that the answer ought to hold: these and no others.
        optional expect_addresses: List<IpAddr>,
        /// The shortest time to live that the answer's records ought to have.
        optional min_ttl: Ttl,
        /// The longest time to live that they ought to have.
        optional max_ttl: Ttl,
    }
}

/// A time to live. The protocol counts whole seconds.
type Ttl = Time<SECOND, { 3_660 * DAY }>;

impl DnsTable {
    /// Whether the question travels on a connection.
    pub(super) fn is_over_tcp(&self) -> bool {
        self.transport.given().is_some_and(|transport| transport.value == Transport::Tcp)
    }

    /// The question; an `echo` (its place) makes it one for CoreDNS' whoami.
    pub(super) fn resolve<T>(self, echo: &Slot<T>, reader: &mut Reader<'_>) -> Option<DnsExchange> {
        if let Some(echo) = echo.written() {
            for (key, place) in [
                ("expect_addresses", self.expect_addresses.written()),
                ("min_ttl", self.min_ttl.written()),
                ("max_ttl", self.max_ttl.written()),
            ] {
                let Some(place) = place else { continue };
                reader
                    .fault(place, format!("{key} has no meaning for an echo"))
                    .hint("the answer of an echo holds this agent's own address: leave one of them out")
                    .also(Some(&echo), "the echo is here");
            }
        }
        self.check_record(reader);
        let (min_ttl, max_ttl) = (seconds(&self.min_ttl, reader), seconds(&self.max_ttl, reader));
        if let (Some(Some(min)), Some(Some(max))) = (min_ttl, max_ttl)
            && min > max
        {
            reader
                .fault(self.min_ttl.written().unwrap_or(0..0), "min_ttl is longer than max_ttl")
                .also(self.max_ttl.written().as_ref(), "max_ttl is here");
        }
        let addresses = self.expect_addresses.optional()?.map(List::into_values).unwrap_or_default();
        let purpose = if echo.is_absent() {
            DnsPurpose::Answer { addresses, min_ttl: min_ttl?, max_ttl: max_ttl? }
        } else {
            DnsPurpose::Whoami
        };
        let (name, record) = (self.name.given()?, self.record.required()?);
        let question = Question::new(&name.value.0, record);
        Some(DnsExchange {
            question: question
                .map_err(|error| reader.complain(name.place(), Complaint::new(error.to_string())))
                .ok()?,
            tcp: self.transport.required()? == Transport::Tcp,
            purpose,
        })
    }

    /// Reports what no answer with this type of record can fulfil.
    fn check_record(&self, reader: &mut Reader<'_>) {
        let Some(record) = self.record.given() else { return };
        for place in [self.min_ttl.written(), self.max_ttl.written()].into_iter().flatten() {
            if record.value == RecordKind::Txt {
                reader
                    .fault(place, "only the times to live of addresses are looked at")
                    .also(record.span.as_ref(), "the type is here");
            }
        }
        for address in self.expect_addresses.given().map_or(&[][..], |list| &list.value.0) {
            let holder = if address.value.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
            if holder == record.value {
                continue;
            }
            let family = if address.value.is_ipv4() { "an IPv4" } else { "an IPv6" };
            reader
                .fault(address.place(), format!("no record of this type holds {family} address"))
                .hint("A holds IPv4 addresses, AAAA holds IPv6 addresses")
                .also(record.span.as_ref(), "the type is here");
        }
    }
}

/// The whole seconds of a time to live; nothing at all after a fault.
fn seconds(ttl: &Slot<Ttl>, reader: &mut Reader<'_>) -> Option<Option<u32>> {
    let Some(At { value, .. }) = ttl.given() else { return ttl.is_absent().then_some(None) };
    let ttl_at = ttl.written().unwrap_or(0..0);
    if value.get().subsec_millis() > 0 {
        reader.fault(ttl_at, "a time to live is whole seconds");
        return None;
    }
    u32::try_from(value.get().as_secs()).ok().map(Some)
}
