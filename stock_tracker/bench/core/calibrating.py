"""A loop that always does the same, and so says how fast a machine is just now. Pure.

It does what this system's Python does most: parse JSON, keep values by key, add whole numbers, sort a little, write JSON. What
it does must never change: every threshold and every baseline is in its terms. Whoever has to change it gives it another number.
"""

import json
from typing import Final

NUMBER: Final = 1
"""Of this loop. Results that were calibrated by another one are not comparable."""
_TURNS: Final = 400
_SYMBOLS: Final = 97


def calibrating_loop() -> int:
    """Do the work once; the same number each time, so that nothing of it can be left out."""
    totals: dict[str, int] = {}
    books: dict[str, tuple[int, ...]] = {}
    written = 0
    for turn in range(_TURNS):
        symbol = f"S{turn * 31 % _SYMBOLS:03d}"
        text = f'{{"Symbol":"{symbol}","LastPrice":{20_000 + turn % 50 * 50}.0,"LastVol":{turn % 30 * 100}.0,"Side":"BU"}}'
        fields = json.loads(text)
        totals[symbol] = totals.get(symbol, 0) + int(fields["LastVol"])
        book = tuple(int(fields["LastPrice"]) + level * 50 for level in range(6))
        if books.get(symbol) != book:
            books[symbol] = book
            written += len(json.dumps({"symbol": symbol, "total": totals[symbol], "book": book}))
    return written + sum(sorted(totals.values())[-5:])
