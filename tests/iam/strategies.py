"""Strategies for documents of every kind and for whole cases of `plumbline simulate`.

All is drawn from one small vocabulary, so that patterns meet what is requested. Left out is what AWS leaves open:
several values of a key without a set operator, values that are not of the key's type, and identity policies of root.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Kind = str  # identity, boundary, session, scp, resource, trust, rcp or endpoint

ACTIONS = ["s3:GetObject", "s3:PutObject", "sqs:SendMessage", "kms:Decrypt", "kms:ListKeys", "sts:AssumeRole"]
ACTION_PATTERNS = [
    *ACTIONS,
    "*",
    "s3:*",
    "S3:get*",
    "s3:?etObject",
    "*:*",
    "kms:*",
    "sts:Assume*",
    "nosuch:*",
    "ec2:Run*",
]
RESOURCES = {
    "s3": ["arn:aws:s3:::b/red/k", "arn:aws:s3:::b/u/k"],
    "sqs": ["arn:aws:sqs:eu-west-1:111111111111:q", "arn:aws:sqs:eu-west-1:222222222222:q"],
    "kms": ["arn:aws:kms:eu-west-1:111111111111:key/k", "arn:aws:kms:eu-west-1:222222222222:key/k"],
    "sts": ["arn:aws:iam::111111111111:role/target", "arn:aws:iam::222222222222:role/target"],
}
RESOURCE_PATTERNS = [
    "*",
    "*",
    "*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/red/?",
    "arn:aws:sqs:*:*:q",
    "arn:aws:sqs:*:111111111111:*",
    "arn:aws:kms:*:*:key/*",
    "arn:aws:iam::*:role/target",
    "arn:aws:iam::111111111111:role/*",
    "arn:*",
]
VARIABLE_RESOURCES = {
    "aws:PrincipalTag/team": [
        "arn:aws:s3:::b/${aws:PrincipalTag/team}/*",
        "arn:aws:s3:::b/${aws:principaltag/TEAM, 'red'}/k",
    ],
    "aws:username": ["arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::${*}/${aws:username, 'u'}"],
}
CALLERS = [
    "arn:aws:iam::111111111111:user/u",
    "arn:aws:iam::111111111111:role/r",
    "arn:aws:sts::111111111111:assumed-role/r/s",
    "arn:aws:sts::111111111111:federated-user/u",
    "arn:aws:iam::222222222222:user/u",
    "arn:aws:iam::222222222222:role/r",
    "arn:aws:iam::111111111111:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX",
    "arn:aws:sts::111111111111:assumed-role/AWSServiceRoleForX/s",
    "111111111111",
    "arn:aws:iam::222222222222:root",
    "sns.amazonaws.com",
    "*",
]
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": "111111111111"},
    {"AWS": "arn:aws:iam::111111111111:root"},
    {"AWS": ["222222222222", "arn:aws:iam::111111111111:role/r"]},
    {"AWS": "arn:aws:iam::111111111111:user/u"},
    {"AWS": "arn:aws:iam::111111111111:role/r"},
    {"AWS": "arn:aws:iam::222222222222:user/u"},
    {"AWS": "arn:aws:iam::222222222222:role/r"},
    {"AWS": "arn:aws:sts::111111111111:assumed-role/r/s"},
    {"AWS": "arn:aws:sts::111111111111:federated-user/u"},
    {"Service": "sns.amazonaws.com"},
    {"Service": ["sns.amazonaws.com", "ec2.amazonaws.com"], "AWS": "111111111111"},
    {"Federated": "arn:aws:iam::111111111111:saml-provider/p"},
]
FAMILIES = {
    "string": [
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ],
    "bool": ["Bool"],
    "ip": ["IpAddress", "NotIpAddress"],
    "numeric": [
        f"Numeric{name}"
        for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
    ],
    "date": [
        f"Date{name}"
        for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
    ],
    "arn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"],
    "binary": ["BinaryEquals"],
}
DATES = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "1767225600"]
TOPIC = "arn:aws:sns:eu-west-1:111111111111:t"
# Each key with its family, the values that policies compare it with, and those that requests have.
KEYS: dict[str, tuple[str, list[str], list[str]]] = {
    "aws:PrincipalTag/team": ("string", ["red", "RED", "r*", "?ed", "blue"], ["red", "Red", "blue"]),
    "aws:ResourceTag/team": (
        "string",
        ["red", "b*", "${aws:PrincipalTag/team}", "${aws:PrincipalTag/team, 'red'}"],
        ["red", "blue"],
    ),
    "aws:username": ("string", ["u", "${*}", "v"], ["u"]),
    "aws:TagKeys": ("string", ["team", "t*", "owner"], ["team", "owner", "TEAM"]),
    "aws:SecureTransport": ("bool", ["true", "false"], ["true", "false"]),
    "aws:PrincipalIsAWSService": ("bool", ["true", "false"], []),
    "aws:SourceIp": (
        "ip",
        ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32"],
        ["10.1.2.3", "192.0.2.7", "2001:db8::1"],
    ),
    "s3:max-keys": ("numeric", ["9", "10", "11"], ["9", "10", "11.0"]),
    "aws:CurrentTime": ("date", DATES, DATES),
    "aws:SourceArn": ("arn", ["*", TOPIC, "arn:aws:sns:*:111111111111:*", "arn:aws:s?s:*:*:t"], [TOPIC, TOPIC + ":x"]),
    "aws:PrincipalArn": (
        "arn",
        ["arn:aws:iam::*:user/u", "arn:aws:iam::111111111111:role/r", "arn:aws:iam::111111111111:*"],
        [],
    ),
    "example:Digest": ("binary", ["YQ==", "Yg=="], ["YQ==", "Yg=="]),
}
ALL_KEYS = tuple(KEYS)


def one_or_many(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True))


@st.composite
def conditions(draw: Any, keys: tuple[str, ...] = ALL_KEYS) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        key = draw(st.sampled_from(keys))
        family, values, _ = KEYS[key]
        # A variable would be one more unknown key than `keys` has.
        values = [v for v in values if "${aws:" not in v or "aws:PrincipalTag/team" in keys]
        operator = draw(st.sampled_from(FAMILIES[family]))
        if draw(st.integers(0, 5)) == 0:
            operator, value = "Null", draw(st.sampled_from(["true", "false"]))
        else:
            prefixes = (
                ["ForAllValues:", "ForAnyValue:"]
                if key == "aws:TagKeys"
                else ["", "", "", "", "", "", "ForAllValues:", "ForAnyValue:"]
            )
            operator = draw(st.sampled_from(prefixes)) + operator + draw(st.sampled_from(["", "", "IfExists"]))
            value = draw(one_or_many(values))
        spelled = draw(st.sampled_from([key, key, key.lower(), key.upper()]))
        known = {name.lower() for name in made.get(operator, {})}
        if spelled.lower() not in known:
            made.setdefault(operator, {})[spelled] = value
    return made


@st.composite
def statements(draw: Any, kind: Kind, keys: tuple[str, ...] = ALL_KEYS) -> dict[str, Any]:
    made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    if kind == "rcp":
        made["Effect"] = "Deny"
    if kind == "trust":
        made["Action"] = draw(st.sampled_from(["sts:AssumeRole", "sts:AssumeRole", "sts:*", "sts:TagSession"]))
    elif draw(st.integers(0, 3)) == 0:
        made |= {"Action": "*", "Resource": "*"}
    else:
        element = draw(st.sampled_from(["Action", "Action", "Action", "Action", "NotAction"]))
        made[element] = draw(one_or_many(ACTION_PATTERNS))
        patterns = RESOURCE_PATTERNS + [text for key in keys for text in VARIABLE_RESOURCES.get(key, [])]
        made[draw(st.sampled_from(["Resource", "Resource", "Resource", "Resource", "NotResource"]))] = draw(
            one_or_many(patterns)
        )
    if kind == "rcp":
        made["Principal"] = "*"
    elif kind in {"resource", "trust", "endpoint"}:
        made[draw(st.sampled_from(["Principal"] * 6 + ["NotPrincipal"]))] = draw(st.sampled_from(PRINCIPALS))
    if keys and draw(st.booleans()):
        made["Condition"] = draw(conditions(keys))
    return made


@st.composite
def policies(draw: Any, kind: Kind, keys: tuple[str, ...] = ALL_KEYS) -> dict[str, Any]:
    """A document of this kind; its conditions and variables are of `keys` only."""
    made = draw(st.lists(statements(kind, keys), min_size=1, max_size=3))
    document: dict[str, Any] = {
        "Version": draw(st.sampled_from(["2012-10-17"] * 5 + ["2008-10-17"])),
        "Statement": made,
    }
    if draw(st.integers(0, 9)) == 0:
        del document["Version"]
    if len(made) == 1 and draw(st.booleans()):
        document["Statement"] = made[0]
    return document


WIDE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TO_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


@st.composite
def contexts(draw: Any, keys: tuple[str, ...], absent: int = 1) -> dict[str, Any]:
    """Values for the keys, of which `absent` in four are left out."""
    made: dict[str, Any] = {}
    for key in keys:
        values = KEYS[key][2]
        if key == "aws:username" or not values or draw(st.integers(1, 4)) <= absent:
            continue
        if key == "aws:TagKeys":
            made[key] = draw(st.lists(st.sampled_from(values), max_size=3, unique=True))
        else:
            made[draw(st.sampled_from([key, key.lower()]))] = draw(st.sampled_from(values))
    if draw(st.integers(0, 9)) == 0:
        made["aws:PrincipalOrgMasterAccountId"] = draw(st.sampled_from(["111111111111", "999999999999"]))
    return made


@st.composite
def cases(draw: Any) -> dict[str, Any]:
    """A whole case whose documents name at most three keys."""
    keys = tuple(draw(st.lists(st.sampled_from(ALL_KEYS), min_size=1, max_size=3, unique=True)))
    action = draw(st.sampled_from(ACTIONS))
    service = action.split(":")[0]
    principal = draw(st.sampled_from(CALLERS))
    complete = draw(st.sampled_from([False, False, True, None]))
    case: dict[str, Any] = {
        "principal": principal,
        "action": draw(st.sampled_from([action, action, action.lower()])),
        "resource": "*" if action == "kms:ListKeys" else draw(st.sampled_from(RESOURCES[service])),
        "context": draw(contexts(keys, absent=3 if complete is False else 1)),
        "contextComplete": complete,
    }

    def layer(kind: Kind, wide: Any) -> Any:
        return draw(
            st.lists(st.one_of(policies(kind, keys), policies(kind, keys), st.just(wide)), min_size=1, max_size=2)
        )

    def sometimes(chance: int) -> bool:
        return bool(draw(st.integers(1, 100)) <= chance)

    if service == "s3" and sometimes(70):
        case["resourceAccount"] = draw(st.sampled_from(["111111111111", "111111111111", "222222222222", "aws"]))
    if not principal.endswith(("root", "111111111111")):
        if sometimes(80):
            case["identityPolicies"] = layer("identity", WIDE)
        if sometimes(20):
            case["permissionsBoundaries"] = layer("boundary", WIDE)
        if "sts::" in principal and sometimes(50):
            case["sessionPolicies"] = layer("session", WIDE)
    if action != "kms:ListKeys" and sometimes(75 if service in {"kms", "sts"} else 50):
        case["resourcePolicy"] = layer("trust" if service == "sts" else "resource", TO_ALL)[0]
    if sometimes(10):
        case["vpcEndpointPolicies"] = layer("endpoint", TO_ALL)[:1]
    if sometimes(25):
        case["serviceControlPolicies"] = [[WIDE], *([layer("scp", WIDE)] if sometimes(90) else [[]])]
    if sometimes(20):
        case["resourceControlPolicies"] = [[], layer("rcp", TO_ALL)]
    return case
