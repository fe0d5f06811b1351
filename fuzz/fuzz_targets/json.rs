#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for pointer in ["json:/ip", "json:/client/ip", "json:/headers/x-forwarded-for/0", "json:/0"] {
        vipwatch_fuzz::read(pointer, body);
    }
});
