"""SSI's REST, asked over a real socket: lists, pages, tokens, and what is kept of them on the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from connectors.ssi import reference as reference_module
from connectors.ssi import rest as rest_module
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.daily import DailyTime
from connectors.ssi.core.errors import SsiUnavailable
from connectors.ssi.core.market_clock import MarketTime
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.reference import LISTS, ListName
from connectors.ssi.core.replies import TokenLife
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.reference import Reference, ReferenceCache
from connectors.ssi.rest import SsiRest
from connectors.ssi.service import REFERENCE_TIME
from connectors.ssi.settings import SsiSettings
from schemas.calendar import at
from schemas.structs import ReferenceRecord
from schemas.topics import SSI_REFERENCE
from schemas.units import TradingDay, UnixMs
from tests.hostile_hub import HostileHub, said
from tests.patience import reached

DAY = TradingDay(20261123)
NEXT = TradingDay(20261124)
HOSE = ListName("Securities", "HOSE")
EVERY = len(LISTS)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_module, "LOOK_S", 0.01)
    monkeypatch.setattr(reference_module, "TOLD_AFTER_S", 0.0)


class HandClock:
    """A market clock that a test sets by hand."""

    def __init__(self) -> None:
        self.now = MarketTime(at(DAY, 9, 0), DAY, DAY)

    def turn(self, day: TradingDay, hour: int, minute: int = 0) -> None:
        self.now = MarketTime(at(day, hour, minute), day, day)

    def read(self, wall_ms: UnixMs) -> MarketTime:
        return self.now

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        pass


@asynccontextmanager
async def asking(hub: HostileHub) -> AsyncIterator[SsiRest]:
    async with hub.serving() as url, aiohttp.ClientSession() as http:
        values: dict[str, Any] = {"consumer_id": "me", "consumer_secret": "mine", "api_url": url, "kafka": {}}
        yield SsiRest(http, SsiSettings.model_validate(values))


class Kept:
    """A connector's reference data, running, with its cache in a folder of the test."""

    def __init__(self, rest: SsiRest, folder: Path) -> None:
        self.clock = HandClock()
        self.outbox = Outbox(100_000, 10_000_000)
        self.stream = RecordStream("a", 1, self.clock, self.outbox, "ALL")
        self.cache = ReferenceCache(folder, "https://fc-data.ssi.com.vn/")
        self.reference = Reference(
            rest, self.stream, self.clock, self.cache, DailyTime(REFERENCE_TIME), SsiBackoff(lambda: 0.0, 0.02)
        )
        self._told: dict[str, ReferenceRecord] = {}

    def told(self) -> dict[str, ReferenceRecord]:
        """The last record of each symbol on ``ssi.reference``."""
        while (message := self.outbox.take()) is not None:
            if message.topic == SSI_REFERENCE.name:
                record = SSI_REFERENCE.decode(message.value).record
                self._told[record.symbol] = record
        return self._told


@asynccontextmanager
async def keeping(hub: HostileHub, folder: Path, day: TradingDay = DAY) -> AsyncIterator[Kept]:
    async with asking(hub) as rest:
        kept = Kept(rest, folder)
        kept.clock.turn(day, 9)
        await kept.reference.begin()
        task = asyncio.create_task(kept.reference.run())
        try:
            yield kept
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def empty(_: web.Request) -> web.StreamResponse:
    """What SSI answers for a while each night."""
    return said([], 0)


async def test_what_is_listed_is_joined_with_its_details_and_groups(tmp_path: Path) -> None:
    hub = HostileHub()
    async with keeping(hub, tmp_path) as kept:
        await reached(lambda: len(kept.told()) == 5, "all records")
        vnm = kept.told()["VNM"]
        assert (vnm.name, vnm.lot, vnm.groups, vnm.trading_day, vnm.as_of) == ("VNM", 100, ["VN100", "VN30"], DAY, None)
        await reached(lambda: kept.reference.old_lists == 0, "the last list")
        assert kept.reference.trouble == ""
    assert hub.asked["AccessToken"] == 1


