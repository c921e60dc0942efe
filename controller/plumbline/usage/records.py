"""CloudTrail record files, decoded in one pass: the members that matter, in typed batches.

Knows the forms in which records are kept, and survives damaged ones. Must not know actions or principals.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, BinaryIO

import msgspec
from isal import isal_zlib

_CHUNK = 1 << 20
_ZIPPED_CHUNK = 1 << 16  # unzips to 64 MB at most
_BATCH = 512  # lines decoded together
# AWS keeps a log file below 50 MB before compression; far beyond that lies a damaged or hostile file.
MAX_BYTES = 1 << 30
_MAX_REASONS = 5
_MAX_IDENTITIES = 8192
_ZLIB_ERROR: type[Exception] = isal_zlib.error  # type: ignore[assignment] # the stub takes the class for an instance
_GZIP, _MEMBER = b"\x1f\x8b", b"\x1f\x8b\x08"
# Smaller files are unzipped at once: in steps it takes twice as long.
_ZIPPED_WHOLE, _WHOLE, _PEEK = 4 << 20, 32 << 20, 4096


class SessionIssuer(msgspec.Struct, gc=False):
    arn: str | None = None
    principalId: str | None = None  # noqa: N815


class SessionContext(msgspec.Struct, gc=False):
    sessionIssuer: SessionIssuer | None = None  # noqa: N815


class UserIdentity(msgspec.Struct, gc=False, eq=False):
    """Who made a call. Records with the same text of it share one object."""

    type: str | None = None
    principalId: str | None = None  # noqa: N815
    arn: str | None = None
    accountId: str | None = None  # noqa: N815
    invokedBy: str | None = None  # noqa: N815
    sessionContext: SessionContext | None = None  # noqa: N815


NO_VALUE = msgspec.Raw()  # what a member is that is not there


class Record(msgspec.Struct, gc=False, eq=False, kw_only=True):
    """One event. Its members are in the order in which CloudTrail writes them, which is the fastest to decode.

    `requestParameters`, `responseElements` and `resources` stay undecoded until something asks. So does the identity,
    whose text is the same for all calls of a session: `userIdentity` is put in after decoding.
    """

    identity: msgspec.Raw = msgspec.field(default=NO_VALUE, name="userIdentity")
    eventTime: Annotated[datetime, msgspec.Meta(tz=True)]  # noqa: N815
    eventSource: Annotated[str, msgspec.Meta(min_length=1)]  # noqa: N815
    eventName: Annotated[str, msgspec.Meta(min_length=1)]  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    requestParameters: msgspec.Raw = NO_VALUE  # noqa: N815
    responseElements: msgspec.Raw = NO_VALUE  # noqa: N815
    eventID: str | None = None  # noqa: N815
    resources: msgspec.Raw = NO_VALUE
    eventType: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    sharedEventID: str | None = None  # noqa: N815
    eventCategory: str | None = None  # noqa: N815
    userIdentity: UserIdentity | None = msgspec.field(default=None, name=" ")  # noqa: N815


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read. `reason`: Unreadable, Truncated, Malformed, MalformedRecord or TooLarge."""

    object: str
    reason: str
    message: str


# A batch: records in file order; None stands for one that is malformed.
Batch = list[Record | None]
Report = Callable[[str, str], None]


class _Envelope(msgspec.Struct):
    Records: list[Record] | None = None
    Events: msgspec.Raw = msgspec.Raw()
    logFiles: msgspec.Raw = msgspec.Raw()  # noqa: N815 - a digest file, which holds no events
    digestEndTime: msgspec.Raw = msgspec.Raw()  # noqa: N815
    eventName: msgspec.Raw = msgspec.Raw()  # noqa: N815 - a single record


class _RawEnvelope(msgspec.Struct):
    Records: list[msgspec.Raw]


class _LookupEvent(msgspec.Struct):
    CloudTrailEvent: str


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_RAW_ENVELOPE = msgspec.json.Decoder(_RawEnvelope)
_RECORDS = msgspec.json.Decoder(list[Record])
_RAW = msgspec.json.Decoder(msgspec.Raw)
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_RECORD = msgspec.json.Decoder(Record)
_LOOKUP = msgspec.json.Decoder(_LookupEvent)
_IDENTITY = msgspec.json.Decoder(UserIdentity | None)
_identities: dict[bytes, UserIdentity | None] = {}  # by their text
_LINES = (".jsonl", ".jsonl.gz")  # of which there may be none
_FAILURES: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)


