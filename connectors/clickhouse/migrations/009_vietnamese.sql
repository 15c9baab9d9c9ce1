-- What an alert says, in Vietnamese too.

ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS message_vi String DEFAULT '' CODEC(ZSTD(1)) COMMENT 'The same in Vietnamese; empty in alerts of releases before 0.3.0' AFTER message;
