"""Accepted access: accepted at the first complete picture, then only by a word in the baseline; lost, and found again."""

from dataclasses import replace
from datetime import datetime

import pytest

from plumbline.model.snapshot import Account, Policy
from tests.assess.world import ACCOUNT
from tests.iam.policies import allow, inline
from tests.reconcile.facts import DAY, NOW, READ, WRITE, Line, a_role, condition, conditions_of

SPEC = {"thresholds": {}, "mode": "Report"}
SMALL, LARGE = inline("p", allow(READ)), inline("p", allow(READ, WRITE))
FIRST = Line(spec=SPEC, roles=(a_role("app", SMALL),))
ARN = FIRST.roles[0].arn


def grown(line, **changes):
    return line.but(roles=(a_role("app", LARGE),), **changes)


def drift(line):
    (found,) = line.result().assessments
    return len(found.drift.additions)


def collected(at):
    return replace(Line().account, collected_at=at)


def accepting(line, at, **changes):
    return line.but(spec={**SPEC, "grantDrift": {"acceptedAt": at}}, **changes)


def test_seeing_drift_never_accepts_it():
    line = FIRST.after()
    for _ in range(3):
        line = grown(line).after()
        assert drift(line) == 1
        assert line.status.roles_reported[0].grant_drift == ["Allow ec2:TerminateInstances on *"]
        assert conditions_of(line.status)["Compliant"] == "False"
    assert drift(line.but(roles=FIRST.roles)) == 0


def test_allowed_and_forbidden_access_count_from_the_first_pass():
    forbidden = {**SPEC, "forbidden": [{"actions": [WRITE], "reason": "never here"}]}
    line = grown(FIRST, spec=forbidden)
    assert drift(line) == 1
    assert conditions_of(line.after().status)["Compliant"] == "False"
    assert (
        line.after().status.roles_reported[0].grant_drift[0].startswith("forbidden (never here): inline/p Statement[0]")
    )
    assert drift(FIRST.but(spec=forbidden)) == 0
    assert drift(grown(FIRST, spec={**SPEC, "allowed": [{"actions": [READ]}]})) == 1
    # Not to be seen is not clean.
    unknown = a_role("app", replace(LARGE, document=None))
    assert conditions_of(line.but(roles=(unknown,)).after().status)["Compliant"] == "Unknown"


def test_a_reduction_is_accepted_and_adding_back_is_drift():
    line = grown(FIRST).after()  # accepted at first sight
    assert drift(line) == 0
    line = line.but(roles=FIRST.roles).after()
    assert drift(grown(line)) == 1


@pytest.mark.parametrize(
    ("asked", "snapshot", "accepts"),
    [
        ("2026-06-30T09:00:00Z", "2026-06-30T10:00:00Z", False),  # before what is accepted was seen
        ("2026-07-01T00:00:00Z", "2026-07-01T10:00:00Z", True),
        # A snapshot older than the word is not what was meant.
        ("2026-07-01T09:00:00Z", "2026-07-01T08:00:00Z", False),
        ("2026-08-01T00:00:00Z", "2026-07-01T10:00:00Z", False),
    ],
)
def test_accepted_at_means_the_first_snapshot_after_it(asked, snapshot, accepts):
    line = accepting(grown(FIRST.after()), asked, account=collected(datetime.fromisoformat(snapshot)), now=NOW + DAY)
    assert drift(line) == (0 if accepts else 1)
    # Once only: later drift is drift again.
    wider = a_role("app", inline("p", allow(READ, WRITE, "s3:GetObject")))
    later = line.after(roles=(wider,), account=collected(NOW + 2 * DAY), now=NOW + 2 * DAY)
    if accepts:
        assert drift(later) == 1


def test_accepting_without_drift_spends_the_word():
    line = accepting(FIRST.after(), "2026-07-01T00:00:00Z", account=collected(NOW + DAY), now=NOW + DAY)
    assert drift(line) == 0
    assert drift(grown(line.after(account=collected(NOW + 2 * DAY), now=NOW + 2 * DAY))) == 1


def test_an_entry_accepts_exactly_the_digest_that_the_status_shows():
    line = grown(FIRST.after())
    shown = line.new_status().roles_reported[0]
    assert shown.live_digest not in ("", shown.accepted_digest)

    def with_entry(digest):
        entry = {"roleArn": ARN, "digest": digest, "reason": "reviewed"}
        return line.but(spec={**SPEC, "grantDrift": {"accepted": [entry]}})

    assert drift(with_entry("0" * 64)) == 1
    accepted = with_entry(shown.live_digest)
    assert drift(accepted) == 0
    assert accepted.after().status.roles_reported == []