def read(stream: BinaryIO, name: str, problems: list[Problem]) -> Iterator[Batch]:
    """All records of one file, in batches. What is damaged is added to `problems`; the rest is still given.

    Forms: `{"Records": [...]}`, a bare list, one record a line, LookupEvents output; each also gzipped, told by its
    content. Lines are streamed; a document is held as a whole (AWS keeps log files below 50 MB).
    """
    told: dict[str, int] = {}

    def report(reason: str, message: str) -> None:
        # One damaged file may hold thousands of damaged records; the first few say what is wrong.
        told[reason] = told.get(reason, 0) + 1
        if told[reason] <= _MAX_REASONS:
            problems.append(Problem(name, reason, message))

    chunks = plain(stream, report)
    head = b""
    for chunk in chunks:
        head += chunk
        if b"\n" in head.strip() or len(head) > _CHUNK:
            break
    if not head.strip() and not told and not name.endswith(_LINES):
        # AWS delivers no empty file: what was in this one is lost, and its silence is no data.
        report("Truncated", "the file is empty")
        return
    lines = _is_lines(head)
    for batch in _lines(_chain(head, chunks), report) if lines else document(b"".join((head, *chunks)), report):
        yield _identified(batch, report)


def _identified(batch: Batch, report: Report) -> Batch:
    """The batch with each record's identity decoded; those with a wrong one are malformed."""
    for place, record in enumerate(batch):
        if record is not None:
            text = bytes(record.identity)
            try:
                record.userIdentity = _identities[text]
            except KeyError:
                try:
                    record.userIdentity = _identity(text)
                except _FAILURES as error:
                    report("MalformedRecord", f"userIdentity: {error}")
                    batch[place] = None
    return batch


def _identity(text: bytes) -> UserIdentity | None:
    identity = _IDENTITY.decode(text) if text else None
    if len(_identities) >= _MAX_IDENTITIES:
        _identities.clear()
    _identities[text] = identity
    return identity


def plain(stream: BinaryIO, report: Report) -> Iterator[bytes]:
    """The stream's content in chunks, unzipped where it is gzip. What follows damage is missing and reported."""
    total = 0
    for chunk in _inflated(stream, report):
        total += len(chunk)
        if total > MAX_BYTES:
            report("TooLarge", f"more than {MAX_BYTES} bytes when unzipped; the rest was not read")
            return
        yield chunk


def _inflated(stream: BinaryIO, report: Report) -> Iterator[bytes]:
    data = stream.read(_ZIPPED_CHUNK)
    if not data.startswith(_GZIP):
        while data:
            yield data
            data = stream.read(_CHUNK)
        return
    if len(data) == _ZIPPED_CHUNK:
        data += stream.read(_ZIPPED_WHOLE)
    if len(data) < _ZIPPED_CHUNK + _ZIPPED_WHOLE and (whole := _at_once(data)) is not None:
        yield whole
    else:
        yield from _in_steps(data, stream, report)


def _in_steps(begin: bytes, stream: BinaryIO, report: Report) -> Iterator[bytes]:
    """`begin` was read from the stream already."""
    zipped = io.BytesIO(begin)
    data = zipped.read(_ZIPPED_CHUNK)
    inflate = isal_zlib.decompressobj(31)
    while data:
        try:
            out = inflate.decompress(data)
        except _ZLIB_ERROR as error:
            report("Truncated", f"the gzip data is damaged: {error}")
            return
        if out:
            yield out
        data = inflate.unused_data if inflate.eof else b""
        data = data or zipped.read(_ZIPPED_CHUNK) or stream.read(_ZIPPED_CHUNK)
        if inflate.eof and data:  # a further gzip member
            inflate = isal_zlib.decompressobj(31)
    if not inflate.eof:
        report("Truncated", "the gzip data ends early; what could be unzipped was read")


