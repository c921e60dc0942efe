"""CloudTrail: event selectors, basic and advanced."""

import pytest

from plumbline.usage.selectors import assumed, selection_of

ALL_S3 = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}


def basic(**more):
    return {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], **more}]}


def advanced(*selectors):
    def fields(selector):
        return [
            {"Field": name, **(value if isinstance(value, dict) else {"Equals": value})}
            for name, value in selector.items()
        ]

    return {"AdvancedEventSelectors": [{"Name": "n", "FieldSelectors": fields(selector)} for selector in selectors]}


MANAGEMENT = {"eventCategory": ["Management"]}
DATA = {"eventCategory": ["Data"], "resources.type": ["AWS::SNS::Topic"]}
# (rule, answer of GetEventSelectors, read, write, excluded, data types)
CASES = [
    ("default selector", basic(), True, True, [], []),
    ("reads", basic(ReadWriteType="ReadOnly"), True, False, [], []),
    ("writes", basic(ReadWriteType="WriteOnly"), False, True, [], []),
    ("no management events", basic(IncludeManagementEvents=False), False, False, [], []),
    (
        "excluded source",
        basic(ExcludeManagementEventSources=["kms.amazonaws.com"]),
        True,
        True,
        ["kms.amazonaws.com"],
        [],
    ),
    ("all objects", basic(DataResources=[ALL_S3]), True, True, [], ["AWS::S3::Object"]),
    (
        "all objects, by prefix",
        basic(DataResources=[{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::"]}]),
        True,
        True,
        [],
        ["AWS::S3::Object"],
    ),
    (
        "one bucket",
        basic(DataResources=[{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::b/"]}]),
        True,
        True,
        [],
        [],
    ),
    (
        "all functions",
        basic(DataResources=[{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}]),
        True,
        True,
        [],
        ["AWS::Lambda::Function"],
    ),
    ("data of reads only", basic(ReadWriteType="ReadOnly", DataResources=[ALL_S3]), True, False, [], []),
    ("unknown member", basic(Surprise=True), False, False, [], []),
    ("unknown type", basic(ReadWriteType="Some"), False, False, [], []),
    ("nothing", {}, False, False, [], []),
    ("advanced management", advanced(MANAGEMENT), True, True, [], []),
    ("readOnly", advanced(MANAGEMENT | {"readOnly": ["true"]}), True, False, [], []),
    ("readOnly false", advanced(MANAGEMENT | {"readOnly": ["false"]}), False, True, [], []),
    ("readOnly odd", advanced(MANAGEMENT | {"readOnly": {"NotEquals": ["true"]}}), False, False, [], []),
    (
        "eventSource left out",
        advanced(MANAGEMENT | {"eventSource": {"NotEquals": ["kms.amazonaws.com"]}}),
        True,
        True,
        ["kms.amazonaws.com"],
        [],
    ),
    ("eventSource only", advanced(MANAGEMENT | {"eventSource": ["ec2.amazonaws.com"]}), False, False, [], []),
    ("eventName", advanced(MANAGEMENT | {"eventName": ["RunInstances"]}), False, False, [], []),
    ("eventType", advanced(MANAGEMENT | {"eventType": {"NotEquals": ["AwsServiceEvent"]}}), False, False, [], []),
    (
        "userIdentity.arn",
        advanced(MANAGEMENT | {"userIdentity.arn": {"NotStartsWith": ["arn:aws:sts"]}}),
        False,
        False,
        [],
        [],
    ),
    (
        "sessionCredentialFromConsole",
        advanced(MANAGEMENT | {"sessionCredentialFromConsole": ["true"]}),
        False,
        False,
        [],
        [],
    ),
    ("unknown field", advanced(MANAGEMENT | {"newField": ["x"]}), False, False, [], []),
    ("unknown operator", advanced(MANAGEMENT | {"eventSource": {"Like": ["x"]}}), False, False, [], []),
    ("data of a type", advanced(DATA), False, False, [], ["AWS::SNS::Topic"]),
    (
        "data reads and writes in two",
        advanced(DATA | {"readOnly": ["true"]}, DATA | {"readOnly": ["false"]}),
        False,
        False,
        [],
        ["AWS::SNS::Topic"],
    ),
    ("data reads", advanced(DATA | {"readOnly": ["true"]}), False, False, [], []),
    ("data of one resource", advanced(DATA | {"resources.ARN": ["arn:x"]}), False, False, [], []),
    ("data by name", advanced(DATA | {"eventName": ["Publish"]}), False, False, [], []),
    ("data without type", advanced({"eventCategory": ["Data"]}), False, False, [], []),
    (
        "network activity is no API call",
        advanced({"eventCategory": ["NetworkActivity"], "eventSource": ["kms.amazonaws.com"]}),
        False,
        False,
        [],
        [],
    ),
    ("no category", advanced({"readOnly": ["true"]}), False, False, [], []),
    (
        "two selectors together leave nothing out",
        {
            "EventSelectors": [
                *basic(ExcludeManagementEventSources=["kms.amazonaws.com"])["EventSelectors"],
                *basic()["EventSelectors"],
            ]
        },
        True,
        True,
        [],
        [],
    ),
]


@pytest.mark.parametrize(
    ("rule", "answer", "read", "write", "excluded", "types"), CASES, ids=[case[0] for case in CASES]
)
def test_selection(rule, answer, read, write, excluded, types):
    selection = selection_of(answer)
    management = selection.management
    assert (management.read, management.write) == (read, write)
    assert (sorted(management.excluded_sources), sorted(selection.data_types)) == (excluded, types)


def test_what_is_narrowed_is_named():
    assert selection_of(advanced(DATA | {"resources.ARN": ["arn:x"]})).partial == (
        "n: data events are narrowed by resources.ARN",
    )


@pytest.mark.parametrize(
    "odd", [None, 3, "x", [3], [{}], [{"FieldSelectors": 3}], [{"FieldSelectors": [3, {"Field": "a"}]}]]
)
def test_no_answer_is_too_odd(odd):
    selection = selection_of({"AdvancedEventSelectors": odd})
    assert not selection.management.read


def test_assumed():
    selection = assumed(["management", "data:AWS::S3::Object"])
    assert selection.management.read
    assert selection.data_types == {"AWS::S3::Object"}
    assert not assumed(["data:AWS::S3::Object"]).management.write
