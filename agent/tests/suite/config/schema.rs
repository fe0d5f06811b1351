//! The sample, the schema and the parser say the same.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use vipwatch::config::{self, LoadError};
use vipwatch_model::echo::EchoFormat;

use super::{MINIMAL, files, fixture, flows::flows_of, parse_among, repository};

#[test]
fn the_sample_is_sound_and_fits_the_schema() {
    let config = config::load(&repository().join("probes.toml")).unwrap_or_else(|error| match error {
        LoadError::Faults(faults) => panic!("{}", faults.render(false)),
        error => panic!("{error}"),
    });
    assert_eq!((config.services.len(), config.probes.len(), config.receivers.len()), (2, 1, 1));
    assert_fits_the_schema(&fs::read_to_string(repository().join("probes.toml")).unwrap());
}

/// With the comment signs in front of its keys taken away, the sample is sound but for what excludes each
/// other; and there is no key that it does not show.
#[test]
fn the_sample_shows_every_key() {
    let source = fs::read_to_string(repository().join("probes.toml")).unwrap();
    let is_key = |text: &&str| {
        text.starts_with("[[")
            || text.starts_with("[receiver.")
            || text.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let complete: String = source
        .lines()
        .map(|line| line.strip_prefix("# ").filter(is_key).unwrap_or(line).to_owned() + "\n")
        .collect();
    let complete = complete
        .replace(
            "from = [\"socket\"]\n",
            "from = [\"socket\", \"static\", \"stun\", \"http\", \"dns\", \"reference\"]\n",
        )
        .replace("every = \"2s\"\n", "")
        .replace("url = \"http://127.10.0.40:9099/hook\"\n", "")
        .replace("${HOOK_TOKEN}", "token");
    let one_token = complete.replace("api_token = \"${VIPWATCH_API_TOKEN}\"\n", "");
    if let Err(faults) = parse_among(&files(), &one_token) {
        panic!("{}", faults.render(false));
    }
    assert_fits_the_schema(&complete);
    let last = |keys: BTreeSet<String>| -> BTreeSet<String> {
        keys.iter().map(|key| key.rsplit('.').next().unwrap().to_owned()).collect()
    };
    let shown = last(keys_of_file(&complete));
    let unknown: Vec<_> = last(keys_of_schema()).difference(&shown).cloned().collect();
    assert!(unknown.is_empty(), "probes.toml does not show {unknown:?}");
}

/// Every way to write an echo format is taken by the parser and by the schema.
#[test]
fn every_echo_format_can_be_written() {
    let files = files();
    let probe = "kind = \"http\"\nurl = \"http://192.0.2.30/\"\necho = ";
    let places = ["json:/client/ip", r"regex:client=(\S+)", "header:x-client-ip"];
    for format in EchoFormat::words().chain(places) {
        let echo = flows_of(&files, &format!("{probe}{{ format = '{format}' }}")).echo.unwrap();
        assert_eq!(echo.format.to_string(), format);
        assert_fits_the_schema(&format!(
            "{MINIMAL}[[probe]]\nname = \"x\"\n{probe}{{ format = '{format}' }}\n"
        ));
    }
    assert_eq!(flows_of(&files, &format!("{probe}{{}}")).echo.unwrap().format, EchoFormat::Auto);
}

/// The schema knows no key that the parser does not take.
#[test]
fn the_parser_takes_every_key_of_the_schema() {
    let by_interval = fs::read_to_string(fixture("every-key.toml")).unwrap();
    let cron = "cron = \"0 * * * *\"\ntime_zone = \"Europe/Berlin\"";
    let by_cron = by_interval.replace("\nevery = \"20s\"", &format!("\n{cron}"));
    let by_cron = by_cron.replace("api_token = \"hidden-hidden-hidden\"", "api_token_file = \"api.token\"");
    let mut keys = BTreeSet::new();
    let files = files();
    for source in [by_interval, by_cron] {
        if let Err(faults) = parse_among(&files, &source) {
            panic!("{}", faults.render(false));
        }
        assert_fits_the_schema(&source);
        keys.extend(keys_of_file(&source));
    }
    // The operator's own words are no keys.
    keys.retain(|key| !key.contains(".labels.") && !key.contains(".headers."));
    assert_eq!(keys, keys_of_schema());
}

/// The parser takes no key that the schema does not know: asked in every table, it names the same ones.
#[test]
fn the_schema_knows_every_key_that_the_parser_takes() {
    fn tables(schema: &Value, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false);
            let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
            keys.sort_unstable();
            found.insert(keys.join(", "));
            properties.values().for_each(|schema| tables(schema, found));
        }
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            tables(alternative, found);
        }
        if schema["items"].is_object() {
            tables(&schema["items"], found);
        }
    }
    let source = fs::read_to_string(fixture("every-key.toml")).unwrap();
    let stray = "qqqqqqqqqqqq = 1";
    let strayed: String = source
        .lines()
        .map(|line| {
            let tables = [
                ("echo = {", ""),
                ("tls = {", ""),
                ("dns = {", ""),
                ("rate_limit = {", ""),
                ("template = {", ""),
                ("{", " url ="),
                ("{", " server ="),
                ("{", " enabled ="),
            ];
            tables.iter().fold(line.to_owned(), |line, (open, first)| {
                line.replace(&format!("{open}{first}"), &format!("{open} {stray},{first}"))
            })
        })
        .map(|line| if line.starts_with('[') { format!("{line}\n{stray}\n") } else { line + "\n" })
        .collect();
    let faults = parse_among(&files(), &format!("{stray}\n{strayed}")).unwrap_err();
    let named: BTreeSet<String> = faults
        .iter()
        .map(|fault| {
            let mut keys: Vec<&str> =
                fault.hint.as_deref().unwrap().strip_prefix("known here: ").unwrap().split(", ").collect();
            keys.sort_unstable();
            keys.join(", ")
        })
        .collect();
    let mut known = BTreeSet::new();
    tables(&config::schema(), &mut known);
    assert_eq!(named, known);
}

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let checked_in = fs::read_to_string(repository().join("probes.schema.json")).unwrap_or_default();
    let checked_in: Value = serde_json::from_str(&checked_in).unwrap_or_default();
    assert!(
        checked_in == config::schema(),
        "probes.schema.json is out of date; bring it up to date with: vipwatch schema > probes.schema.json"
    );
}

