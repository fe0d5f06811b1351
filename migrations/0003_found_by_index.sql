-- Digests that wait are asked for whenever a lane is filled up, however much else waits.
CREATE INDEX delivery_digest ON delivery (receiver, id) WHERE state = 'pending' AND event = 'digest';

-- Alerts that ended long ago are looked for every half minute.
CREATE INDEX alert_by_end ON alert (resolved_at) WHERE resolved_at IS NOT NULL;

-- Deliveries are listed newest first: by receiver, by state, or by alert, without a look at all the others.
CREATE INDEX delivery_of_receiver ON delivery (receiver, id);
CREATE INDEX delivery_in_state ON delivery (state, id);

-- Which deliveries tell of an alert: what delivery.alerts says, the other way around.
CREATE TABLE delivery_of_alert (
    alert    TEXT NOT NULL,
    delivery INTEGER NOT NULL,
    PRIMARY KEY (alert, delivery)
) WITHOUT ROWID;
INSERT INTO delivery_of_alert
SELECT DISTINCT alert.value, delivery.id
FROM delivery, json_each(iif(json_valid(alerts), alerts, '[]')) AS alert WHERE alert.value IS NOT NULL;

CREATE TRIGGER delivery_added AFTER INSERT ON delivery WHEN json_valid(new.alerts)
BEGIN
    INSERT INTO delivery_of_alert
    SELECT DISTINCT value, new.id FROM json_each(new.alerts) WHERE value IS NOT NULL;
END;
CREATE TRIGGER delivery_removed AFTER DELETE ON delivery WHEN json_valid(old.alerts)
BEGIN
    DELETE FROM delivery_of_alert
    WHERE delivery = old.id AND alert IN (SELECT value FROM json_each(old.alerts));
END;
-- Some of its alerts may be over before it is delivered after all.
CREATE TRIGGER delivery_changed AFTER UPDATE OF alerts ON delivery
WHEN new.alerts <> old.alerts AND json_valid(old.alerts) AND json_valid(new.alerts)
BEGIN
    DELETE FROM delivery_of_alert
    WHERE delivery = old.id AND alert IN (SELECT value FROM json_each(old.alerts));
    INSERT INTO delivery_of_alert
    SELECT DISTINCT value, new.id FROM json_each(new.alerts) WHERE value IS NOT NULL;
END;
