"""Resources that are right, and the ways in which they can be wrong. Shared with the tests of the real API server."""

import copy
from dataclasses import dataclass
from typing import Any

DROP = object()
ARN = "arn:aws:iam::123456789012:role/app"
DIGEST = "0" * 64
TRAIL = "arn:aws:cloudtrail:us-east-1:123456789012:trail/all"
EVENT_DATA_STORE = "arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/5f1c0a8e-7d42-4b7e-9a63-2c1d9e8f4b10"

LANDSCAPE = {
    "apiVersion": "plumbline.dev/v1alpha1",
    "kind": "IAMLandscape",
    "metadata": {"name": "default"},
    "spec": {
        "accounts": {
            "organization": {"roleArn": ARN, "excludeAccounts": ["123456789013"]},
            "ids": ["123456789012"],
        },
        "memberRole": {"name": "plumbline/plumbline-reader", "externalId": "ex"},
        "evidence": {
            "cloudTrailLogs": [
                {
                    "name": "all",
                    "s3": {
                        "bucket": "logs",
                        "prefix": "",
                        "organizationId": "o-a1b2c3d4e5",
                        "account": "123456789012",
                        "region": "us-east-1",
                    },
                    "trailArn": TRAIL,
                    "regions": ["us-east-1"],
                },
                {"name": "files", "folder": "logs", "assumeComplete": ["management", "data:AWS::S3::Object"]},
            ],
            "cloudTrailLake": [{"name": "lake", "eventDataStore": EVENT_DATA_STORE, "account": "123456789012"}],
            "athena": [
                {
                    "name": "athena",
                    "s3": {"bucket": "logs", "organizationId": "o-a1b2c3d4e5"},
                    "createTable": "plumbline_cloudtrail",
                    "outputLocation": "s3://results/plumbline/",
                }
            ],
            "trino": [
                {
                    "name": "trino",
                    "url": "https://trino.example.com:8443",
                    "user": "plumbline",
                    "catalog": "hive",
                    "schema": "security",
                    "table": "cloudtrail_events",
                    "passwordFile": "trino/password",
                    "caFile": "trino/ca.crt",
                    "s3": {"bucket": "logs", "organizationId": "o-a1b2c3d4e5"},
                    "trailArn": TRAIL,
                }
            ],
            "lastAccessed": {"refreshInterval": "24h"},
            "policyGeneration": {"trailArn": TRAIL, "accessRoleName": "generation", "dailyJobs": 10},
            "credentialReport": {
                "lookback": "90d",
                "development": {"accounts": ["123456789012"], "organizationalUnits": ["ou-ab12-cdefgh34"]},
            },
        },
        "allowedTargets": [
            {
                "namespaces": ["payments"],
                "accounts": ["123456789012", "*"],
                "organizationalUnits": ["r-ab12", "ou-ab12-cdefgh34"],
                "rolePaths": ["/", "/team/a/"],
            }
        ],
        "analyzers": {
            "account": "123456789012",
            "externalAccess": {"scope": "organization", "regions": ["us-east-1", "us-gov-west-1"]},
            "unusedAccess": {
                "scope": "account",
                "region": "ap-southeast-1",
                "lookback": "90d",
                "development": {"accounts": ["123456789012"], "lookback": "30d"},
            },
        },
        "policyValidation": {"callsPerPass": 500, "region": "eu-central-1"},
        "escalationWays": [
            {
                "id": "acme-batch",
                "kind": "new-passrole",
                "summary": "Runs a job as the role.",
                "needs": {"iam:PassRole": "target", "batch:SubmitJob": "any/job-definition"},
                "service": ["ecs-tasks.amazonaws.com"],
                "trusts": ["ecs-tasks.amazonaws.com"],
                "context": {"aws:ViaAWSService": ["false"]},
                "premises": ["there is a job queue"],
            },
            {
                "id": "acme-boundary",
                "kind": "self-escalation",
                "summary": "Removes one's boundary.",
                "needs": {"iam:DeleteRolePermissionsBoundary": "target"},
                "target": "role",
                "gains": "anything",
            },
        ],
        "review": {
            "dueWithin": "14d",
            "decisions": [
                {
                    "kind": "ExternalAccess",
                    "resource": "arn:aws:s3:::public-*",
                    "decision": "Accepted",
                    "by": "someone",
                    "reason": "public on purpose",
                    "until": "2026-12-31",
                }
            ],
        },
        "memory": "400d",
        "interval": "1h30m",
        "awsRequestsPerSecond": 20,
    },
}
BASELINE = {
    "apiVersion": "plumbline.dev/v1alpha1",
    "kind": "LeastPrivilegeBaseline",
    "metadata": {"name": "payments", "namespace": "payments"},
    "spec": {
        "landscapeRef": {"name": "default"},
        "targets": {
            "arns": [ARN, "arn:aws-us-gov:iam::123456789012:role/a!b/c/app"],
            "serviceAccounts": [{"name": "app"}],
            "names": ["app-*"],
            "paths": ["/team/"],
            "tags": {"team": "pay*"},
            "accounts": ["123456789012"],
            "organizationalUnits": ["ou-ab12-cdefgh34"],
            "exclude": {"arns": [ARN], "names": ["x?"], "paths": ["/x/"], "tags": {"keep": "*"}},
        },
        "environment": "staging",
        "lookback": "60d",
        "interval": "1h",
        "thresholds": {
            "unusedActions": 10,
            "unusedShare": 12.5,
            "unusedPrivilegedActions": None,
            "grantDrift": 0,
        },
        "grantDrift": {
            "acceptedAt": "2026-06-01T00:00:00Z",
            "accepted": [{"roleArn": ARN, "digest": DIGEST, "reason": "reviewed"}],
        },
        "exemptions": [
            {
                "roles": ["app-*", ARN],
                "actions": ["s3:Get*", "*"],
                "owner": "payments",
                "reason": "yearly",
                "expires": "2026-12-31",
            }
        ],
        "rareUse": "keep",
        "policyGeneration": [ARN],
        "mode": "Propose",
        "routing": {"ownerTags": ["owner"], "defaultOwner": "platform"},
        "limits": {"reports": 10, "openProposals": 5},
        "review": {
            "decisions": [
                {
                    "kind": "GrantDrift",
                    "resource": ARN,
                    "decision": "Planned",
                    "by": "someone",
                    "reason": "taken back soon",
                    "until": "2026-12-31",
                }
            ],
        },
    },
}
PROPOSAL = {
    "apiVersion": "plumbline.dev/v1alpha1",
    "kind": "RemediationProposal",
    "metadata": {"name": "app-0123456789", "namespace": "payments"},
    "spec": {
        "baselineRef": {"name": "payments"},
        "roleArn": ARN,
        "decision": {"state": "Approved", "planDigest": DIGEST, "by": "someone", "reason": "fine"},
    },
}
REPORT = {
    "apiVersion": "plumbline.dev/v1alpha1",
    "kind": "RoleAccessReport",
    "metadata": {"name": "app-0123456789", "namespace": "payments"},
    "spec": {"baselineRef": {"name": "payments"}, "roleArn": ARN},
}
RESOURCES = {document["kind"]: document for document in (LANDSCAPE, BASELINE, PROPOSAL, REPORT)}
# The least that each kind needs.
LEAST = {
    "IAMLandscape": {**LANDSCAPE, "spec": {"accounts": {"ids": ["123456789012"]}, "memberRole": {"name": "reader"}}},
    "LeastPrivilegeBaseline": {**BASELINE, "spec": {"targets": {"names": ["*"]}}},
    "RemediationProposal": {**PROPOSAL, "spec": {"baselineRef": {"name": "payments"}, "roleArn": ARN}},
    "RoleAccessReport": REPORT,
}


