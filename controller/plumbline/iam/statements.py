"""Statements compiled for questions about one request: does this statement apply?

Knows one document at a time; how layers combine is `authorize`. Element semantics:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from plumbline.iam import variables
from plumbline.iam.catalogue import catalogue
from plumbline.iam.conditions import Clause, Context, Test, clause
from plumbline.iam.documents import Document, Statement, parse_identity, parse_resource
from plumbline.iam.granted import statement_bits
from plumbline.iam.principals import Caller, Naming, PrincipalSet, principal_set
from plumbline.iam.strings import glob, matcher
from plumbline.iam.variables import Parts, Variable

DocumentKind = Literal["identity", "resource"]


@dataclass(frozen=True, slots=True)
class Request:
    """One concrete request. `action` is lower-case; `resource` is literal text, `*` for actions without resources."""

    caller: Caller
    action: str
    resource: str
    resource_account: str | None
    context: Context


class ResourceSet:
    """The patterns of one Resource element. With `with_variables`, they may depend on the context."""

    __slots__ = ("_asked", "_fixed", "_literal", "everything", "parts", "variables")

    def __init__(self, patterns: Sequence[str], with_variables: bool) -> None:
        parsed = [variables.parse(p, variables=True) for p in patterns if with_variables and "${" in p]
        self.parts: tuple[Parts, ...] = tuple(p for p in parsed if variables.keys(p))
        self.variables = frozenset[Variable]().union(*map(variables.named, self.parts))
        self._fixed: Test = _globs([p for p in patterns if not (with_variables and "${" in p)])
        # Such as `${*}`: no variable, and no wildcard either.
        literal = [variables.resolve(p, {}) for p in parsed if not variables.keys(p)]
        self._literal: Test | None = matcher(p for p in literal if p is not None) if literal else None
        self.everything = _everything(patterns)
        self._asked: tuple[str | None, bool] = None, False

    def matches(self, resource: str, context: Context) -> bool | None:
        if self.everything or self._in_any_context(resource):
            return True
        if not self.parts:
            return False
        result: bool | None = False
        for parts in self.parts:
            known = context.single(variables.keys(parts))
            if known is None:
                result = None
                continue
            pattern = variables.resolve(parts, known)
            if pattern is not None and matcher((pattern,))(resource):
                return True
        return result

    def _in_any_context(self, resource: str) -> bool:
        """What was asked last is kept: where keys are unknown, the same is asked in one context after the other."""
        asked, found = self._asked
        if asked != resource:
            found = self._fixed(resource) or (self._literal is not None and self._literal(resource))
            self._asked = resource, found
        return found


def _everything(patterns: Iterable[str]) -> bool:
    return any(p.strip("*") == "" for p in patterns)


def _globs(patterns: Sequence[str]) -> Test:
    """Does any of the patterns match the whole text? Without regular expressions, which take longer to compile than most
    policies are ever asked."""
    exact = frozenset(p for p in patterns if "*" not in p and "?" not in p)
    parts = [p.split("*") for p in patterns if "*" in p and "?" not in p]
    plain = tuple({part[0] for part in parts if not any(part[1:])})
    stars = [(first, middle, last) for first, *middle, last in parts if last or any(middle)]
    beginnings = tuple({first for first, _, _ in stars})
    others = [glob(p) for p in patterns if "?" in p]
    match = matcher(others) if others else None

    def test(text: str) -> bool:
        if text in exact or text.startswith(plain):
            return True
        if text.startswith(beginnings) and any(_between(text, *star) for star in stars):
            return True
        return match is not None and match(text)

    return test


def _between(text: str, first: str, middle: Sequence[str], last: str) -> bool:
    """Are these the beginning, parts in this order, and the end? The first place of each part is always the best one."""
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


class CompiledStatement:
    """A statement ready to be asked. `origin` is the statement as parsed. `always`: it applies whoever asks for whatever
    resource."""

    def __init__(self, statement: Statement, with_variables: bool) -> None:
        self.origin = statement
        self._with_variables = with_variables
        self.allow = statement.effect == "Allow"
        self.resources_negated = statement.not_resources is not None
        self.principals_negated = statement.not_principals is not None
        named = statement.principals if statement.principals is not None else statement.not_principals
        self.principals: PrincipalSet | None = None if named is None else principal_set(named)
        everything = self._patterns is None or (_everything(self._patterns) and not self.resources_negated)
        self.always = self.principals is None and not statement.conditions and everything

    # Most statements never speak about an action that is asked.

    @cached_property
    def resources(self) -> ResourceSet | None:
        return None if self._patterns is None else ResourceSet(self._patterns, self._with_variables)

    @cached_property
    def clauses(self) -> tuple[Clause, ...]:
        return tuple(clause(c, self._with_variables) for c in self.origin.conditions)

    @property
    def _patterns(self) -> Sequence[str] | None:
        resources = self.origin.resources
        return resources if resources is not None else self.origin.not_resources

    def naming(self, who: Caller) -> Naming | None:
        """How directly the statement names the caller; a document without principals speaks about everybody.

        NotPrincipal is the exact complement of Principal.
        """
        if self.principals is None:
            return Naming.CALLER
        found = self.principals.naming(who)
        if not self.principals_negated or found is None:
            return found
        return Naming.CALLER if found is Naming.NONE else Naming.NONE

    def applies(self, request: Request) -> bool | None:
        """Resource and conditions; the action was asked for before, the principal apart. None: not known."""
        certain = True
        if self.resources is not None and not (self.resources.everything and not self.resources_negated):
            found = self.resources.matches(request.resource, request.context)
            if found is None:
                certain = False
            elif found == self.resources_negated:
                return False
        for condition in self.clauses:
            found = condition.holds(request.context)
            if found is False:
                return False
            if found is None:
                certain = False
        return True if certain else None


class CompiledDocument:
    """A document that finds the statements that speak about an action."""

    __slots__ = ("_masks", "_tests", "document", "statements")

    def __init__(self, document: Document) -> None:
        self.document = document
        self.statements = tuple(CompiledStatement(s, document.variables) for s in document.statements)
        self._masks: tuple[bytes, ...] | None = None
        self._tests: tuple[tuple[Test, bool], ...] | None = None

    def masks(self) -> tuple[bytes, ...]:
        """For each statement the known actions that its Action or NotAction speaks about, a bit each."""
        if self._masks is None:
            self._masks = tuple(_mask(s) for s in self.document.statements)
        return self._masks

    def names(self, action: str) -> Iterator[bool]:
        """For each statement whether its Action or NotAction speaks about a lower-case action that the catalogue does not
        know: then the patterns themselves decide."""
        if self._tests is None:
            self._tests = tuple(_actions(s) for s in self.document.statements)
        return (test(action) != negated for test, negated in self._tests)


def _mask(statement: Statement) -> bytes:
    """One look into a mask costs less than any match."""
    return statement_bits(statement).to_bytes(_mask_size(), "little")


def _mask_size() -> int:
    return len(catalogue().names) // 8 + 1


def _actions(statement: Statement) -> tuple[Test, bool]:
    negated = statement.not_actions is not None
    patterns = statement.actions if statement.actions is not None else statement.not_actions or ()
    return matcher(glob(p.lower()) for p in patterns), negated


# None: the document could not be read, so it may say anything.
Documents = tuple[CompiledDocument | None, ...]
Spoken = tuple[int, CompiledStatement | None]


@lru_cache(maxsize=16384)
def row(documents: Documents) -> tuple[Spoken, ...]:
    """(position of the document, statement) of all statements. None stands for whatever a document that could not be read
    may say."""
    return tuple(
        (index, statement)
        for index, document in enumerate(documents)
        for statement in ((None,) if document is None else document.statements)
    )


@lru_cache(maxsize=16384)
def about(documents: Documents, action: str) -> tuple[int, ...]:
    """The positions in the row of all statements that speak about a lower-case action."""
    bit = catalogue().bit(action)
    if bit is not None:
        at, wanted = bit >> 3, 1 << (bit & 7)
        return tuple([index for index, mask in enumerate(_masks(documents)) if mask[at] & wanted])
    said = (answer for document in documents for answer in ((True,) if document is None else document.names(action)))
    return tuple([index for index, speaks in enumerate(said) if speaks])


@lru_cache(maxsize=16384)
def _masks(documents: Documents) -> tuple[bytes, ...]:
    """Those of the whole row: it is faster to go through than document by document."""
    anything = b"\xff" * _mask_size()
    return tuple(m for document in documents for m in ((anything,) if document is None else document.masks()))


@lru_cache(maxsize=16384)
def compiled(document: str, kind: DocumentKind = "identity") -> CompiledDocument:
    """Raises PolicyError when the document is no legal policy of its kind."""
    return CompiledDocument(parse_identity(document) if kind == "identity" else parse_resource(document))
