import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from connectors.ssi.calls import call, proxy_for
from connectors.ssi.core.errors import SsiUnavailable

REST = "https://fc-data.ssi.com.vn/api/v2/Market/Securities"
STREAM = "wss://fc-datahub.ssi.com.vn/v2.0/signalr/connect?transport=webSockets"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_a_proxy_in_the_environment_there_is_none() -> None:
    assert proxy_for(REST, "Securities") is None
    assert proxy_for(STREAM, "connect") is None


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("value", ["http://proxy.example:3128", "proxy.example:3128"])
def test_the_stream_takes_the_proxy_of_rest(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    for url in (REST, STREAM):
        assert proxy_for(url, "call") == "http://proxy.example:3128"


@pytest.mark.parametrize("hosts", ["ssi.com.vn", ".ssi.com.vn", "example.com, fc-data.ssi.com.vn,fc-datahub.ssi.com.vn", "*"])
def test_hosts_that_need_no_proxy_get_none(hosts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", hosts)
    for url in (REST, STREAM):
        assert proxy_for(url, "call") is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:8181/", "ws://localhost:8181/", "http://[::1]:8181/"])
def test_this_machine_is_reached_directly(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert proxy_for(url, "call") is None


def test_a_proxy_that_cannot_be_used_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:hidden@proxy.example:1080")
    with pytest.raises(SsiUnavailable, match="names no http") as caught:
        proxy_for(REST, "Securities")
    assert "hidden" not in str(caught.value)


@asynccontextmanager
async def a_proxy(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that answers every request with ``answer``; its port, and the first lines of the requests."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readline())
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], requests


async def test_a_proxy_that_refuses_is_told_from_ssi(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with a_proxy(refusal) as (port, requests), aiohttp.ClientSession() as http:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{port}")
        with pytest.raises(SsiUnavailable, match="the proxy answers HTTP 407") as caught:
            await call(http, "GET", REST, "Securities")
    assert requests == [b"CONNECT fc-data.ssi.com.vn:443 HTTP/1.1\r\n"]
    assert "hidden" not in str(caught.value)


async def test_a_proxy_that_is_not_there_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_proxy(b"") as (port, _):
        pass
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{port}")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(SsiUnavailable, match=r"127\.0\.0\.1") as caught:
            await call(http, "GET", REST, "Securities")
    assert "hidden" not in str(caught.value)
