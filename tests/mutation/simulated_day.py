"""A short day of the simulator, folded in this process: the records, and everything that the pipelines make of them."""

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cache, partial
from itertools import chain, takewhile
from random import Random
from typing import Any

from connectors.ssi.core.decode import decode
from connectors.ssi.core.frames import partitions_of
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import generate
from pipelines.core import alert_shard, breadth, flow, foreign_shard, index_shard, price_shard
from pipelines.core.frames import Folded, Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.instruments import contract_of
from schemas.position import Partition, Position
from schemas.shards import shard_of
from schemas.structs import ForeignRecord, Frame, IndexRecord, TradeRecord
from schemas.topics import (
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_QUOTES,
    MARKET_TRADES,
    PARTIAL_BREADTH,
    PARTIAL_FLOW,
    RECORD_TOPICS,
    SSI_FOREIGN,
    SSI_INDICES,
    SSI_TICKS,
    Topic,
)
from tests.builders import DAY, a_frame, a_reference, a_tick, offers

BEGINS_MS, ENDS_MS = at(DAY, 8, 55), at(DAY, 9, 30)
AFTER_MS = [at(DAY, *clock) for clock in ((9, 31), (9, 33), (14, 45), (16, 1), (16, 3))]
"""Seconds of market time after the last record, for what is told late."""
STEP_MS = 20_000
"""Market time that a frame holds."""
MOST_STOCKS = 8
INDICES = ("VN30", "VNINDEX")
GROUPS = ("VN30", "VN100")
"""What reference data says of the stocks: every other one is in the first, all are in the second."""
UNTRADED = "ABR"
"""A stock that only reference data knows."""
REPEATED, WITHHELD = 50, 70
"""Every so manyth trade record comes twice, or not at all."""
SEED = 7
LOSES, LATE, REPEATS = 0.02, 0.05, 0.05

Records = list[tuple[Position, Frame]]
Outputs = dict[str, list[tuple[Position, Any]]]


