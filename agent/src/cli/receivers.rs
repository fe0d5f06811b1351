//! `vipwatch receivers`: who is told, and whether that works. Nothing is stored.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde_json::{Value, json};
use uuid::Uuid;
use vipwatch_model::notification::Notification;

use super::{ConfigFile, routes::Routes};
use crate::{
    app,
    clock::Clock,
    config::{self, Config},
    exit,
    outbox::{Exchange, Message, Receiver, Reply, Side},
    plan::Plan,
};

/// What a configuration without receivers lacks.
const NONE: &str = "the configuration has no [[receiver]]";

#[derive(Debug, Args)]
pub(super) struct Receivers {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a test notification, and show what goes to and fro, without secrets.
    Test {
        /// The receiver's name.
        name: String,
    },
    /// Show by which rule alerts would be opened, and who would be told.
    Routes(Routes),
}

impl Receivers {
    pub(super) async fn run(self) -> ExitCode {
        let config = match app::load(&self.file.path()) {
            Ok(config) => config,
            Err(code) => return code.into(),
        };
        let name = match &self.action {
            Some(Action::Test { name }) => name,
            Some(Action::Routes(routes)) => {
                let Some(text) = routes.of(&Plan::new(&config), self.json) else {
                    eprintln!("vipwatch: there can be no such alert: nothing that is watched fits");
                    return ExitCode::from(2);
                };
                super::print(&text);
                return ExitCode::SUCCESS;
            }
            None => {
                super::print(&if self.json { json_list(&config.receivers) } else { list(&config.receivers) });
                return ExitCode::SUCCESS;
            }
        };
        let Some(receiver) = config.receivers.iter().find(|receiver| receiver.name == *name) else {
            let names: String =
                config.receivers.iter().map(|receiver| format!("\n  {}", receiver.name)).collect();
            let there_are =
                if names.is_empty() { NONE.to_owned() } else { format!("the receivers are:{names}") };
            eprintln!("vipwatch: there is no receiver {name:?}; {there_are}");
            return ExitCode::from(2);
        };
        let (reply, exchanges) = test(receiver, &config, &Clock::system()).await;
        let taken = reply == Reply::Taken;
        super::print(&if self.json {
            json_report(receiver, &reply, &exchanges)
        } else {
            report(receiver, &reply, &exchanges)
        });
        if taken { ExitCode::SUCCESS } else { exit::NOT_AS_EXPECTED.into() }
    }
}

/// Tells `receiver` of nothing, by the very client that tells it of alerts.
async fn test(receiver: &config::Receiver, config: &Config, clock: &Clock) -> (Reply, Vec<Exchange>) {
    let now = clock.now();
    let page = config.agent.page_url.as_str();
    let id = Uuid::now_v7().to_string();
    let notification = Notification::test(id, &receiver.name, &config.agent.vantage, page, now);
    let document = match serde_json::to_string(&notification) {
        Ok(document) => document,
        Err(error) => return (Reply::Refused { error: error.to_string() }, Vec::new()),
    };
    match Receiver::new(receiver) {
        Ok(client) => {
            client.rehearse(&Message { notification: &notification, document: &document, now }).await
        }
        Err(error) => (Reply::Refused { error }, Vec::new()),
    }
}

fn list(receivers: &[config::Receiver]) -> String {
    if receivers.is_empty() {
        return format!("Nobody is told about alerts: {NONE}.\n");
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["Receiver", "Kind", "Where"]);
    for receiver in receivers {
        table.add_row([&receiver.name, receiver.means.kind().word(), &receiver.origin]);
    }
    format!("{table}\n")
}

fn json_list(receivers: &[config::Receiver]) -> String {
    format!("{:#}\n", receivers.iter().map(about).collect::<Value>())
}

fn about(receiver: &config::Receiver) -> Value {
    json!({ "name": receiver.name, "kind": receiver.means.kind().word(), "origin": receiver.origin })
}

fn json_report(receiver: &config::Receiver, reply: &Reply, exchanges: &[Exchange]) -> String {
    let outcome = match reply {
        Reply::Taken => "taken",
        Reply::TakenInPart { .. } => "taken_in_part",
        Reply::LaterInPart { .. } => "later_in_part",
        Reply::Later { .. } => "later",
        Reply::Refused { .. } => "refused",
    };
    let mut report = about(receiver);
    report["outcome"] = outcome.into();
    report["error"] = json!(reply.error());
    report["exchanges"] = json!(exchanges);
    format!("{report:#}\n")
}

/// What went to and fro, and what came of it.
fn report(receiver: &config::Receiver, reply: &Reply, exchanges: &[Exchange]) -> String {
    let mut text = String::new();
    for Exchange { sent, received } in exchanges {
        text += &side('>', sent);
        if let Some(received) = received {
            text += &side('<', received);
        }
    }
    let name = &receiver.name;
    text + &match reply {
        Reply::Taken => format!("✓ {name} has it.\n"),
        Reply::TakenInPart { error } => {
            format!("✗ Not everybody behind {name} has it: {error}. An alert would not reach the others.\n")
        }
        Reply::LaterInPart { error } => {
            format!(
                "✗ Not everybody behind {name} has it: {error}. An alert would be told to the others later.\n"
            )
        }
        Reply::Later { error, .. } => {
            format!("✗ {name} does not have it: {error}. An alert would be told again later.\n")
        }
        Reply::Refused { error } => {
            format!("✗ {name} does not want it: {error}. An alert would be given up.\n")
        }
    }
}

fn side(mark: char, side: &Side) -> String {
    let headers = side.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let lines = std::iter::once(side.line.clone()).chain(headers);
    let body = (!side.body.is_empty()).then(|| format!("\n{}", side.body));
    let lines = lines.chain(body).collect::<Vec<_>>().join("\n");
    let marked: Vec<_> = lines.lines().map(|line| format!("{mark} {line}").trim_end().to_owned()).collect();
    format!("{}\n\n", marked.join("\n"))
}
