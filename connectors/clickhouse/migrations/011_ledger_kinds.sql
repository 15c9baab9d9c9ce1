-- The foreign ledger has lines for a value and for a room that moved alone, and looks closer at some restarts.

ALTER TABLE foreign_ledger
    COMMENT COLUMN IF EXISTS kind 'delta, catch_up, correction, reset, revaluation (the value alone) or room (the room alone); a day total is the sum of all',
    COMMENT COLUMN IF EXISTS ambiguous 'To be looked at: a correction between 10 % and half of the mark, or a restart right after one record had more than doubled the counter';
