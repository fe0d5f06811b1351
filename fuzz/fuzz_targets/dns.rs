#![no_main]

libfuzzer_sys::fuzz_target!(|message: &[u8]| vipwatch_fuzz::answer(message));
