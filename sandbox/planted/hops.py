"""Who may assume which role, and who nearly may: users, roles and groups of the accounts that are about hops.

`caller` of the applications' account may assume anything as far as its own policies go, so that each role that trusts the
account or it decides by itself. The roles of DATA differ in whom they trust, those who call them in what they may.
"""

from typing import Any

from sandbox.kinds import reader
from sandbox.organization import MANAGEMENT, OPERATOR_USER, ORGANIZATION_ID, SECURITY, Document
from sandbox.planted.accounts import (
    ACCOUNTS,
    APPS,
    DARK,
    DATA,
    FROZEN,
    INNER,
    LISTED,
    OPEN,
    ORG,
    PARTNER,
    SEALED,
    SHARED,
    STRANGERS,
)
from sandbox.roles import Group, Role, User, allow, by_account, by_service, deny, policy

ASSUME = "sts:AssumeRole"
SECRET = {"secrets": policy(allow("secretsmanager:GetSecretValue"))}
Policies = dict[str, Document]


def role(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:role/{name}"


def user(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:user/{name}"


def may_assume(*arns: str, **condition: Any) -> Policies:
    more = {"Condition": condition} if condition else {}
    return {"assume": policy(allow(ASSUME, on=list(arns), **more))}


def everybody(**condition: Any) -> Document:
    more = {"Condition": condition} if condition else {}
    return policy({"Effect": "Allow", "Principal": "*", "Action": ASSUME} | more)


def gone() -> Document:
    """Of a principal that was deleted: IAM shows its id instead, and nobody can be it any more."""
    return policy({"Effect": "Allow", "Principal": {"AWS": "AROAGONE1GONE2GONE3GO"}, "Action": ASSUME})


def _but(trust: Document, principal: Document) -> Document:
    return policy(*trust["Statement"], {"Effect": "Deny", "Principal": principal, "Action": ASSUME})


def _both(one: Document, other: Document) -> Document:
    return policy(*one["Statement"], *other["Statement"])


def _with_tags(trust: Document) -> Document:
    """Whose sessions may have whatever tags the caller gives them."""
    return policy(*({**statement, "Action": [ASSUME, "sts:TagSession"]} for statement in trust["Statement"]))


def _tag_only(trust: Document) -> Document:
    return policy(*({**statement, "Action": "sts:TagSession"} for statement in trust["Statement"]))


def _grows_if_red(name: str) -> Document:
    red = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    return policy(allow("iam:AttachUserPolicy", on=user(APPS, name), Condition=red))


def _session_of(account: str, name: str, role_arn: str) -> Document:
    return by_account(f"arn:aws:sts::{account}:assumed-role/{name}/alice", ArnEquals={"aws:PrincipalArn": role_arn})


FEDERATING = ("sts:GetFederationToken", "sts:TagSession")
NO = {"no": policy(deny(ASSUME))}
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
OFFICE = {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
LAMBDA = "lambda.amazonaws.com"
TO_ACCOUNT = may_assume(role(DATA, "account"))
OPERATOR = User(
    SECURITY,
    OPERATOR_USER,
    inline={"reach": may_assume("arn:aws:iam::*:role/plumbline/*")["assume"]},
    path="/plumbline/",
)

CALLERS: tuple[Role, ...] = (
    Role(APPS, "caller", gone(), inline=may_assume("*")),
    # Near misses: what each of them lacks is in its name.
    Role(APPS, "denied", gone(), inline=may_assume("*") | NO),
    Role(APPS, "bounded", gone(), inline=may_assume("*"), boundary="customer:OnlyStorage"),
    Role(APPS, "elsewhere", gone(), inline=may_assume(role(DATA, "nothing-there"))),
    Role(APPS, "mute", gone()),
    Role(
        APPS,
        "wrong-external-id",
        gone(),
        inline=may_assume(role(DATA, "external-id"), StringEquals={"sts:ExternalId": "wrong"}),
    ),
    # And those who get through all the same, or if something holds.
    Role(APPS, "let-through", gone(), inline=TO_ACCOUNT, boundary="customer:OnlyRoles"),
    Role(APPS, "with-mfa", gone(), inline=may_assume(role(DATA, "account"), **MFA)),
    Role(APPS, "from-office", gone(), inline=TO_ACCOUNT | {"office": policy(deny(ASSUME, Condition=OFFICE))}),
    Role(
        APPS,
        "right-external-id",
        gone(),
        inline=may_assume(role(DATA, "external-id"), StringEquals={"sts:ExternalId": "right"}),
    ),
    Role(APPS, "red", gone(), inline=may_assume(role(DATA, "by-tag")), tags={"team": "red"}),
    Role(APPS, "blue", gone(), inline=may_assume(role(DATA, "by-tag")), tags={"team": "blue"}),
    Role(APPS, "taggable", _with_tags(by_account(SHARED)), inline=may_assume(role(DATA, "by-tag"))),
    Role(APPS, "to-red", gone(), inline=may_assume("*", StringEquals={"aws:ResourceTag/team": "red"})),
    Role(
        APPS, "to-blue", gone(), inline=may_assume(role(DATA, "tagged"), StringEquals={"aws:ResourceTag/team": "blue"})
    ),
    Role(APPS, "pathed", gone(), inline=may_assume(role(DATA, "pathed-*")), path="/team/"),
    # Into roles of which nobody knows more than the name, and those who are kept from it.
    Role(APPS, "to-partner", gone(), inline=may_assume(role(PARTNER, "import"))),
    Role(APPS, "to-partner-mfa", gone(), inline=may_assume(role(PARTNER, "import"), **MFA)),
    Role(APPS, "to-partner-bounded", gone(), inline=may_assume("*"), boundary="customer:OnlyPartner"),
    Role(APPS, "to-partner-any", gone(), inline=may_assume(role(PARTNER, "import-*"))),
    Role(APPS, "to-dark", gone(), inline=may_assume(role(DARK, "batch"))),
    Role(APPS, "not-to-partner", gone(), inline=may_assume(role(PARTNER, "import"), role(PARTNER, "x-*")) | NO),
    Role(APPS, "not-to-dark", gone(), inline=may_assume(role(DARK, "batch")), boundary="customer:OnlyStorage"),
    Role(SHARED, "to-partner", gone(), inline=may_assume(role(PARTNER, "import"), role(PARTNER, "import-*"))),
    Role(SHARED, "to-dark", gone(), inline=may_assume(role(DARK, "batch"))),
    Role(FROZEN, "to-dark", gone(), inline=may_assume(role(DARK, "batch"), role(DARK, "batch-*"))),
    # Other accounts.
    Role(MANAGEMENT, "caller", gone(), inline=may_assume(role(DATA, "vault"))),
    Role(
        SHARED,
        "caller",
        gone(),
        inline=may_assume(role(DATA, "guarded"), role(SEALED, "target"), role(INNER, "target")),
    ),
    Role(SHARED, "mute", gone()),
    Role(SHARED, "denied", gone(), inline=NO),
    Role(FROZEN, "caller", gone(), inline=may_assume("*")),
    Role(LISTED, "caller", gone(), inline=may_assume("*")),
    # What an SCP of its account takes from it, it has elsewhere.
    Role(INNER, "administrator", gone(), inline={"all": policy(allow("*"))}),
)

GROUPS: tuple[Group, ...] = (
    Group(APPS, "engineers", inline=TO_ACCOUNT),
    Group(APPS, "suspended", inline=NO),
)
USERS: tuple[User, ...] = (
    User(APPS, "alice"),
    User(APPS, "bob", inline=may_assume(role(DATA, "account"), role(DATA, "but-caller"))),
    User(APPS, "carol", groups=("engineers",)),
    User(APPS, "dave", groups=("engineers", "suspended")),
    User(APPS, "erin", boundary="customer:OnlyStorage"),
    User(APPS, "walker"),
    # Tags of its own would not let it; those of its federated sessions may.
    User(APPS, "federating", inline={"own": _grows_if_red("federating"), "tags": policy(allow(*FEDERATING))}),
    User(
        APPS,
        "federating-untagged",
        inline={"own": _grows_if_red("federating-untagged"), "tags": policy(allow(FEDERATING[0]))},
    ),
    User(APPS, "federating-roles", inline=may_assume(role(DATA, "by-tag")) | {"tags": policy(allow(*FEDERATING))}),
    OPERATOR,
)
POLICIES: dict[tuple[str, str], Document] = {
    (APPS, "OnlyStorage"): policy(allow("s3:*")),
    (APPS, "OnlyRoles"): policy(allow("sts:*")),
    (APPS, "OnlyPartner"): policy(allow(ASSUME, on=role(PARTNER, "export"))),
}

TRUSTING: tuple[Role, ...] = (
    Role(DATA, "account", by_account(APPS)),
    Role(DATA, "rich", by_account(APPS), inline=SECRET),
    Role(DATA, "named", by_account(*(role(APPS, name) for name in ("caller", "denied", "mute")), user(APPS, "alice"))),
    Role(DATA, "external-id", by_account(APPS, StringEquals={"sts:ExternalId": "right"})),
    Role(DATA, "mfa", by_account(APPS, **MFA)),
    Role(DATA, "by-tag", by_account(APPS, StringEquals={"aws:PrincipalTag/team": "red"})),
    Role(DATA, "tagged", by_account(APPS), tags={"team": "red"}),
    Role(DATA, "session-name", by_account(APPS, StringEquals={"sts:RoleSessionName": "alice"})),
    Role(DATA, "source-identity", by_account(APPS, StringLike={"sts:SourceIdentity": "*"})),
    Role(DATA, "session", by_account(f"arn:aws:sts::{APPS}:assumed-role/caller/alice")),
    Role(DATA, "session-or-any", _both(by_account(f"arn:aws:sts::{APPS}:assumed-role/caller/alice"), by_account(APPS))),
    # A session does not tell the path of its role, and its requests have it.
    Role(DATA, "pathed-session", _session_of(APPS, "pathed", role(APPS, "team/pathed"))),
    Role(DATA, "pathed-elsewhere", _session_of(APPS, "pathed", role(APPS, "pathed"))),
    Role(DATA, "partner-session", _session_of(PARTNER, "exporter", role(PARTNER, "team/exporter"))),
    Role(DATA, "but-caller", _but(by_account(APPS), {"AWS": role(APPS, "caller")})),
    Role(DATA, "vault", by_account(APPS, MANAGEMENT)),
    Role(DATA, "guarded", by_account(FROZEN, LISTED, SHARED)),
    Role(DATA, "administered", by_account(role(INNER, "administrator")), inline=SECRET),
    Role(DATA, "administered-idle", by_account(role(INNER, "administrator"))),
    Role(INNER, "administered", by_account(role(INNER, "administrator")), inline=SECRET),
    # Near misses of everybody: nobody who could call is trusted.
    Role(DATA, "unnamed", by_account(role(APPS, "mute"))),
    Role(DATA, "other", by_account(SHARED)),
    Role(DATA, "ghost", by_account(role(APPS, "deleted"))),
    Role(DATA, "only-tags", _tag_only(by_account(APPS))),
    # Everybody, within limits.
    Role(OPEN, "everybody", everybody()),
    Role(ORG, "ours", everybody(StringEquals={"aws:PrincipalOrgID": ORGANIZATION_ID})),
    Role(OPEN, "theirs", everybody(StringEquals={"aws:PrincipalOrgID": STRANGERS})),
    Role(DATA, "apps-of-ours", by_account(APPS, StringEquals={"aws:PrincipalOrgID": ORGANIZATION_ID})),
    Role(DATA, "apps-of-theirs", by_account(APPS, StringEquals={"aws:PrincipalOrgID": STRANGERS})),
    Role(ORG, "of-apps", everybody(StringEquals={"aws:PrincipalAccount": APPS})),
    Role(
        DATA,
        "unit",
        by_account(
            APPS, **{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORGANIZATION_ID}/*/ou-plm1-workload/*"}}
        ),
    ),
    Role(
        DATA,
        "other-unit",
        by_account(
            APPS, **{"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORGANIZATION_ID}/*/ou-plm1-security/*"}}
        ),
    ),
    # Accounts of which little is known, or nothing.
    Role(DATA, "partner", by_account(PARTNER, StringEquals={"sts:ExternalId": "4711"})),
    Role(DATA, "partner-role", by_account(role(PARTNER, "exporter"))),
    Role(
        DATA,
        "partner-or-any",
        _both(by_account(role(PARTNER, "a"), StringEquals={"sts:ExternalId": "4711"}), by_account(PARTNER)),
    ),
    Role(DATA, "dark", by_account(DARK)),
    Role(DATA, "dark-role", by_account(role(DARK, "batch"))),
    # Services.
    Role(DATA, "service", by_service("lambda")),
    Role(
        DATA,
        "service-here",
        policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": LAMBDA},
                "Action": ASSUME,
                "Condition": {"StringEquals": {"aws:SourceAccount": DATA}},
            }
        ),
    ),
    Role(DATA, "service-denied", _but(by_service("lambda"), {"Service": LAMBDA})),
    Role(DATA, "service-only-tags", _tag_only(by_service("lambda"))),
    Role(DATA, "AWSServiceRoleForLambda", by_service("lambda"), path="/aws-service-role/lambda.amazonaws.com/"),
    # Guardrails of the caller's account do not bind roles, those on resources do.
    Role(FROZEN, "target", by_account(APPS)),
    Role(SEALED, "target", by_account(APPS, SHARED)),
    Role(SEALED, "service", by_service("lambda")),
    Role(INNER, "target", by_account(APPS, SHARED)),
    Role(INNER, "partner", by_account(PARTNER)),
    Role(INNER, "service", by_service("lambda")),
    # In one account: whom a trust policy names needs no policy of its own, but stays within its boundary unless a user.
    Role(APPS, "inside", by_account(role(APPS, "mute"))),
    Role(APPS, "inside-bounded", by_account(role(APPS, "bounded"))),
    Role(APPS, "inside-user", by_account(user(APPS, "erin"))),
    Role(APPS, "inside-account", by_account(APPS)),
    Role(SHARED, "inside-everybody", everybody(StringEquals={"aws:PrincipalAccount": SHARED})),
    # A chain of three, and one whose second role may not go on.
    Role(
        APPS, "step1", by_account(user(APPS, "walker")), inline=may_assume(role(SHARED, "step2"), role(SHARED, "stuck"))
    ),
    Role(SHARED, "step2", by_account(role(APPS, "step1")), inline=may_assume(role(DATA, "step3"))),
    Role(DATA, "step3", by_account(role(SHARED, "step2"))),
    Role(SHARED, "stuck", by_account(role(APPS, "step1"))),
    Role(DATA, "beyond", by_account(role(SHARED, "stuck"))),
)

ROLES: tuple[Role, ...] = (*CALLERS, *TRUSTING, *(reader(a.id) for a in ACCOUNTS if a.id != DARK))
