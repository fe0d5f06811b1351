//! The guides: `docs/verdicts.md` explains every stored word, the pictures are there and say what they show, and
//! links lead somewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vipwatch_model::{
    alert::AlertKind,
    cause::CauseKind,
    flow::FailureKind,
    state::State,
    verdict::{Finding, FlowFinding, NoteKind},
};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    let named = files.map(|file| {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&file).unwrap())
    });
    named.collect()
}

/// The part of `page` under the heading `title`, up to the next heading of its level.
fn section<'a>(page: &'a str, title: &str) -> &'a str {
    let heading = format!("\n## {title}\n");
    let start = page.find(&heading).unwrap_or_else(|| panic!("there is no section {title:?}"));
    let rest = &page[start + heading.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

/// Every word has a row of its own, beginning with the word, in one of the sections.
fn explained(page: &str, titles: &[&str], words: impl Iterator<Item = &'static str>) {
    let rows: Vec<&str> = titles.iter().flat_map(|title| section(page, title).lines()).collect();
    for word in words {
        let word = format!("`{word}`");
        let row = |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&word));
        assert!(rows.iter().any(row), "{word} has no row under {titles:?} in docs/verdicts.md");
    }
}

#[test]
fn every_stored_word_is_explained() {
    let page = fs::read_to_string(docs().join("verdicts.md")).unwrap();
    let findings = ["A VIP or an endpoint", "A node's health check node port", "A node itself"];
    explained(&page, &findings, Finding::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["One flow"], FlowFinding::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["Causes"], CauseKind::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["Notes"], NoteKind::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["States"], State::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["Alerts"], AlertKind::ALL.iter().map(|word| word.as_str()));
    explained(&page, &["Why a flow failed"], FailureKind::ALL.iter().map(|word| word.as_str()));
}

#[test]
fn every_picture_is_shown_and_says_what_it_shows() {
    let pages: String = files(&docs(), "md").into_iter().map(|(_, text)| text).collect();
    let pictures = files(&docs().join("pictures"), "svg");
    assert!(!pictures.is_empty());
    for (name, picture) in &pictures {
        assert!(pages.contains(&format!("](pictures/{name})")), "{name} is on no page");
        for element in ["<title id=\"title\">", "<desc id=\"desc\">", "aria-labelledby=\"title desc\""] {
            assert!(picture.contains(element), "{name} has no {element}");
        }
    }
    let shown = pages.split("](pictures/").skip(1).map(|rest| rest.split(')').next().unwrap());
    for name in shown {
        assert!(pictures.iter().any(|(there, _)| there == name), "{name} does not exist");
    }
}

/// The heading's name in a link, as GitHub forms it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(page: &str, wanted: &str) -> bool {
    let mut headings = page.lines().filter(|line| line.starts_with('#'));
    headings.any(|heading| anchor(heading) == wanted) || page.contains(&format!("<a id=\"{wanted}\">"))
}

#[test]
fn every_link_leads_somewhere() {
    let root = docs().join("..");
    let pages = files(&docs(), "md").into_iter().map(|(name, text)| (docs().join(name), text));
    let readme = root.join("README.md");
    let text = fs::read_to_string(&readme).unwrap();
    for (page, text) in pages.chain([(readme, text)]) {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (file, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            let found = wanted.is_empty() || has_anchor(&fs::read_to_string(&target).unwrap(), wanted);
            assert!(found, "{}: {link}", page.display());
        }
    }
}