fn assert_fits_the_schema(source: &str) {
    let validator = jsonschema::validator_for(&config::schema()).unwrap();
    let table: toml::Table = toml::from_str(source).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&as_json(toml::Value::Table(table)))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// The file as editors hold it against the schema: JSON has no dates, so they are texts there.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(datetime) => Value::String(datetime.to_string()),
        toml::Value::Array(array) => array.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, as_json(value))).collect(),
        value => serde_json::to_value(value).unwrap(),
    }
}

/// `agent.listen`, `cluster.node.name`, ...: every key of the schema.
fn keys_of_schema() -> BTreeSet<String> {
    fn walk(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
        for alternative in schema["anyOf"].as_array().into_iter().flatten() {
            walk(alternative, path, keys);
        }
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            walk(schema, &path, keys);
            walk(&schema["items"], &path, keys);
            keys.insert(path);
        }
    }
    let mut keys = BTreeSet::new();
    walk(&config::schema(), "", &mut keys);
    keys
}

/// The same for a file.
fn keys_of_file(source: &str) -> BTreeSet<String> {
    fn walk(value: &toml::Value, path: &str, keys: &mut BTreeSet<String>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(value, &path, keys);
                    keys.insert(path);
                }
            }
            toml::Value::Array(array) => array.iter().for_each(|value| walk(value, path, keys)),
            _ => {}
        }
    }
    let mut keys = BTreeSet::new();
    walk(&toml::from_str(source).unwrap(), "", &mut keys);
    keys
}