async def test_the_lists_of_the_last_day_are_there_before_rest_has_answered(tmp_path: Path) -> None:
    async with keeping(HostileHub(), tmp_path) as kept:
        await reached(lambda: kept.cache.path.exists() and kept.reference.old_lists == 0, "the cache")
    hub = HostileHub()
    for operation in ("Securities", "SecuritiesDetails", "IndexComponents"):
        hub.odd[operation] = hub.never
    async with asking(hub) as rest:
        kept = Kept(rest, tmp_path)
        kept.clock.turn(NEXT, 8)
        await kept.reference.begin()
        # The stream begins with them: they are there before its first record is.
        days = {symbol: (record.trading_day, record.as_of) for symbol, record in kept.told().items()}
        assert days == dict.fromkeys(("ACV", "FPT", "SHS", "VNM", "41I1GC000"), (NEXT, DAY))
        assert kept.told()["VNM"].groups == ["VN100", "VN30"]
        assert kept.reference.old_lists == EVERY
        assert hub.asked == {}


@pytest.mark.parametrize("step", ["Securities", "SecuritiesDetails", "IndexComponents"])
async def test_a_list_that_is_empty_is_told_asked_for_again_and_replaced_by_the_kept_one(step: str, tmp_path: Path) -> None:
    async with keeping(HostileHub(), tmp_path) as kept:
        await reached(lambda: kept.cache.path.exists() and kept.reference.old_lists == 0, "the cache")
    hub = HostileHub()
    hub.odd[step] = empty
    async with keeping(hub, tmp_path, NEXT) as kept:
        await reached(lambda: hub.asked[step] >= 10, "the second attempt")
        await reached(lambda: f"{step} of" in kept.reference.trouble, "the trouble to be told")
        assert f"SSI gives none; that of {DAY} is used" in kept.reference.trouble
        assert kept.told()["VNM"].groups == ["VN100", "VN30"]
        assert len(kept.told()) == 5
        # Only what is missing is asked for again.
        others = {"Securities": 4, "SecuritiesDetails": 4, "IndexComponents": 3}
        assert all(hub.asked[other] == count for other, count in others.items() if other != step)
        hub.odd.clear()
        await reached(lambda: kept.reference.trouble == "", "the list")
        assert kept.reference.old_lists == 0


async def test_a_list_that_comes_at_the_next_attempt_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference_module, "TOLD_AFTER_S", 120.0)
    hub = HostileHub()
    hub.odd["Securities"] = empty
    async with keeping(hub, tmp_path) as kept:
        await reached(lambda: hub.asked["Securities"] >= 10, "another attempt")
        assert (kept.reference.trouble, kept.reference.old_lists) == ("", 4)


async def test_an_index_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    hub = HostileHub()

    async def fail_one(request: web.Request) -> web.StreamResponse:
        return web.Response(status=504) if request.query["indexCode"] == "VN100" else await hub.as_ssi(request)

    hub.odd["IndexComponents"] = fail_one
    async with keeping(hub, tmp_path) as kept:
        await reached(lambda: kept.told().get("VNM"), "the records")
        assert kept.told()["VNM"].groups == ["VN30"]
        told = "IndexComponents of VN100: HTTP 504; there is none from before"
        await reached(lambda: told in kept.reference.trouble, "the trouble to be told")


async def test_what_has_come_does_not_wait_for_lists_that_do_not(tmp_path: Path) -> None:
    hub = HostileHub()

    async def hang_after_the_first(request: web.Request) -> web.StreamResponse:
        one = request.query["indexCode"]
        return web.Response(status=504) if one == "VN30" else await hub.never(request)

    hub.odd["IndexComponents"] = hang_after_the_first
    async with keeping(hub, tmp_path) as kept:
        await reached(lambda: len(kept.told()) == 5, "the records")
        assert hub.asked["SecuritiesDetails"] == 0


async def test_the_lists_of_a_new_day_are_asked_for_in_the_morning_not_at_midnight(tmp_path: Path) -> None:
    hub = HostileHub()
    async with keeping(hub, tmp_path) as kept:
        await reached(lambda: kept.reference.old_lists == 0, "the first day's")
        asked = hub.asked["Securities"]
        kept.clock.turn(NEXT, 0)
        await reached(lambda: kept.told()["VNM"].trading_day == NEXT, "the turn of the day")
        assert kept.told()["VNM"].as_of == DAY
        assert (hub.asked["Securities"], kept.reference.trouble) == (asked, "")
        kept.clock.turn(NEXT, 8, 15)
        await reached(lambda: kept.told()["VNM"].as_of is None, "the new day's")
        assert hub.asked["Securities"] == 2 * asked


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"layout":99,"lists":{}}', b'{"layout":1,"lists":{"x":5}}', b"\xff"])
async def test_a_cache_that_cannot_be_read_is_done_without(content: bytes, tmp_path: Path) -> None:
    cache = ReferenceCache(tmp_path, "https://fc-data.ssi.com.vn/")
    cache.path.write_bytes(content)
    async with keeping(HostileHub(), tmp_path) as kept:
        await reached(lambda: kept.reference.old_lists == 0 and len(cache.load()) == EVERY, "the new cache")


