"""From an HTTP request to the AWS call it is, and from a result or error to the response of the service's protocol.

Knows botocore's service models. Must not know any particular operation.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
# Signing names that differ from botocore's service names.
SERVICES = {"access-analyzer": "accessanalyzer", "states": "stepfunctions", "monitoring": "cloudwatch"}


class AwsError(Exception):
    """An error as the service answers it."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, members


@dataclass
class Call:
    service: str
    operation: str
    region: str
    access_key: str
    environ: dict[str, Any]
    body: bytes
    account: str = ""
    params: dict[str, Any] = field(default_factory=dict)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@cache
def model(service: str) -> Any:
    return get_service_model(service)


@cache
def router(service: str) -> Any:
    return get_service_router(service)


def identify(environ: dict[str, Any]) -> Call | None:
    """The call behind a signed request; None where nothing says which service is meant."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) != 5:
        return None
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = BytesIO(body)
    call = Call(SERVICES.get(scope[3], scope[3]), "", scope[2], scope[0], environ, body)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        call.operation = target.rsplit(".", 1)[-1]
    elif environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        call.operation = parse_qs(body.decode()).get("Action", [""])[0]
    else:
        call.operation = _routed(call)
    return call


def _routed(call: Call) -> str:
    try:
        operation, _ = router(call.service).match(Request(dict(call.environ)))
        return str(operation.name)
    except (UnknownServiceError, HTTPException, NotImplementedError):  # moto answers; the log shows it under "unknown"
        return "unknown"


def parse(call: Call) -> dict[str, Any]:
    """The call's parameters by botocore's input shape."""
    operation = model(call.service).operation_model(call.operation)
    request: Any = Request(dict(call.environ) | {"wsgi.input": BytesIO(call.body)})
    uri: Any = {}
    if protocol(call.service).startswith("rest"):
        _, uri = router(call.service).match(request)
    parser = PROTOCOL_PARSERS[protocol(call.service)](operation, map_type=dict)
    parsed = parser.parse(
        {
            "method": request.method,
            "values": request.values,
            "headers": request.headers,
            "body": request.data or call.body,
            "url_path": unquote(request.path),
            "url_params": uri,
        }
    )
    return dict(parsed or {})


@cache
def protocol(service: str) -> str:
    try:
        return str(model(service).protocol)
    except UnknownServiceError:
        return "json"


def success(call: Call, result: dict[str, Any]) -> Reply:
    operation = model(call.service).operation_model(call.operation)
    serializer = get_serializer_class(call.service, protocol(call.service))(
        operation_model=operation, pretty_print=False
    )
    answer = serializer.serialize(result)
    body = answer["body"]
    headers = {**answer["headers"], "x-amzn-RequestId": REQUEST_ID}
    return Reply(answer["status_code"], headers, body.encode() if isinstance(body, str) else body)


def failure(service: str, error: AwsError) -> Reply:
    """An error in the form of the service's protocol."""
    kind = protocol(service)
    headers = {"x-amzn-RequestId": REQUEST_ID}
    if kind in ("json", "rest-json", "smithy-rpc-v2-cbor"):
        content: dict[str, Any] = {"message": error.message, **error.members}
        if kind == "json":
            content = {"__type": error.code, **content}
        headers |= {
            "x-amzn-ErrorType": error.code,
            "Content-Type": "application/x-amz-json-1.1" if kind == "json" else "application/json",
        }
        return Reply(error.status, headers, json.dumps(content).encode())
    headers["Content-Type"] = "text/xml"
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if kind == "rest-xml":
        extra = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in error.members.items())
        text = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}{extra}<RequestId>{REQUEST_ID}</RequestId></Error>'
        )
    elif kind == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{REQUEST_ID}</RequestID></Response>"
    else:
        blame = "Sender" if error.status < 500 else "Receiver"
        namespace = model(service).metadata.get("xmlNamespace", "")
        text = f'<ErrorResponse xmlns="{namespace}"><Error><Type>{blame}</Type>{inner}</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>'
    return Reply(error.status, headers, text.encode())
