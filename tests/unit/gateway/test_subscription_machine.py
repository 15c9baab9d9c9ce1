"""Whatever clients ask for, and however they read, what each of them sees is right: the states of a subscription, all of them.

There is one log, as in Kafka, and two gateways that read it, each at its own pace. Clients come to either, choose and choose
again, stop reading, are lost and come back with their cursors; gateways are started anew; the trading day turns; topics are made
anew. ``make prove-subscriptions`` plays ten thousand such histories.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from gateway import fanout as fanouts
from gateway.core.board import Board, Change
from gateway.core.events import ToldEvent
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Close, Subscriber
from gateway.fanout import Client, Fanout
from schemas.stock_v1 import CloseCode
from tests.proof import usually
from tests.unit.gateway.conftest import Viewer, Writing, a_change, no_events, some_alerts

SLOTS = {"FPT": 0, "HPG": 0, "SSI": 1, "VNM": 1}
"""The symbols, and the partition of each."""
SYMBOLS = sorted(SLOTS)
GROUP = "@VN30"
CLASSES = (0, 100, 500)
THROTTLES = st.sampled_from(CLASSES)
WORDS = st.lists(st.sampled_from([*SYMBOLS, GROUP, "@HOSE", "*"]), min_size=1, max_size=2, unique=True)
GATEWAYS = st.sampled_from([0, 1])
CLIENTS = st.sampled_from([0, 1, 2])
DAYS = (20261120, 20261123, 20261124)


class Written(NamedTuple):
    """A message of the log."""

    topic: str
    change: Change | None
    alerts: list[ToldEvent]


class Log:
    """What was written to Kafka, topic by topic."""

    def __init__(self, number: int) -> None:
        self.stream = f"{number:08x}"
        self.day = 0
        self._written: dict[str, list[Written]] = {"px": [], "ref": [], "alert": []}
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._members: set[str] = set()

    def __getitem__(self, topic: str) -> list[Written]:
        return self._written[topic]

    def _next(self, topic: str, slot: int = 0) -> int:
        self._offsets[topic, slot] += 1
        return self._offsets[topic, slot] - 1

    def row(self, symbol: str, value: int) -> None:
        """A row of the day: its value only grows."""
        slot = SLOTS[symbol]
        fields = {"slot": slot, "offset": self._next("px", slot), "src": value, "day": DAYS[self.day]}
        self._written["px"].append(Written("px", a_change(symbol, value=value, **fields), []))

    def older_row(self, symbol: str, value: int) -> None:
        """What a process that was killed may leave behind a newer one; nobody may ever see it."""
        slot = SLOTS[symbol]
        fields = {"slot": slot, "offset": self._next("px", slot), "src": -1, "day": DAYS[0]}
        if any(written.change is not None and written.change.key == symbol for written in self._written["px"]):
            self._written["px"].append(Written("px", a_change(symbol, value=value, **fields), []))

    def member(self, symbol: str) -> None:
        """The symbol joins the index, or leaves it."""
        self._members ^= {symbol}
        offset = self._next("ref")
        groups = ("VN30",) if symbol in self._members else ()
        change = a_change(symbol, channel="ref", value=offset, day=0, src=offset, groups=groups)
        self._written["ref"].append(Written("ref", change, []))

    def alert(self, number: int, symbol: str) -> None:
        slot = SLOTS[symbol]
        told = some_alerts(number, offset=self._next("alert", slot), partition=slot, symbol=symbol)
        self._written["alert"].append(Written("alert", None, told))


class Instance:
    """A gateway, and how far it has read each topic."""

    def __init__(self, log: Log) -> None:
        self._now_ms = 0
        self.fanout = Fanout(Board(), no_events(), Connectors(), ClientLimits(), self._clock, reason=str)
        self.flushing: dict[int, Iterator[None]] = {}
        self.begin(log)

    def _clock(self) -> int:
        # So far on at each look that no command comes too soon after another.
        self._now_ms += 1_000
        return self._now_ms

    def begin(self, log: Log) -> None:
        """Read ``log`` from its beginning to its end."""
        self.log = log
        self.read = dict.fromkeys(("px", "ref", "alert"), 0)
        self.flushing.clear()
        self.fanout.begin(log.stream)
        self.fanout.begin_events(log.stream, {channel: {} for channel in self.fanout.recents})
        for topic in self.read:
            self.read_on(topic, len(log[topic]))
        for recent in self.fanout.recents.values():
            recent.settle()
        self.fanout.complete()

    def read_on(self, topic: str, count: int) -> None:
        """Read ``count`` more messages of ``topic``, as far as there are."""
        begin = self.read[topic]
        written = self.log[topic][begin : begin + count]
        self.read[topic] += len(written)
        if topic == "alert":
            self.fanout.announce("alert", [alert for one in written for alert in one.alerts])
        elif written:
            self.fanout.apply([one.change for one in written if one.change is not None])

    def flush_a_little(self, throttle_ms: int) -> None:
        """Begin to end an interval, or write to one more client."""
        if next(self.flushing.setdefault(throttle_ms, self.fanout.flush(throttle_ms)), "over") == "over":
            del self.flushing[throttle_ms]

    def flush(self, throttle_ms: int) -> None:
        """End the interval, after the one that is being ended."""
        for flushing in (self.flushing.pop(throttle_ms, iter(())), self.fanout.flush(throttle_ms)):
            for _ in flushing:
                pass

    def members(self) -> set[str]:
        """Of the index, as far as this gateway has heard."""
        return set(self.fanout.board.directory.groups.get(GROUP, ()))

    def listed(self) -> set[str]:
        return set(self.fanout.board.directory.groups.get("@HOSE", ()))


class Choice:
    """What a client may be sent of a channel: each word after the other, of which the last that speaks of a symbol holds."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.without: set[str] = set()

    def take(self, words: list[str], instance: Instance) -> None:
        for word in words:
            self.words.add(word)
            self.without -= self._of({word}, instance)

    def drop(self, words: list[str], instance: Instance) -> None:
        for word in words:
            if word == "*":
                self.words, self.without = set(), set()
            elif word in self.words:
                self.words.discard(word)
                if word in SYMBOLS and word in self._of(self.words, instance):
                    self.without.add(word)
            elif word in SYMBOLS and word in self._of(self.words, instance):
                self.without.add(word)
        if not self.words:
            self.without = set()

    @staticmethod
    def _of(words: set[str], instance: Instance) -> set[str]:
        named = words & set(SYMBOLS)
        if "*" in words:
            named |= set(SYMBOLS)
        if GROUP in words:
            named |= instance.members()
        if "@HOSE" in words:
            named |= instance.listed()
        return named

    def symbols(self, instance: Instance) -> set[str]:
        return self._of(self.words, instance) - self.without


