"""The planted organization, collected as the operator does: every hop, path and way to gain privileges that is true is found,
and nothing else."""

from datetime import UTC, datetime

import pytest

from plumbline.api.landscape import LandscapeSpec
from plumbline.assess.escalation import escalations
from plumbline.assess.escalation_ways import known_ways
from plumbline.assess.exposure import exposures
from plumbline.assess.reach import hops, paths
from plumbline.aws.session import AwsSessions
from plumbline.inventory.collect import collect
from sandbox import organization as org
from sandbox.launch import running
from sandbox.planted.accounts import ACCOUNTS, DARK
from sandbox.planted.ways import PLANTED
from tests.planted import expected_findings as expected
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
def server(tmp_path_factory):
    with running(AS_OF, organization="planted") as started, pytest.MonkeyPatch.context() as patch:
        reached(started, patch, tmp_path_factory.mktemp("home"))
        yield started


@pytest.fixture(scope="module")
def snapshot(server, service_models):
    sessions = AwsSessions(f"plumbline/{org.MEMBER_ROLE_NAME}", org.EXTERNAL_ID, requests_per_second=10_000)
    return collect(sessions, SPEC, "planted", NOW)


@pytest.fixture(scope="module")
def found_hops(snapshot):
    return hops(snapshot.principals, snapshot.accounts, snapshot.pod_identity)


def test_all_but_one_account_is_collected(snapshot):
    assert snapshot.organization_error is None
    assert {a.id for a in snapshot.accounts.values() if a.error is None} == {a.id for a in ACCOUNTS} - {DARK}


def test_every_known_way_is_planted():
    assert {way.name: sorted(way.actions) for way in PLANTED} == {way.id: sorted(way.actions) for way in known_ways()}
    assert set(expected.ways()) == {way.name for way in PLANTED}


def test_hops(found_hops):
    found = {
        (short(hop.source), short(hop.target)): (hop.basis, hop.status, tuple(sorted(map(short, hop.conditions))))
        for hop in found_hops
    }
    assert found == expected.hops()


def test_paths(found_hops):
    found = {
        (short(path.source), short(path.target)): tuple(short(hop.source) for hop in path.hops[1:])
        for path in paths(found_hops)
    }
    assert found == dict.fromkeys(expected.hops(), ()) | expected.paths()


def test_exposure(snapshot, found_hops):
    of = exposures(snapshot.principals, found_hops, snapshot.accounts, snapshot.pod_identity).of
    found = {
        short(role): (_kind(one.confirmed), _kind(one.at_most), not one.known)
        for role, one in of.items()
        if one.at_most.transitive.worst or not one.known
    }
    wanted = expected.exposure()
    entered = {target: ("sameAccount", "sameAccount", False) for _, target in expected.hops() if target.endswith("entered")}
    assert found == entered | wanted


def _kind(figures):
    return figures.transitive.worst or "-"


def test_escalations(snapshot, found_hops):
    found = {}
    for arn, of in escalations(snapshot.principals, snapshot.accounts, hops=found_hops).items():
        for one in of.escalations:
            assumes = tuple(map(short, one.assumes))
            found[short(arn), one.id, short(one.target)] = (one.conditional, assumes)
        for one in of.potential:
            found[short(arn), one.id, None] = (one.conditional, None)
        assert not of.more
    assert found == expected.escalations()
