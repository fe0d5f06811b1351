//! `[[probe]]`: what else to watch.

use url::Url;
use vipwatch_model::{echo::EchoFormat, probe::Expectation};

use super::{
    address::OpenUrl,
    choice::choice,
    name::Name,
    reader::Reader,
    table::table,
    timing::{Layer, Timing, TimingTable},
};

/// An HTTP endpoint that belongs to no Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its name, unique among the probes.
    pub name: String,
    /// What to ask for: `http` or `https`, without credentials.
    pub url: Url,
    /// How the answer tells the source address, if it is an echo.
    pub echo: Option<EchoFormat>,
    /// What the source address in it ought to be; without an echo that an answer comes.
    pub expectation: Expectation,
    /// When and how persistently it is probed.
    pub timing: Timing,
}

/// What a probe speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Http,
}

choice! { Kind: "a kind of probe" { "http" => Kind::Http } later { "tcp", "udp", "dns", "icmp", "arp" } }

choice! {
    Expectation: "an expectation" { "preserved" => Expectation::Preserved, "any" => Expectation::Any }
}

table! {
    /// A probe of something that is no Kubernetes Service.
    pub(super) struct ProbeTable {
        /// The probe's name.
        required name: Name,
        /// What it speaks.
        decides kind: Kind,
        /// The URL to ask for.
        required url: OpenUrl,
        /// How the answer tells which source address the far side sees. Left out: only reachability is
        /// watched.
        optional echo: ProbeEchoTable,
        /// What that source address ought to be: the agent's own (preserved, which an echo implies), or any.
        optional expect_source: Expectation,
        /// The probe's own timing.
        flatten timing: TimingTable,
    }
}

table! {
    /// How the answer tells which source address the far side sees.
    pub(super) struct ProbeEchoTable {
        /// How the answer tells it: the word of a known server (docs/echo-formats.md), auto for whichever of them
        /// it turns out to be, or the place: json:/client/ip, regex:client=(\S+), header:x-client-ip.
        default format: EchoFormat = "auto",
    }
}

impl ProbeTable {
    pub(super) fn resolve(self, defaults: &Layer, reader: &mut Reader<'_>) -> Option<Probe> {
        if let Some(expect) = self.expect_source.given().filter(|_| self.echo.is_absent()) {
            reader
                .fault(expect.place(), "a source address is expected, but nothing tells which one is seen")
                .hint("add echo = { format = \"auto\" }, or leave expect_source out");
        }
        let timing = self.timing.layer(defaults, reader).timing();
        match self.kind.required()? {
            Kind::Http => {}
        }
        let echo = match self.echo.optional()? {
            Some(echo) => Some(echo.format.required()?),
            None => None,
        };
        let implied = if echo.is_some() { Expectation::Preserved } else { Expectation::Answer };
        Some(Probe {
            name: self.name.required()?.0,
            url: self.url.required()?.0,
            echo,
            expectation: self.expect_source.optional()?.unwrap_or(implied),
            timing: timing?,
        })
    }
}
