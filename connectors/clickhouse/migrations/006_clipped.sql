-- What a clipped print is, as schemas/events.py has it: 001 named one of its two causes only.

ALTER TABLE trades COMMENT COLUMN IF EXISTS clipped 'Prints: booked less than last_volume, as earlier prints covered a part of it or its total was less';
