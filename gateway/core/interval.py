"""What changed in a channel in one update interval, and the messages of it that many clients share (pure)."""

from collections.abc import Sequence, Set

from gateway.core import wire
from gateway.core.board import Board
from gateway.core.selection import Audience
from gateway.core.shared import LEAST, SharedBody


class IntervalChanges:
    """The changes of a channel between two revisions of its rows. Its messages are made when they are asked for."""

    __slots__ = (
        "_changed",
        "_deflates",
        "_deltas",
        "_made",
        "_rows",
        "_table",
        "channel",
        "now_ms",
        "offsets",
        "reached",
        "since",
        "upto",
    )

    def __init__(self, board: Board, channel: str, since: int, now_ms: int, *, deflates: bool = False) -> None:
        """The interval that ends now.

        Args:
            board: The rows.
            channel: Of them.
            since: The revision of the channel's rows when the interval before ended.
            now_ms: The gateway's clock.
            deflates: Whether clients may be sent what groups share as it is deflated once.
        """
        self.channel = channel
        self._deflates = deflates
        self.since = since
        self._table = board.tables[channel]
        self.upto = self._table.revision
        self.offsets = dict(board.offsets(channel))
        """How far the channel had been read at the end of this interval."""
        self.reached = board.cursor(channel)
        """The cursor of who has everything up to the end of this interval."""
        self.now_ms = now_ms
        self._changed: Set[str] | None = None
        self._rows: dict[str, bytes] = {}
        """The rows that changed, by key; looked up with the first message, as :attr:`_changed` is."""
        self._deltas = wire.Deltas(channel, self.reached, now_ms, conflated=False)
        self._made: dict[Audience, Sequence[bytes]] = {}

    def messages(self, audience: Audience) -> Sequence[bytes]:
        """The messages for a client of ``audience`` that had everything at the end of the interval before; perhaps none."""
        made = self._made.get(audience)
        if made is None:
            if self._changed is None:
                rows = self._table.rows
                self._rows = {key: rows[key].fragment for key in self._table.changed(self.since, self.upto)}
                self._changed = frozenset(self._rows)
            fragment_of = self._rows.__getitem__
            bodies = self._deltas.of([*map(fragment_of, audience.among(self._changed))])
            is_shared = self._deflates and (audience.selection.everything or audience.selection.groups)
            made = [SharedBody(body) if len(body) >= LEAST else body for body in bodies] if is_shared else bodies
            self._made[audience] = made
        return made
