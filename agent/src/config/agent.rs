//! `[agent]`: the agent itself.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use url::Url;

use super::{
    address::OpenUrl,
    duration::{DAY, HOUR, SECOND, Time},
    name::Line,
    reader::{Reader, Slot},
    secret::{Hidden, Secret},
    table::table,
    value::{Complaint, Text, Whole},
};

/// A token that is shorter can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The agent itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Where it stands.
    pub vantage: String,
    /// Where the page and the API are served.
    pub listen: SocketAddr,
    /// The database; relative paths are already taken from the directory of the configuration.
    pub database: PathBuf,
    /// The page as those reach it who are told about an alert.
    pub page_url: Url,
    /// What operators have to show who change something; without it, only this host is let in.
    pub api_token: Option<Secret>,
    /// The most flows that may be open at once, over all probes.
    pub max_flows: usize,
    /// How long results are kept.
    pub keep: Duration,
    /// How long a shutdown may take before it is cut short.
    pub grace: Duration,
}

table! {
    /// The agent: what it is called, where it listens and where it keeps its data.
    pub(super) struct AgentTable {
        /// Where this agent stands. On every alert and every metric.
        required vantage: Line,
        /// Address and port of the page, the API and the health endpoints.
        default listen: SocketAddr = "127.0.0.1:9180",
        /// The database file, relative to the directory of this file. It is created when there is none.
        default database: PathBuf = "vipwatch.db",
        /// The page's URL as the receivers of alerts reach it. Left out: derived from listen.
        optional page_url: OpenUrl,
        /// The token that acknowledging, silencing and retrying take, from anywhere. Left out: they are taken from this
        /// host's loopback alone. Never shown.
        optional api_token: Hidden<ApiToken>,
        /// A file that holds that token.
        optional api_token_file: PathBuf,
        /// The most flows that may be open at once, over all probes.
        default max_flows: Whole<u32, 1, 65_536> = 256,
        /// How long results are kept.
        default keep: Time<HOUR, { 3_660 * DAY }> = "7d",
        /// How long a shutdown may take to finish the rounds that are under way.
        default grace: Time<SECOND, HOUR> = "10s",
    }
}

/// The token of those who may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiToken(Secret);

impl Text for ApiToken {
    const WHAT: &'static str = "a token: at least 16 characters of printable ASCII without spaces";
    const EXAMPLE: &'static str = "${VIPWATCH_API_TOKEN}";

    fn parse(text: &str) -> Result<Self, Complaint> {
        if text.len() < SHORTEST_TOKEN || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Complaint::expected::<Self>().hint("make one with `openssl rand -hex 32`"));
        }
        Ok(Self(Secret::from(text.to_owned())))
    }
}

impl AgentTable {
    pub(super) fn resolve(self, reader: &mut Reader<'_>) -> Option<Agent> {
        let base = reader.base();
        let api_token = self.api_token(reader);
        let listen = self.listen.required()?;
        let page_url = match self.page_url.optional()? {
            Some(OpenUrl(url)) => url,
            None => page_at(listen)?,
        };
        Some(Agent {
            vantage: self.vantage.required()?.0,
            listen,
            database: base.join(self.database.required()?),
            page_url,
            api_token: api_token?,
            max_flows: usize::try_from(self.max_flows.required()?.get()).ok()?,
            keep: self.keep.required()?.get(),
            grace: self.grace.required()?.get(),
        })
    }

    /// The token, if there is one; nothing at all after a fault.
    pub(super) fn api_token(&self, reader: &mut Reader<'_>) -> Option<Option<Secret>> {
        reader.exclusive(&[
            ("api_token", self.api_token.written()),
            ("api_token_file", self.api_token_file.written()),
        ]);
        let token = match (&self.api_token, &self.api_token_file) {
            (Slot::Given(token), _) => {
                let Hidden(token) = &token.value;
                token.clone()
            }
            (Slot::Absent, Slot::Given(file)) => {
                let secret = reader.secret(file)?;
                let token = ApiToken::parse(secret.expose());
                token.map_err(|complaint| reader.complain(file.place(), complaint)).ok()?
            }
            (Slot::Absent, Slot::Absent) => return Some(None),
            _ => return None,
        };
        Some(Some(token.0))
    }
}

/// The page's URL on this very host; `0.0.0.0` and `::` can be listened on, but not be gone to.
fn page_at(listen: SocketAddr) -> Option<Url> {
    let host = match listen.ip() {
        address if address.is_unspecified() => "localhost".to_owned(),
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    Url::parse(&format!("http://{host}:{}/", listen.port())).ok()
}
