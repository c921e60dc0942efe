"""Stores of tests: copies of an empty one that was migrated once, because migrating takes longer than most of them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from plumbline.store.database import connected, open_store


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_store(f"sqlite:///{path}").dispose()
        return path.read_bytes()


def new_store(path):
    """An engine on an empty store in a new file."""
    path.write_bytes(_empty())
    return connected(f"sqlite:///{path}")
