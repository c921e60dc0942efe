"""The content of a file, unzipped where it is gzip, in chunks that the processor's cache holds until they are read.

Knows gzip and its damage; must not know what a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from isal import igzip_lib

# Larger chunks leave the cache before they are read, which takes twice as long; smaller ones cost by the chunk.
CHUNK = 1 << 16
# AWS keeps a log file below 50 MB before compression; far beyond that lies a damaged or hostile file.
MAX_BYTES = 1 << 30
_GZIP = b"\x1f\x8b"
_ERROR: type[Exception] = igzip_lib.error  # type: ignore[assignment] # the stub takes the class for an instance

Report = Callable[[str, str], None]


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
    data = stream.read(CHUNK)
    if not data.startswith(_GZIP):
        while data:
            yield data
            data = stream.read(CHUNK)
        return
    inflate = _inflater()
    while data or not (inflate.needs_input or inflate.eof):
        try:
            out = inflate.decompress(data, CHUNK)
        except _ERROR as error:
            report("Truncated", f"the gzip data is damaged: {error}")
            return
        if out:
            yield out
        data = b""
        if inflate.eof:
            data = inflate.unused_data or stream.read(CHUNK)
            if data:  # a further gzip member
                inflate = _inflater()
        elif inflate.needs_input:
            data = stream.read(CHUNK)
    if not inflate.eof:
        report("Truncated", "the gzip data ends early; what could be unzipped was read")


def _inflater() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
