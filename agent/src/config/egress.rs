//! `[egress]`: the agent's own source address as the far side ought to see it.

use vipwatch_model::egress::Egress;

use super::{address::AddressOrNet, choice::choice, reader::Reader, table::table, value::List};

/// Where the baseline comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Socket,
    Static,
}

choice! {
    Source: "a source of the egress address" { "socket" => Source::Socket, "static" => Source::Static }
    later { "stun", "http", "dns", "reference" }
}

table! {
    /// The source address that the far side ought to see when nothing on the way translates it.
    pub(super) struct EgressTable {
        /// Where that address is learnt: "socket" takes each flow's own local address, which is right
        /// wherever no NAT lies between the agent and the VIPs; "static" takes the addresses listed here.
        default from: List<Source> = ["socket"],
        /// The addresses and networks that "static" stands for.
        optional r#static: List<AddressOrNet>,
    }
}

impl EgressTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Egress> {
        if let Some(from) = self.from.given() {
            let wanted = from.value.0.iter().find(|source| source.value == Source::Static);
            match (wanted, self.r#static.given()) {
                (Some(wanted), None) if self.r#static.is_absent() => {
                    reader
                        .fault(wanted.place(), "\"static\" refers to a list of addresses that is not there")
                        .hint("add for example: static = [\"198.51.100.7\"]");
                }
                (None, Some(list)) => {
                    reader
                        .fault(list.place(), "these addresses are not used: from does not name \"static\"")
                        .hint("write from = [\"static\"], or leave static out")
                        .also(from.span.as_ref(), "from is here");
                }
                _ => {}
            }
        }
        let from = self.from.required()?.into_values();
        let fixed = self.r#static.optional()?.map(List::into_values).unwrap_or_default();
        Some(Egress {
            socket: from.contains(&Source::Socket),
            fixed: fixed.into_iter().map(|AddressOrNet(net)| net).collect(),
            ..Egress::default()
        })
    }
}