@cache
def _told() -> dict[int, list[Any]]:
    """The records of a morning of few symbols, those of its stories among them, with books; by the time of their frame."""
    market = generate(SEED, DAY, Random)
    names = {story.symbol for story in market.stories}
    seconds: dict[int, list[Any]] = defaultdict(list)
    trades = 0
    # The rest of the day is not made.
    morning = takewhile(lambda simulated: simulated.due_ms < ENDS_MS, chain.from_iterable(market.periods()))
    for simulated in morning:
        record: Any = decode(wire.broadcast(simulated.channel, wire.content(simulated)))
        if len(names) < MOST_STOCKS and isinstance(record, TradeRecord):
            names.add(record.symbol)
        if record.symbol not in (INDICES if isinstance(record, IndexRecord) else names):
            continue
        trades += isinstance(record, TradeRecord)
        if isinstance(record, TradeRecord) and record.volume and trades % WITHHELD == 0:
            continue
        times = 1 + (isinstance(record, TradeRecord) and trades % REPEATED == 0)
        seconds[max(simulated.due_ms, BEGINS_MS) // STEP_MS * STEP_MS] += [record] * times
    stocks = sorted([UNTRADED, *(name for name in names if contract_of(name) is None)])
    seconds[BEGINS_MS][:0] = [a_reference(name, groups=GROUPS[number % 2 :]) for number, name in enumerate(stocks)]
    return seconds


def records(shards: int = 1) -> Records:
    """The frames of that morning, split into so many shards."""
    seconds = _told()
    frames: Records = []
    for seq, ts_ms in enumerate([*sorted(seconds), *AFTER_MS]):
        by_place: dict[Partition, list[Any]] = {
            Partition(topic.name, number): [a_tick(ts_ms)] for topic in RECORD_TOPICS for number in range(shards)
        }
        for record in seconds.get(ts_ms, ()):
            for place in partitions_of(record, shards):
                by_place[place].append(record)
        frames += [(Position(*place, seq), a_frame(*told, seq=seq)) for place, told in by_place.items()]
    return frames


class Pipelines:
    """The folds of all pipelines one behind the other, as Kafka would join them."""

    def __init__(self, shards: int) -> None:
        parameters = Parameters(PipelineSettings(kafka={}))
        rules = parameters.rules
        self._folds: dict[str, Callable[..., Folded]] = {
            "ssi.ticks": partial(price_shard.fold_frame, offers=offers(SSI_TICKS)),
            "ssi.foreign": partial(foreign_shard.fold_frame, offers=offers(SSI_FOREIGN, sectors=parameters.sectors)),
            "ssi.indices": partial(index_shard.fold_frame, offers=offers(SSI_INDICES)),
            "partial.flow": partial(flow.fold_partial, offers=offers(PARTIAL_FLOW)),
            "partial.breadth": partial(breadth.fold_partial, offers=offers(PARTIAL_BREADTH)),
            "market.trades": partial(alert_shard.fold_trades, offers=offers(MARKET_TRADES, rules=rules.trades)),
            "market.quotes": partial(alert_shard.fold_quotes, offers=offers(MARKET_QUOTES, rules=rules.quotes)),
            "market.candles": partial(alert_shard.fold_candles, offers=offers(MARKET_CANDLES, rules=rules.candles)),
            "market.foreign": partial(alert_shard.fold_foreign, offers=offers(MARKET_FOREIGN, rules=rules.foreign)),
            "market.basis": partial(alert_shard.fold_basis, offers=offers(MARKET_BASIS, rules=rules.basis)),
        }
        self._shards = shards
        self._states: dict[Partition, dict[bytes, bytes]] = defaultdict(dict)
        self._offsets: dict[Partition, int] = defaultdict(int)
        self.outputs: Outputs = defaultdict(list)

    def take(self, position: Position, message: Any) -> None:
        """Fold a message, and what comes of it."""
        topic, number = position.topic, position.partition
        # The second stages of flow and breadth read one partition, whatever the number of shards.
        shard = Shard.of("test", number, 1 if topic.startswith("partial.") else self._shards)
        made = self._folds[topic](message, position, shard, self._states[Partition(topic, number)])
        for output in made.outputs if made.adopted is None else [*made.outputs, made.adopted]:
            number = shard_of(output.key, output.topic.partitions(self._shards))
            self._publish(output.topic, number, output.topic.decode(output.value))

    def _publish(self, topic: Topic[Any], number: int, message: Any) -> None:
        place = Partition(topic.name, number)
        position = Position(*place, self._offsets[place])
        self._offsets[place] += 1
        self.outputs[topic.name].append((position, message))
        if topic.name in self._folds:
            self.take(position, message)


def folded(frames: Records, shards: int = 1) -> Outputs:
    """Everything that the pipelines publish because of the frames."""
    pipelines = Pipelines(shards)
    for position, frame in frames:
        pipelines.take(position, frame)
    return pipelines.outputs


def from_two_feeds(frames: Records, rng: Random) -> Records:
    """The same day as two feeds bring it, each with losses, repeats, and trades and foreign records that come a frame late."""
    hostile: Records = []
    offsets, seqs = Counter[Partition](), Counter[tuple[str, Partition]]()
    held: dict[tuple[str, Partition], list[Any]] = {}
    for position, frame in frames:
        for feed in ("a", "b"):
            place = Partition(position.topic, position.partition)
            lane = feed, place
            tick, *told = frame.records
            told = [record for record in told if rng.random() > LOSES]
            late = [record for record in told if isinstance(record, TradeRecord | ForeignRecord) and rng.random() < LATE]
            in_time = [record for record in told if not any(record is other for other in late)]
            repeats = [record for record in in_time if rng.random() < REPEATS]
            seqs[lane] += rng.random() < LOSES
            sent = a_frame(tick, *held.pop(lane, []), *in_time, *repeats, feed=feed, seq=seqs[lane])
            hostile.append((Position(*place, offsets[place]), sent))
            held[lane] = late
            offsets[place] += 1
            seqs[lane] += 1
    return hostile
