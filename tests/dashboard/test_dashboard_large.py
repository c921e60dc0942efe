"""10,000 roles: pages stay small and come quickly once the analysis is made, and one file stays one that opens."""

import time

import pytest

from plumbline.dashboard import pages
from plumbline.dashboard.lists import Query
from tests.cli.accounts import allow, details, inline, role, saved, trust
from tests.dashboard.worlds import NOW, of_files_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ACCOUNTS, ROLES = 50, 200


def account(number):
    """A chain of roles, each of which can become the next; every third is an administrator."""
    name = f"{100000000000 + number}"
    return details(
        roles=[
            role(
                f"role-{at}",
                inline("p", allow("*") if at % 3 == 0 else allow("s3:*", "sqs:SendMessage", "ec2:Describe*")),
                account=name,
                trusts=trust({"AWS": f"arn:aws:iam::{name}:role/role-{max(at - 1, 0)}"}),
                CreateDate="2025-01-01T00:00:00Z",
            )
            for at in range(ROLES)
        ]
    )


def test_ten_thousand_roles_render(tmp_path):
    files = [saved(tmp_path / f"{number}.json", account(number)) for number in range(ACCOUNTS)]
    picture = of_files_in(files)
    assert len(picture.by_risk) == ACCOUNTS * ROLES
    pages.overview(picture, NOW)  # sums are made once
    made = {
        "overview": lambda: pages.overview(picture, NOW),
        "list": lambda: pages.principals(picture, NOW, Query(page=50, sort="name")),
        "search": lambda: pages.principals(picture, NOW, Query(text="role-199")),
        "role": lambda: pages.principal(picture, NOW, picture.by_risk[0].principal.arn),
        "coverage": lambda: pages.coverage(picture, NOW, 1),
    }
    for name, page in made.items():
        began = time.perf_counter()
        size = len(page().encode())
        assert size < 200_000, (name, size)
        assert time.perf_counter() - began < 10, name
    assert "Page 50 of 100" in pages.principals(picture, NOW, Query(page=50))
    file = pages.one_file(picture)
    assert len(file.encode()) < 8_000_000
    assert "8,000 more, of lower risk, are not listed here" in file
