#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vipwatch_model::echo::{EchoFormat, Reply};

/// Compiled once: to compile a pattern takes far longer than to match it.
static PATTERNS: LazyLock<Vec<EchoFormat>> = LazyLock::new(|| {
    let texts = ["regex:(.*)", r"regex:=\s*(\S+)", r"regex:(?<address>[^ ]+?)[: ](?<port>\d+)"];
    texts.iter().map(|text| text.parse().expect("this is a format")).collect()
});

fuzz_target!(|body: &[u8]| {
    for pattern in PATTERNS.iter() {
        if let Ok(report) = pattern.read(&Reply::of(body)) {
            vipwatch_fuzz::check(&report);
        }
    }
});
