"""Serves a site over HTTP from threads of its own. Knows sockets; must not know pages.

https://docs.python.org/3/library/http.server.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import structlog

from plumbline.dashboard.site import Answer, Site

_AT_A_TIME = 4  # pages that are made; others wait
_PATIENCE = 20.0
_log = structlog.get_logger()


class Server:
    """Answers GET and HEAD until closed; listens from the first, and frees the port at the end of `with`. `port` 0 takes a
    free one. Raises OSError when it is taken."""

    def __init__(self, site: Site, host: str, port: int) -> None:
        places = threading.BoundedSemaphore(_AT_A_TIME)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_GET(self) -> None:
                self._send(with_body=True)

            def do_HEAD(self) -> None:
                self._send(with_body=False)

            def _send(self, *, with_body: bool) -> None:
                if self.headers.get("Content-Length", "0") != "0" or self.headers.get("Transfer-Encoding"):
                    self.close_connection = True  # a body that nobody reads would be taken for the next request
                answer = self._answer()
                data = answer.body.encode()
                self.send_response(answer.status)
                for name, value in answer.all_headers().items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if with_body:
                    self.wfile.write(data)

            def _answer(self) -> Answer:
                if not places.acquire(timeout=_PATIENCE):
                    return Answer(503, "busy\n", {"Retry-After": "10"}, "text/plain")
                try:
                    return site.answer(self.path, _together(self.headers.items()))
                except Exception:  # noqa: BLE001 - a mistake of ours takes no other page with it
                    _log.exception("a page could not be made", path=self.path.partition("?")[0])
                    return Answer(500, "the page could not be made; the log says why\n", kind="text/plain")
                finally:
                    places.release()

            def version_string(self) -> str:
                return "plumbline"

            def log_message(self, form: str, *values: object) -> None:
                _log.debug("request", text=form % values)

        self._server = _Quiet((host, port), Handler)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()  # and no more: to shut down what never ran would wait for ever

    def start(self) -> None:
        threading.Thread(target=self.run, name="dashboard", daemon=True).start()

    def run(self) -> None:
        """Until another thread closes it."""
        self._server.serve_forever(poll_interval=0.1)  # within which it ends

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _together(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name in lower case. One that comes twice is joined, as HTTP says: then it is nobody's name and nobody's token."""
    found: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()  # noqa: PLW2901
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A reader who goes away is no news."""
        _log.debug("a connection ended early", exc_info=True)
