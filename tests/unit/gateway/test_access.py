from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from gateway.core.access import client_address, host_allowed, origin_allowed
from gateway.core.errors import InsecureBind
from gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:8080", True),
        ("http://127.0.0.1:9090", False),
        ("https://evil.example", False),
        ("null", False),
        ("http://[", False),
        ("", False),
        ("https://board.example", True),
        ("https://board.example.evil.example", False),
    ],
)
def test_only_our_own_pages_and_listed_ones_connect(origin: str | None, allowed: bool) -> None:
    assert origin_allowed(origin, "127.0.0.1:8080", ["https://board.example"]) is allowed


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("localhost:8080", True),
        ("[::1]:8080", True),
        ("board.example", True),
        ("evil.example:8080", False),
        ("[x]", False),
        ("[::1", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("board.internal:8080", True),
        ("10.0.0.7:8080", True),
        ("[fe80::7]:8080", True),
    ],
)
def test_nobody_reaches_us_by_a_foreign_name(host: str, allowed: bool) -> None:
    assert host_allowed(host, {"0.0.0.0", "board.internal"}, origins=["https://board.example"]) is allowed


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "junk", "junk"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_only_a_proxy_of_ours_says_whom_it_speaks_for(peer: str, forwarded_for: str | None, address: str) -> None:
    assert client_address(peer, forwarded_for, [ip_network("10.0.0.0/8")]) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(host: str) -> None:
    GatewaySettings(kafka={}, topic_prefix="", host=host).require_safe_bind()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.3", "gateway.example"])
def test_another_address_has_to_be_meant(host: str) -> None:
    with pytest.raises(InsecureBind, match="GATEWAY_INSECURE=true"):
        GatewaySettings(kafka={}, topic_prefix="", host=host).require_safe_bind()
    GatewaySettings(kafka={}, topic_prefix="", host=host, insecure=True).require_safe_bind()


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "9001")
    monkeypatch.setenv("GATEWAY_ORIGINS", "https://Board.example/, http://127.0.0.1:3000")
    settings = GatewaySettings(kafka={}, topic_prefix="")
    monkeypatch.setenv("GATEWAY_HOSTS", "Board.internal, board")
    monkeypatch.setenv("GATEWAY_PROXIES", "10.0.0.0/8, 192.0.2.1")
    others = GatewaySettings(kafka={}, topic_prefix="")
    assert (others.hosts, len(others.proxies)) == (frozenset({"board.internal", "board"}), 2)
    assert (settings.port, settings.origins) == (9_001, frozenset({"https://board.example", "http://127.0.0.1:3000"}))


@pytest.mark.parametrize("wrong", ["board.example", "https://board.example/app", '["https://board.example"]', "*"])
def test_what_is_no_origin_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("GATEWAY_ORIGINS", f"https://fine.example,{wrong}")
    with pytest.raises(ValidationError, match=r"an origin is a scheme, .* https://board\.example"):
        GatewaySettings(kafka={}, topic_prefix="")
