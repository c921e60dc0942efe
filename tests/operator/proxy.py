"""A proxy between an operator and its API server that can be told to fail, request by request. Knows HTTP and TLS, and
that a watch is an answer that does not end; knows nothing of what is in the answers."""

import asyncio
import contextlib
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Fault:
    """What happens to requests like `pattern`, which is searched in "METHOD /path?query". `status`: answered so, and not
    passed on. `reset`: the connection breaks instead. `lost`: it breaks when the request has been done, before the
    answer. `hold`: the request waits for the end of the fault, and is passed on then. `struck`: when it did."""

    pattern: str
    status: int = 0
    reason: str = ""
    retry_after: int | None = None
    reset: bool = False
    lost: bool = False
    hold: bool = False
    times: int | None = None
    struck: list[float] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, request: str) -> bool:
        if not re.search(self.pattern, request) or (self.times is not None and len(self.struck) >= self.times):
            return False
        self.struck.append(time.monotonic())
        return True

    def answer(self) -> web.Response:
        said = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.status,
            "reason": self.reason,
            "message": f"{HTTPStatus(self.status).phrase}: by the proxy",
        }
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return web.json_response(said, status=self.status, headers=headers)


class Proxy:
    """`requests`: when each request came, and what it was. Thread-safe; serves from `running` to the end of its block."""

    def __init__(self, upstream: Callable[[], str], trusted: ssl.SSLContext, own: ssl.SSLContext) -> None:
        self._upstream, self._trusted, self._own = upstream, trusted, own
        self.url = ""
        self.requests: list[tuple[float, str]] = []
        self._faults: list[Fault] = []
        self._watches: dict[web.StreamResponse, web.Request] = {}
        self._loop = asyncio.new_event_loop()

    @contextlib.contextmanager
    def fault(self, pattern: str, **what: object) -> Iterator[Fault]:
        made = Fault(pattern, **what)
        self._faults.append(made)
        try:
            yield made
        finally:
            self._faults.remove(made)
            self._loop.call_soon_threadsafe(made.ended.set)

    def cut_watches(self, last_words: object = None) -> int:
        """Ends all watches, after an event of these words if any; how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(last_words), self._loop).result(10)

    async def _cut(self, last_words: object) -> int:
        cut, self._watches = self._watches, {}
        for response, request in cut.items():
            if request.transport is None:
                continue
            if last_words is None:
                request.transport.abort()
            else:
                await response.write(json.dumps(last_words).encode() + b"\n")
                request.transport.close()
        return len(cut)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        what = f"{request.method} {request.path_qs}"
        self.requests.append((time.monotonic(), what))
        body = await request.read()
        for fault in list(self._faults):
            if fault.strikes(what):
                if fault.status:
                    return fault.answer()
                if fault.reset:
                    return _broken(request)
                if fault.lost:
                    await self._passed_on(request, body, silent=True)
                    return _broken(request)
                await fault.ended.wait()
        try:
            return await self._passed_on(request, body)
        except aiohttp.ClientError:
            return _broken(request)

    async def _passed_on(self, request: web.Request, body: bytes, *, silent: bool = False) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._upstream()}{request.path_qs}"
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(
                request.method,
                url,
                data=body or None,
                headers=headers,
                ssl=self._trusted,
                skip_auto_headers=("Content-Type", "Accept"),
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            if silent:
                await answer.read()
                return response
            try:
                await response.prepare(request)
                if "watch=true" in request.query_string:
                    self._watches[response] = request
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            finally:
                self._watches.pop(response, None)
            return response

    async def _serve(self, ready: threading.Event, end: asyncio.Event) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._own)
        await site.start()
        self.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await end.wait()
        await self._cut(None)
        await runner.cleanup()


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextlib.contextmanager
def running(control_plane) -> Iterator[Proxy]:
    """A proxy before this control plane, with the same certificate."""
    trusted = ssl.create_default_context(cafile=control_plane.ca_file)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(control_plane.folder / "api-server.crt", control_plane.folder / "api-server.key")
    proxy = Proxy(lambda: control_plane.url, trusted, own)
    ready, end = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=proxy._loop.run_until_complete, args=(proxy._serve(ready, end),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(end.set)
        thread.join(10)
        proxy._loop.close()
