-- What fired, and what could not be used.

CREATE TABLE IF NOT EXISTS alerts
(
    alert_id String CODEC(ZSTD(1)) COMMENT 'From rule, symbol, day and anchor: the same on every replay',
    rule LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Name of the rule that fired',
    kind LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the rule looks for',
    severity LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'info, warning or critical',
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What it is about',
    direction LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'up or down, buy or sell, empty where it has none',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time of the event that made it fire',
    message String CODEC(ZSTD(1)) COMMENT 'One English sentence for a person',
    data String CODEC(ZSTD(1)) COMMENT 'The figures behind it, JSON object by name',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.alerts',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (kind, symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every alert';

CREATE TABLE IF NOT EXISTS dlq
(
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'When Kafka took the message in which it came',
    source LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Which process rejected it: ssi, prices, archive',
    reason LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'A short word to count by',
    detail String CODEC(ZSTD(1)) COMMENT 'For a person: what was wrong, where',
    feed LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Connector that it came through; null where that is not known',
    epoch Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'UTC milliseconds of that connector''s connect',
    found_topic LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Where the process found it; null when it never reached a topic',
    found_partition Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Partition of found_topic',
    found_offset Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'Offset in found_topic',
    found_idx Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0',
    payload String CODEC(ZSTD(1)) COMMENT 'What was rejected, hostile text: escape it wherever it is shown',
    topic LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Topic that the archive read it from: ssi.dlq, or one whose row did not fit',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of topic',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset in topic',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(ts)
ORDER BY (source, reason, ts, topic, partition, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Dead letters of every process, and what the archive itself could not store';
