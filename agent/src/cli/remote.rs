//! The running agent, asked over its API: where it is, and what it says.

use std::{
    env,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use nix::unistd;
use reqwest::{
    Method, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use vipwatch_web::api::{Changed, Problem};

use super::ConfigFile;
use crate::{
    app,
    config::{self, Pass, Secret},
    exit,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes. Thousands of alerts fit into it.
const LARGEST: usize = 32 << 20;

/// The environment variable with the token.
const TOKEN: &str = "VIPWATCH_API_TOKEN";

/// Which agent to ask.
#[derive(Debug, Args)]
pub(super) struct Remote {
    #[command(flatten)]
    file: ConfigFile,
    /// The agent's page [default: where the configuration lets it listen]. It is sent the token in VIPWATCH_API_TOKEN
    #[arg(long, value_name = "URL")]
    agent: Option<Url>,
}

/// Who asks for a change.
#[derive(Debug, Args)]
pub(super) struct Signature {
    /// Who you are, for the page, the log and those who are told [default: user@host]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Signature {
    pub(super) fn name(self) -> String {
        self.by.unwrap_or_else(|| {
            // Who called sudo says more than that it was root.
            let named = ["SUDO_USER", "USER"].into_iter().find_map(|name| env::var(name).ok());
            let user = named
                .filter(|user| !user.is_empty())
                .or_else(|| unistd::User::from_uid(unistd::getuid()).ok().flatten().map(|user| user.name));
            let host = unistd::gethostname().ok().and_then(|host| host.into_string().ok());
            format!("{}@{}", user.as_deref().unwrap_or("somebody"), host.as_deref().unwrap_or("this host"))
        })
    }
}

/// Why the agent did not do or say what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It has been shown already, with the faults of the configuration.
    Shown(exit::Code),
    /// There is no such thing, or the agent does not do it.
    Refused(String),
    /// Nobody answers, or not as an agent does.
    Unreachable(String),
    /// The command line cannot be followed.
    Usage(String),
}

impl Trouble {
    /// Says it on standard error.
    pub(super) fn tell(self) -> ExitCode {
        let (text, code) = match self {
            Self::Shown(code) => return code.into(),
            Self::Refused(text) => (text, exit::REFUSED.into()),
            Self::Unreachable(text) => (text, exit::UNAVAILABLE.into()),
            Self::Usage(text) => (text, ExitCode::from(2)),
        };
        eprintln!("vipwatch: {}", plain(&text));
        code
    }
}

impl Remote {
    /// A client for the agent.
    pub(super) fn client(&self) -> Result<Client, Trouble> {
        let given = env::var(TOKEN).ok().filter(|token| !token.is_empty()).map(Secret::from);
        let (base, pass) = match &self.agent {
            // The configuration's token is for the configuration's agent.
            Some(url) => (url.clone(), Pass::Needless),
            None => {
                let contact = config::contact(&self.file.path()).map_err(|error| {
                    let code = app::explain(&error);
                    eprintln!(
                        "vipwatch: where the agent listens is not known: --agent URL asks it all the same"
                    );
                    Trouble::Shown(code)
                })?;
                (local(contact.listen)?, contact.api_token)
            }
        };
        let is_kept_back = given.is_none() && pass == Pass::Unknown;
        let token = given.or(match pass {
            Pass::Known(token) => Some(token),
            Pass::Needless | Pass::Unknown => None,
        });
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(Trouble::Usage(format!("{base} is no http or https URL")));
        }
        let authorization = token.map(|token| authorization(&token)).transpose()?;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .user_agent(concat!("vipwatch/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Trouble::Unreachable(format!("the HTTP client cannot be set up: {error}")))?;
        Ok(Client { http, base, authorization, is_kept_back })
    }
}

/// Where the agent of this configuration is found from this host; at `0.0.0.0` and `::` nobody is found.
fn local(listen: SocketAddr) -> Result<Url, Trouble> {
    let host = match listen.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(v6) if v6.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let url = format!("http://{host}:{}/", listen.port());
    Url::parse(&url).map_err(|error| Trouble::Usage(format!("agent.listen makes no URL: {error}")))
}

fn authorization(token: &Secret) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| Trouble::Usage(format!("{TOKEN} holds no token: printable ASCII without spaces")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client for one agent.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    /// The configuration has a token that could not be read from here.
    is_kept_back: bool,
}

impl Client {
    /// What the agent says at `/api/v1/` and `path`, asked with `query`.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Trouble> {
        self.ask(self.request(Method::GET, path, query)).await
    }

    /// Has the agent do something.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &(impl Serialize + Sync),
    ) -> Result<T, Trouble> {
        self.ask(self.request(Method::POST, path, &[]).json(body)).await
    }

    /// Has the agent end something.
    pub(super) async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Trouble> {
        self.ask(self.request(Method::DELETE, path, query)).await
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization.clone()),
            None => request,
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = read(response).await.map_err(|why| self.strange(&why))?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| self.strange("its answer is not what this vipwatch knows"));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status.is_client_error() => {
                Err(Trouble::Refused(self.refusal(status, &problem.detail)))
            }
            Ok(problem) => {
                Err(Trouble::Unreachable(format!("the agent at {} says: {}", self.base, problem.detail)))
            }
            Err(_) => Err(self.strange(&format!("it answered HTTP {}", status.as_u16()))),
        }
    }

    /// The agent's own words, and for a missing token where this side takes it from.
    fn refusal(&self, status: StatusCode, detail: &str) -> String {
        match (status, &self.authorization) {
            (StatusCode::UNAUTHORIZED, None) => {
                let why = if self.is_kept_back { " (the configuration's cannot be read by you)" } else { "" };
                format!("{detail}. Here: {TOKEN}=TOKEN vipwatch ..{why}")
            }
            _ => detail.to_owned(),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Trouble {
        let base = &self.base;
        if error.is_connect() {
            return Trouble::Unreachable(format!(
                "nobody answers at {base}: is the agent running (`vipwatch run`)? --agent URL asks another one"
            ));
        }
        let why = if error.is_timeout() { "no answer in time" } else { "the connection broke off" };
        Trouble::Unreachable(format!("the agent at {base} did not answer: {why}"))
    }

    fn strange(&self, why: &str) -> Trouble {
        Trouble::Unreachable(format!("what answers at {} is no agent of this version: {why}", self.base))
    }
}

/// The body, as far as it is not too large.
async fn read(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "its answer broke off".to_owned())? {
        if body.len() + chunk.len() > LARGEST {
            return Err(format!("its answer is larger than {} MiB", LARGEST >> 20));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Prints what came of a command.
pub(super) fn say(outcome: Result<String, Trouble>) -> ExitCode {
    match outcome {
        Ok(text) => {
            super::print(&text);
            ExitCode::SUCCESS
        }
        Err(trouble) => trouble.tell(),
    }
}

/// Warns of a change that holds, but that a restart would undo as yet, or that may be meant otherwise; what has changed.
pub(super) fn stored<T>(changed: Changed<T>) -> T {
    if let Some(hint) = changed.hint {
        eprintln!("vipwatch: {}", plain(&hint));
    }
    if let Some(why) = changed.not_stored {
        eprintln!(
            "vipwatch: this holds from now on, but is not stored yet, and a restart before it is would undo it: {}",
            plain(&why)
        );
    }
    changed.now
}

/// `text` without what would drive the terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The one of `ids` that `prefix` means.
pub(super) fn pick<'a>(
    ids: impl Iterator<Item = &'a str>,
    prefix: &str,
    what: &str,
) -> Result<&'a str, Trouble> {
    let mut fitting: Vec<&str> = ids.filter(|id| id.starts_with(prefix)).collect();
    if let Some(exact) = fitting.iter().find(|id| **id == prefix) {
        return Ok(exact);
    }
    match fitting.as_mut_slice() {
        [] => Err(Trouble::Refused(format!("there is no {what} with an id that begins with {prefix:?}"))),
        [one] => Ok(one),
        several => {
            several.sort_unstable();
            let several = several.join(", ");
            Err(Trouble::Refused(format!("{prefix:?} may mean several: {several}")))
        }
    }
}

/// How many characters of the ids tell them apart.
pub(super) fn telling_length<'a>(ids: impl Iterator<Item = &'a str>) -> usize {
    const LEAST: usize = 8;
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    let shared = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    ids.windows(2).map(shared).max().map_or(LEAST, |shared| (shared + 1).max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 3] = ["0199c2de-8a3b-7000", "0199c2de-8a4f-7000", "0199c2df-0000-7000"];

    #[test]
    fn a_prefix_means_one_or_says_which_there_are() {
        let picked = |prefix| match pick(IDS.into_iter(), prefix, "open alert") {
            Ok(id) => id.to_owned(),
            Err(Trouble::Refused(why)) => why,
            Err(trouble) => panic!("{trouble:?}"),
        };
        assert_eq!(picked("0199c2df"), IDS[2]);
        assert_eq!(picked("0199c2de-8a4"), IDS[1]);
        assert_eq!(picked(IDS[0]), IDS[0]);
        assert_eq!(
            picked("0199c2de"),
            "\"0199c2de\" may mean several: 0199c2de-8a3b-7000, 0199c2de-8a4f-7000"
        );
        assert_eq!(picked("7"), "there is no open alert with an id that begins with \"7\"");
    }

    #[test]
    fn ids_are_shown_as_far_as_they_differ() {
        assert_eq!(telling_length(IDS.into_iter()), 12);
        assert_eq!(telling_length(IDS.into_iter().skip(2)), 8);
        assert_eq!(telling_length(std::iter::empty()), 8);
    }
}
