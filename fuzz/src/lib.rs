//! What the fuzz targets have in common: read, and hold what came out against what must be true of it.

use vipwatch_model::{
    dns::{Question, RecordKind},
    echo::{EchoFormat, Reply},
    flow::SourceReport,
};

/// Reads `body` in the format that is written so.
pub fn read(format: &str, body: &[u8]) {
    let format: EchoFormat = format.parse().expect("the target names a format");
    match format.read(&Reply::of(body)) {
        Ok(report) => check(&report),
        Err(error) => drop(error.to_string()),
    }
}

/// What holds of every report, whatever was read.
pub fn check(report: &SourceReport) {
    assert_eq!(report.address, report.address.to_canonical());
    assert_ne!(report.port, Some(0));
    assert!(report.forwarded.len() <= 16);
    for name in [&report.node, &report.pod].into_iter().flatten() {
        assert!(name.len() <= 253 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'));
    }
}

/// Reads `message` as the answer to one question, both ways.
pub fn answer(message: &[u8]) {
    const ID: u16 = 0x4d2a;
    let question = Question::new("whoami.example.net", RecordKind::A).expect("this is a name");
    let read = |message: &[u8]| {
        if let Ok(report) = question.read_whoami(ID, message) {
            check(&report);
        }
        if let Ok(answer) = question.read(ID, message) {
            assert!(answer.addresses.len() + answer.texts.len() <= 64);
        }
    };
    read(message);
    // The same bytes as records behind a sound head and question, as many of each section as the first bytes say.
    let Some((counts, records)) = message.split_at_checked(3) else { return };
    let mut sound = question.query(ID);
    sound[2] |= 0x80;
    for (section, count) in counts.iter().enumerate() {
        sound[7 + 2 * section] = *count;
    }
    sound.extend(records);
    read(&sound);
}
