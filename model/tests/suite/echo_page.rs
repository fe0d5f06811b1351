//! docs/echo-formats.md tells what the table of formats holds.

use vipwatch_model::echo::{EchoFormat, KnownFormat, UNUSABLE};

const PAGE: &str = include_str!("../../../docs/echo-formats.md");

#[test]
fn every_format_has_its_row() {
    for format in KnownFormat::ALL {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| `{format}` |")));
        let row = row.unwrap_or_else(|| panic!("no row for {format}"));
        for server in format.server().split(", ") {
            assert!(row.contains(server), "{server} is not in {row}");
        }
        assert_eq!(row.contains("**trusts headers**"), format.trusts_headers(), "{row}");
    }
    for text in EchoFormat::PREFIXES {
        assert!(
            PAGE.contains(&format!("format = \"{text}")) || PAGE.contains(&format!("format = '{text}")),
            "{text}"
        );
    }
}

#[test]
fn every_example_is_a_format() {
    let written: Vec<&str> =
        PAGE.lines().filter_map(|line| line.split_once("format = ")).map(|(_, text)| text).collect();
    assert!(written.len() >= 4);
    for text in written {
        let value = text.trim_end_matches([' ', '}']);
        let value: toml::Table = format!("format = {value}").parse().unwrap();
        value["format"].as_str().unwrap().parse::<EchoFormat>().unwrap();
    }
}

#[test]
fn every_unusable_server_is_named_with_its_mend() {
    for unusable in UNUSABLE {
        let row = PAGE.lines().find(|line| line.starts_with(&format!("| {} |", unusable.server)));
        assert!(row.is_some_and(|row| row.contains(unusable.mend)), "{}: {}", unusable.server, unusable.mend);
    }
}