class Watcher(Writing):
    """A client that lives longer than its connections; it is the socket, too."""

    def __init__(self) -> None:
        self.choice = Choice()
        self.throttle_ms = 500
        self.watches_alerts = False
        self.rows: dict[str, tuple[int, int]] = {}
        """What is shown of each symbol: the number of its log, and the value."""
        self.alerts: list[str] = []
        self.cursors: dict[str, str] = {}
        self.client: Client | None = None
        self.closed: Close | None = None
        self.writable = True

    def connect(self, instance: Instance, generation: int) -> None:
        self.instance, self.generation = instance, generation
        self.view = Viewer()
        self.writable, self.closed, self.opening = True, None, True
        subscriber = Subscriber(instance.fanout.board, instance.fanout.recents, instance.fanout.limits, now_ms=0)
        self.client = Client(subscriber, self, self._end, now_ms=0)
        instance.fanout.join(self.client)
        if self.watches_alerts:
            self.send(op="sub", ch="alert", cursor=self.cursors.get("alert"))
        if self.choice.words:
            is_whole = not self.choice.without
            self.choice.without.clear()
            answer = self.send(
                op="sub",
                ch="px",
                sym=sorted(self.choice.words),
                throttle_ms=self.throttle_ms,
                cursor=self.cursors.get("px") if is_whole else None,
            )
            if answer.get("op") == "err":
                self.choice = Choice()
            else:
                # A gateway that has only begun may not know all of them.
                self.choice.words -= {item["sym"] for item in answer["rejected"]}
        self.opening = False

    def _end(self, close: Close) -> None:
        self.closed = close

    def write(self, payloads: Any) -> int:
        assert self.writable
        assert self.client is not None
        for payload in payloads:
            self._see(self.view.take(bytes(payload)))
        return len(payloads)

    def _see(self, message: dict[str, Any]) -> None:
        if message["op"] == "ok" and self.opening and message["recovered"] is False:
            # All of it comes again.
            (self.rows if message["ch"] == "px" else self.alerts).clear()
        if message["op"] in ("snap", "delta") and message["ch"] == "px":
            for row in message["rows"]:
                now = (self.generation, row[-1])
                assert now >= self.rows.get(row[0], (0, 0)), "it went back in time"
                assert self.closed or row[0] in self.choice.symbols(self.instance), "nobody asked for it"
                self.rows[row[0]] = now
        if message["op"] == "snap" and message["ch"] == "alert":
            self.alerts += [row[0] for row in message["rows"]]
        if message["op"] == "event":
            self.alerts.append(message["data"]["alert_id"])
        if isinstance(message.get("cursor"), str):
            self.cursors[message["ch"]] = message["cursor"]
        elif isinstance(message.get("cursor"), dict):
            self.cursors |= message["cursor"]

    def send(self, **command: Any) -> dict[str, Any]:
        """Send a command; the answer, empty while the client does not read."""
        assert self.client is not None
        before = len(self.view.messages)
        self.instance.fanout.receive(self.client, json.dumps(command))
        return next((message for message in self.view.messages[before:] if message["op"] in ("ok", "err")), {})

    def read_on(self) -> None:
        self.writable = True
        if self.client is not None and not self.closed:
            self.client.pump(0)

    def lose(self) -> None:
        if self.client is not None:
            self.instance.fanout.leave(self.client)
            self.client = None


