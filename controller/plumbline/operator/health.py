"""Liveness, readiness and metrics on one port. A thread of its own, so that it answers while the loop is busy.

Liveness says that the loop turns, never that AWS or the API server answer: restarting would not help them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

_log = structlog.get_logger()
Check = Callable[[], str]  # empty: well; else what is wrong


class Health:
    """Serves /healthz, /readyz and /metrics until closed. `port` 0 takes a free one. Raises OSError when it is taken."""

    def __init__(self, port: int, *, live: Check, ready: Check, metrics: Callable[[], str], host: str = "") -> None:
        answers: dict[str, Callable[[], tuple[int, str, str]]] = {
            "/healthz": lambda: _said(live()),
            "/readyz": lambda: _said(ready()),
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST, metrics()),
        }

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path.partition("?")[0])
                try:
                    status, kind, text = answer() if answer else (404, "text/plain", "/healthz /readyz /metrics\n")
                except Exception as error:  # noqa: BLE001
                    # Without an answer nobody would know why all series are gone.
                    _log.exception("not answered", path=self.path)
                    status, kind, text = 500, "text/plain", f"{type(error).__name__}: {error}\n"
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Probes every few seconds are no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        within = 0.1  # seconds, it ends
        threading.Thread(target=self._server.serve_forever, args=(within,), name="health", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _said(problem: str) -> tuple[int, str, str]:
    return (503, "text/plain", f"{problem}\n") if problem else (200, "text/plain", "ok\n")
