"""Which lookback is whose, what needs to be asked, and how much of the answer a status holds."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from plumbline.api.landscape import LandscapeSpec, LandscapeStatus
from plumbline.api.routing import Routing
from plumbline.api.sources import CredentialReport
from plumbline.assess.assumptions import assumptions
from plumbline.assess.owners import Owners
from plumbline.assess.window import Window
from plumbline.export.metrics import Figures, render
from plumbline.model.inactivity import Activity, Judgement
from plumbline.model.snapshot import Account, Principal, Snapshot
from plumbline.reconcile.details import inactivity_json
from plumbline.reconcile.folder import FolderStore
from plumbline.reconcile.inactivity import Lookbacks, inactivity_status, own_use
from plumbline.reconcile.resources import STATUS_BYTES, size_of

AS_OF, MEMORY = date(2026, 6, 30), timedelta(days=400)
PRODUCTION, DEVELOPMENT, UNIT = "111111111111", "222222222222", "333333333333"
NOBODY = Owners({}, {})
OLD, YOUNG = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def principal(name, account=PRODUCTION, kind="role", created=OLD, **more):
    arn = f"arn:aws:iam::{account}:{kind}/{name}"
    return Principal(arn, f"ID{name}", kind, account, name, "/", created, **more)


def lookbacks(*principals, governed=None, **spec):
    accounts = {
        PRODUCTION: Account(PRODUCTION),
        DEVELOPMENT: Account(DEVELOPMENT),
        UNIT: Account(UNIT, ou_path=("r-ab12", "ou-ab12-cdefgh34")),
    }
    development = {"accounts": [DEVELOPMENT], "organizationalUnits": ["ou-ab12-cdefgh34"]}
    config = CredentialReport.model_validate({"development": development} | spec)
    return Lookbacks(config, Snapshot("all", accounts, {p.arn: p for p in principals}), governed or {})


@pytest.mark.parametrize(("account", "days"), [(PRODUCTION, 90), (DEVELOPMENT, 30), (UNIT, 30)])
def test_accounts_are_held_to_their_environment(account, days):
    assert lookbacks().days(principal("app", account)) == days


def test_a_baseline_decides_for_the_roles_that_it_governs():
    app = principal("app")
    assert lookbacks(governed={app.arn: 60}).days(app) == 60
    assert lookbacks(governed={app.arn: 60}).days(principal("other")) == 90
    assert lookbacks(governed={app.arn: 200}).longest == 200
    assert (lookbacks().longest, lookbacks().keys) == (90, 180)
    changed = lookbacks(lookback="45d", accessKeyLookback="365d")
    assert (changed.days(app), changed.keys) == (45, 365)


def test_only_what_is_not_in_use_at_sight_is_asked_for_more():
    start = Window.of(AS_OF, 90, MEMORY).start
    idle = [
        principal("never"),
        principal("alice", kind="user"),
        principal("long-ago", last_used_at=start - timedelta(seconds=1)),
    ]
    others = [
        principal("used", last_used_at=start),
        principal("young", created=YOUNG),
        replace(principal("linked"), path="/aws-service-role/x.amazonaws.com/"),
        principal("template", role_template="arn:aws:iam::1:role-template/x"),
    ]
    assert lookbacks(*idle, *others).idle_at_sight(AS_OF, MEMORY) == {p.arn for p in idle}


def key(number, since, activity=Activity.INACTIVE, **more):
    known = {"reason": "unused", "action": "DeactivateAccessKey", "since": since, "key": f"AKIA{number:03}"}
    return Judgement("accessKey", "arn:aws:iam::111111111111:user/a", "AIDA", activity, **known | more)


def test_a_status_counts_all_and_lists_the_longest_idle():
    idle = [key(n, date(2025, 1, 1) + timedelta(days=n), detail="x" * 2000) for n in reversed(range(70))]
    open_ones = [key(n, None, Activity.UNDETERMINED, action=None, reason="keyUnclear") for n in range(3)]
    disabled = key(99, date(2020, 1, 1), action=None, reason="keyNotActive")
    said = inactivity_status([*idle, *open_ones, disabled], NOBODY)
    assert (said.access_keys.inactive, said.access_keys.undetermined, said.access_keys.active) == (71, 3, 0)
    assert said.users.active == said.roles.inactive == 0
    assert said.why_undetermined == {"keyUnclear": 3}
    assert [c.access_key for c in said.candidates] == [f"AKIA{n:03}" for n in range(50)]
    assert said.candidates[0].since == "2025-01-01"
    assert said.candidates_truncated == 20
    assert size_of(LandscapeStatus(inactivity=said)) < STATUS_BYTES / 2
    assert inactivity_status(reversed([*idle, *open_ones, disabled]), NOBODY) == said


def test_each_candidate_names_its_owner():
    alice = principal("a", kind="user", tags={"owner": "crew"})
    other = replace(key(2, date(2025, 1, 2)), principal="arn:aws:iam::111111111111:user/b")
    bob = replace(principal("b", kind="user"), arn=other.principal)
    owners = Owners({alice.arn: alice, bob.arn: bob}, {}, Routing(defaultOwner="platform"))
    said = inactivity_status([key(1, date(2025, 1, 1)), other], owners)
    assert [one.owner for one in said.candidates] == ["crew", "platform"]


def test_nothing_is_no_candidate():
    said = inactivity_status([], NOBODY)
    assert (said.candidates, said.candidates_truncated, said.why_undetermined) == ([], 0, {})


def test_the_metric_has_three_labels():
    text = render(Figures(activity=(("all", "accessKey", "inactive", 2), ("all", "user", "active", 1))))
    assert 'plumbline_landscape_activity{activity="inactive",kind="accessKey",landscape="all"} 2.0' in text


def test_roles_that_plumbline_assumes_are_in_use():
    reader = replace(principal("reader"), arn=f"arn:aws:iam::{PRODUCTION}:role/plumbline/reader")
    organization, app = principal("organization"), principal("app")
    accounts = {PRODUCTION: Account(PRODUCTION, collected_at=YOUNG)}
    snapshot = Snapshot("all", accounts, {p.arn: p for p in (reader, organization, app)})
    spec = LandscapeSpec.model_validate(
        {
            "accounts": {"organization": {"roleArn": organization.arn}},
            "memberRole": {"name": "plumbline/reader"},
        }
    )
    assert assumptions(own_use(spec, snapshot), OLD).certain == {reader.arn: YOUNG, organization.arn: YOUNG}


def test_a_folder_keeps_the_whole_answer_beside_the_status(tmp_path):
    folder, text = FolderStore(tmp_path / "in", tmp_path / "state"), inactivity_json([key(1, date(2025, 1, 1))])
    assert folder.write_inactivity("all", text) is True
    assert folder.write_inactivity("all", text) is False
    assert json.loads((tmp_path / "state/inactivity/all.json").read_text())[0]["accessKey"] == "AKIA001"


def test_the_whole_answer_is_json():
    assert '"action": "DeactivateAccessKey"' in inactivity_json([key(1, date(2025, 1, 1))])
    assert '"since": ""' in inactivity_json([key(1, None)])
