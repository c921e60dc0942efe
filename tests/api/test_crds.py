"""The CRDs are generated, and they refuse what the models refuse."""

import re
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plumbline.api.common import parse_duration
from plumbline.api.crds import KINDS, crd, main, render
from plumbline.reconcile.resources import explain_errors
from tests.api.crd_checker import MODELS, SCHEMAS, defaulted, refusals
from tests.api.examples import DROP, IMMUTABLE, LEAST, RESOURCES, UNKNOWN, WRONG, changed

CRDS = Path(__file__).parents[2] / "crds"


def problems(document):
    """What the folder says to a resource; empty when it takes it."""
    model = MODELS[document["kind"]]
    try:
        model.model_validate(document)
    except ValidationError as error:
        return explain_errors(error, model)
    return ()


def test_the_written_crds_are_the_generated_ones(tmp_path, capsys):
    assert main(["--check", str(CRDS)]) == 0, capsys.readouterr().err
    assert sorted(render()) == sorted(p.name for p in CRDS.glob("plumbline.dev_*"))
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    stale = tmp_path / "plumbline.dev_iamlandscapes.yaml"
    stale.write_text("x")
    assert main(["--check", str(tmp_path)]) == 1
    assert f"{stale}; run `make crds`" in capsys.readouterr().err


@pytest.mark.parametrize("document", [*RESOURCES.values(), *LEAST.values()], ids=lambda d: d["kind"])
def test_what_is_right_is_taken(document):
    assert problems(document) == ()
    assert refusals(document["kind"], document) == []


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_what_the_models_refuse_the_crds_refuse(case):
    said = problems(case.document)
    where = case.at or ("" if case.value is DROP and case.remedy != "add it" else case.path)
    assert any(message.startswith(f"spec{'.' if where else ''}{where}") for message in said), said
    assert any(case.remedy in message for message in said), said
    assert refusals(case.kind, case.document)


@pytest.mark.parametrize("case", UNKNOWN, ids=str)
def test_unknown_fields_are_named_with_what_was_meant(case):
    assert problems(case.document) == (f"spec.{case.path} is not a known field; {case.remedy}",)


@pytest.mark.parametrize(("kind", "path", "value", "message"), IMMUTABLE)
def test_what_must_not_change(kind, path, value, message):
    new = changed(kind, path, value)
    assert message in " ".join(refusals(kind, new, old=RESOURCES[kind]))
    assert refusals(kind, RESOURCES[kind], old=RESOURCES[kind]) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.model.__name__)
def test_the_shape_of_a_crd(kind):
    document = crd(kind)
    (version,) = document["spec"]["versions"]
    names = document["spec"]["names"]
    short = {
        "IAMLandscape": "iaml",
        "LeastPrivilegeBaseline": "lpb",
        "RemediationProposal": "rp",
        "RoleAccessReport": "rar",
    }
    assert names["shortNames"] == [short[kind.model.__name__]]
    assert names["categories"] == ["plumbline"]
    assert document["spec"]["scope"] == ("Cluster" if kind.model.__name__ == "IAMLandscape" else "Namespaced")
    assert version["subresources"] == {"status": {}}
    schema = version["schema"]["openAPIV3Schema"]
    for column in version["additionalPrinterColumns"]:
        path = re.sub(r"\[\?\(@.type==\"\w+\"\)\]", "", column["jsonPath"])
        assert path == ".metadata.creationTimestamp" or _at(schema, path), column
    for selected in version.get("selectableFields", ()):
        assert _at(schema, selected["jsonPath"])["type"] in ("string", "boolean", "integer")
    if kind.model.__name__ != "RoleAccessReport":
        conditions = schema["properties"]["status"]["properties"]["conditions"]
        assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])


def _at(schema, path):
    for part in path.lstrip(".").split("."):
        schema = schema.get("items", schema)["properties"][part]
    return schema


