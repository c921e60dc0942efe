"""The accounts of the planted organization, where they hang, and what binds them. Knows no principals."""

from sandbox.organization import MANAGEMENT, ORGANIZATION_ID, ROOT_ID, SECURITY, Account, Document, Guardrail, Unit
from sandbox.planted.ways import ACTIONS, guard_path
from sandbox.roles import allow, deny, policy

APPS, DATA, SHARED = "100000000011", "100000000012", "100000000013"
FROZEN, LISTED, SEALED, INNER = "100000000014", "100000000015", "100000000016", "100000000017"
DARK = "100000000018"  # has no member role, so that its principals cannot be collected
OPEN, ORG = "100000000019", "100000000020"
WAYS, BARE, CLOSED = "100000000021", "100000000022", "100000000023"
PARTNER, STRANGER = "200000000001", "200000000002"  # of nobody's organization
STRANGERS = "o-strangers1"  # the organization of somebody else

UNITS = (
    Unit("ou-plm1-security", "Core", ROOT_ID),
    Unit("ou-plm1-workload", "Workloads", ROOT_ID),
    Unit("ou-plm1-frozen00", "Frozen", "ou-plm1-workload"),
    Unit("ou-plm1-sealed00", "Sealed", "ou-plm1-workload"),
    Unit("ou-plm1-waystogo", "Ways", ROOT_ID),
)
ACCOUNTS = (
    Account(MANAGEMENT, "management", ROOT_ID),
    Account(SECURITY, "security", "ou-plm1-security"),
    Account(APPS, "apps", "ou-plm1-workload"),
    Account(DATA, "data", "ou-plm1-workload"),
    Account(SHARED, "shared", "ou-plm1-workload"),
    Account(FROZEN, "frozen", "ou-plm1-frozen00"),
    Account(LISTED, "listed", "ou-plm1-workload"),
    Account(SEALED, "sealed", "ou-plm1-sealed00"),
    Account(INNER, "inner", "ou-plm1-workload"),
    Account(DARK, "dark", "ou-plm1-workload"),
    Account(OPEN, "open", "ou-plm1-workload"),
    Account(ORG, "org", "ou-plm1-workload"),
    Account(WAYS, "ways", "ou-plm1-waystogo"),
    Account(BARE, "bare", "ou-plm1-waystogo"),
    Account(CLOSED, "closed", "ou-plm1-waystogo"),
)
# Where only what a guardrail lists is allowed.
WITHOUT_FULL_ACCESS = (LISTED, CLOSED)

_SCP, _RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
_LARGEST_SCP = 5_120


def _everybody(**condition: Document) -> Document:
    return policy(
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*", "Condition": condition}
    )


def _without(action: str) -> Document:
    """Who lies under the action's path may not do it."""
    path = f"arn:aws:iam::*:*{guard_path(action)}*"
    return deny(action, Condition={"ArnLike": {"aws:PrincipalArn": path}})


def _in_several(statements: list[Document]) -> list[Document]:
    """As few documents as fit."""
    found, size = [policy()], 0
    for statement in statements:
        needed = len(str(statement))
        if size + needed > _LARGEST_SCP - 200:
            found.append(policy())
            size = 0
        found[-1]["Statement"].append(statement)
        size += needed
    return found


GUARDRAILS = (
    Guardrail("p-vault", "DenyVault", _SCP, (ROOT_ID,), policy(deny("sts:AssumeRole", on="arn:aws:iam::*:role/vault"))),
    Guardrail("p-frozen", "DenyAssuming", _SCP, ("ou-plm1-frozen00",), policy(deny("sts:AssumeRole"))),
    Guardrail(
        "p-listed",
        "OnlyStorage",
        _SCP,
        WITHOUT_FULL_ACCESS,
        policy(allow("s3:*", "secretsmanager:*", "iam:Get*", "iam:List*")),
    ),
    Guardrail("p-secrets", "NoSecrets", _SCP, (INNER,), policy(deny("secretsmanager:*"))),
    Guardrail(
        "p-border",
        "OnlyOurRoles",
        _SCP,
        (SHARED,),
        policy(deny("sts:AssumeRole", Condition={"StringNotEquals": {"aws:ResourceOrgID": ORGANIZATION_ID}})),
    ),
    Guardrail(
        "p-sealed",
        "OnlyApps",
        _RCP,
        ("ou-plm1-sealed00",),
        _everybody(StringNotEquals={"aws:PrincipalAccount": [APPS, SECURITY]}),
    ),
    Guardrail(
        "p-inner",
        "OnlyOurs",
        _RCP,
        (INNER,),
        _everybody(
            StringNotEqualsIfExists={"aws:PrincipalOrgID": ORGANIZATION_ID},
            BoolIfExists={"aws:PrincipalIsAWSService": "false"},
        ),
    ),
    *(
        Guardrail(f"p-ways{at}", f"Without{at}", _SCP, ("ou-plm1-waystogo", MANAGEMENT), document)
        for at, document in enumerate(_in_several([_without(action) for action in ACTIONS]))
    ),
)
