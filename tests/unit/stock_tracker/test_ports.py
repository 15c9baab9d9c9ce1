import os
import socket

import pytest

from schemas.errors import PortTaken
from stock_tracker import ports


def test_a_free_port_can_be_listened_on() -> None:
    port = ports.free_port()
    ports.require_free(port, "unused")
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.is_free(port)


def test_no_outgoing_connection_can_take_a_free_port_before_it_is_listened_on() -> None:
    chosen = [ports.free_port() for _ in range(20)]
    assert all(port in range(10_240, 32_768) for port in chosen)
    assert len(set(chosen)) > 1


def test_a_taken_port_is_said_with_its_holder_and_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            ports.require_free(port, "Stop it")
    assert str(caught.value).startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert f"(pid {os.getpid()}) listens there. Stop it" in str(caught.value)


def test_a_port_that_was_just_closed_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # the server's side closes first and so keeps the address in TIME_WAIT
        client.close()
    assert ports.is_free(port)


def test_nobody_holds_a_free_port() -> None:
    assert ports.holder(ports.free_port()) is None