def nodes(schema):
    yield schema
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from nodes(inner)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schemas_are_structural_and_bounded(kind):
    """What an API server refuses in a CRD: unions, references, null as a default; and lists without a bound, for which
    it cannot estimate the cost of a rule."""
    for part in ("spec", "status"):
        for node in nodes(SCHEMAS[kind][part]):
            assert "type" in node
            assert not {"$ref", "anyOf", "allOf", "oneOf"} & set(node)
            assert "null" not in str(yaml.safe_dump(node.get("default", "")))
            for rule in node.get("x-kubernetes-validations", ()):
                assert re.search(r"must|give|remove", rule["message"])
    for node in nodes(SCHEMAS[kind]["spec"]):
        if node["type"] == "array":
            assert "maxItems" in node


@pytest.mark.parametrize("kind", LEAST)
def test_the_defaults_of_the_crd_are_those_of_the_models(kind):
    least = LEAST[kind]
    filled = {**least, "spec": defaulted(SCHEMAS[kind]["spec"], least["spec"])}
    assert filled["spec"] != least["spec"] or kind in ("RemediationProposal", "RoleAccessReport")
    assert MODELS[kind].model_validate(filled) == MODELS[kind].model_validate(least)
    assert refusals(kind, filled) == []


def test_null_turns_a_threshold_off_and_absence_does_not():
    for document in (RESOURCES["LeastPrivilegeBaseline"], LEAST["LeastPrivilegeBaseline"]):
        filled = defaulted(SCHEMAS["LeastPrivilegeBaseline"]["spec"], document["spec"])
        thresholds = MODELS["LeastPrivilegeBaseline"].model_validate({**document, "spec": filled}).spec.thresholds
        assert thresholds.unused_privileged_actions == (None if document is not LEAST[document["kind"]] else 0)


TEXTS = [
    ("IAMLandscape", path)
    for path in (
        "accounts.ids[0]",
        "accounts.organization.roleArn",
        "memberRole.name",
        "evidence.cloudTrailLogs[0].trailArn",
        "evidence.cloudTrailLogs[1].assumeComplete[0]",
        "evidence.cloudTrailLogs[1].name",
        "evidence.cloudTrailLake[0].eventDataStore",
        "evidence.athena[0].createTable",
        "evidence.athena[0].outputLocation",
        "evidence.trino[0].url",
        "evidence.trino[0].passwordFile",
        "evidence.trino[0].user",
        "evidence.lastAccessed.refreshInterval",
        "evidence.credentialReport.lookback",
        "allowedTargets[0].accounts[0]",
        "allowedTargets[0].rolePaths[0]",
        "allowedTargets[0].organizationalUnits[0]",
        "memory",
    )
] + [
    ("LeastPrivilegeBaseline", path)
    for path in (
        "targets.names[0]",
        "environment",
        "lookback",
        "interval",
        "grantDrift.acceptedAt",
        "exemptions[0].expires",
        "exemptions[0].roles[0]",
        "exemptions[0].actions[0]",
    )
]


@settings(max_examples=5 * settings.default.max_examples)
@given(st.sampled_from(TEXTS), st.data())
def test_of_any_text_models_and_crds_think_alike(place, data):
    kind, path = place
    node = RESOURCES[kind]["spec"]
    for part in path.replace("[", ".").replace("]", "").split("."):
        node = node[int(part)] if part.isdigit() else node[part]
    # Near the right text: some characters replaced, doubled or gone.
    text = list(node)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        new = data.draw(st.sampled_from(["", "0", "9", "d", "h", "/", ":", "*", "-", "\n", "é", *string.ascii_letters]))
        text[at : at + data.draw(st.integers(0, 2))] = new
    document = changed(kind, path, "".join(text))
    assert bool(problems(document)) == bool(refusals(kind, document)), document["spec"]


@given(st.integers(0, 99999), st.integers(0, 999999), st.integers(0, 9999999), st.integers(0, 99999999))
def test_durations_are_read_as_written(days, hours, minutes, seconds):
    text = f"{days}d{hours}h{minutes}m{seconds}s"
    assert parse_duration(text).total_seconds() == ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def test_statuses_of_other_versions_are_read():
    for kind, least in LEAST.items():
        read = MODELS[kind].model_validate({**least, "status": {"nobodyKnows": 1, "observedGeneration": 3}})
        assert read.status.observed_generation == 3
