"""Service accounts of EKS clusters: what they are called as sources of hops, and which of them a trust policy names by the
`sub` of their tokens.

Knows the subjects of Kubernetes and the elements of one trust policy; whether they get in is the business of `reach`.
https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from plumbline.iam.conditions import Clause
from plumbline.iam.granted import grants
from plumbline.iam.patterns import covers, matches
from plumbline.iam.principals import Caller, Naming
from plumbline.iam.statements import CompiledDocument, CompiledStatement
from plumbline.iam.strings import Wild
from plumbline.iam.variables import Variable

ANY = "*"
WEB_IDENTITY = "sts:assumerolewithwebidentity"
_PLACE = "/serviceaccount/"
_SUBJECT = "system:serviceaccount:"
# https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html, and with IPv6 oidc-eks.
_ISSUER = (
    r"(?:oidc\.eks|oidc-eks)\.[a-z0-9-]+\."
    r"(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws|api\.amazonwebservices\.(?:com\.cn|eu))/id/[0-9A-Za-z]+"
)
_PROVIDER = re.compile(rf"arn:[\w-]+:iam::\d{{12}}:oidc-provider/({_ISSUER})")
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
_NAMED = re.compile(rf"({_LABEL}):({_LABEL}(?:\.{_LABEL})*)")
_IRSA = re.compile(rf"({_ISSUER}){_PLACE}({_LABEL}/{_LABEL}(?:\.{_LABEL})*)")

_NODE = re.compile(rf"({_ISSUER}|arn:[\w-]+:eks:[a-z0-9-]+:\d{{12}}:cluster/[^/]+){_PLACE}(.+)")


def node(cluster: str, accounts: str) -> str:
    """`cluster`: the issuer of its tokens, or its ARN. `accounts`: NAMESPACE/NAME, a pattern of them, or ANY."""
    return f"{cluster}{_PLACE}{accounts}"


def of_node(name: str) -> tuple[str, str] | None:
    """(cluster, accounts) of what `node` made; None for any other name."""
    found = _NODE.fullmatch(name)
    return (found[1], found[2]) if found else None


def exists(accounts: str) -> tuple[str, ...]:
    """The condition that stands for the state of the cluster, which is not in the data. Some service account is always
    there."""
    return () if accounts == ANY else (f"service account {accounts} exists",)


def issuer(who: Caller) -> str | None:
    """Of the tokens of an EKS cluster; None for any other caller."""
    found = _PROVIDER.fullmatch(who.name) if who.kind == "provider" else None
    return found[1] if found else None


def of_cluster(name: str, nodes: Iterable[str]) -> set[str]:
    """The nodes of the cluster that the ARN of its identity provider, its issuer or its own ARN stands for."""
    found = _PROVIDER.fullmatch(name)
    return {one for one in nodes if one.startswith(node(found[1] if found else name, ""))}


def one_of(name: str) -> tuple[str, str] | None:
    """(issuer, NAMESPACE/NAME) of the name of one service account that has tokens."""
    found = _IRSA.fullmatch(name)
    return (found[1], found[2]) if found else None


@dataclass(frozen=True, slots=True)
class Subject:
    """One service account, or all of a pattern. `keys`: condition keys that follow from it. `by`: the conditions on the
    subject of the `statements` that may let it in."""

    cluster: str
    accounts: str
    keys: Mapping[str, tuple[str, ...]]
    by: tuple[str, ...]
    statements: tuple[CompiledStatement, ...]

    @property
    def name(self) -> str:
        return node(self.cluster, self.accounts)


def names(trust: CompiledDocument) -> Iterator[tuple[str, str]]:
    """(issuer, NAMESPACE/NAME) of every single service account that the trust policy lets in by name."""
    for statement in trust.statements:
        known = statement.principals is not None and not statement.principals_negated
        for provider in statement.principals.providers if known and statement.principals else ():
            found = _PROVIDER.fullmatch(provider) if statement.allow else None
            if found:
                yield from ((found[1], one) for one in _accounts(statement, found[1]) if not _wild(one))


def subjects(trust: CompiledDocument, who: Caller, others: Collection[str]) -> list[Subject]:
    """Which service accounts of the cluster whose provider is `who` the trust policy may let in. `others`: NAMESPACE/NAME
    of those that are known from elsewhere, which a pattern may let in too."""
    cluster = issuer(who)
    if cluster is None:
        return []
    found: dict[str, list[CompiledStatement]] = {}
    for statement in trust.statements:
        if statement.allow and statement.naming(who) is not Naming.NONE and grants(statement.origin, WEB_IDENTITY):
            for accounts in set(_accounts(statement, cluster)):
                found.setdefault(accounts, []).append(statement)
    for pattern in [one for one in found if _wild(one)]:
        for accounts in others:
            if pattern == ANY or matches(pattern, accounts, case_sensitive=True):
                found.setdefault(accounts, []).extend(found[pattern])
    return [_subject(cluster, accounts, by) for accounts, by in sorted(found.items())]


def _subject(cluster: str, accounts: str, statements: Sequence[CompiledStatement]) -> Subject:
    key = f"{cluster}:sub".lower()
    by = {f"{c.operator.label} {c.name}" for statement in statements for c in statement.clauses if c.key == key}
    known = {} if _wild(accounts) else {key: (f"{_SUBJECT}{accounts.replace('/', ':')}",)}
    return Subject(cluster, accounts, known, tuple(sorted(by)), tuple(dict.fromkeys(statements)))


def _wild(accounts: str) -> bool:
    return "*" in accounts or "?" in accounts


def _accounts(statement: CompiledStatement, cluster: str) -> Iterator[str]:
    """NAMESPACE/NAME, patterns of them, or ANY where nothing in the statement narrows the subject."""
    key = f"{cluster}:sub".lower()
    clauses = [clause for clause in statement.clauses if clause.key == key and not clause.operator.negated]
    # An exact one is the narrowest; what the others say of it is evaluated.
    for kind in ("string", "like"):
        for clause in clauses:
            if clause.operator.kind == kind:
                for text in _texts(clause):
                    yield from _of_subject(text)
                return
    yield ANY


def _texts(clause: Clause) -> Iterator[str]:
    """The values as patterns; a variable may have any value."""
    for parts in clause.parts:
        if any(part in ("*", "?") for part in parts if not isinstance(part, Wild)):
            continue  # a literal wildcard character, which no name has
        text = "".join(ANY if isinstance(p, Variable) else p.value if isinstance(p, Wild) else p for p in parts)
        yield text.lower() if clause.operator.fold else text


def _of_subject(pattern: str) -> Iterator[str]:
    if not _wild(pattern):
        found = _NAMED.fullmatch(pattern.removeprefix(_SUBJECT)) if pattern.startswith(_SUBJECT) else None
        if found:
            yield f"{found[1]}/{found[2]}"
        return
    rests = {rest for rest in _after(pattern) if _may_name(rest)}
    for rest in sorted(rests):
        if covers(rest, "*:*", case_sensitive=True):
            yield ANY
        elif not any(_narrower(rest, other) for other in rests):
            yield rest.replace(":", "/")


def _narrower(rest: str, other: str) -> bool:
    """Of two that say the same, the shorter one stays."""
    if not covers(other, rest, case_sensitive=True):
        return False
    return not covers(rest, other, case_sensitive=True) or len(other) < len(rest)


def _after(pattern: str) -> set[str]:
    """What the pattern leaves for NAMESPACE:NAME, in each way in which it can match what stands before."""
    places = {0}
    for char in _SUBJECT:
        stars = set(places)
        for at in sorted(places):
            following = at
            while pattern[following : following + 1] == "*":
                following += 1
                stars.add(following)
        places = {at for at in stars if pattern[at : at + 1] == "*"}
        places |= {at + 1 for at in stars if pattern[at : at + 1] in ("?", char)}
    return {pattern[at:] for at in places}


def _may_name(rest: str) -> bool:
    """Can it match a name of one colon?"""
    return rest.count(":") == 1 or (rest.count(":") == 0 and _wild(rest))
