import os
import socket
import subprocess
import sys

import pytest

from stock_tracker.chaos.cuts import cut_connections

HOLD = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(listening.getsockname()[1], flush=True)
print(client.recv(10), flush=True)
listening.accept()[0].sendall(b"still here")
sys.stdin.read()
"""
"""Listens, and holds a connection; says when that broke, and serves one more client."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent reach its child's sockets")
def test_both_ends_find_the_connection_broken_and_what_listens_goes_on_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", HOLD, str(server.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            accepted, _ = server.accept()
            with accepted:
                port = int(process.stdout.readline())
                open_before = len(os.listdir("/proc/self/fd"))
                assert cut_connections(process.pid) == 1
                assert len(os.listdir("/proc/self/fd")) == open_before
                assert accepted.recv(10) == b""
                assert process.stdout.readline() == "b''\n"
            with socket.create_connection(("127.0.0.1", port)) as client:
                assert client.recv(10) == b"still here"
            process.communicate()
