-- Digests that wait are asked for whenever a lane is filled up, however much else waits.
CREATE INDEX delivery_digest ON delivery (receiver, id) WHERE state = 'pending' AND event = 'digest';
