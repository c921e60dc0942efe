"""What can go wrong with Trino, as the errors of ours: what it means and what to do.

Knows the names of Trino's errors and the exceptions of its client. https://trino.io/docs/current/language/sql-support.html
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from plumbline.api.sources import Trino
from plumbline.aws.errors import NOT_WHOLE, AwsError, Denied, Invalid, Malformed, Throttled, Transient
from plumbline.usage.sources.polling import over_limit

if TYPE_CHECKING:
    from trino.exceptions import TrinoQueryError

_AGAIN: Final = "it is tried again in the next pass"
_UNFIT: Final = "name a table as docs/resources.md says, with its columns and partitions"
# io.trino.spi.StandardErrorCode; what is not here is a failed query.
_BY_NAME: Final[Mapping[str, tuple[type[AwsError], str, str]]] = {
    **dict.fromkeys(
        (
            "CATALOG_NOT_FOUND", "SCHEMA_NOT_FOUND", "TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "TYPE_MISMATCH",
            "FUNCTION_NOT_FOUND", "INVALID_VIEW", "MISSING_CATALOG_NAME", "NOT_SUPPORTED", "AMBIGUOUS_NAME",
            "EXPRESSION_NOT_SCALAR", "INVALID_CAST_ARGUMENT",
        ),
        (Invalid, "TableUnfit", _UNFIT),
    ),
    **dict.fromkeys(
        ("USER_CANCELED", "ADMINISTRATIVELY_KILLED", "ADMINISTRATIVELY_PREEMPTED"),
        (Transient, "QueryCancelled", f"find out who cancels queries of Trino; {_AGAIN}"),
    ),
    **dict.fromkeys(
        ("EXCEEDED_TIME_LIMIT", "EXCEEDED_CPU_LIMIT", "ABANDONED_QUERY"), (Transient, "QueryTimedOut", _AGAIN)
    ),
    "PERMISSION_DENIED": (
        Denied,
        "",
        "let the user of the source select from the table, and set query_max_scan_physical_bytes and query_max_run_time",
    ),
    "INVALID_SESSION_PROPERTY": (
        Invalid,
        "",
        "use Trino 418 or later, which knows query_max_scan_physical_bytes and query_max_run_time",
    ),
}  # fmt: skip
_STATUS: Final = re.compile(r"error (\d{3})")


@contextlib.contextmanager
def translated(config: Trino, limit: int) -> Iterator[None]:
    """Errors of Trino's client inside the block leave it as ours."""
    import requests
    from trino.exceptions import DatabaseError, HttpError, TrinoConnectionError, TrinoQueryError

    try:
        yield
    except TrinoQueryError as error:
        raise _failed(error, limit) from error
    except (TrinoConnectionError, requests.RequestException) as error:
        raise _unreachable(config, error) from error
    except (HttpError, DatabaseError) as error:
        raise _refused(config, str(error)) from error
    except NOT_WHOLE as error:
        # What answers is no Trino, or the answer is cut.
        raise Malformed(
            f"{config.url} gave an answer that is none of Trino's: {type(error).__name__}: {error}",
            remedy="check url; if this goes on, look at what lies on the way to Trino",
        ) from error


def _failed(error: TrinoQueryError, limit: int) -> AwsError:
    if error.error_name == "EXCEEDED_SCAN_LIMIT":
        return over_limit(limit + 1, limit)
    kind, reason, remedy = _BY_NAME.get(error.error_name or "", (Transient, "QueryFailed", _AGAIN))
    message = f"the query {error.query_id or ''} ended with {error.error_name}: {error.message}"
    return kind(message, reason=reason, remedy=remedy)


def _unreachable(config: Trino, error: Exception) -> AwsError:
    import requests

    cause = error.__context__ if error.__context__ is not None else error
    remedy = "check url and the network on the way to it"
    if isinstance(cause, requests.exceptions.SSLError):
        remedy = "name the authority that signed its certificate in caFile, and the name in the certificate in url"
    return Transient(f"Trino at {config.url} cannot be reached: {cause}", reason="Unreachable", remedy=remedy)


def _refused(config: Trino, text: str) -> AwsError:
    """An answer that is none to a query. `text` begins with the status."""
    found = _STATUS.search(text)
    status = int(found[1]) if found else 0
    message = f"Trino at {config.url} answered: {text[:300]}"
    if status in (401, 403):
        return Denied(message, remedy="check user, passwordFile and tokenFile of the source, and that Trino knows them")
    if status == 429:
        return Throttled(message, remedy=_AGAIN)
    if status >= 500 or status in (404, 410):
        # A coordinator that was restarted does not know the query any more.
        remedy = f"check that url is that of a coordinator of Trino, and look at its log; {_AGAIN}"
        return Transient(message, reason="Unreachable", remedy=remedy)
    return Invalid(message, remedy="check that url is that of a coordinator of Trino")
