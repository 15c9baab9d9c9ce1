-- Whether a print was matched in an auction.

ALTER TABLE trades
    ADD COLUMN IF NOT EXISTS auction Bool DEFAULT false CODEC(ZSTD(1)) COMMENT 'Prints: matched in the opening or the closing auction' AFTER epoch;
