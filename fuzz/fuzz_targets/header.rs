#![no_main]

use libfuzzer_sys::fuzz_target;
use vipwatch_model::echo::{EchoFormat, Reply};

fuzz_target!(|value: &str| {
    for name in ["x-client-ip", "x-forwarded-for", "x-real-ip", "forwarded"] {
        let format = EchoFormat::Header(name.to_owned());
        let header = |_: &str| Some(value);
        if let Ok(report) = format.read(&Reply { body: &[], header: &header }) {
            vipwatch_fuzz::check(&report);
        }
    }
});
