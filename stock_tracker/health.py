"""``/healthz``, ``/readyz`` and ``/metrics`` for services that serve no HTTP otherwise, on a thread of their own.

``/healthz`` answers as long as the process runs. ``/readyz`` answers 200 when the service is ready, else 503 with the reason that
the service gave.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

LOOPBACK = "127.0.0.1"
HOST_NAME = "STOCK_TRACKER_HEALTH_HOST"
"""The variable with the address that health is served on: in a container those who ask come from outside of it."""
_TEXT = "text/plain; charset=utf-8"


class HealthServer:
    """Serves the health of a service until it is closed. Port 0 takes any free port."""

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        self._reason = "still starting"
        server = ThreadingHTTPServer((host, port), self._handler())
        server.daemon_threads = True
        self._server = server
        self.port: int = server.server_address[1]
        """The port that it listens on."""
        self._thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def report(self, reason: str) -> None:
        """Take the reason why the service is not ready; an empty text means that it is ready."""
        self._reason = reason

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/healthz":
                return 200, _TEXT, b"ok\n"
            case "/readyz":
                return (503, _TEXT, f"{self._reason}\n".encode()) if self._reason else (200, _TEXT, b"ok\n")
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest()
        return 404, _TEXT, b"there are /healthz, /readyz and /metrics\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content_type, body = answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Log nothing: health is asked for every few seconds."""

        return Handler
