//! Holds the directions in which the crates may depend on each other, and what must not be among
//! their dependencies.

use std::{collections::BTreeSet, path::Path};

use toml::Table;

fn dependencies(crate_: &str) -> BTreeSet<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_).join("Cargo.toml");
    let manifest: Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

fn ours(crate_: &str) -> Vec<String> {
    dependencies(crate_).into_iter().filter(|name| name.starts_with("vipwatch")).collect()
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    assert_eq!(ours("model"), [""; 0]);
    assert_eq!(ours("echo"), [""; 0]);
    assert_eq!(ours("web"), [""; 0]);
    assert_eq!(ours("lab"), ["vipwatch-echo"]);
    assert_eq!(ours("agent"), ["vipwatch-echo", "vipwatch-lab", "vipwatch-model", "vipwatch-web"]);
}

#[test]
fn the_model_is_pure() {
    // hickory-proto without features is the DNS wire format alone (no sockets, no runtime, not even std), regex matches
    // in linear time, whatever the body.
    let allowed = ["chrono", "hickory-proto", "ipnet", "regex", "serde", "serde_json", "thiserror"];
    let found = dependencies("model");
    let strays: Vec<_> = found.iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    assert!(strays.is_empty(), "the model must do no I/O, so it must not need {strays:?}");
}

#[test]
fn the_page_knows_no_database_and_no_prober() {
    let found = dependencies("web");
    for banned in ["rusqlite", "reqwest", "rtnetlink", "hickory-resolver", "rustls", "notify"] {
        assert!(!found.contains(banned), "web must not depend on {banned}");
    }
}

#[test]
fn the_model_reads_no_clock() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src");
    let mut directories = vec![sources];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for banned in ["Utc::now", "SystemTime::now", "Instant::now", "std::net::Tcp", "std::fs", "tokio"]
            {
                assert!(!text.contains(banned), "{} uses {banned}", path.display());
            }
            files += 1;
        }
    }
    assert!(files > 10);
}
