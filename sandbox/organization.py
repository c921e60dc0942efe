"""The organization: accounts, units, guardrails and the trail, as plain data.

Knows names and documents. Must not know moto, roles or behaviour.
"""

from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

ORGANIZATION_ID = "o-plumbsand1"
ROOT_ID = "r-plm1"
EXTERNAL_ID = "plumbline-sandbox"
MEMBER_ROLE_PATH, MEMBER_ROLE_NAME = "/plumbline/", "plumbline-reader"
OPERATOR_USER = "plumbline-operator"
OPERATOR_ACCESS_KEY, OPERATOR_SECRET_KEY = "AKIAPLUMBLINEOPERATR", "plumbline-sandbox-operator-secret-key000"

# An account of nobody's organization; one role of production trusts it.
OUTSIDER, OUTSIDER_USER = "200000000009", "outsider"
OUTSIDER_ACCESS_KEY, OUTSIDER_SECRET_KEY = "AKIAPLUMBLINEOUTSIDE", "plumbline-sandbox-outsider-secret-key000"

MANAGEMENT, SECURITY, PRODUCTION, DEVELOPMENT = "100000000001", "100000000002", "100000000003", "100000000004"
ANALYTICS, PAYMENTS, LEGACY = "100000000005", "100000000006", "100000000007"

HOME_REGION = "us-east-1"
SECOND_REGION = "eu-west-1"
AGGREGATOR = "organization-aggregator"
TRAIL_NAME = "org-trail"
TRAIL_BUCKET = "plumbline-sandbox-trail"
TRAIL_ARN = f"arn:aws:cloudtrail:{HOME_REGION}:{MANAGEMENT}:trail/{TRAIL_NAME}"
EVENT_DATA_STORE_ID = "5f1c0a8e-7d42-4b7e-9a63-2c1d9e8f4b10"
EVENT_DATA_STORE = f"arn:aws:cloudtrail:{HOME_REGION}:{MANAGEMENT}:eventdatastore/{EVENT_DATA_STORE_ID}"
RESULTS_BUCKET = "plumbline-sandbox-results"
TRAIL_SELECTORS: list[Document] = [
    {"Name": "management", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
    {
        "Name": "functions",
        "FieldSelectors": [
            {"Field": "eventCategory", "Equals": ["Data"]},
            {"Field": "resources.type", "Equals": ["AWS::Lambda::Function"]},
        ],
    },
]


@dataclass(frozen=True)
class Unit:
    id: str
    name: str
    parent: str


@dataclass(frozen=True)
class Account:
    id: str
    name: str
    unit: str
    regions: tuple[str, ...] = (HOME_REGION,)
    lookback: int = 90


UNITS = (
    Unit("ou-plm1-security", "Security", ROOT_ID),
    Unit("ou-plm1-workload", "Workloads", ROOT_ID),
    Unit("ou-plm1-producti", "Production", "ou-plm1-workload"),
    Unit("ou-plm1-developm", "Development", "ou-plm1-workload"),
)
ACCOUNTS = {
    account.id: account
    for account in (
        Account(MANAGEMENT, "management", ROOT_ID),
        Account(SECURITY, "security", "ou-plm1-security"),
        Account(PRODUCTION, "production", "ou-plm1-producti", (HOME_REGION, SECOND_REGION)),
        Account(DEVELOPMENT, "development", "ou-plm1-developm", lookback=30),
        Account(ANALYTICS, "analytics", "ou-plm1-producti"),
        Account(PAYMENTS, "payments", "ou-plm1-producti"),
        Account(LEGACY, "legacy", "ou-plm1-workload"),
    )
}


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


FULL_ACCESS = _policy({"Effect": "Allow", "Action": "*", "Resource": "*"})


@dataclass(frozen=True)
class Guardrail:
    id: str
    name: str
    type: str
    targets: tuple[str, ...]
    document: Document


GUARDRAILS = (
    Guardrail(
        "p-leaveorg",
        "DenyLeavingOrganization",
        "SERVICE_CONTROL_POLICY",
        (ROOT_ID,),
        _policy(
            {"Sid": "Stay", "Effect": "Deny", "Action": "organizations:LeaveOrganization", "Resource": "*"},
        ),
    ),
    Guardrail(
        "p-trailsaf",
        "ProtectTrail",
        "SERVICE_CONTROL_POLICY",
        ("ou-plm1-workload",),
        _policy(
            {
                "Effect": "Deny",
                "Action": ["cloudtrail:StopLogging", "cloudtrail:DeleteTrail"],
                "Resource": "arn:aws:cloudtrail:*:*:trail/org-trail",
            },
        ),
    ),
    Guardrail(
        "p-regions0",
        "DenyOtherRegions",
        "SERVICE_CONTROL_POLICY",
        ("ou-plm1-producti",),
        _policy(
            {
                "Effect": "Deny",
                "NotAction": ["iam:*", "sts:*", "organizations:*", "route53:*", "cloudfront:*", "support:*"],
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:RequestedRegion": [HOME_REGION, SECOND_REGION]}},
            },
        ),
    ),
    Guardrail(
        "p-nolights",
        "DenyLightsail",
        "SERVICE_CONTROL_POLICY",
        (PRODUCTION,),
        _policy(
            {"Effect": "Deny", "Action": ["lightsail:*", "workmail:*"], "Resource": "*"},
        ),
    ),
    Guardrail(
        "p-sectrans",
        "SecureTransport",
        "RESOURCE_CONTROL_POLICY",
        ("ou-plm1-producti",),
        _policy(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["s3:*", "sqs:*", "secretsmanager:*"],
                "Resource": "*",
                "Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}},
            },
        ),
    ),
)


def units_above(account: str) -> list[str]:
    """Targets whose guardrails bind the account: root first, the account itself last."""
    parents = {unit.id: unit.parent for unit in UNITS}
    chain, at = [account], ACCOUNTS[account].unit
    while at != ROOT_ID:
        chain.append(at)
        at = parents[at]
    return [ROOT_ID, *reversed(chain)]
