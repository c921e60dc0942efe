"""Statements compiled for questions about one request: does this statement apply?

Knows one document at a time; how layers combine is `authorize`. Element semantics:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
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

    __slots__ = ("_fixed", "everything", "parts", "variables")

    def __init__(self, patterns: Sequence[str], with_variables: bool) -> None:
        parsed = [variables.parse(p, variables=with_variables) for p in patterns]
        self.parts: tuple[Parts, ...] = tuple(p for p in parsed if variables.keys(p))
        self.variables = frozenset[Variable]().union(*map(variables.named, self.parts))
        fixed = [variables.resolve(p, {}) for p in parsed if not variables.keys(p)]
        self._fixed: Test = matcher(p for p in fixed if p is not None)
        self.everything = any(p.strip("*") == "" for p in patterns)

    def matches(self, resource: str, context: Context) -> bool | None:
        if self.everything or self._fixed(resource):
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


class CompiledStatement:
    """A statement ready to be asked. `origin` is the statement as parsed."""

    __slots__ = ("allow", "clauses", "origin", "principals", "principals_negated", "resources", "resources_negated")

    def __init__(self, statement: Statement, with_variables: bool) -> None:
        self.origin = statement
        self.allow = statement.effect == "Allow"
        self.resources_negated = statement.not_resources is not None
        patterns = statement.resources if statement.resources is not None else statement.not_resources
        self.resources = None if patterns is None else ResourceSet(patterns, with_variables)
        self.principals_negated = statement.not_principals is not None
        named = statement.principals if statement.principals is not None else statement.not_principals
        self.principals: PrincipalSet | None = None if named is None else principal_set(named)
        self.clauses: tuple[Clause, ...] = tuple(clause(c, with_variables) for c in statement.conditions)

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
        self._masks: tuple[tuple[bytes, CompiledStatement], ...] | None = None
        self._tests: tuple[tuple[Test, bool], ...] | None = None

    def about(self, action: str) -> Iterator[CompiledStatement]:
        """The statements whose Action or NotAction speaks about a lower-case action."""
        bit = catalogue().bit(action)
        if bit is None:  # not in the catalogue: the patterns themselves decide
            if self._tests is None:
                self._tests = tuple(_actions(s) for s in self.document.statements)
            pairs = zip(self.statements, self._tests, strict=True)
            yield from (s for s, (test, negated) in pairs if test(action) != negated)
            return
        if self._masks is None:
            self._masks = tuple((_mask(s.origin), s) for s in self.statements)
        at, wanted = bit >> 3, 1 << (bit & 7)
        for mask, statement in self._masks:
            if mask[at] & wanted:
                yield statement


def _mask(statement: Statement) -> bytes:
    """The known actions of a statement, a bit each: one look into it costs less than any match."""
    known = catalogue()
    return statement_bits(statement).to_bytes(len(known.names) // 8 + 1, "little")


def _actions(statement: Statement) -> tuple[Test, bool]:
    negated = statement.not_actions is not None
    patterns = statement.actions if statement.actions is not None else statement.not_actions or ()
    return matcher(glob(p.lower()) for p in patterns), negated


# None: the document could not be read, so it may say anything.
Documents = tuple[CompiledDocument | None, ...]


@lru_cache(maxsize=65536)
def about(documents: Documents, action: str) -> tuple[tuple[int, CompiledStatement | None], ...]:
    """(position of the document, statement) of every statement that speaks about a lower-case action. None stands for
    whatever a document that could not be read may say."""
    return tuple(
        (index, statement)
        for index, document in enumerate(documents)
        for statement in ((None,) if document is None else document.about(action))
    )


@lru_cache(maxsize=16384)
def compiled(document: str, kind: DocumentKind = "identity") -> CompiledDocument:
    """Raises PolicyError when the document is no legal policy of its kind."""
    return CompiledDocument(parse_identity(document) if kind == "identity" else parse_resource(document))