def test_half_a_picture_is_neither_accepted_nor_drift():
    for broken in (Policy("p", "inline", None), Policy("p", "inline", "{}")):
        line = FIRST.but(roles=(a_role("app", SMALL, replace(broken, name="q")),))
        assert line.result().accepted == ()
        later = line.after()
        assert later.status.accepted_roles == 0
        assert drift(later) == 0
        # What was accepted before stays accepted.
        assert drift(grown(FIRST.after(roles=line.roles).after())) == 1


def test_a_role_made_again_starts_anew():
    line = FIRST.after(roles=(replace(a_role("app", LARGE), unique_id="AROANEW"),))
    assert drift(line) == 0
    assert [e.unique_id for e in line.result().accepted] == ["AROANEW"]


def lost(line=None, **changes):
    """The next pass after the store was lost."""
    return grown((line or FIRST).after()).but(accepted={}, now=NOW + DAY, account=collected(NOW + DAY)).but(**changes)


def test_a_lost_store_accepts_nothing_until_somebody_says_so():
    line = lost()
    for day in range(2, 5):
        status = line.new_status()
        assert line.result().accepted == ()
        found = conditions_of(status)
        assert (found["AcceptedAccessUnknown"], found["Compliant"], found["Ready"]) == ("True", "Unknown", "True")
        assert status.roles_reported[0].live_digest
        line = line.after(now=NOW + day * DAY, account=collected(NOW + day * DAY))
    message = condition(line.status, "AcceptedAccessUnknown").message
    assert "spec.grantDrift.acceptedAt" in message
    # A word from before the loss is none about what is live now.
    stale = accepting(line, "2026-06-30T12:00:00Z")
    assert stale.result().accepted == ()
    anew = accepting(line, "2026-07-03T00:00:00Z")
    assert "AcceptedAccessUnknown" not in conditions_of(anew.new_status())
    assert conditions_of(anew.new_status())["Compliant"] == "True"
    assert drift(anew.after(roles=(a_role("app", inline("p", allow(READ, WRITE, "s3:*"))),))) == 1


def test_without_a_threshold_for_drift_a_lost_store_hides_nothing_that_was_asked():
    line = lost(spec={**SPEC, "thresholds": {"grantDrift": None}})
    assert conditions_of(line.new_status())["Compliant"] == "True"


def test_roles_are_accepted_one_by_one_after_a_loss():
    both = FIRST.but(roles=(a_role("app", SMALL), a_role("web", SMALL)))
    line = lost(both, roles=(a_role("app", LARGE), a_role("web", LARGE)))
    digest = line.new_status().roles_reported[0].live_digest
    entry = {"roleArn": ARN, "digest": digest, "reason": "reviewed"}
    line = line.but(spec={**SPEC, "grantDrift": {"accepted": [entry]}})
    for day in range(2, 4):
        assert [a.drift.accepted_known for a in line.result().assessments] == [True, False]
        line = line.after(now=NOW + day * DAY, account=collected(NOW + day * DAY))
        assert conditions_of(line.status)["AcceptedAccessUnknown"] == "True"
    other = {**entry, "roleArn": line.roles[1].arn}
    line = line.but(spec={**SPEC, "grantDrift": {"accepted": [entry, other]}})
    assert "AcceptedAccessUnknown" not in conditions_of(line.new_status())


def test_a_role_made_after_the_loss_is_new():
    line = lost().after(now=NOW + 3 * DAY, account=collected(NOW + 3 * DAY))
    new = replace(a_role("web", SMALL), created_at=NOW + 2 * DAY)
    line = line.but(roles=(*line.roles, new))
    assert [a.drift.accepted_known for a in line.result().assessments] == [False, True]


def test_a_store_that_lost_some_roles_is_lost_for_these():
    both = FIRST.but(roles=(a_role("app", SMALL), a_role("web", SMALL))).after()
    kept = {arn: entry for arn, entry in both.accepted.items() if arn != ARN}
    line = both.but(accepted=kept)
    assert [a.drift.accepted_known for a in line.result().assessments] == [False, True]


def test_an_account_that_fails_while_the_store_is_lost_brings_nothing_in_later():
    failing = Account(ACCOUNT, ou_path=("r-root",), error="no", error_reason="Denied")
    line = lost().after(account=failing).after()
    assert conditions_of(line.status)["AcceptedAccessUnknown"] == "True"
    back = line.but(account=collected(NOW + 5 * DAY), now=NOW + 5 * DAY)
    assert back.result().accepted == ()


def test_a_new_baseline_is_not_a_lost_store():
    assert "AcceptedAccessUnknown" not in conditions_of(FIRST.new_status())
    assert FIRST.new_status().accepted_roles == 1
    assert len(FIRST.result().accepted) == 1
    # Nothing is remembered again while nothing changes.
    assert FIRST.after().result().accepted == ()
