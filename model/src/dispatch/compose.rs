//! What one receiver is told of alerts that are told together.

use super::{
    Entry, Scene,
    explain::{explains, is_failure},
};
use crate::{
    alert::Event,
    notification::{Companion, Notification},
};

/// The alert that explains the others goes first, or else the worst; the others with it. `root` gives what explains one.
pub(super) fn notification<'a>(
    event: Event,
    receiver: &str,
    mut entries: Vec<&Entry>,
    root: impl Fn(&Entry) -> Option<&'a Entry>,
    scene: &Scene<'_>,
) -> Option<Notification> {
    let explains_some =
        |lead: &Entry| is_failure(&lead.alert) && entries.iter().any(|other| explains(lead, other));
    let place = entries
        .iter()
        .position(|entry| event != Event::Resolved && root(entry).is_none() && explains_some(entry))
        .or_else(|| (0..entries.len()).min_by_key(|i| (entries[*i].alert.severity, &entries[*i].alert.id)))?;
    let lead = entries.remove(place);
    entries.sort_by_key(|entry| (entry.alert.severity, &entry.alert.id));
    let mut notification = Notification::about(event, lead.alert.clone(), scene);
    notification.resolution.clone_from(&lead.telling.end);
    notification.acknowledgement.clone_from(&lead.telling.acknowledgement);
    if let Some(told) = lead.telling.told.as_ref().filter(|_| event == Event::Reminder) {
        notification.idempotency_key = format!("{}-{event}-{}", lead.alert.id, told.reminders);
    }
    // What a receiver was not told of explains nothing to it.
    let told =
        |root: &&Entry| root.telling.told.iter().flat_map(|told| &told.to).any(|name| name == receiver);
    notification.explained_by = root(lead).filter(told).map(|root| root.alert.reference());
    notification.also = entries
        .into_iter()
        .map(|entry| Companion {
            event,
            consequence: explains(lead, entry),
            alert: entry.alert.clone(),
            resolution: entry.telling.end.clone(),
            acknowledgement: None,
        })
        .collect();
    Some(notification)
}
