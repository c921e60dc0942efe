"""Since when our own snapshots have seen a grant as it is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from plumbline.assess.ages import BOUNDARY
from plumbline.model.snapshot import Account, Policy, Principal, Snapshot
from plumbline.store.documents import load_document, save_documents
from plumbline.store.memory import remember_grants

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LATER = FIRST + timedelta(days=1)
ARN = "arn:aws:iam::123456789012:role/app"
READ = '{"Statement":[{"Action":"s3:GetObject","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
WIDE = READ.replace("s3:GetObject", "s3:*")


def _policy(document, name="access"):
    return Policy(name, "inline", document)


ROLE = Principal(ARN, "AROA1", "role", "123456789012", "app", "/", FIRST, policies=(_policy(READ),))


def _snapshot(*principals, error=None):
    account = Account("123456789012", error=error)
    return Snapshot("default", {account.id: account}, {p.arn: p for p in principals})


@pytest.mark.parametrize(
    ("second", "policy_since", "boundary_since"),
    [
        (ROLE, FIRST, FIRST),
        (replace(ROLE, policies=(_policy(WIDE),)), LATER, FIRST),
        (replace(ROLE, boundary=_policy(READ, "limit")), FIRST, LATER),
        (replace(ROLE, unique_id="AROA2"), LATER, LATER),
        (replace(ROLE, policies=(_policy(None),)), None, FIRST),
    ],
    ids=["unchanged", "policy changed", "boundary changed", "recreated", "not readable"],
)
def test_what_changes_starts_anew_and_the_rest_stays(engine, second, policy_since, boundary_since):
    remember_grants(engine, _snapshot(ROLE), FIRST)
    found = remember_grants(engine, _snapshot(second), LATER)[ARN]
    assert (found.get("inline/access"), found[BOUNDARY]) == (policy_since, boundary_since)


def test_an_account_that_fails_keeps_what_was_known_and_one_that_is_read_forgets_what_is_gone(engine):
    remember_grants(engine, _snapshot(ROLE), FIRST)
    assert remember_grants(engine, _snapshot(error="denied"), LATER) == {}
    assert remember_grants(engine, _snapshot(ROLE), LATER)[ARN]["inline/access"] == FIRST
    remember_grants(engine, _snapshot(), LATER)
    assert remember_grants(engine, _snapshot(ROLE), LATER)[ARN]["inline/access"] == LATER


def test_documents_are_kept_once_by_however_many_workers(engine):
    texts = {f"{n:064x}": f'{{"n":{n}}}' for n in range(50)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: save_documents(engine, texts), range(16)))
    assert {digest: load_document(engine, digest) for digest in texts} == texts
    assert save_documents(engine, texts) == 0
    assert load_document(engine, "f" * 64) is None
