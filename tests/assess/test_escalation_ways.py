"""The catalogue of ways: complete, in the form that the docs show, and extensible with checked entries."""

import dataclasses
import re

import pytest
import yaml

from plumbline.assess.escalation import Escalation
from plumbline.assess.escalation_ways import PASSING, WayError, known_ways, read_ways, ways_beside
from plumbline.iam.catalogue import catalogue
from tests.docs.pages import blocks, code, table

PAGE = "docs/escalation.md"
GOOD = {
    "id": "my-way",
    "kind": "new-passrole",
    "summary": "Runs a job as the role.",
    "service": "batch.amazonaws.com",
    "needs": {"iam:PassRole": "target", "batch:SubmitJob": "any"},
}
OVER = {"id": "o", "kind": "principal-access", "summary": "s", "target": "role", "gains": "target", "needs": {"iam:PutRolePolicy": "target"}}  # fmt: skip


def test_every_action_is_known_and_every_way_has_its_own_id_and_actions():
    ways = known_ways()
    assert len({way.id for way in ways}) == len(ways)
    assert len({(way.kind, frozenset(way.actions)) for way in ways}) == len(ways)
    for way in ways:
        for need in way.needs:
            assert catalogue().spelling(need.action) == need.action
            assert need.on == "any" or need.action.startswith(("iam:", "sts:"))
        assert (way.kind in PASSING) == bool(way.service)


def test_ways_are_read_beside_the_known_ones_from_yaml_and_json():
    for text in (yaml.safe_dump([GOOD]), '[{"id": "my-way", "kind": "new-passrole", "summary": "x", "service": "batch.amazonaws.com", "needs": {"iam:passrole": "target"}}]'):  # fmt: skip
        ways = read_ways(text, "own.yaml")
        assert len(ways) == len(known_ways()) + 1
        assert [way.id for way in ways] == sorted(way.id for way in ways)
        way = next(way for way in ways if way.id == "my-way")
        assert way.trusts == ("batch.amazonaws.com",)
        assert "iam:PassRole" in way.actions
    assert read_ways("[]", "own.yaml", known=()) == ()


@pytest.mark.parametrize(
    ("change", "field", "remedy"),
    [
        ({"id": "My Way"}, "id", "lower-case"),
        ({"id": "sts-assume-role"}, "id", "no other way has"),
        ({"id": None}, "id", "lower-case"),
        ({"kind": "magic"}, "kind", "self-escalation"),
        ({"summary": ""}, "summary", "one sentence"),
        ({"service": "lambda"}, "service", "lambda.amazonaws.com"),
        ({"service": []}, "service", "lambda.amazonaws.com"),
        ({"trusts": 3}, "trusts", "a text"),
        ({"target": "role"}, "target", "leave it out"),
        ({"needs": {}}, "needs", "iam:PutRolePolicy"),
        ({"needs": ["iam:PassRole"]}, "needs", "iam:PutRolePolicy"),
        ({"needs": {"iam:*": "any"}}, "needs.iam:*", "without wildcards"),
        ({"needs": {"iam:PassRole": "everywhere"}}, "needs.iam:PassRole", "target, policy-of-target"),
        ({"needs": {"iam:PassRole": "any/function"}}, "needs.iam:PassRole", "write one of role"),
        ({"needs": {"iam:PassRole": "target/role"}}, "needs.iam:PassRole", "any/TYPE"),
        ({"needs": {"iam:PassRole": "group-of-target"}}, "needs.iam:PassRole", "target or any"),
        ({"context": ["x"]}, "context", "condition keys"),
        ({"context": {"x": "y"}}, "context", "iam:PolicyARN"),
        ({"context": {"iam:PolicyARN": [1]}}, "context.iam:PolicyARN", "a text"),
        ({"context": {"iam:PolicyARN": []}}, "context.iam:PolicyARN", "leave the key out"),
        ({"context": {"iam:PolicyARN": ["a"], "iam:policyarn": ["b"]}}, "context.iam:policyarn", "once, in any case"),
        ({"premises": {}}, "premises", "a text"),
        ({"colour": "red"}, "colour", "use only id, kind"),
    ],
)
def test_a_wrong_entry_names_its_field_and_the_remedy(change, field, remedy):
    with pytest.raises(WayError) as error:
        read_ways(yaml.safe_dump([GOOD | change]), "own.yaml")
    assert str(error.value).startswith(f"own.yaml[0].{field}: ")
    assert remedy in str(error.value)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({**OVER, "target": "group"}, "own.yaml[0].target: is 'group'; write one of role, user"),
        ({**OVER, "gains": "all"}, "own.yaml[0].gains: is 'all'; write one of target, anything"),
        ({**OVER, "service": "ec2.amazonaws.com"}, "own.yaml[0].service: is for other kinds than principal-access; leave it out"),
        ({"id": "x"}, "own.yaml[0].kind: is missing"),
        ("text", "own.yaml[0]: 'text' is no mapping"),
    ],
)  # fmt: skip
def test_each_kind_has_its_own_fields(entry, expected):
    with pytest.raises(WayError, match=re.escape(expected)):
        read_ways(yaml.safe_dump([entry]), "own.yaml")


@pytest.mark.parametrize("text", ["a: b", "3", "", "[", "{{", "- &a [*a]", "- summary: 2026-99-99"])
def test_what_is_no_list_of_ways_is_refused(text):
    with pytest.raises(WayError, match=r"own\.yaml"):
        read_ways(text, "own.yaml")


def test_what_is_wrong_takes_no_other_way_down_and_replaces_none():
    taken = GOOD | {"id": "sts-assume-role", "summary": "Another one."}
    ways, errors = ways_beside([taken, GOOD, GOOD, {"id": "x"}], "list")
    assert {way.id: way for way in ways}.items() >= {way.id: way for way in known_ways()}.items()
    assert [way.summary for way in ways if way.id == "my-way"] == [GOOD["summary"]]
    assert [str(error) for error in errors] == [
        "list[0].id: 'sts-assume-role' is taken; write an id that no other way has",
        "list[2].id: 'my-way' is taken; write an id that no other way has",
        "list[3].kind: is missing; every way has id, kind, summary, needs",
    ]


# The docs


def test_the_table_shows_the_catalogue():
    shown = {
        (code(id_)[0], kind, tuple(code(needs)), summary, premises)
        for id_, kind, needs, summary, premises in table(PAGE, "id", "The known ways")
    }
    expected = {
        (way.id, way.kind, tuple(map(written, way.needs)), way.summary, "; ".join(way.premises)) for way in known_ways()
    }
    assert shown == expected


def written(need):
    return f"{need.action} {need.on}" + (f"/{need.resource_type}" if need.resource_type else "")


def test_the_fields_are_those_of_findings_and_entries():
    fields = [name for row in table(PAGE, "field") for name in code(row[0])]
    assert sorted(fields) == sorted(field.name for field in dataclasses.fields(Escalation))
    with pytest.raises(WayError) as error:
        read_ways("[{colour: red}]", "own.yaml")
    allowed = str(error.value).partition("use only ")[2].split(", ")
    assert sorted(code(row[0])[0] for row in table(PAGE, "entry")) == sorted(allowed)


def test_the_example_of_an_own_way_is_one():
    [example] = [block for block in blocks("") if str(block.page).endswith(PAGE)]
    assert len(read_ways(example.text, "example")) == len(known_ways()) + 1
