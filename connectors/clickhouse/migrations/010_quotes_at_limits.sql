-- Whether a book is at the day's limit, with nobody on the other side.

ALTER TABLE quotes
    ADD COLUMN IF NOT EXISTS limit LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'ceiling: best bid there and nobody sells; floor: best ask there and nobody buys; null elsewhere and before release 0.3.0' AFTER session;
