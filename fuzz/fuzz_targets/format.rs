//! The notation of formats: what is read can be written, and reads back as the same; and it reads any body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vipwatch_model::echo::{EchoFormat, Reply};

fuzz_target!(|input: (&str, &[u8])| {
    let (text, body) = input;
    let Ok(format) = text.parse::<EchoFormat>() else { return };
    assert_eq!(format.to_string().parse::<EchoFormat>().as_ref(), Ok(&format));
    if let Ok(report) = format.read(&Reply::of(body)) {
        vipwatch_fuzz::check(&report);
    }
});
