//! The samples of configuration in the documents: the parser has to take them as they stand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vipwatch::config;

/// What samples need around them, as far as they do not bring it along.
const AROUND: [(&str, &str); 2] = [
    ("[agent]", "[agent]\nvantage = \"docs\"\n"),
    (
        "[cluster]",
        "[cluster]\npod_cidrs = [\"10.244.0.0/16\"]\n[[cluster.node]]\nname = \"node-1\"\naddresses = [\"192.0.2.11\"]\n",
    ),
];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|file| file.extension().is_some_and(|extension| extension == "md"));
    pages.chain([root.join("README.md")]).collect()
}

/// The blocks of TOML in `page` that hold whole sections; single keys are fragments.
fn samples(page: &str) -> Vec<String> {
    let mut samples = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != "```toml" {
            continue;
        }
        let block = lines.by_ref().map(str::trim_start).take_while(|line| *line != "```");
        let block: String = block.flat_map(|line| [line, "\n"]).collect();
        if block.lines().any(|line| line.starts_with('[')) {
            samples.push(block);
        }
    }
    samples
}

/// Something that is of use under such a name.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "HOOK_SECRET" => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "PAGERDUTY_KEY" | "NTFY_TOPIC" => "0123456789abcdef",
        _ => "https://alerts.example.net/hook",
    };
    Some(value.to_owned())
}

#[test]
fn the_parser_takes_every_sample() {
    let mut taken = 0;
    for page in pages() {
        for sample in samples(&fs::read_to_string(&page).unwrap()) {
            let missing = AROUND.iter().filter(|(section, _)| !sample.contains(section));
            let source: String = missing.map(|(_, text)| *text).chain([sample.as_str()]).collect();
            if let Err(faults) = config::parse(&source, &page, &env) {
                panic!("{}\n{source}", faults.render(false));
            }
            taken += 1;
        }
    }
    assert!(taken >= 5, "only {taken} samples were found");
}