def _at_once(data: bytes) -> bytes | None:
    """What one member of gzip holds, unzipped into memory of just its size; None where it must be done in steps:
    lines, which need not be held at once, several members, and damaged data, before which something may be read."""
    size = int.from_bytes(data[-4:], "little")
    if size > _WHOLE or data.find(_MEMBER, 1) >= 0:
        return None
    try:
        if size > _CHUNK and b"\n" in isal_zlib.decompressobj(31).decompress(data[:_PEEK]):
            return None
        whole = isal_zlib.decompress(data, 31, max(size, 1))
    except _ZLIB_ERROR:
        return None
    return whole if len(whole) == size else None


def _chain(head: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks


def _is_lines(head: bytes) -> bool:
    """Whether the file holds one JSON value a line: the first line is a complete object and another line follows."""
    first, newline, rest = head.strip().partition(b"\n")
    if not newline or not first.startswith(b"{") or not rest.strip():
        return False
    try:
        _RAW.decode(first)
    except _FAILURES:
        # A damaged first line, or the start of an indented document.
        return first.strip() != b"{" and rest.lstrip().startswith(b'{"')
    return True


def _lines(chunks: Iterable[bytes], report: Report) -> Iterator[Batch]:
    rest, batch = b"", list[Record | None]()
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                batch += _line(line, report)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if rest.strip():
        batch += _line(rest, report)
    if batch:
        yield batch


def _line(line: bytes, report: Report) -> Batch:
    try:
        return [_RECORD.decode(line)]
    except _FAILURES:
        if line.lstrip().startswith((b'{"Records"', b'{"Events"', b'{"awsAccountId"')):
            return [record for batch in document(line, report) for record in batch]
        return [_record(line, report)]


def document(data: bytes, report: Report) -> Iterator[Batch]:
    """The records of one JSON document."""
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if not start:
        return
    try:
        if start == b"[":
            yield list(_RECORDS.decode(data))
            return
        envelope = _ENVELOPE.decode(data)
    except msgspec.ValidationError:
        yield from _one_by_one(data, start, report)
        return
    except _FAILURES as error:
        yield _salvaged(data, str(error), report)
        return
    if envelope.Records is not None:
        yield list(envelope.Records)
    elif envelope.Events:
        yield _looked_up(bytes(envelope.Events), report)
    elif envelope.eventName:
        yield [_record(data, report)]
    elif not (envelope.logFiles or envelope.digestEndTime):
        report("Malformed", "the file holds neither Records nor Events nor a record")
        yield []


def _one_by_one(data: bytes, start: bytes, report: Report) -> Iterator[Batch]:
    try:
        yield _each(_RAWS.decode(data) if start == b"[" else _RAW_ENVELOPE.decode(data).Records, report)
    except msgspec.ValidationError:
        report("Malformed", "Records is not a list")
    except _FAILURES as error:
        yield _salvaged(data, str(error), report)


def _each(raws: Iterable[msgspec.Raw | bytes], report: Report) -> Batch:
    result: Batch = []
    for raw in raws:
        # A bare list may also be the Events of LookupEvents.
        data = bytes(raw)
        if b'"CloudTrailEvent"' in data:
            with contextlib.suppress(*_FAILURES):
                data = _LOOKUP.decode(data).CloudTrailEvent.encode()
        result.append(_record(data, report))
    return result


def _record(data: bytes, report: Report) -> Record | None:
    try:
        return _RECORD.decode(data)
    except _FAILURES as error:
        report("MalformedRecord", str(error))
        return None


def _looked_up(data: bytes, report: Report) -> Batch:
    try:
        return _each(_RAWS.decode(data), report)
    except _FAILURES as error:
        report("Malformed", f"Events is not a list of events: {error}")
        return []


def _salvaged(data: bytes, message: str, report: Report) -> Batch:
    """The complete records of a document that is cut off or broken somewhere."""
    report("Malformed", f"{message}; the records before the damage were read")
    text = data.decode(errors="replace")
    at = text.find("[") + 1
    decoder, found = json.JSONDecoder(), list[bytes]()
    while 0 < at < len(text):
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        found.append(text[at:end].encode(errors="replace"))
        at = end
    return _each(found, report)


def records_of(data: bytes, name: str = "", problems: list[Problem] | None = None) -> Iterator[Batch]:
    """`read` for bytes that are at hand."""
    return read(io.BytesIO(data), name, [] if problems is None else problems)
