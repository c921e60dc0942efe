"""What the real API server says, word for word, to each resource that is wrong: the tables that tests/api checks with a
copy of its rules. `crd_messages.yaml` has the messages, which are what a person sees who applies such a resource."""

import contextlib
from pathlib import Path

import pytest
import yaml

from plumbline.api.crds import KINDS
from tests.api.examples import IMMUTABLE, LEAST, RESOURCES, UNKNOWN, WRONG, changed
from tests.servers.controlplane.clients import answer
from tests.servers.controlplane.fixture import CRDS

pytestmark = pytest.mark.cluster

# The C parser: in Python it would take the fast tests a second too, which only collect these.
MESSAGES = yaml.load(Path(__file__).with_name("crd_messages.yaml").read_text(), yaml.CSafeLoader)
PLURALS = {kind.model.__name__: kind.plural for kind in KINDS}
CHANGES = {f"{kind}.{path}": (kind, changed(kind, path, value)) for kind, path, value, _ in IMMUTABLE}
KEPT = {"name": "kept", "namespace": "payments"}  # apart from the names of the dry runs


@pytest.fixture(scope="module")
def connection(control_plane):
    with contextlib.closing(control_plane.connection()) as made:
        yield made


@pytest.fixture(scope="module")
def space(control_plane):
    """A namespace by the name that the examples have."""
    control_plane.kubectl("create", "namespace", "payments")
    yield "payments"
    control_plane.kubectl("delete", "namespace", "payments", "--wait=false")


@pytest.fixture(scope="module")
def ask(connection, space):
    """Sends a resource, to be made or, with `name`, in place of the one of this name; status and body of the answer."""

    def ask(document, name="", *, dry_run=True):
        where = f"namespaces/{space}/" if "namespace" in document["metadata"] else ""
        path = f"/apis/plumbline.dev/v1alpha1/{where}{PLURALS[document['kind']]}{'/' if name else ''}{name}"
        query = f"?fieldValidation=Strict{'&dryRun=All' if dry_run else ''}"
        return answer(connection, "PUT" if name else "POST", path + query, document)

    return ask


@pytest.fixture(scope="module")
def existing(ask):
    """Kind -> the resource as it is stored."""
    kinds = sorted({kind for kind, _ in CHANGES.values()})
    made = {kind: ask(RESOURCES[kind] | {"metadata": KEPT}, dry_run=False) for kind in kinds}
    assert {status for status, _ in made.values()} == {201}, made
    return {kind: body for kind, (_, body) in made.items()}


@pytest.mark.parametrize("document", [*RESOURCES.values(), *LEAST.values()], ids=lambda d: d["kind"])
def test_what_is_right_is_taken(ask, document):
    status, said = ask(document)
    assert status == 201, said


@pytest.mark.parametrize("case", [*WRONG, *UNKNOWN], ids=str)
def test_what_is_wrong_is_refused_with_exactly_these_words(ask, case):
    status, said = ask(case.document)
    assert (status, said["message"]) == (400 if case in UNKNOWN else 422, MESSAGES[str(case)])


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_change_is_refused_with_exactly_these_words(ask, existing, name):
    kind, new = CHANGES[name]
    status, said = ask(new | {"metadata": existing[kind]["metadata"]}, KEPT["name"])
    assert (status, said["message"]) == (422, MESSAGES[name])


def test_each_rule_of_the_crds_is_broken_by_a_row():
    """By the message of the rule and the place of its schema: the same rule stands in several places."""
    for path in sorted(CRDS.glob("plumbline.dev_*.yaml")):
        document = yaml.safe_load(path.read_text())
        (version,) = document["spec"]["versions"]
        kind = document["spec"]["names"]["kind"]
        rules = list(_rules(version["schema"]["openAPIV3Schema"], ""))
        said = [text for name, text in MESSAGES.items() if name.startswith(f"{kind}.")]
        for place, message in rules:
            assert any(f"{place}: Invalid value" in _without_indices(text) and message in text for text in said), (
                f"no row of tests/api/examples.py breaks the rule of {kind} at {place}: {message}"
            )


def test_each_message_belongs_to_a_row():
    assert set(MESSAGES) == {*map(str, (*WRONG, *UNKNOWN)), *CHANGES}
    assert len(MESSAGES) == len(WRONG) + len(UNKNOWN) + len(IMMUTABLE)


def _rules(schema, place):
    for rule in schema.get("x-kubernetes-validations", ()):
        yield place, rule["message"]
    for name, inner in schema.get("properties", {}).items():
        yield from _rules(inner, f"{place}.{name}".lstrip("."))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _rules(schema[key], f"{place}[]")


def _without_indices(text):
    return text.replace("[0]", "[]").replace("[1]", "[]")
