"""The one process: our operations in front of moto, faults, the call log and the control endpoints.

Knows HTTP and who answers what. Must not know any operation's content.
"""

import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from sandbox import aws, faults, inventory, protocol, shapes
from sandbox.aws import bucket
from sandbox.aws.registry import HANDLERS, MOTO, Handler
from sandbox.protocol import AwsError, Call, Reply
from sandbox.world import Principal, Settings, World

StartResponse = Callable[..., Any]
_UNKNOWN_KEY = {
    "s3": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "json": ("UnrecognizedClientException", "The security token included in the request is invalid."),
    "rest-json": ("UnrecognizedClientException", "The security token included in the request is invalid."),
}
_ANY_UNKNOWN_KEY = ("InvalidClientTokenId", "The security token included in the request is invalid.")


class Application:
    """WSGI."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults = faults.Faults()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.handlers = dict(HANDLERS)
        self.keys: dict[str, Principal] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/sandbox/"):
            return _send(self.control(environ, path), start_response)
        if bucket.serves(path):
            return _send(self.trail(environ, path), start_response)
        call = protocol.identify(environ)
        if call is None:
            error = AwsError("MissingAuthenticationToken", "Missing Authentication Token", 403)
            return _send(protocol.failure("s3", error), start_response)
        return _send(self.answer(call), start_response)

    def answer(self, call: Call) -> Reply:
        try:
            spoiling = self._admit(call.service, call.operation, call.access_key)
            call.account = self._caller(call.service, call.access_key).account
            handler = self.handlers.get((call.service, call.operation))
            reply = (self._handled(handler, call) if handler else None) or self._by_moto(call)
        except AwsError as error:
            return protocol.failure(call.service, error)
        except Exception as error:  # noqa: BLE001 - a mistake of the sandbox must reach the client in words
            message = f"{call.service}:{call.operation} failed in the sandbox: {type(error).__name__}: {error}"
            return protocol.failure(call.service, AwsError("SandboxError", message, 500))
        if spoiling == "empty" and reply.status < 300:
            reply = protocol.success(call, {})
        return _cut(reply) if spoiling == "truncate" else reply

    def _by_moto(self, call: Call) -> Reply:
        call.environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            head[:] = status, headers

        body = b"".join(self.moto(call.environ, start_response))
        return Reply(int(head[0].partition(" ")[0]), dict(head[1]), body)

    def _handled(self, handler: Handler, call: Call) -> Reply | None:
        """The reply by one of our own operations; None leaves it to moto."""
        call.params = protocol.parse(call)
        with self.world.lock:  # moto's backends and our jobs are plain objects
            result = handler(self.world, call)
        if result is MOTO:
            return None
        shape = protocol.model(call.service).operation_model(call.operation).output_shape
        wrong = list(shapes.violations(shape, result))
        if wrong:
            message = f"{call.service}:{call.operation} does not fit botocore's output shape: {'; '.join(wrong[:5])}"
            raise AwsError("SandboxShapeViolation", message, 500)
        return protocol.success(call, result)

    def trail(self, environ: dict[str, Any], path: str) -> Reply:
        method, query = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", "")
        try:
            key = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]
            spoiling = self._admit("s3", bucket.operation_of(method, path, query), key)
            account = self._caller("s3", key).account
            reply = bucket.answer(
                self.world.bucket, account, method, path, query=query, byte_range=environ.get("HTTP_RANGE", "")
            )
        except AwsError as error:
            reply = protocol.failure("s3", error)
            return Reply(reply.status, reply.headers, b"") if method == "HEAD" else reply
        if spoiling == "empty" and reply.status < 300:
            reply = Reply(reply.status, {**reply.headers, "Content-Length": "0"}, b"")
        return _cut(reply) if spoiling == "truncate" else reply

    def _caller(self, service: str, access_key: str) -> Principal:
        principal = self.keys.get(access_key) or self.world.principal(access_key)
        if principal is None:
            kind = "s3" if service == "s3" else protocol.protocol(service)
            raise AwsError(*_UNKNOWN_KEY.get(kind, _ANY_UNKNOWN_KEY), status=403)
        self.keys[access_key] = principal
        return principal

    def _admit(self, service: str, operation: str, access_key: str) -> str:
        """Log the call and let the faults strike; how the response is to be spoiled: truncate, empty, or not at all."""
        caller = self._caller(service, access_key)
        self.faults.log(caller.account, service, operation)
        struck = self.faults.strike(service, operation, caller.account)
        for rule in struck:
            if rule.kind == "slow":
                time.sleep(rule.seconds)
            elif rule.kind not in faults.SPOILING:
                raise faults.error(rule, service, operation, caller.arn)
        return next((rule.kind for rule in struck if rule.kind in faults.SPOILING), "")

    def control(self, environ: dict[str, Any], path: str) -> Reply:
        """The sandbox's own endpoints; no credentials."""
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = f"{environ['REQUEST_METHOD']} {path.removeprefix('/sandbox/')}"
        try:
            body = json.loads(content) if content else None
            return _json(self._controlled(request, body))
        except (ValueError, TypeError, AttributeError) as error:
            return _json({"error": f"{type(error).__name__}: {error}"}, 400)
        except KeyError:
            return _json({"error": f"no such endpoint: {request}"}, 404)

    def _controlled(self, request: str, body: Any) -> Any:
        if request == "GET ready":
            return {"ready": True, "asOf": self.world.behaviour.as_of.isoformat()}
        if request == "GET truth":
            with self.world.lock:
                return self.world.truth
        if request == "GET calls":
            return self.faults.counts()
        if request == "DELETE calls":
            self.faults.calls.clear()
        elif request == "POST faults":
            self.faults.add(body if isinstance(body, list) else [body])
        elif request == "DELETE faults":
            self.faults.clear()
        elif request == "GET settings":
            return vars(self.world.settings)
        elif request == "POST reset":
            self.faults.clear()
            self.faults.calls.clear()
            with self.world.lock:
                self.world.jobs.clear()
                self.world.settings = Settings()
                inventory.record(self.world.behaviour)
        elif request == "POST settings":
            for name, value in body.items():
                if name not in vars(self.world.settings):
                    raise ValueError(f"no such setting: {name}")
                setattr(self.world.settings, name, value)
        else:
            raise KeyError(request)
        return {}


