"""Which analyzers have to exist, whether they do, and the commands that make them."""

import json
import shlex

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from plumbline.api.analyzers import Analyzers
from plumbline.assess.analyzers import judge_analyzers, unasked
from plumbline.assess.required_analyzers import Seen, principals_looked_at, required_analyzers
from plumbline.model.analyzers import Analyzer, Inspected, Listing
from plumbline.model.coverage import SourceState, State
from plumbline.model.snapshot import Account
from tests.iam.policies import role

OWNER, APP, DEV, OTHER = "111111111111", "222222222222", "333333333333", "444444444444"
REGIONS = ("eu-west-1", "us-east-1")
CREATED = role().created_at
DENIED = SourceState("unused-access", State.UNAVAILABLE, "AccessDenied", "not allowed", "Allow it")
EXTERNAL = {"account": OWNER, "externalAccess": {}}
ONE_AGE = {"account": OWNER, "unusedAccess": {}}
TWO_AGES = {"account": OWNER, "unusedAccess": {"development": {"organizationalUnits": ["ou-ab12-devdevde"]}}}
EACH = {"unusedAccess": {"scope": "account", "development": {"accounts": [DEV]}}}


def seen(**more):
    accounts = {
        OWNER: Account(OWNER, regions=REGIONS),
        APP: Account(APP, regions=REGIONS),
        DEV: Account(DEV, ou_path=("r-ab12", "ou-ab12-devdevde"), regions=REGIONS),
    }
    return Seen(**({"accounts": accounts} | more))


def required(spec, **more):
    return required_analyzers(Analyzers.model_validate(spec), seen(**more))


def there(kind="ORGANIZATION_UNUSED_ACCESS", account=OWNER, region="us-east-1", status="ACTIVE", **more):
    name = more.pop("name", f"{kind.lower()}-{more.get('age', 0)}")
    arn = f"arn:aws:access-analyzer:{region}:{account}:analyzer/{name}"
    return Analyzer(arn, name, kind, account, region, status, CREATED, **more)


def inspected(*analyzers, failed=(), regions=REGIONS, accounts=(OWNER, APP, DEV)):
    places = {(account, region) for account in accounts for region in (regions or ("us-east-1",))}
    listings = {
        place: Listing(*place, failed=DENIED)
        if place in failed
        else Listing(*place, tuple(a for a in analyzers if (a.account, a.region) == place))
        for place in places
    }
    return Inspected(listings, dict.fromkeys(accounts, regions))


def judged(spec, *analyzers, **more):
    return judge_analyzers(required(spec), inspected(*analyzers, **more))


def states(found):
    return [(one.required.account, one.required.region, one.required.age, one.state, one.reason) for one in found]


# What has to exist


def test_external_access_is_asked_for_in_each_region():
    assert [(r.type, r.account, r.region, r.age) for r in required(EXTERNAL)] == [
        ("ORGANIZATION", OWNER, "eu-west-1", None),
        ("ORGANIZATION", OWNER, "us-east-1", None),
    ]
    one = {"account": OWNER, "externalAccess": {"regions": ["eu-central-1"]}}
    assert [r.region for r in required(one)] == ["eu-central-1"]
    each = required({"externalAccess": {"scope": "account"}})
    assert {(r.type, r.account) for r in each} == {("ACCOUNT", OWNER), ("ACCOUNT", APP), ("ACCOUNT", DEV)}
    assert len(each) == 6


def test_one_age_needs_one_analyzer_without_exclusions():
    (one,) = required(ONE_AGE)
    assert (one.type, one.age, one.excluded) == ("ORGANIZATION_UNUSED_ACCESS", 90, frozenset())


def test_two_ages_need_two_analyzers_that_exclude_each_others_accounts():
    short, long = required(TWO_AGES, left_out=frozenset({OTHER}))
    assert (short.age, short.covers, short.excluded) == (30, {DEV}, {APP, OTHER})
    # What the landscape leaves out is not development: it stays with production.
    assert (long.age, long.covers, long.excluded) == (90, {OWNER, APP}, {DEV})
    # The owner cannot be excluded, so both look at it, and it is paid twice.
    assert OWNER in principals_looked_at(short, seen().accounts) & principals_looked_at(long, seen().accounts)


def test_an_owner_in_development_is_not_excluded_either():
    spec = {"account": DEV, "unusedAccess": {"development": {"accounts": [DEV]}}}
    short, long = required(spec)
    assert (short.age, short.excluded) == (30, {OWNER, APP})
    assert (long.age, long.excluded) == (90, frozenset())


def test_accounts_have_the_age_of_their_environment():
    assert [(r.account, r.age) for r in required(EACH)] == [(OWNER, 90), (APP, 90), (DEV, 30)]


