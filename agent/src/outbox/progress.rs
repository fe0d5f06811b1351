//! How far notifications have come that are told in several parts, so that the next attempt goes on where the last one
//! ended. In memory only: after a restart such a notification is told from its beginning.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// How many notifications are remembered; beyond that, those are forgotten that were attempted longest ago.
const KEPT: usize = 256;

/// How far each notification has come that is not told to its end.
#[derive(Debug)]
pub(super) struct Progress<T>(Mutex<VecDeque<(String, T)>>);

impl<T> Default for Progress<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Progress<T> {
    /// Takes out how far the notification with this idempotency key has come, for an attempt at the rest.
    pub(super) fn take(&self, key: &str) -> Option<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known == key)?;
        kept.remove(place).map(|(_, progress)| progress)
    }

    /// Keeps how far it has come, for the next attempt.
    pub(super) fn keep(&self, key: &str, progress: T) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key.to_owned(), progress));
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_attempted_longest_ago_is_forgotten() {
        let progress = Progress::default();
        for n in 0..=KEPT {
            progress.keep(&n.to_string(), n);
        }
        assert_eq!(progress.take("0"), None);
        assert_eq!(progress.take("1"), Some(1));
        assert_eq!(progress.take("1"), None, "it was taken out");
        assert_eq!(progress.take(&KEPT.to_string()), Some(KEPT));
    }
}