async def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    async with keeping(HostileHub(), tmp_path / "file") as kept:
        await reached(lambda: kept.reference.old_lists == 0, "the lists")
        await reached(lambda: "reference data cannot be kept" in caplog.text, "the warning")


def test_each_server_has_a_cache_of_its_own(tmp_path: Path) -> None:
    urls = ("https://fc-data.ssi.com.vn/", "http://127.0.0.1:8181/", "http://127.0.0.1:8182/", "http://[::1]:8181/")
    assert len({ReferenceCache(tmp_path, url).path for url in urls}) == len(urls)
    assert all(ReferenceCache(tmp_path, url).path.parent == tmp_path for url in urls)


async def test_all_pages_of_a_list_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "PAGE_SIZE", 2)
    symbols = ["A", "B", "C", "D", "E"]
    hub = HostileHub()

    async def pages(request: web.Request) -> web.StreamResponse:
        first = (int(request.query["pageIndex"]) - 1) * 2
        return said([{"Symbol": symbol} for symbol in symbols[first : first + 2]], len(symbols))

    hub.odd["Securities"] = pages
    async with asking(hub) as rest:
        page = await rest.ask(HOSE)
    assert ([row["Symbol"] for row in page.rows], page.stated) == (symbols, 5)
    assert hub.asked["Securities"] == 3


async def test_a_token_that_is_rejected_is_fetched_anew_once() -> None:
    hub = HostileHub()

    async def reject_the_first(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer token-1":
            return web.json_response({"message": "Unauthorized", "status": 401})
        return await hub.as_ssi(request)

    hub.odd["Securities"] = reject_the_first
    async with asking(hub) as rest:
        assert len((await rest.ask(HOSE)).rows) == 2
    assert hub.asked["AccessToken"] == 2


async def test_several_who_want_a_token_cause_one_fetch() -> None:
    hub = HostileHub()
    async with asking(hub) as rest:
        assert set(await asyncio.gather(*(rest.token() for _ in range(5)))) == {"token-1"}


@pytest.mark.parametrize("good_s", [3600.0, 0.0])
async def test_a_token_that_cannot_be_renewed_ahead_is_used_as_long_as_it_is_good(
    good_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_module, "life_of", lambda *_: TokenLife(good_s, 0.0))
    hub = HostileHub()
    async with asking(hub) as rest:
        assert await rest.token() == "token-1"
        hub.odd["AccessToken"] = lambda _: _answer(503)
        if good_s:
            assert await rest.token() == "token-1"
            assert not await rest.renew()
        else:
            with pytest.raises(SsiUnavailable):
                await rest.token()
        hub.odd.clear()
        assert await rest.renew()
        assert hub.tokens == 2


async def _answer(status: int) -> web.StreamResponse:
    return web.Response(status=status)


async def test_a_token_does_not_wait_for_a_list_that_is_slow_to_come() -> None:
    hub = HostileHub()
    hub.odd["Securities"] = hub.never
    async with asking(hub) as rest:
        asking_for_it = asyncio.create_task(rest.ask(HOSE))
        await reached(lambda: hub.asked["Securities"], "the slow call")
        rest.forget_token()
        assert await rest.token() == "token-2"
        asking_for_it.cancel()
        await asyncio.gather(asking_for_it, return_exceptions=True)


async def test_a_reply_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.ssi.calls.MAX_BODY_BYTES", 1_000_000)
    hub = HostileHub()

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionError:
            return response

    hub.odd["Securities"] = pour
    async with asking(hub) as rest:
        with pytest.raises(SsiUnavailable, match="longer than 1000000 bytes"):
            await rest.ask(HOSE)
