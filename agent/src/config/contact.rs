//! How the running agent is reached, whatever else is wrong with the file: the agent may well go on with an older one,
//! and read secrets that nobody else may.

use std::{net::SocketAddr, path::Path};

use toml::de::DeTable;

use super::{
    LoadError, agent::AgentTable, fault::Faults, reader::Reader, reader::Slot, secret::Secret, source,
    value::Value as _,
};

/// How the running agent is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What it takes from those who change something.
    pub api_token: Pass,
}

/// What can be learnt of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// There is none.
    Needless,
    /// There is this one.
    Known(Secret),
    /// There is one, but it cannot be read.
    Unknown,
}

/// Reads from the file at `path` how its agent is reached.
///
/// # Errors
/// When the file cannot be read, or does not say clearly where the agent listens.
pub fn contact(path: &Path) -> Result<Contact, LoadError> {
    Ok(find(&source(path)?, path, &|name| std::env::var(name).ok())?)
}

fn find(source: &str, origin: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Contact, Faults> {
    let base = origin.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::new(source, base, env);
    let (document, errors) = DeTable::parse_recoverable(source);
    let Some(section) = document.get_ref().get("agent") else {
        reader.fault(0..0, "the section [agent] is missing, which says where the agent listens");
        return Err(reader.finish(origin));
    };
    // A fault in the section may have swallowed the key: then where the agent listens is not the default.
    let start = section.span().start;
    let end = source[start..].find("\n[").map_or(source.len(), |length| start + length);
    let is_torn =
        errors.iter().any(|error| error.span().is_none_or(|span| (start..=end).contains(&span.start)));
    let agent = AgentTable::read(section, &mut reader);
    let listen = agent.as_ref().and_then(|agent| match &agent.listen {
        Slot::Given(at) if at.span.is_some() || !is_torn => Some(at.value),
        _ => None,
    });
    match (agent, listen) {
        (Some(agent), Some(listen)) => {
            let api_token = match agent.api_token(&mut reader) {
                Some(Some(token)) => Pass::Known(token),
                Some(None) => Pass::Needless,
                None => Pass::Unknown,
            };
            Ok(Contact { listen, api_token })
        }
        _ => {
            for error in errors {
                reader.syntax(error.span().unwrap_or(0..0), error.message());
            }
            Err(reader.finish(origin))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Result<(String, Pass), String> {
        let env = |name: &str| (name == "TOKEN").then(|| "0123456789abcdef".to_owned());
        let contact = find(source, Path::new("probes.toml"), &env);
        contact
            .map(|contact| (contact.listen.to_string(), contact.api_token))
            .map_err(|faults| faults.iter().map(|fault| fault.message.clone()).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn whatever_else_is_wrong_does_not_matter() {
        let known = || Pass::Known(Secret::from("0123456789abcdef".to_owned()));
        for (source, listen, pass) in [
            ("[agent]\n", "127.0.0.1:9180", Pass::Needless),
            ("[agent]\nvantage = 7\nkeep = \"never\"\nlisten = \"[::1]:80\"\n", "[::1]:80", Pass::Needless),
            ("[agent]\napi_token = \"${TOKEN}\"\n", "127.0.0.1:9180", known()),
            ("[agent]\napi_token = \"${NOBODYS}\"\n", "127.0.0.1:9180", Pass::Unknown),
            ("[agent]\napi_token_file = \"no such file\"\n", "127.0.0.1:9180", Pass::Unknown),
            (
                "[agent]\n[[receiver]]\nurl = \"${NOBODYS}\"\npassword_file = \"/none\"\n",
                "127.0.0.1:9180",
                Pass::Needless,
            ),
            ("[agent]\n[[service]]\nname = \"a\nport = = 7\n[nonsense\n", "127.0.0.1:9180", Pass::Needless),
            ("[agent]\nlisten = \"127.0.0.1:7\"\nkeep = = \"7d\"\n", "127.0.0.1:7", Pass::Needless),
            ("[agent]\nvantage = \"a\nlisten = \"127.0.0.1:7\"\n", "127.0.0.1:7", Pass::Needless),
        ] {
            assert_eq!(found(source), Ok((listen.to_owned(), pass)), "{source}");
        }
    }

    #[test]
    fn where_the_agent_listens_is_not_guessed() {
        for (source, why) in [
            ("", "[agent] is missing"),
            ("[agents]\nlisten = \"127.0.0.1:7\"\n", "[agent] is missing"),
            ("agent = 7\n", "expected a table"),
            ("[agent]\nlisten = \"nowhere\"\n", "expected an address"),
            ("[agent]\nlisten = \"${NOBODYS}:80\"\n", "NOBODYS is not set"),
            ("[agent]\nlisten 127.0.0.1:7\n", ""),
        ] {
            let found = found(source).unwrap_err();
            assert!(found.contains(why) && !found.is_empty(), "{source}: {found}");
        }
    }
}
