//! When to try again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause; a receiver's `Retry-After` is held to it as well.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// The pause after `attempts` failed attempts (1 and up): doubling from one second to one hour, of which
/// the upper half is left to chance (`jitter`, 0 to 1), so that many agents do not come back together.
/// A receiver that asks for more time gets it.
#[must_use]
pub fn retry_delay(attempts: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let full = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(LONGEST);
    let pause = full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    retry_after.map_or(pause, |asked| asked.max(pause)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let pauses: Vec<u64> = (1..=14).map(|n| retry_delay(n, 1.0, None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(retry_delay(u32::MAX, 1.0, None), LONGEST);
        assert_eq!(retry_delay(3, 0.0, None), Duration::from_secs(2));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_ever() {
        assert_eq!(retry_delay(1, 1.0, Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(retry_delay(6, 1.0, Some(Duration::from_secs(1))), Duration::from_secs(32));
        assert_eq!(retry_delay(1, 1.0, Some(Duration::from_secs(86_400))), LONGEST);
    }
}
