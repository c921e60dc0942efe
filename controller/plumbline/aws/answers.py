"""An answer that was cut short, or that is not of AWS, is a failure and never an empty result.

botocore reads a JSON body that it cannot parse, or an empty one, as an answer without any member, so that half a list
of accounts would look like none. A foreign XML document, or a member of another type than that of the model, ends it with
whatever exception comes first, or is read as if it were right.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory

from plumbline.aws.errors import NOT_WHOLE

# Root elements of S3, which follow no rule. Without this an empty answer would be an empty bucket.
_ROOTS = {"ListObjectsV2": "ListBucketResult"}
# Types of the models. Numbers are left out: what needs one makes one.
_TYPES = {
    "blob": bytes,
    "boolean": bool,
    "list": list,
    "map": dict,
    "string": str,
    "structure": dict,
    "timestamp": datetime,
}


def install(session: Any) -> None:
    """Checks every answer to clients that are made from this session of botocore."""
    events = session.get_component("event_emitter")
    events.register("before-parse.*.*", refuse_broken, unique_id="plumbline-answers")
    session.register_component("response_parser_factory", Parsers())


class Parsers(ResponseParserFactory):  # type: ignore[misc]  # botocore has no types
    """botocore's parsers, but whatever they raise is ResponseParserError, and each member has the type of the model."""

    def create_parser(self, protocol_name: str) -> Any:
        parser = super().create_parser(protocol_name)
        parse, member_of = parser.parse, parser._parse_shape  # noqa: SLF001  # botocore has no public way

        def parsed(response: Any, shape: Any) -> Any:
            try:
                return parse(response, shape)
            except NOT_WHOLE as error:
                raise ResponseParserError(f"the answer has another form than the documented one: {error}") from error

        def member(shape: Any, node: Any) -> Any:
            if "location" not in shape.serialization and _is_other(shape.type_name, node):
                raise TypeError(f"{shape.name} is no {shape.type_name}")
            found = member_of(shape, node)
            if not isinstance(found, _TYPES.get(shape.type_name, object)):
                raise TypeError(f"{shape.name} is no {shape.type_name}")
            return found

        parser.parse, parser._parse_shape = parsed, member  # noqa: SLF001
        return parser


def refuse_broken(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    """Handler of `before-parse`: raises ResponseParserError unless a successful answer is whole.

    Members are not checked: AWS leaves out some that its models call required, such as the end of a running job. XML
    that is cut short botocore refuses by itself, with the same error as here.
    """
    shape, model = operation_model.output_shape, operation_model
    if response_dict["status_code"] >= 300 or shape is None or not shape.members or model.has_streaming_output:
        return
    body: bytes = response_dict["body"]
    protocol = model.service_model.resolved_protocol
    root = f"{model.name}Response" if protocol == "query" else _ROOTS.get(model.name, "")
    if root and f"<{root}".encode() not in body[:512]:
        raise ResponseParserError("the answer is another document")
    if "json" in protocol and not _is_object(body):
        raise ResponseParserError("the answer is no whole JSON object")


def _is_other(kind: str, node: Any) -> bool:
    """What botocore would take for a list or a structure: the letters of a text, the names in an object, and in XML a text
    where elements belong."""
    if isinstance(node, str | dict):
        return kind == "list"
    return kind in {"list", "map", "structure"} and bool((getattr(node, "text", None) or "").strip())


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
