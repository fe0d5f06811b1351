//! `echo = { .. }`: how the answer tells which source address the far side sees.

use vipwatch_model::echo::EchoFormat;

use super::{
    address::RequestPath,
    protocol::{HTTP, Protocol, Spoken},
    reader::{Reader, Slot},
    table::table,
};

/// How to learn the source address that the far side sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// How the answer tells it; of no meaning for DNS, which has one way to tell.
    pub format: EchoFormat,
    /// Whether to find out if the far side believes headers that name a client.
    pub canary: bool,
}

table! {
    /// How the pods tell which source address they see.
    pub(super) struct ServiceEchoTable {
        /// What to ask for, with http and https. Left out: "/".
        optional path: RequestPath,
        /// What the answer looks like.
        flatten echo: EchoTable,
    }
}

table! {
    /// How the answer tells which source address the far side sees.
    pub(super) struct EchoTable {
        /// How the answer tells it: the word of a known server (docs/echo-formats.md), auto for whichever of them
        /// it turns out to be, or the place: json:/client/ip, regex:client=(\S+), header:x-client-ip. With dns it is
        /// always that of CoreDNS' whoami.
        default format: EchoFormat = "auto",
        /// Whether every round makes one more flow that claims another client in X-Forwarded-For and
        /// X-Real-IP, to find out whether the far side believes such headers. With http and https.
        default canary: bool = false,
    }
}

impl EchoTable {
    /// Whether a header tells the address, so that no body is needed.
    pub(super) fn is_header(&self) -> bool {
        self.format.given().is_some_and(|format| matches!(format.value, EchoFormat::Header(_)))
    }

    /// Reports what does not go with the protocol.
    pub(super) fn check(&self, spoken: &Spoken, reader: &mut Reader<'_>) {
        if self.canary.given().is_some_and(|canary| canary.value) {
            spoken.takes("canary", &self.canary, HTTP, reader);
        }
        let chosen = self.format.given().filter(|format| format.value != EchoFormat::Auto);
        if let (Some(chosen), Protocol::Dns) = (chosen, spoken.value) {
            reader
                .fault(chosen.place(), "a DNS server has one way to echo: CoreDNS' whoami")
                .hint("leave format out")
                .also(spoken.span.as_ref(), "this makes it dns");
        } else if self.is_header() {
            spoken.takes("a header", &self.format, HTTP, reader);
        }
    }

    pub(super) fn resolve(self) -> Option<Echo> {
        Some(Echo { format: self.format.required()?, canary: self.canary.required()? })
    }
}

impl ServiceEchoTable {
    /// The table without the path, and the path.
    pub(super) fn split(slot: Slot<Self>) -> (Slot<EchoTable>, Slot<RequestPath>) {
        let path = slot.given().map_or(Slot::Absent, |table| table.value.path.clone());
        (slot.map(|table| table.echo), path)
    }
}
