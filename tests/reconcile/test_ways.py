"""The ways by which a landscape is judged: the known ones and its own, from the resource to what baselines see."""

from dataclasses import replace

import yaml

from plumbline.api.landscape import IAMLandscape
from plumbline.assess.escalation_ways import known_ways
from plumbline.aws.errors import Denied
from plumbline.model.evidence import PrincipalUsage
from plumbline.reconcile.baseline import assess_baseline
from plumbline.reconcile.landscape import reconcile_landscape
from plumbline.reconcile.ways import WAYS_VALID, ways_of
from tests.assess.world import ACCOUNT, IN, used
from tests.docs.pages import ROOT, blocks
from tests.reconcile.facts import NOW, Line, a_role
from tests.reconcile.test_risks import OWN_WAY
from tests.stores import new_store


class NoAws:
    """Every call is refused."""

    def call(self, *_, **__):
        raise Denied("there are no credentials")

    pages = call


def landscape(*ways):
    spec = {"accounts": {"ids": [ACCOUNT]}, "memberRole": {"name": "reader"}, "escalationWays": list(ways)}
    return IAMLandscape.model_validate({"metadata": {"name": "default"}, "spec": spec})


def test_a_pass_hands_on_all_ways_that_count(tmp_path):
    engine = new_store(tmp_path / "store.db")
    given = landscape(OWN_WAY, OWN_WAY | {"id": "sts-assume-role"})
    done = reconcile_landscape(given, [], {}, engine, NoAws(), as_of=NOW.date(), now=NOW)
    known = {way.id for way in known_ways()}
    assert {way.id for way in done.view.ways} - known == {"acme-console"}
    assert known < {way.id for way in done.view.ways}
    (said,) = (c for c in done.status.conditions if c.type == WAYS_VALID)
    assert (said.status, said.reason) == ("False", "WaysInvalid")


def test_what_a_role_asked_for_in_vain_is_guarded_by_the_landscapes_ways():
    line = Line()
    denied = replace(used("s3:GetObject", IN, outcome="denied"), principal=a_role().arn)
    usage = {a_role().arn: PrincipalUsage((denied,))}
    own, _ = ways_of(landscape(OWN_WAY | {"needs": {"s3:GetObject": "any"}}).spec)
    for ways, guarded in ((known_ways(), ""), (own, "escalation")):
        view = replace(line.view, usage=usage, ways=ways)
        governed = {a_role().arn: "pay/base"}
        found = assess_baseline(view, line.baseline, line.selection, governed, {}, line.as_of, line.now)
        (assessment,) = found.assessments
        assert [(one.action, one.guarded) for one in assessment.additions] == [("s3:GetObject", guarded)]


def test_the_ways_of_the_docs_are_ways():
    (example,) = [
        document
        for block in blocks("yaml")
        if block.page == ROOT / "docs/resources.md"
        for document in yaml.safe_load_all(block.text)
        if document.get("kind") == "IAMLandscape"
    ]
    ways, errors = ways_of(IAMLandscape.model_validate(example).spec)
    assert errors == ()
    assert len(ways) == len(known_ways()) + len(example["spec"]["escalationWays"])
