"""The trail's bucket over S3's REST interface, straight from the event store.

moto looks at every key for each listing; here the keys are sorted once.
"""

from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

from sandbox import organization as org
from sandbox.protocol import REQUEST_ID, AwsError, Reply, model
from sandbox.shapes import violations
from sandbox.trail import Bucket, Object

ROOT = f"/{org.TRAIL_BUCKET}"
XML = {"Content-Type": "application/xml", "x-amz-request-id": REQUEST_ID}
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


def serves(path: str) -> bool:
    return path == ROOT or path.startswith(ROOT + "/")


def operation_of(method: str, path: str, query: str) -> str:
    """S3's name of the call, for the call log and the faults."""
    key = path[len(ROOT) + 1 :]
    if key:
        return {"GET": "GetObject", "HEAD": "HeadObject"}.get(method, f"{method.title()}Object")
    if method == "HEAD":
        return "HeadBucket"
    for marker, name in (
        ("location", "GetBucketLocation"),
        ("list-type=2", "ListObjectsV2"),
        ("policy", "GetBucketPolicy"),
    ):
        if method == "GET" and marker in query:
            return name
    return "ListObjects" if method == "GET" else f"{method.title()}Bucket"


def answer(bucket: Bucket, account: str, method: str, path: str, *, query: str = "", byte_range: str = "") -> Reply:
    # The bucket policy lets in the log archive's own account; the management account owns the trail.
    if account not in (org.SECURITY, org.MANAGEMENT):
        raise AwsError("AccessDenied", "Access Denied", 403)
    name = operation_of(method, path, query)
    if name in ("GetObject", "HeadObject"):
        return _object(bucket, unquote(path[len(ROOT) + 1 :]), name == "GetObject", byte_range)
    if name == "ListObjectsV2":
        return _listing(bucket, parse_qs(query, keep_blank_values=True))
    if name == "HeadBucket":
        return Reply(200, {**XML, "x-amz-bucket-region": org.HOME_REGION}, b"")
    if name == "GetBucketLocation":
        return Reply(200, XML, f"<LocationConstraint {_NAMESPACE}/>".encode())
    raise AwsError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)


def _object(bucket: Bucket, key: str, with_body: bool, byte_range: str) -> Reply:
    found = bucket.objects.get(key)
    if found is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", 404, Key=key)
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "Content-Length": str(len(found.body)),
        "ETag": found.etag,
        "Last-Modified": formatdate(found.modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "x-amz-request-id": REQUEST_ID,
    }
    if "/CloudTrail-Digest/" in key:
        headers |= {"x-amz-meta-signature": "00" * 32, "x-amz-meta-signature-algorithm": "SHA256withRSA"}
    body, status = found.body, 200
    if byte_range.startswith("bytes="):
        first, _, last = byte_range[6:].partition("-")
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(int(last) + 1, len(body)) if first and last else len(body)
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(body)}"
        body, status = body[start:stop], 206
        headers["Content-Length"] = str(len(body))
    return Reply(status, headers, body if with_body else b"")


def list_objects(bucket: Bucket, query: dict[str, list[str]]) -> dict[str, Any]:
    """One page, by the output shape of ListObjectsV2."""
    one = {key: values[0] for key, values in query.items()}
    prefix, delimiter = one.get("prefix", ""), one.get("delimiter", "")
    limit = min(int(one.get("max-keys", 1000)), 1000)
    marker = one.get("continuation-token") or one.get("start-after", "")
    contents: list[dict[str, Any]] = []
    folders: list[str] = []
    index, last = bucket.after(prefix, marker), marker
    keys = bucket.keys
    while index < len(keys) and keys[index].startswith(prefix) and len(contents) + len(folders) < limit:
        key = keys[index]
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            contents.append(_entry(bucket.objects[key]))
            last, index = key, index + 1
        else:
            folder = key[: cut + len(delimiter)]
            folders.append(folder)
            last = folder + "\U0010ffff"  # beyond every key of the folder
            index = bucket.after(prefix, last)
    truncated = index < len(keys) and keys[index].startswith(prefix)
    page: dict[str, Any] = {
        "Name": org.TRAIL_BUCKET,
        "Prefix": prefix,
        "MaxKeys": limit,
        "KeyCount": len(contents) + len(folders),
        "IsTruncated": truncated,
    }
    optional = {
        "Delimiter": delimiter,
        "ContinuationToken": one.get("continuation-token"),
        "StartAfter": one.get("start-after"),
        "EncodingType": one.get("encoding-type"),
        "NextContinuationToken": last if truncated else None,
        "Contents": contents,
        "CommonPrefixes": [{"Prefix": f} for f in folders],
    }
    return page | {k: v for k, v in optional.items() if v}


def _entry(found: Object) -> dict[str, Any]:
    modified = datetime.fromtimestamp(found.modified, UTC)
    return {
        "Key": found.key,
        "LastModified": modified,
        "ETag": found.etag,
        "Size": len(found.body),
        "StorageClass": "STANDARD",
    }


def _listing(bucket: Bucket, query: dict[str, list[str]]) -> Reply:
    page = list_objects(bucket, query)
    wrong = list(violations(model("s3").operation_model("ListObjectsV2").output_shape, page))
    if wrong:
        raise AwsError("InternalError", "; ".join(wrong), 500)
    return Reply(
        200,
        XML,
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult {_NAMESPACE}>{_xml(page)}</ListBucketResult>'.encode(),
    )


def _xml(value: Any) -> str:
    # Keys hold only characters that need no URL encoding, so encoding-type=url changes nothing.
    if isinstance(value, dict):
        return "".join(
            "".join(f"<{k}>{_xml(item)}</{k}>" for item in (v if isinstance(v, list) else [v]))
            for k, v in value.items()
        )
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return escape(str(value))
