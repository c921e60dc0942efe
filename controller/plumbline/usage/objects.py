"""Where log objects lie: a folder or a bucket behind one small interface. Knows keys and bytes, not what they hold."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from plumbline.aws.errors import translated, whole


class Listed(NamedTuple):
    """An object as a listing shows it. `tag` changes when its content does."""

    key: str
    tag: str


class ObjectStore(Protocol):
    """Objects by key; keys use `/`. Methods raise OSError or plumbline.aws.errors.AwsError."""

    def listing(self, prefix: str) -> list[Listed]:
        """All objects below a prefix that ends in `/` (or is empty), sorted by key."""
        ...

    def folders(self, prefix: str) -> list[str]:
        """The names of the folders directly below a prefix, sorted."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object's bytes."""
        ...


class Folder:
    """Objects in a folder of the file system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def listing(self, prefix: str) -> list[Listed]:
        if not self._root.is_dir():
            raise NotADirectoryError(f"there is no folder {str(self._root)!r}")
        return sorted(self._walk(self._root / prefix))

    def _walk(self, folder: Path) -> Iterator[Listed]:
        if not folder.is_dir():
            return
        for entry in os.scandir(folder):
            if entry.is_dir():
                yield from self._walk(Path(entry.path))
            elif entry.is_file():
                stat = entry.stat()
                key = Path(entry.path).relative_to(self._root).as_posix()
                yield Listed(key, f"{stat.st_size}-{stat.st_mtime_ns}")

    def folders(self, prefix: str) -> list[str]:
        folder = self._root / prefix
        return sorted(e.name for e in os.scandir(folder) if e.is_dir()) if folder.is_dir() else []

    def path(self, key: str) -> str:
        """Where the object lies."""
        return str(self._root / key)

    def open(self, key: str) -> BinaryIO:
        return (self._root / key).open("rb")


class Bucket:
    """Objects in an S3 bucket. The client (boto3 or botocore) is the caller's, with its Region, role and limits.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, .../API_GetObject.html
    """

    def __init__(self, client: Any, bucket: str, account: str | None = None) -> None:
        """`account`: whose credentials the client has, for error messages."""
        self._client, self._bucket, self._account = client, bucket, account

    def listing(self, prefix: str) -> list[Listed]:
        pages = self._pages(Bucket=self._bucket, Prefix=prefix)
        with whole("s3", "ListObjectsV2", self._account):
            return sorted(Listed(item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", ()))

    def folders(self, prefix: str) -> list[str]:
        pages = self._pages(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
        with whole("s3", "ListObjectsV2", self._account):
            found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())]
            return sorted(name[len(prefix) :].rstrip("/") for name in found)

    def open(self, key: str) -> BinaryIO:
        with translated("s3", "GetObject", self._account):
            return io.BytesIO(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def _pages(self, **parameters: Any) -> list[Any]:
        with translated("s3", "ListObjectsV2", self._account):
            pages = list(self._client.get_paginator("list_objects_v2").paginate(**parameters))
        with whole("s3", "ListObjectsV2", self._account):
            for page in pages:
                if len(page.get("Contents", ())) + len(page.get("CommonPrefixes", ())) < page["KeyCount"]:
                    raise ValueError("it says that it has more")
            if pages[-1]["IsTruncated"]:
                raise ValueError("it says that there is more, but not where")
        return pages
