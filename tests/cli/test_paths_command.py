"""`plumbline paths`: which roles are reached, through which."""

import json

import pytest

from tests.cli.accounts import ACCOUNT, allow, arn, details, document, encoded, inline, role, saved, trust, user
from tests.schemas import schema

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
    schema("paths").validate(found)
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


UNREAD = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole"}}  # of nobody
PARTNER = arn("role", "import", "999999999999")


def asked(plumbline, tmp_path, *roles, source=ALICE, to=(), form="json", users=()):
    file = saved(tmp_path / "details.json", details(list(roles), users or [user("alice")]))
    return plumbline("paths", source, *to, "--account-details", file, "--format", form)


def test_a_role_whose_trust_policy_could_not_be_read_is_named(plumbline, tmp_path):
    lost, one = arn("role", "lost"), role("one", trusts=trust({"AWS": ALICE}))
    unread, closed = role("lost", ASSUME, trusts=UNREAD), role("two", trusts=trust({"AWS": lost}))
    ended = asked(plumbline, tmp_path, one, unread)
    found = json.loads(ended.out)
    schema("paths").validate(found)
    told = f"the trust policy of {lost} could not be read; who can assume it is not shown"
    assert (ended.status, [way["to"] for way in found["paths"]]) == (2, [ONE])
    assert told in found["assumes"]
    # On the way to a role: it leads to `two`, and not to `one`.
    ended = asked(plumbline, tmp_path, one, unread, closed, to=[arn("role", "two")], form="table")
    assert ended.status == 2
    assert ended.out.splitlines()[0] == f"whether {ALICE} reaches {arn('role', 'two')} is not known"
    assert f"assumed: {told}" in ended.out.splitlines()
    no_way = role("three", trusts=trust({"Service": "ec2.amazonaws.com"}))
    ended = asked(plumbline, tmp_path, no_way, unread, to=[arn("role", "three")], form="table")
    assert (ended.status, ended.out.splitlines()[0]) == (0, f"{ALICE} does not reach {arn('role', 'three')}")
    # Of a way that is found it is no matter whether there is another.
    ended = asked(plumbline, tmp_path, one, unread, to=[ONE])
    assert (ended.status, len(json.loads(ended.out)["paths"])) == (0, 1)
    assert asked(plumbline, tmp_path, one).status == 0


def test_a_role_outside_of_the_files_is_reached_and_leads_nobody_knows_where(plumbline, tmp_path):
    users = [user("alice", inline("p", allow("sts:AssumeRole", resource=PARTNER)))]
    ended = asked(plumbline, tmp_path, users=users)
    found = json.loads(ended.out)
    schema("paths").validate(found)
    hop = {
        "from": ALICE,
        "to": PARTNER,
        "basis": "identity",
        "status": "unconfirmed",
        "conditions": [],
        "external": False,
    }
    assert (ended.status, [way["hops"] for way in found["paths"]]) == (2, [[hop]])
    assert f"nothing is known of {PARTNER}; where it leads is not shown" in found["assumes"]
    ended = asked(plumbline, tmp_path, users=users, to=[PARTNER])
    assert (ended.status, json.loads(ended.out)["paths"]) == (0, found["paths"])
    ended = asked(plumbline, tmp_path, users=users, to=[arn("role", "other", "999999999999")])
    assert (ended.status, ended.out) == (64, "")
    assert "no policy in them names it" in " ".join(ended.err.replace("│", " ").split())


def test_roles_outside_that_patterns_fit_are_not_shown(plumbline, tmp_path):
    pattern = "arn:aws:iam::999999999999:role/*"
    users = [user("alice", inline("p", allow("sts:AssumeRole", resource=pattern)))]
    ended = asked(plumbline, tmp_path, users=users)
    found = json.loads(ended.out)
    assert (ended.status, found["paths"]) == (2, [])
    told = f"{ALICE} may assume other roles of accounts that are not in the files; they are not shown"
    assert told in found["assumes"]
    ended = asked(plumbline, tmp_path, users=users, form="table")
    assert ended.out.splitlines()[0] == f"whether {ALICE} reaches any role is not known"
    users = [user("alice", inline("p", allow("sts:AssumeRole", resource="*")))]  # it names no account
    assert asked(plumbline, tmp_path, users=users, form="table").out.startswith(f"{ALICE} reaches no role\n")