def _cut(reply: Reply) -> Reply:
    """Complete as a response, cut short as a document or file."""
    body = reply.body[: len(reply.body) // 2]
    headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-length"}
    return Reply(reply.status, {**headers, "Content-Length": str(len(body))}, body)


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


def _send(reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
    headers = dict(reply.headers)
    headers.setdefault("Content-Length", str(len(reply.body)))
    phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else ""
    start_response(f"{reply.status} {phrase}", list(headers.items()))
    return [reply.body]


class _Handler(MotoRequestHandler):
    """werkzeug's handler closes each connection; clients of AWS keep theirs."""

    protocol_version = "HTTP/1.1"
    # Head and body in one packet: two small writes wait for the peer's delayed acknowledgement.
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        environ = self.make_environ()
        # Read here, so that nothing is left before the next request of the connection whoever answers.
        environ["wsgi.input"] = BytesIO(self.rfile.read(int(environ.get("CONTENT_LENGTH") or 0)))
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            head[:] = status, headers

        body = b"".join(self.server.app(environ, start_response))
        status, headers = head
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        named = {name.lower() for name, _ in headers}
        if "content-length" not in named:
            headers.append(("Content-Length", str(len(body))))
        for name, value in headers:
            if name.lower() not in ("date", "server", "connection"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def handle(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            BaseHTTPRequestHandler.handle(self)

    def handle_one_request(self) -> None:
        BaseHTTPRequestHandler.handle_one_request(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.run_wsgi
        raise AttributeError(name)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(world: World, port: int) -> BaseWSGIServer:
    """A server bound to the port, answering once serve_forever is called."""
    assert aws.__name__  # registers the operations
    return make_server("127.0.0.1", port, Application(world), threaded=True, request_handler=_Handler)
