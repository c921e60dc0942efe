"""Complete policy documents by digest, for objects that have no room for them. No AWS, no clock."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from plumbline.store.schema import document


def save_documents(engine: sa.Engine, texts: Mapping[str, str]) -> int:
    """Keeps the texts that are not there yet; how many were new. Two workers may bring the same one at once."""
    if not texts:
        return 0
    with engine.connect() as connection:
        known = set(
            connection.execute(sa.select(document.c.digest).where(document.c.digest.in_(list(texts)))).scalars()
        )
    fresh = [{"digest": digest, "text": text} for digest, text in sorted(texts.items()) if digest not in known]
    insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert
    if fresh:
        # Apart from the reading: on SQLite a transaction that has read may not write once another has written.
        with engine.begin() as connection:
            connection.execute(insert(document).values(fresh).on_conflict_do_nothing())
    return len(fresh)


def load_document(engine: sa.Engine, digest: str) -> str | None:
    with engine.connect() as connection:
        return connection.execute(sa.select(document.c.text).where(document.c.digest == digest)).scalar_one_or_none()
