"""`plumbline paths`: which roles are reached, through which."""

import json
from pathlib import Path

import jsonschema
import pytest

from tests.cli.accounts import ACCOUNT, allow, arn, details, document, encoded, inline, role, saved, trust, user

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/paths.schema.json").read_text())
OTHER = "222222222222"
ASSUME = inline("p", allow("sts:AssumeRole"))
ALICE, ONE, TWO = arn("user", "alice"), arn("role", "one"), arn("role", "two", OTHER)


@pytest.fixture
def paths(plumbline, tmp_path):
    """The paths over two accounts."""
    here = details([role("one", ASSUME, trusts=trust({"AWS": ALICE}))], [user("alice")])
    there = details(
        [
            role(
                "two",
                account=OTHER,
                trusts=trust({"AWS": ONE}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
            )
        ]
    )
    files = [saved(tmp_path / "here.json", here), saved(tmp_path / "there.json", encoded(there))]

    def call(*arguments):
        return plumbline("paths", *arguments, *(a for file in files for a in ("--account-details", file)))

    return call


def test_shows_the_shortest_path_to_every_role(paths):
    ended = paths(ALICE)
    found = json.loads(ended.out)
    jsonschema.validate(found, SCHEMA)
    assert ended.status == 0
    assert [(p["to"], [h["to"] for h in p["hops"]]) for p in found["paths"]] == [(ONE, [ONE]), (TWO, [ONE, TWO])]
    last = found["paths"][1]["hops"][1]
    assert (last["status"], last["conditions"]) == ("conditional", ["Bool aws:MultiFactorAuthPresent"])
    assert paths(ALICE).out == ended.out


def test_asks_for_one_role(paths):
    assert [p["to"] for p in json.loads(paths(ALICE, TWO).out)["paths"]] == [TWO]
    assert paths(TWO, ONE, "--format", "table").out.startswith(f"{TWO} does not reach {ONE}\n")


def test_reads_as_a_way(paths):
    out = paths(ALICE, TWO, "--format", "table").out
    assert out.splitlines()[:3] == [
        ALICE,
        f"  -> {ONE} (trust, confirmed)",
        f"    -> {TWO} (trust, conditional if Bool aws:MultiFactorAuthPresent)",
    ]


@pytest.mark.parametrize("arguments", [("arn:aws:iam::1:role/x",), (ALICE, "arn:aws:iam::1:role/x")])
def test_who_is_not_in_the_files_is_wrong_usage(paths, arguments):
    ended = paths(*arguments)
    assert (ended.status, ended.out) == (64, "")
    assert "in the files" in ended.err


def test_without_files_there_is_nothing_to_see(plumbline):
    ended = plumbline("paths", ALICE)
    assert ended.status == 64
    assert "--account-details" in ended.err


def test_an_scp_cuts_a_path(plumbline, tmp_path):
    data = details(
        roles=[
            role("a", inline("p", allow("sts:AssumeRole"))),
            role("b", trusts=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})),
        ]
    )
    no = document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    root = {"serviceControlPolicies": [no], "accounts": [{"id": ACCOUNT, "serviceControlPolicies": [no]}]}
    details_file = saved(tmp_path / "details.json", data)
    command = ("paths", arn("role", "a"), "--account-details", details_file)
    assert len(json.loads(plumbline(*command).out)["paths"]) == 1
    found = json.loads(plumbline(*command, "--organization", saved(tmp_path / "o.json", {"root": root})).out)
    assert (found["paths"], found["assumes"]) == ([], [])