class Subscriptions(RuleBasedStateMachine):
    """The histories."""

    def __init__(self) -> None:
        super().__init__()
        # Every client is served in a step of its own, so that anything may happen between two.
        self._yield_every, fanouts.YIELD_EVERY = fanouts.YIELD_EVERY, 1
        self.number = 0
        self.generation = 1
        self.log = Log(self.generation)
        self.watchers = [Watcher() for _ in range(3)]
        self.alerted: list[str] = []

    @initialize(
        members=st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=2),
        choices=st.lists(st.tuples(WORDS, THROTTLES), min_size=3, max_size=3),
    )
    def start(self, members: list[str], choices: list[tuple[list[str], int]]) -> None:
        for symbol in SYMBOLS[:3]:
            self.log.row(symbol, self._next())
        for symbol in members:
            self.log.member(symbol)
        self.instances = [Instance(self.log), Instance(self.log)]
        for place, (watcher, (words, throttle_ms)) in enumerate(zip(self.watchers, choices, strict=True)):
            watcher.connect(self.instances[place % 2], self.generation)
            self.subscribe(place, words, throttle_ms)

    def _next(self) -> int:
        self.number += 1
        return self.number

    # the market

    @rule(symbol=st.sampled_from(SYMBOLS))
    def row(self, symbol: str) -> None:
        self.log.row(symbol, self._next())

    @rule(symbol=st.sampled_from(SYMBOLS))
    def row_for_all(self, symbol: str) -> None:
        self.log.row(symbol, self._next())
        for instance in self.instances:
            instance.read_on("px", len(self.log["px"]))

    @rule(symbol=st.sampled_from(SYMBOLS))
    def older_row(self, symbol: str) -> None:
        self.log.older_row(symbol, -1)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def change_group(self, symbol: str) -> None:
        self.log.member(symbol)

    @rule(symbol=st.sampled_from(SYMBOLS))
    def alert(self, symbol: str) -> None:
        number = self._next()
        self.log.alert(number, symbol)
        self.alerted.append(f"a{number}")

    @precondition(lambda self: self.log.day < len(DAYS) - 1)
    @rule()
    def change_day(self) -> None:
        self.log.day += 1

    # the gateways

    @rule(which=GATEWAYS, topic=st.sampled_from(["px", "px", "ref", "alert"]), count=st.integers(1, 5))
    def read(self, which: int, topic: str, count: int) -> None:
        self.instances[which].read_on(topic, count)

    @rule(which=GATEWAYS, throttle_ms=st.sampled_from(CLASSES[1:]))
    def flush_a_little(self, which: int, throttle_ms: int) -> None:
        self.instances[which].flush_a_little(throttle_ms)

    @rule(which=GATEWAYS, throttle_ms=st.sampled_from(CLASSES[1:]))
    def flush(self, which: int, throttle_ms: int) -> None:
        self.instances[which].flush(throttle_ms)

    @rule(which=GATEWAYS)
    def beat(self, which: int) -> None:
        fanout = self.instances[which].fanout
        for watcher in self.watchers:
            if watcher.client in fanout.clients:
                watcher.client.subscriber.heartbeat(fanout.heartbeat(0))
                watcher.client.pump(0)

    @rule(which=GATEWAYS)
    def restart(self, which: int) -> None:
        for watcher in self.watchers:
            if watcher.client in self.instances[which].fanout.clients:
                watcher.lose()
        self.instances[which] = Instance(self.log)

    @precondition(lambda self: self.generation < 3)
    @rule()
    def make_topics_anew(self) -> None:
        self.generation += 1
        self.log = Log(self.generation)
        self.alerted.clear()
        for instance in self.instances:
            instance.begin(self.log)
        for watcher in self.watchers:
            if watcher.client is not None:
                assert watcher.closed is not None
                assert watcher.closed.code == CloseCode.STREAM_CHANGED
                watcher.lose()
            watcher.rows.clear()
            watcher.alerts.clear()
            watcher.cursors.clear()

    # the clients

    @rule(who=CLIENTS, where=GATEWAYS)
    def come_back(self, who: int, where: int) -> None:
        watcher = self.watchers[who]
        watcher.lose()
        watcher.connect(self.instances[where], self.generation)

    @rule(who=CLIENTS, words=WORDS, throttle_ms=THROTTLES)
    def subscribe(self, who: int, words: list[str], throttle_ms: int) -> None:
        watcher = self.watchers[who]
        if watcher.client is None or not watcher.writable:
            return
        known = [word for word in words if not word.isalpha() or word in watcher.instance.fanout.board.tables["px"].rows]
        known = [word for word in words if word in known or word in watcher.instance.fanout.board.directory.exchanges]
        if known:
            watcher.choice.take(known, watcher.instance)
            watcher.throttle_ms = throttle_ms
        answer = watcher.send(op="sub", ch="px", sym=words, throttle_ms=throttle_ms)
        assert answer["op"] == ("ok" if known else "err")

    @rule(who=CLIENTS, words=WORDS)
    def unsubscribe(self, who: int, words: list[str]) -> None:
        watcher = self.watchers[who]
        if watcher.client is None or not watcher.writable:
            return
        watcher.choice.drop(words, watcher.instance)
        watcher.send(op="unsub", ch="px", sym=words)
        kept = watcher.choice.symbols(watcher.instance)
        watcher.rows = {symbol: row for symbol, row in watcher.rows.items() if symbol in kept}

    @rule(who=CLIENTS)
    def watch_alerts(self, who: int) -> None:
        watcher = self.watchers[who]
        if watcher.client is not None and watcher.writable and not watcher.watches_alerts:
            watcher.watches_alerts = True
            watcher.send(op="sub", ch="alert", cursor=watcher.cursors.get("alert"))

    @rule(who=CLIENTS)
    def stall(self, who: int) -> None:
        self.watchers[who].writable = False

    @rule(who=CLIENTS)
    def read_again(self, who: int) -> None:
        self.watchers[who].read_on()

    @rule(who=CLIENTS)
    def lose(self, who: int) -> None:
        self.watchers[who].lose()

    # what is always so

    @invariant()
    def every_alert_comes_once(self) -> None:
        for watcher in self.watchers:
            assert len(set(watcher.alerts)) == len(watcher.alerts)

    def teardown(self) -> None:
        try:
            if hasattr(self, "instances"):
                self._come_to_rest()
        finally:
            fanouts.YIELD_EVERY = self._yield_every

    def _come_to_rest(self) -> None:
        for instance in self.instances:
            for topic in instance.read:
                instance.read_on(topic, 1_000_000)
        for watcher in self.watchers:
            if watcher.client is None:
                watcher.connect(self.instances[0], self.generation)
            watcher.read_on()
        for instance in self.instances:
            for throttle_ms in CLASSES[1:]:
                instance.flush(throttle_ms)
        for watcher in self.watchers:
            wanted = watcher.choice.symbols(watcher.instance)
            rows = watcher.instance.fanout.board.tables["px"].rows
            latest = {key: json.loads(row.fragment)[-1] for key, row in rows.items() if key in wanted}
            assert {key: row[1] for key, row in watcher.rows.items() if key in wanted} == latest
            if watcher.watches_alerts:
                assert sorted(watcher.alerts) == sorted(self.alerted)


@pytest.mark.timeout(usually(900, proving=4 * 3_600))
def test_every_history_of_subscriptions_ends_with_what_is_on_the_board() -> None:
    run_state_machine_as_test(
        Subscriptions, settings=settings(max_examples=usually(300, proving=10_000), stateful_step_count=30, deadline=None)
    )
