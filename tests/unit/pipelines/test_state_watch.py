"""How large state is and how long its recovery took, as Prometheus is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from quixstreams.state.manager import StateStoreManager

from pipelines.state_watch import LOOK_S, StateWatch, Store, stores_of


class Kept(dict[bytes, bytes]):
    """The store of a partition."""

    def iter_items(self, lower_bound: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, value) for key, value in self.items() if key >= lower_bound)


class Process:
    """The stores of a pipeline of its own name, and the clock that its watch sees."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.now_s = 0.0
        self.stores: dict[tuple[str, int], Store] = {}
        self.watch = StateWatch(name, "t.", lambda: self.stores, lambda: self.now_s)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now_s += LOOK_S
            self.watch.look()

    def told(self, metric: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"stock_tracker_pipelines_{metric}", {"pipeline": self.name, **labels})


def test_keys_and_bytes_are_those_of_all_partitions_of_a_topic() -> None:
    process = Process("sizes")
    process.stores = {("t.ssi.ticks", 0): Kept({b"a": b"123", b"b": b""}), ("t.ssi.ticks", 1): Kept({b"cc": b"4"})}
    process.look(2)
    assert process.told("state_keys", topic="ssi.ticks") == 3
    assert process.told("state_bytes", topic="ssi.ticks") == 8


def test_each_store_is_counted_again_in_its_turn() -> None:
    process, ticks, flow = Process("turns"), Kept(), Kept()
    process.stores = {("t.ssi.foreign", 0): ticks, ("t.partial.flow", 0): flow}
    process.look(2)
    ticks[b"a"] = flow[b"a"] = b"1"
    process.watch.look()
    assert process.told("state_keys", topic="ssi.foreign") == 0
    process.look(2)
    assert [process.told("state_keys", topic=topic) for topic in ("ssi.foreign", "partial.flow")] == [1, 1]


def test_what_another_process_has_taken_over_counts_no_more() -> None:
    process = Process("revoked")
    process.stores = {("t.ssi.ticks", number): Kept({b"a": b"1"}) for number in range(3)}
    process.look(3)
    assert process.told("state_keys", topic="ssi.ticks") == 3
    del process.stores["t.ssi.ticks", 1]
    process.look()
    assert process.told("state_keys", topic="ssi.ticks") == 2
    process.stores.clear()
    process.look()
    assert process.told("state_keys", topic="ssi.ticks") == 0


def test_a_recovery_lasts_until_something_is_folded_again() -> None:
    process = Process("recovery")
    assert process.told("recovery_seconds") == 0
    process.watch.recovery_begins()
    process.now_s += 4
    # A partition more, in the middle of it.
    process.watch.recovery_begins()
    process.now_s += 3
    process.watch.look()
    assert process.told("recovery_seconds") == 7
    process.look()
    assert process.told("recovery_seconds") == 7


@pytest.mark.parametrize("cells", [{}, {b"a": b"123", b"bb": b"4"}])
def test_the_stores_of_quix_are_found_with_what_is_in_them(tmp_path: Path, cells: dict[bytes, bytes]) -> None:
    manager = StateStoreManager(group_id="group", state_dir=tmp_path)
    manager.register_store("t.ssi.ticks")
    partition = manager.get_store("t.ssi.ticks").assign_partition(2)
    try:
        with partition.begin() as transaction:
            for key, value in cells.items():
                transaction.set_bytes(key, value, prefix=b"s0")
        ((place, store),) = stores_of(manager).items()
        assert place == ("t.ssi.ticks", 2)
        assert sorted(value for _, value in store.iter_items(b"")) == sorted(cells.values())
    finally:
        manager.get_store("t.ssi.ticks").revoke_partition(2)


def test_what_is_still_to_fold_is_told_by_topic_and_is_nothing_once_another_process_has_it() -> None:
    process = Process("lags")
    lags = {"t.ssi.ticks": 7, "t.partial.breadth": 0}
    process.watch = StateWatch("lags", "t.", dict, lambda: process.now_s, lambda: lags)
    process.look()
    assert [process.told("lag_messages", topic=topic) for topic in ("ssi.ticks", "partial.breadth")] == [7, 0]
    lags.clear()
    process.look()
    assert process.told("lag_messages", topic="ssi.ticks") == 0
