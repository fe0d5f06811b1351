#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| vipwatch_fuzz::read("httpbin", body));
