"""The planted organization, collected as the operator does and exported to files: every hop, path and way to gain
privileges that is true is found, and nothing else."""

import json
from datetime import UTC, datetime

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.blast_radius import blast_radii
from plumbline.assess.escalation import escalations
from plumbline.assess.escalation_ways import known_ways
from plumbline.assess.exposure import exposures
from plumbline.assess.reach import hops, paths
from plumbline.assess.unseen import unseen
from plumbline.aws.session import AwsSessions
from plumbline.export.analysis import escalation_json, path_json
from plumbline.iam.granted import Granted
from plumbline.inventory.collect import collect
from sandbox import organization as org
from sandbox.launch import running
from sandbox.planted.accounts import ACCOUNTS, APPS, DARK, DATA, PARTNER
from sandbox.planted.federation import CLUSTER, ISSUER
from sandbox.planted.hops import role, user
from sandbox.planted.ways import PLANTED
from tests.cli.conftest import plumbline  # noqa: F401 - a fixture
from tests.planted import expected_findings as expected
from tests.planted.export import exported
from tests.planted.names import short
from tests.sandbox_fixture import AS_OF, reached

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 30, 6, tzinfo=UTC)
SPEC = LandscapeSpec.model_validate(
    {
        "accounts": {"organization": {}},
        "memberRole": {"name": f"plumbline/{org.MEMBER_ROLE_NAME}"},
        "podIdentity": {"regions": [org.HOME_REGION]},
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory, service_models):
    with running(AS_OF, organization="planted") as started, pytest.MonkeyPatch.context() as patch:
        reached(started, patch, tmp_path_factory.mktemp("home"))
        yield started


@pytest.fixture(scope="module")
def snapshot(server):
    sessions = AwsSessions(f"plumbline/{org.MEMBER_ROLE_NAME}", org.EXTERNAL_ID, requests_per_second=10_000)
    return collect(sessions, SPEC, "planted", NOW)


@pytest.fixture(scope="module")
def found_hops(snapshot):
    return hops(snapshot.principals, snapshot.accounts, snapshot.pod_identity)


@pytest.fixture(scope="module")
def files(server, tmp_path_factory):
    """Options of the command line."""
    return exported(tmp_path_factory.mktemp("files"))


def hops_of(found):
    """Of paths as data: (source, target) -> (basis, status, conditions)."""
    single = [path["hops"][0] for path in found if len(path["hops"]) == 1]
    return {
        (short(hop["from"]), short(hop["to"])): (
            hop["basis"],
            hop["status"],
            tuple(sorted(map(short, hop["conditions"]))),
        )
        for hop in single
    }


def paths_of(found):
    """Those of more than one hop: (source, target) -> the roles between."""
    return {
        (short(path["from"]), short(path["to"])): tuple(short(hop["from"]) for hop in path["hops"][1:])
        for path in found
        if len(path["hops"]) > 1
    }


def escalations_of(found):
    """Of principals as data: (principal, way, target or None) -> (conditional, what has to be assumed or None)."""
    result = {}
    for one in found:
        for way in one["escalations"]:
            assumes = tuple(map(short, way["assumes"]))
            result[short(one["arn"]), way["id"], short(way["target"])] = (way["conditional"], assumes)
        for way in one["potentialEscalations"]:
            result[short(one["arn"]), way["id"], None] = (way["conditional"], None)
    return result


def test_all_but_one_account_is_collected(snapshot):
    assert snapshot.organization_error is None
    assert {a.id for a in snapshot.accounts.values() if a.error is None} == {a.id for a in ACCOUNTS} - {DARK}


def test_every_known_way_is_planted():
    assert {way.name: sorted(way.actions) for way in PLANTED} == {way.id: sorted(way.actions) for way in known_ways()}
    assert set(expected.ways()) == {way.name for way in PLANTED}


def test_hops_and_paths(found_hops):
    found = [path_json(path) for path in paths(found_hops)]
    assert hops_of(found) == expected.hops()
    assert paths_of(found) == expected.paths()


def test_exposure(snapshot, found_hops):
    of = exposures(snapshot.principals, found_hops, snapshot.accounts, snapshot.pod_identity).of
    found = {
        short(arn): (kind(one.confirmed), kind(one.at_most), not one.known)
        for arn, one in of.items()
        if one.at_most.transitive.worst or not one.known
    }
    assert found == expected.exposure()


def test_what_nobody_sees_and_whose_blast_radius_it_leaves_open(snapshot, found_hops):
    beyond = unseen(snapshot.principals, snapshot.accounts)
    found = {
        short(arn): (*(short(role) for role, _ in one.named), *(("others",) if one.unnamed else ()))
        for arn, one in beyond.items()
    }
    assert found == expected.unseen()
    assert not any(one.unread for one in beyond.values())
    radii = blast_radii(snapshot.principals, found_hops, snapshot.accounts, lambda _: Granted(0, 0), beyond=beyond).of
    # Nobody can assume one of them, so that it is they alone, the roles that are named, and who lives in that account.
    roles = {role for named in expected.unseen().values() for role in named} - {"others"}
    assert {short(arn) for arn, one in radii.items() if not one.known} == {*found, *roles, "dark/root"}


def kind(figures):
    return figures.transitive.worst or "-"


def test_escalations(snapshot, found_hops):
    every = escalations(snapshot.principals, snapshot.accounts, groups=snapshot.groups, hops=found_hops).items()
    found = [
        {
            "arn": arn,
            "escalations": [escalation_json(way) for way in of.escalations],
            "potentialEscalations": [escalation_json(way) for way in of.potential],
        }
        for arn, of in every
    ]
    assert escalations_of(found) == expected.escalations()
    assert not any(of.more for _, of in every)


def test_analyze_finds_the_same_in_files(plumbline, files):  # noqa: F811
    ended = plumbline("analyze", *files, "--as-of", AS_OF, "--format", "json")
    assert ended.status == 0
    found = json.loads(ended.out)
    assert escalations_of(found["principals"]) == expected.escalations()
    assert hops_of(found["paths"]) == expected.hops()
    assert paths_of(found["paths"]) == expected.paths()


SOURCES = (
    user(APPS, "walker"),
    role(APPS, "caller"),
    role(APPS, "denied"),
    role(APPS, "to-partner"),
    role(DATA, "pods-through"),
    f"arn:aws:iam::{PARTNER}:root",
    "*",
    "pods.eks.amazonaws.com",
    f"{ISSUER}/serviceaccount/shop/checkout",
    f"arn:aws:eks:{org.HOME_REGION}:{DATA}:cluster/{CLUSTER}/serviceaccount/shop/right",
    f"arn:aws:eks:{org.HOME_REGION}:{DATA}:cluster/{CLUSTER}/serviceaccount/shop/on",
)


@pytest.mark.parametrize("source", SOURCES, ids=short)
def test_paths_from_one_principal_in_files(plumbline, files, source):  # noqa: F811
    found = json.loads(plumbline("paths", source, *files, "--format", "json").out)["paths"]
    assert hops_of(found) == {key: told for key, told in expected.hops().items() if key[0] == short(source)}
    assert paths_of(found) == {key: told for key, told in expected.paths().items() if key[0] == short(source)}


@pytest.mark.parametrize(("target", "reached_by"), [("step3", ["apps/step1", "shared/step2"]), ("beyond", None)])
def test_paths_from_one_principal_to_a_role_in_files(plumbline, files, target, reached_by):  # noqa: F811
    found = json.loads(plumbline("paths", user(APPS, "walker"), role(DATA, target), *files, "--format", "json").out)
    wanted = {} if reached_by is None else {("apps/@walker", f"data/{target}"): tuple(reached_by)}
    assert paths_of(found["paths"]) == wanted
    assert hops_of(found["paths"]) == {}


def test_tags_that_files_do_not_name_are_not_absent(plumbline, files, tmp_path):  # noqa: F811
    untold = [_without_tags(one, tmp_path) for one in files]
    for source, target, condition in (
        ("blue", "by-tag", "StringEquals aws:PrincipalTag/team"),
        ("to-blue", "tagged", "StringEquals aws:ResourceTag/team"),
    ):
        found = plumbline("paths", role(APPS, source), role(DATA, target), *untold, "--format", "json")
        wanted = ("identity", "conditional", (condition,))
        assert hops_of(json.loads(found.out)["paths"]) == {(f"apps/{source}", f"data/{target}"): wanted}


def _without_tags(option, folder):
    path = folder / getattr(option, "name", "")
    data = json.loads(option.read_text()) if path != folder else None
    if not isinstance(data, list) or "RoleDetailList" not in data[0]:
        return option
    for page in data:
        for one in (*page.get("RoleDetailList", ()), *page.get("UserDetailList", ())):
            del one["Tags"]
    path.write_text(json.dumps(data))
    return path


@pytest.mark.parametrize("target", ["by-tag", "tagged", "apps-of-ours", "apps-of-theirs", "unit", "external-id", "on"])
def test_who_can_assume_a_role_is_who_has_a_hop_into_it(plumbline, files, target):  # noqa: F811
    arn = role(DATA, f"pods-{target}" if target == "on" else target)
    found = json.loads(plumbline("who-can", "sts:AssumeRole", arn, *files, "--format", "json").out)
    told = {short(one["principal"]): kind for kind in ("allowed", "conditional", "unknown") for one in found[kind]}
    kinds = {"confirmed": "allowed", "conditional": "conditional"}
    hops_in = {source: kinds[status] for (source, to), (_, status, _) in expected.hops().items() if to == short(arn)}
    assert told == hops_in
