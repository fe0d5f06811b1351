-- Alerts that ended long ago are looked for every half minute.
CREATE INDEX alert_by_end ON alert (resolved_at) WHERE resolved_at IS NOT NULL;