@dataclass(frozen=True)
class Wrong:
    """`path` below spec set to `value`, or dropped. `at`: the path that is named; `remedy`: what the message says."""

    kind: str
    path: str
    value: Any
    remedy: str
    at: str = ""

    @property
    def document(self):
        return changed(self.kind, self.path, self.value)

    def __str__(self):
        return f"{self.kind}.{self.path}={'dropped' if self.value is DROP else repr(self.value)[:40]}"


def changed(kind, path, value):
    document = copy.deepcopy(RESOURCES[kind])
    node, *parts = document["spec"], *path.replace("[", ".").replace("]", "").split(".")
    for part in parts[:-1]:
        node = node[int(part)] if part.isdigit() else node[part]
    last = int(parts[-1]) if parts[-1].isdigit() else parts[-1]
    if value is DROP:
        del node[last]
    else:
        node[last] = value
    return document


def _wrong(kind, *rows):
    return [Wrong(kind, *row) for row in rows]


_ARN_REMEDY = "it must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/app"
_ACCOUNT_REMEDY = "it must be an account ID of 12 digits in quotes"
WRONG = [
    *_wrong(
        "IAMLandscape",
        ("accounts", {}, "must name an organization or ids"),
        ("accounts", {"ids": []}, "must name an organization or ids"),
        ("accounts", DROP, "add it"),
        ("accounts.ids[0]", "12345678901", _ACCOUNT_REMEDY),
        ("accounts.ids[0]", 123456789012, "write it in quotes"),
        ("accounts.organization.roleArn", "role/app", _ARN_REMEDY),
        ("memberRole.name", "a/", "it must be the name of a role, with its path if it has one, such as team/reader"),
        ("memberRole.externalId", "x", "at least 2 characters"),
        ("evidence.cloudTrailLogs[0].folder", "x", "exactly one of s3 and folder", "evidence.cloudTrailLogs[0]"),
        ("evidence.cloudTrailLogs[0].s3", DROP, "exactly one of s3 and folder", "evidence.cloudTrailLogs[0]"),
        (
            "evidence.cloudTrailLogs[0].assumeComplete",
            ["management"],
            "assumeComplete is for a folder",
            "evidence.cloudTrailLogs[0]",
        ),
        ("evidence.cloudTrailLogs[1].assumeComplete[0]", "data:S3", "such as data:AWS::S3::Object"),
        ("evidence.cloudTrailLogs[1].name", "all", "a name of its own; set name", "evidence"),
        (
            "evidence.cloudTrailLogs[1].name",
            "last-accessed",
            "give the logs another, such as cloudtrail-logs",
            "evidence.cloudTrailLogs[1]",
        ),
        ("evidence.cloudTrailLogs[0].trailArn", "arn:aws:s3:::b", "it must be the ARN of a trail"),
        ("evidence.cloudTrailLogs[0].s3.organizationId", "o-x", "it must be the ID of an organization"),
        ("evidence.cloudTrailLogs[0].s3.bucket", "ab", "at least 3 characters"),
        ("evidence.cloudTrailLake[0].eventDataStore", TRAIL, "it must be the ARN of an event data store"),
        ("evidence.cloudTrailLake[0].eventDataStore", EVENT_DATA_STORE + "' OR 1=1", "the ARN of an event data store"),
        ("evidence.cloudTrailLake[0].eventDataStore", DROP, "add it"),
        ("evidence.cloudTrailLake[0].maxGigabytesPerQuery", 0, "greater than 0"),
        ("evidence.cloudTrailLake[0].name", "last-accessed", "give this one another", "evidence.cloudTrailLake[0]"),
        ("evidence.athena[0].name", "policy-generation", "give this one another", "evidence.athena[0]"),
        ("evidence.cloudTrailLake[0].name", "athena", "must have a name of its own; set name", "evidence"),
        ("evidence.cloudTrailLake[0].name", "files", "must have a name of its own; set name", "evidence"),
        ("evidence.athena[0].name", "all", "must have a name of its own; set name", "evidence"),
        ("evidence.athena[0].table", "events", "exactly one of table and createTable", "evidence.athena[0]"),
        ("evidence.athena[0].createTable", DROP, "exactly one of table and createTable", "evidence.athena[0]"),
        ("evidence.athena[0].createTable", "x; DROP TABLE y", "a name of lower-case letters"),
        ("evidence.athena[0].database", "a.b", "a name of lower-case letters"),
        ("evidence.athena[0].workgroup", "a b", "it must be the name of a workgroup"),
        ("evidence.athena[0].outputLocation", "results", "it must be an S3 location"),
        ("evidence.athena[0].s3", DROP, "add it"),
        ("evidence.trino[0].url", "trino.example.com", "the address of a coordinator without a path"),
        ("evidence.trino[0].url", "https://trino.example.com/x", "the address of a coordinator without a path"),
        ("evidence.trino[0].url", "http://trino.example.com", "must go over https", "evidence.trino[0]"),
        ("evidence.trino[0].tokenFile", "token", "at most one of passwordFile and tokenFile", "evidence.trino[0]"),
        ("evidence.trino[0].passwordFile", "../token", "a file below the folder for secrets"),
        ("evidence.trino[0].passwordFile", "/etc/passwd", "a file below the folder for secrets"),
        ("evidence.trino[0].schema", "a.b", "a name of lower-case letters"),
        ("evidence.trino[0].table", DROP, "add it"),
        ("evidence.trino[0].s3", DROP, "trailArn must have s3 beside it", "evidence.trino[0]"),
        ("evidence.trino[0].user", "a b", "the name of a user"),
        ("evidence.trino[0].name", "athena", "must have a name of its own; set name", "evidence"),
        ("evidence.trino[0].name", "last-accessed", "the name is taken by another source", "evidence.trino[0]"),
        ("changeQueue", {"arn": "plumbline-changes"}, "the ARN of a queue", "changeQueue.arn"),
        ("configAggregator", {"name": "arn:aws:config:x"}, "not its ARN", "configAggregator.name"),
        ("configAggregator", {"name": "a", "region": "everywhere"}, "the name of a Region", "configAggregator.region"),
        ("risk", {"weights": {"mostUnused": 101}}, "less than or equal to 100", "risk.weights.mostUnused"),
        ("evidence.lastAccessed.refreshInterval", "0d", "it must be longer than zero"),
        ("evidence.lastAccessed.refreshInterval", "1 day", "such as 90d or 1h30m"),
        ("evidence.policyGeneration.dailyJobs", 0, "greater than or equal to 1"),
        ("evidence.policyGeneration.accessRoleName", DROP, "add it"),
        ("analyzers", {}, "without either nothing is asked for"),
        ("analyzers.account", DROP, "must name account: the delegated administrator", "analyzers"),
        ("analyzers.account", "account", _ACCOUNT_REMEDY),
        ("analyzers.externalAccess.regions[0]", "everywhere", "it must be the name of a Region, such as us-east-1"),
        ("analyzers.externalAccess.scope", "world", "'organization' or 'account'"),
        ("policyValidation.callsPerPass", 0, "greater than or equal to 1"),
        ("policyValidation.region", "everywhere", "it must be the name of a Region, such as us-east-1"),
        ("escalationWays[0].id", "My Way", "lower-case words and digits with hyphens between"),
        ("escalationWays[0].id", "acme-boundary", "each way must have an id of its own", "escalationWays"),
        ("escalationWays[0].kind", "magic", "'self-escalation', 'principal-access'"),
        ("escalationWays[0].summary", "", "at least 1 character"),
        ("escalationWays[0].needs", {}, "single actions such as iam:PassRole"),
        ("escalationWays[0].needs", {"iam:*": "any"}, "single actions such as iam:PassRole"),
        ("escalationWays[0].needs", {"iam:PassRole": "all"}, "any/TYPE", "escalationWays[0].needs.iam:PassRole"),
        ("escalationWays[0].service", [], "must have service", "escalationWays[0]"),
        ("escalationWays[0].service[0]", "lambda", "a service principal such as lambda.amazonaws.com"),
        ("escalationWays[0].gains", "target", "neither target nor gains", "escalationWays[0]"),
        ("escalationWays[0].context", {"x": ["y"]}, "condition keys such as iam:PolicyARN"),
        ("escalationWays[1].gains", DROP, "must have target and gains", "escalationWays[1]"),
        ("escalationWays[1].trusts", ["ec2.amazonaws.com"], "neither service nor trusts", "escalationWays[1]"),
        ("analyzers.unusedAccess.lookback", "366d", "whole days from 1d to 365d"),
        ("allowedTargets[0].namespaces", [], "at least 1 item"),
        ("allowedTargets[0].namespaces[0]", "Payments", "it must be a Kubernetes name"),
        ("allowedTargets[0].accounts[0]", "all", 'or "*" for all'),
        ("allowedTargets[0].organizationalUnits[0]", "unit", "such as ou-ab12-cdefgh34 or r-ab12"),
        ("allowedTargets[0].rolePaths[0]", "team/", "begins and ends with a slash, such as /team/"),
        ("review.dueWithin", "0d", "it must be longer than zero"),
        ("review.decisions[0].kind", "GrantDrift", "'ExternalAccess', 'Inactive' or 'Escalation'"),
        ("review.decisions[0].resource", "public-*", "an ARN, in which * and ? stand for any characters, such as"),
        ("review.decisions[0].resource", "*", "an ARN, in which * and ? stand for any characters, such as"),
        ("review.decisions[0].decision", "Approved", "'Accepted' or 'Planned'"),
        ("review.decisions[0].by", "", "at least 1 character"),
        ("review.decisions[0].reason", DROP, "add it"),
        ("review.decisions[0].until", DROP, "add it"),
        ("review.decisions[0].until", "31.12.2026", "it must be a day, such as 2026-01-31"),
        ("memory", "0h", "it must be longer than zero"),
        ("interval", "", "at least 2 characters"),
        ("interval", "99999999999999999999d", "such as 90d or 1h30m"),
        ("interval", "1h\n", "such as 90d or 1h30m"),
        ("awsRequestsPerSecond", 0, "greater than 0"),
    ),
    *_wrong(
        "LeastPrivilegeBaseline",
        ("targets", {}, "targets must name roles by arns or serviceAccounts"),
        ("targets", {"tags": {"a": "b"}}, "tags only narrow these"),
        ("targets", DROP, "add it"),
        ("targets.arns[0]", "app", _ARN_REMEDY),
        ("targets.arns[0]", "arn:aws:iam::123456789012:user/app", _ARN_REMEDY),
        ("targets.arns[0]", "arn:aws:iam::123456789012:role/path/", _ARN_REMEDY),
        ("targets.arns", [ARN] * 501, "at most 500 items"),
        ("targets.serviceAccounts[0]", {}, "add it", "targets.serviceAccounts[0].name"),
        ("targets.names[0]", "a/b", "the name of a role without its path"),
        ("targets.names[0]", "[ab]", "the name of a role without its path"),
        ("targets.paths[0]", "/team", "begins and ends with a slash"),
        ("targets.accounts[0]", "", _ACCOUNT_REMEDY),
        ("environment", "Staging", "lower-case letters, digits and '-'"),
        ("lookback", DROP, "or set lookback, such as 60d", ""),
        ("lookback", "0d", "whole days from 1d to 365d, such as 90d"),
        ("lookback", "366d", "whole days from 1d to 365d, such as 90d"),
        ("lookback", "90h", "whole days from 1d to 365d, such as 90d"),
        ("interval", "0s", "it must be longer than zero"),
        ("thresholds.unusedActions", -1, "greater than or equal to 0"),
        ("thresholds.unusedShare", 100.5, "less than or equal to 100"),
        ("thresholds.unusedPrivilegedActions", 0.5, "integer"),
        ("grantDrift.acceptedAt", "2026-06-01", "a time with its zone, such as 2026-01-31T00:00:00Z"),
        ("grantDrift.acceptedAt", "2026-06-01T00:00:00", "a time with its zone"),
        ("grantDrift.acceptedAt", 1780272000, "a time with its zone"),
        ("grantDrift.acceptedAt", "2026-13-01T00:00:00Z", "month"),
        ("grantDrift.accepted[0].digest", "abc", "the liveDigest of the role that the status shows"),
        ("grantDrift.accepted[0].reason", "", "at least 1 character"),
        ("exemptions[0].expires", "2026-02-30", "day"),
        ("exemptions[0].expires", "31.12.2026", "it must be a day, such as 2026-01-31"),
        ("exemptions[0].expires", 20261231, "it must be a day, such as 2026-01-31"),
        ("exemptions[0].expires", "2026-12-31T00:00:00Z", "it must be a day, such as 2026-01-31"),
        ("exemptions[0].expires", DROP, "add it"),
        ("exemptions[0].owner", "", "at least 1 character"),
        ("exemptions[0].actions", [], "at least 1 item"),
        ("exemptions[0].actions[0]", "GetObject", "such as s3:GetObject or s3:Get*"),
        ("exemptions[0].roles[0]", "arn:aws:iam::123456789012:user/app", "or the ARN of one"),
        ("rareUse", "drop", "'keep' or 'remove'"),
        ("policyGeneration[0]", "app", _ARN_REMEDY),
        ("mode", "Apply", "'Report' or 'Propose'"),
        ("routing.ownerTags[0]", "", "at least 1 character"),
        ("routing.owners", [{"arn": "*"}], "add it", "routing.owners[0].owner"),
        ("pool", {"by": "tag"}, "must name a tag with by: tag", "pool"),
        ("pool", {"by": "policy", "tag": "app"}, "and none with by: policy", "pool"),
        ("review.decisions[0].kind", "Escalation", "'UnusedAccess' or 'GrantDrift'"),
        ("review.decisions[0].resource", "app", "an ARN, in which * and ? stand for any characters, such as"),
        ("review.decisions[0].until", "2026-12-31T00:00:00Z", "it must be a day, such as 2026-01-31"),
        ("limits.reports", 201, "less than or equal to 200"),
        ("limits.openProposals", -1, "greater than or equal to 0"),
        ("landscapeRef.name", "The_Default", "it must be a Kubernetes name"),
    ),
    *_wrong(
        "RemediationProposal",
        ("roleArn", "app", _ARN_REMEDY),
        ("baselineRef", DROP, "add it"),
        ("decision.state", "Maybe", "'Approved' or 'Rejected'"),
        ("decision.planDigest", "abc", "the planDigest that the proposal's status shows"),
        ("decision.by", DROP, "add it"),
        ("decision.by", "", "at least 1 character"),
        ("decision.reason", "x" * 1025, "at most 1024 characters"),
    ),
    *_wrong("RoleAccessReport", ("roleArn", "app", _ARN_REMEDY), ("baselineRef", DROP, "add it")),
]
# A field that nobody knows is pruned by Kubernetes unless the client asks for strict validation, as kubectl does.
UNKNOWN = [
    Wrong("LeastPrivilegeBaseline", "thresholds.unusedAction", 3, "did you mean unusedActions?"),
    Wrong("LeastPrivilegeBaseline", "exemptions[0].action", ["*"], "did you mean actions?"),
    Wrong("LeastPrivilegeBaseline", "targets.exclude.role", [], "remove it"),
    Wrong("IAMLandscape", "review.decisions[0].expires", "2026-12-31", "remove it"),
    Wrong("IAMLandscape", "evidence.cloudtrailLogs", [], "did you mean cloudTrailLogs?"),
    Wrong("RemediationProposal", "decision.digest", DIGEST, "did you mean planDigest?"),
]
# (kind, path, value) that must not change once it is set.
IMMUTABLE = [
    ("RemediationProposal", "roleArn", f"{ARN}2", "roleArn must not change"),
    ("RemediationProposal", "baselineRef", {"name": "other"}, "baselineRef must not change"),
    ("RoleAccessReport", "roleArn", f"{ARN}2", "roleArn must not change"),
]