def test_accounts_that_are_closed_need_none():
    accounts = {OWNER: Account(OWNER, regions=REGIONS), DEV: Account(DEV, state="SUSPENDED")}
    assert [r.account for r in required(EACH, accounts=accounts)] == [OWNER]


@pytest.mark.parametrize(
    ("spec", "more", "reason"),
    [
        (TWO_AGES, {"organization_read": False}, "OrganizationNotRead"),
        (EXTERNAL, {"accounts": {OWNER: Account(OWNER)}}, "RegionsUnknown"),
        (EXTERNAL, {"accounts": {}}, "RegionsUnknown"),
        (
            TWO_AGES,
            {"left_out": frozenset(f"{n:012}" for n in range(2001))},
            "TooManyExclusions",
        ),
    ],
)
def test_what_is_not_known_to_be_required_is_unknown(spec, more, reason):
    found = judge_analyzers(required(spec, **more), inspected())
    assert ("unknown", reason) in {(one.state, one.reason) for one in found}
    assert all(one.message and not one.command for one in found if one.state == "unknown")


# Whether it does


RIGHT_30 = there(age=30, excluded=frozenset({APP}))
RIGHT_90 = there(age=90, excluded=frozenset({DEV}))
TABLE = [
    # (what is asked for, what is there, states)
    ("nothing is there", ONE_AGE, (), [("missing", "Missing")]),
    ("it is there", ONE_AGE, (there(age=90),), [("present", "Present")]),
    ("in another Region, where it does as well", ONE_AGE, (there(age=90, region="eu-west-1"),), [("present", "Present")]),
    ("of another kind", ONE_AGE, (there("ORGANIZATION"),), [("missing", "Missing")]),
    ("of an account only", ONE_AGE, (there("ACCOUNT_UNUSED_ACCESS", age=90),), [("missing", "Missing")]),
    ("of another age", ONE_AGE, (there(age=180),), [("differs", "UnusedAccessAge")]),
    ("that of a service of another age", ONE_AGE, (there(age=180, managed_by="x"),), [("missing", "Missing")]),
    ("that of Security Hub", ONE_AGE, (there(age=90, managed_by="x"),), [("present", "Present")]),
    ("it leaves out an account", ONE_AGE, (there(age=90, excluded=frozenset({APP})),), [("differs", "Exclusions")]),
    ("it leaves out principals by tags", ONE_AGE, (there(age=90, tags_excluded=True),), [("differs", "Exclusions")]),
    ("an account that is none of ours", ONE_AGE, (there(age=90, excluded=frozenset({OTHER})),), [("present", "Present")]),
    ("it is being made", ONE_AGE, (there(age=90, status="CREATING"),), [("creating", "Creating")]),
    ("it is disabled", ONE_AGE, (there(age=90, status="DISABLED"),), [("disabled", "Disabled")]),
    ("it failed", ONE_AGE, (there(age=90, status="FAILED"),), [("failed", "Failed")]),
    ("a status that nobody knows", ONE_AGE, (there(age=90, status="RESTING"),), [("unknown", "UnknownStatus")]),
    ("one that works is better", ONE_AGE, (there(age=90, status="FAILED", name="a"), there(age=90)), [("present", "Present")]),
    ("its configuration cannot be read", ONE_AGE, (there(unread=DENIED),), [("unknown", "AccessDenied")]),
    ("both are there", TWO_AGES, (RIGHT_30, RIGHT_90), [("present", "Present")] * 2),
    ("one of two", TWO_AGES, (RIGHT_90,), [("missing", "Missing"), ("present", "Present")]),
    ("one for all", TWO_AGES, (there(age=90),), [("missing", "Missing"), ("differs", "Exclusions")]),
    ("external access in one Region", EXTERNAL, (there("ORGANIZATION"),), [("missing", "Missing"), ("present", "Present")]),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "analyzers", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_state_of_an_analyzer(spec, analyzers, expected):
    assert [(one.state, one.reason) for one in judged(spec, *analyzers)] == expected


def test_what_could_not_be_listed_is_never_missing():
    failed = [(OWNER, "eu-west-1")]
    assert states(judged(EXTERNAL, failed=failed)) == [
        (OWNER, "eu-west-1", None, "unknown", "AccessDenied"),
        (OWNER, "us-east-1", None, "missing", "Missing"),
    ]
    # It may be in the Region that could not be listed, and a second one would be paid for.
    assert states(judged(ONE_AGE, failed=failed)) == [(OWNER, "us-east-1", 90, "unknown", "AccessDenied")]
    assert states(judged(ONE_AGE, there(age=90), failed=failed))[0][3] == "present"
    assert states(judged(ONE_AGE, regions=None))[0][3:] == ("unknown", "RegionsUnknown")
    assert states(judged(ONE_AGE, there(age=90), regions=None))[0][3] == "present"


@given(
    spec=st.sampled_from([EXTERNAL, ONE_AGE, TWO_AGES, EACH]),
    failed=st.sets(st.sampled_from([(a, r) for a in (OWNER, APP, DEV) for r in REGIONS])),
)
def test_a_listing_that_fails_never_makes_anything_missing(spec, failed):
    whole, damaged = judged(spec), judged(spec, failed=failed)
    for before, after in zip(whole, damaged, strict=True):
        places = {(after.required.account, r) for r in REGIONS} & failed
        if after.required.kind == "externalAccess":
            places &= {(after.required.account, after.required.region)}
        assert after.state == ("unknown" if places else before.state)


def test_what_differs_is_named():
    (found,) = judged(ONE_AGE, there(age=90, excluded=frozenset({APP})))
    assert found.message == f"it leaves out account {APP}"
    more = judged(TWO_AGES, there(age=30), there(age=90))
    assert f"it also looks at account {APP}, which another threshold is for" in more[0].message
    (disabled,) = judged(
        ONE_AGE, there(age=90, status="DISABLED", status_reason="DELEGATED_ADMINISTRATOR_DEREGISTERED")
    )
    assert (
        f"register-delegated-administrator --service-principal access-analyzer.amazonaws.com --account-id {OWNER}"
        in (disabled.message)
    )


def test_analyzers_that_nobody_asks_for_are_named():
    extra, hub = there(age=365), there(age=90, managed_by="securityhubv2.amazonaws.com", name="hub")
    known = inspected(there(age=90), extra, hub, there("ORGANIZATION"))
    found = judge_analyzers(required(ONE_AGE), known)
    assert [a.arn for a in unasked(found, known)] == [extra.arn]
    assert unasked(judge_analyzers(required(EXTERNAL), known), known) == ()


# Commands


MODEL = botocore.session.get_session().get_service_model("accessanalyzer")
OPTIONS = {"--analyzer-name": "analyzerName", "--type": "type", "--configuration": "configuration"}


def parsed(command):
    """(operation, Region, parameters) of each command in a line, valid by botocore's model of the service."""
    result = []
    words = shlex.split(command)
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        one, words = words[:end], words[end + 1 :]
        assert one[:2] == ["aws", "accessanalyzer"]
        operation = "".join(part.title() for part in one[2].split("-"))
        options = dict(zip(one[3::2], one[4::2], strict=True))
        region = options.pop("--region")
        parameters = {OPTIONS[name]: value for name, value in options.items()}
        if "configuration" in parameters:
            parameters["configuration"] = json.loads(parameters["configuration"])
        shape = MODEL.operation_model(operation).input_shape
        report = ParamValidator().validate(parameters, shape)
        assert not report.has_errors(), report.generate_report()
        if "type" in parameters:
            assert parameters["type"] in shape.members["type"].enum
        result.append((operation, region, parameters))
    return result


@pytest.mark.parametrize(("spec", "analyzers", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_commands_are_valid(spec, analyzers, expected):
    for one in judged(spec, *analyzers):
        assert bool(one.command) == (one.state in {"missing", "differs", "failed"})
        operations = [operation for operation, *_ in parsed(one.command)]
        assert operations in ([], ["CreateAnalyzer"], ["UpdateAnalyzer"], ["DeleteAnalyzer", "CreateAnalyzer"])


def test_the_commands_for_two_ages():
    short, long = (parsed(one.command)[0] for one in judged(TWO_AGES))
    assert short == (
        "CreateAnalyzer",
        "us-east-1",
        {
            "analyzerName": "plumbline-unused-access-30d",
            "type": "ORGANIZATION_UNUSED_ACCESS",
            "configuration": {
                "unusedAccess": {"unusedAccessAge": 30, "analysisRule": {"exclusions": [{"accountIds": [APP]}]}}
            },
        },
    )
    assert long[2]["configuration"]["unusedAccess"]["analysisRule"] == {"exclusions": [{"accountIds": [DEV]}]}


def test_a_name_that_is_taken_is_not_taken_again():
    (found,) = judged(ONE_AGE, there("ORGANIZATION", name="plumbline-unused-access-90d"))
    assert parsed(found.command)[0][2]["analyzerName"] == "plumbline-unused-access-90d-2"
    # One that is deleted first leaves its name free.
    (replaced,) = judged(ONE_AGE, there(age=180, name="plumbline-unused-access-90d"))
    assert [p["analyzerName"] for _, _, p in parsed(replaced.command)] == ["plumbline-unused-access-90d"] * 2


def test_exclusions_are_changed_where_the_analyzer_is():
    found = judged(TWO_AGES, there(age=90, region="eu-west-1", name="all"), RIGHT_30)[1]
    ((operation, region, parameters),) = parsed(found.command)
    assert (operation, region, parameters["analyzerName"]) == ("UpdateAnalyzer", "eu-west-1", "all")
    assert parameters["configuration"]["unusedAccess"]["unusedAccessAge"] == 90
