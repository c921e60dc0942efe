"""CloudTrail record files, decoded in one pass: the members that matter, in typed batches.

Knows the forms in which records are kept, and survives damaged ones. Must not know actions or principals.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Annotated, BinaryIO

import msgspec
from isal.isal_zlib import crc32

from plumbline.usage.unzip import Report, plain

_HEAD = 1 << 20  # where a line has to end in a file of lines
_BATCH = 512  # lines decoded together
_MAX_REASONS = 5
_MAX_IDENTITIES = 2048
# How CloudTrail's own files begin, and what lies between two records; within a record it could only be in a list.
_BEGIN, _BETWEEN = b'{"Records":[', b'},{"eventVersion":'


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
_identities: dict[int, tuple[msgspec.Raw, UserIdentity | None]] = {}  # with their text, by its checksum
_LINES = (".jsonl", ".jsonl.gz")  # of which there may be none
_FAILURES: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)


class _Reporter:
    """Adds problems of one file. One damaged file may hold thousands of damaged records; the first few say what is
    wrong."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.name, self._problems = name, problems
        self.told: dict[str, int] = {}

    def __call__(self, reason: str, message: str) -> None:
        self.told[reason] = self.told.get(reason, 0) + 1
        if self.told[reason] <= _MAX_REASONS:
            self._problems.append(Problem(self.name, reason, message))


def read(stream: BinaryIO, name: str, problems: list[Problem]) -> Iterator[Batch]:
    """All records of one file, in batches. What is damaged is added to `problems`; the rest is still given.

    Forms: `{"Records": [...]}`, a bare list, one record a line, LookupEvents output; each also gzipped, told by its
    content. Lines are streamed, and log files as CloudTrail writes them; any other document is held as a whole.
    """
    report = _Reporter(name, problems)
    return (_identified(batch, report) for batch in _batches(plain(stream, report), report))


def _batches(chunks: Iterator[bytes], report: _Reporter) -> Iterator[Batch]:
    head = next(chunks, b"")
    if head.startswith(_BEGIN):
        head = yield from _pieces(head, chunks)
    while b"\n" not in head.strip() and len(head) <= _HEAD and (chunk := next(chunks, b"")):
        head += chunk
    if _is_lines(head):
        yield from _lines(chain((head,), chunks), report)
    elif head.strip() or report.told or report.name.endswith(_LINES):
        yield from document(b"".join((head, *chunks)), report)
    else:
        # AWS delivers no empty file: what was in this one is lost, and its silence is no data.
        report("Truncated", "the file is empty")


def _pieces(rest: bytes, chunks: Iterator[bytes]) -> Generator[Batch, None, bytes]:
    """The records of a log file as CloudTrail writes it, some at a time: they are counted before they leave the
    processor's cache. Returns what is left, which begins as the file did: the last records, or what is not as expected.
    """
    rest = rest[len(_BEGIN) :]
    for chunk in chunks:
        end = chunk.rfind(_BETWEEN) + 1
        if end:
            piece = b"".join((b"[", rest, memoryview(chunk)[:end], b"]"))
            try:
                batch: Batch = list(_RECORDS.decode(piece))
            except _FAILURES:
                rest += chunk
                break
            yield batch
            rest = chunk[end + 1 :]
        else:
            rest += chunk
            if len(rest) > _HEAD:
                break
    return _BEGIN + rest


def _identified(batch: Batch, report: Report) -> Batch:
    """The batch with each record's identity decoded; those with a wrong one are malformed."""
    known = _identities.get
    for place, record in enumerate(batch):
        if record is not None:
            # A copy of each text for a dictionary of texts, and its hash, would take three times as long.
            text = record.identity
            number = crc32(text)
            found = known(number)
            if found is not None and found[0] == text:
                record.userIdentity = found[1]
            else:
                try:
                    record.userIdentity = _identity(number, text)
                except _FAILURES as error:
                    report("MalformedRecord", f"userIdentity: {error}")
                    batch[place] = None
    return batch


def _identity(number: int, text: msgspec.Raw) -> UserIdentity | None:
    identity = _IDENTITY.decode(text) if text else None
    if len(_identities) >= _MAX_IDENTITIES:
        _identities.clear()
    _identities[number] = text.copy(), identity
    return identity


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
    # The place that the message gives is one in `data`, which need not be the whole file.
    report("Malformed", f"{message.partition(' (byte ')[0]}; the records before the damage were read")
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
