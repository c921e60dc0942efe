"""An answer that was cut short, or that is not of AWS, is a failure and never an empty result.

botocore reads a JSON body that it cannot parse, or an empty one, as an answer without any member, so that half a list
of accounts would look like none; a foreign XML document ends it with a KeyError.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.parsers import ResponseParserError

# Root elements of S3, which follow no rule. Without this an empty answer would be an empty bucket.
_ROOTS = {"ListObjectsV2": "ListBucketResult"}


def install(events: Any) -> None:
    """Checks every answer to clients that are made from these events (of a botocore session or client)."""
    events.register("before-parse.*.*", refuse_broken, unique_id="plumbline-answers")


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


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
