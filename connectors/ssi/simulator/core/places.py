"""How the records of a day are numbered, and what a number says of each. Pure.

The *place* of a record is its index among all records of the day, in the order in which they are due. ``X`` and ``B`` follow from
records of other channels: their place is that of the record that they follow, with a bit set.

The *key* of a record is what subscriptions choose by: the number of its symbol, and its *kind*, which is its channel and whether
it is a print or a put-through deal.
"""

from typing import Final

from connectors.ssi.simulator.core.records import CHANNELS, Channel, SimulatedRecord, Trade, Verbatim

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


MESSAGE: Final = PRINT_BIT | DEAL_BIT
"""The kind of a whole hub message of a captured day that nobody could read. Every client gets it, whatever it asked for."""
ARGUMENT: Final = MESSAGE + 1
"""The kind of an argument of Broadcast that nobody could read; every client gets that too."""
BASE: Final = X_PLACE - 1
"""Leaves of a place that of the record which an ``X`` or a ``B`` follows."""
NOWHERE: Final = -1
"""Stands for the place of what a fault says and the day does not."""


def kind_of(record: SimulatedRecord) -> int:
    """The kind of a record."""
    if isinstance(record, Verbatim):
        return _kind_of_captured(record)
    kind = CHANNELS.index(record.channel)
    if isinstance(record, Trade):
        return kind | (PRINT_BIT if record.is_print else DEAL_BIT if record.is_deal else 0)
    return kind


def _kind_of_captured(record: Verbatim) -> int:
    if record.form != "record":
        return MESSAGE if record.form == "message" else ARGUMENT
    if record.meaning is not None:
        return kind_of(record.meaning)
    # Of an earlier day: it is no foreign record that the truth tells of.
    return plain(record.channel) | (DEAL_BIT if record.channel == "R" else 0)


def plain(channel: Channel) -> int:
    """The kind of a record of ``channel`` that is neither print nor deal."""
    return CHANNELS.index(channel)


def kinds_of(channel: Channel) -> tuple[int, int, int]:
    """All kinds of records of ``channel``."""
    return plain(channel), plain(channel) | PRINT_BIT, plain(channel) | DEAL_BIT


def channel_of(kind: int) -> Channel:
    """The channel of records of a kind."""
    return CHANNELS[kind & (PRINT_BIT - 1)]
