"""Where each event log reads. What it showed in another place stays a use, and proves nothing of the place of today.

Knows names of sources and rows of the ledger, not what a place is.
"""

from __future__ import annotations

import sqlalchemy as sa

from plumbline.store.rows import replace_rows
from plumbline.store.schema import PARTITIONED, query_failure, source_place


def settle(engine: sa.Engine, landscape: str, source: str, place: str) -> bool:
    """Notes where a source reads; whether that is another place than before. Then what the ledger holds of it goes on under
    another name, so that every day is read in the new place; what it held of that one, before, comes back.

    `place`: a digest of all that decides which events there are, and what proves that they are all.
    """
    here = {"landscape": landscape, "source": source}
    where = [source_place.c[name] == value for name, value in here.items()]
    with engine.begin() as connection:
        known = connection.execute(sa.select(source_place.c.place).where(*where)).scalar_one_or_none()
        if known == place:
            return False
        replace_rows(connection, source_place, [here | {"place": place}])
        if known is None:
            return False
        for old, new in ((source, _aside(source, known)), (_aside(source, place), source)):
            for table in PARTITIONED:
                of = (table.c.landscape == landscape, table.c.source == old)
                connection.execute(table.update().where(*of).values(source=new))
        # A pause after failures was that of the former place.
        failures = query_failure.c
        connection.execute(query_failure.delete().where(*(failures[name] == value for name, value in here.items())))
    return True


def _aside(source: str, place: str) -> str:
    # No source that is configured has such a name.
    return f"{source}@{place[:16]}"
