"""How the records of a day are numbered, and what a number says of each. Pure.

The *place* of a record is its index among all records of the day, in the order in which they are due. ``X`` and ``B`` follow from
records of other channels: their place is that of the record that they follow, with a bit set.

The *key* of a record is what subscriptions choose by: the number of its symbol, and its *kind*, which is its channel and whether
it is a print or a put-through deal.
"""

from typing import Final

from connectors.ssi.simulator.core.records import CHANNELS, Channel, SimulatedRecord, Trade

X_PLACE: Final = 1 << 48
"""Set in the place of an ``X``."""
B_PLACE: Final = 1 << 49
"""Set in the place of a ``B``."""
PRINT_BIT: Final = 1 << 3
"""Set in the kind of an ``X-TRADE`` that is a print."""
DEAL_BIT: Final = 1 << 4
"""Set in the kind of an ``X-TRADE`` that is a put-through deal."""
KINDS: Final = 1 << 5
"""More than any kind; the key of a record is the number of its symbol times this, plus its kind."""


def kind_of(record: SimulatedRecord) -> int:
    """The kind of a record."""
    kind = CHANNELS.index(record.channel)
    if isinstance(record, Trade):
        return kind | (PRINT_BIT if record.is_print else DEAL_BIT if record.is_deal else 0)
    return kind


def plain(channel: Channel) -> int:
    """The kind of a record of ``channel`` that is neither print nor deal."""
    return CHANNELS.index(channel)


def kinds_of(channel: Channel) -> tuple[int, int, int]:
    """All kinds of records of ``channel``."""
    return plain(channel), plain(channel) | PRINT_BIT, plain(channel) | DEAL_BIT


def channel_of(kind: int) -> Channel:
    """The channel of records of a kind."""
    return CHANNELS[kind & (PRINT_BIT - 1)]
