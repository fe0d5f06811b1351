#![no_main]

use libfuzzer_sys::fuzz_target;
use vipwatch_model::node_health::HealthAnswer;

fuzz_target!(|body: &[u8]| {
    for status in [200, 503, 404] {
        let answer = HealthAnswer::read(status, Some("3"), body);
        if let Some(service) = answer.detail().and_then(|detail| detail.service.as_deref()) {
            assert!(service.len() <= 127 && service.is_ascii());
        }
    }
});
