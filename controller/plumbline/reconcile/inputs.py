"""What a baseline's assessment rests on, as digests: equal digests, and nothing has to be computed again. Pure.

Two halves. The facts come from outside: the spec, live IAM and usage of the baseline's roles. The state is what the last
pass has left and people may have changed: accepted access, decisions, status and children. Times enter only where the
assessment compares them; of the day nothing enters, because the assessment says until which day it holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from plumbline import __version__
from plumbline.api.baseline import BaselineStatus, LeastPrivilegeBaseline
from plumbline.api.common import REQUESTED_AT
from plumbline.api.proposal import RemediationProposal
from plumbline.api.report import RoleAccessReport
from plumbline.assess.ages import concerns
from plumbline.assess.log_reach import LogReach
from plumbline.assess.silence import reaches_back, too_early
from plumbline.assess.window import Window
from plumbline.iam.catalogue import catalogue
from plumbline.model.evidence import PrincipalUsage
from plumbline.model.snapshot import account_facts, digest_of, principal_facts
from plumbline.reconcile.decisions import Rejections
from plumbline.reconcile.landscape import LandscapePass
from plumbline.reconcile.view import LandscapeView
from plumbline.store.memory import Accepted


def facts_digest(done: LandscapePass, baseline: LeastPrivilegeBaseline, window: Window) -> str:
    """`done`: the landscape's pass, which knows the baseline."""
    selection, metadata = done.selections[baseline.metadata.key], baseline.metadata
    own = [arn for arn in selection.selected if done.governed.get(arn) == metadata.key]
    parts = [
        __version__,
        catalogue().version,
        repr((metadata.uid, metadata.generation, metadata.annotations.get(REQUESTED_AT))),
        baseline.spec.model_dump_json(),
        str(done.landscape.spec.limits.open_proposals),
        repr(
            (
                sorted(selection.exact),
                selection.selected,
                selection.unassessed,
                sorted(selection.seen),
                sorted(selection.accounts or ()),
                own,
            )
        ),
        *_view(done.view, own, baseline, window),
    ]
    return digest_of(parts)


def _view(view: LandscapeView, own: Iterable[str], baseline: LeastPrivilegeBaseline, window: Window) -> Iterator[str]:
    yield view.routing.model_dump_json()
    yield repr((view.memory, sorted(view.coverage.required), hex(view.escalating)))
    accounts = set()
    for arn in own:
        principal = view.snapshot.principals[arn]
        accounts.add(principal.account)
        yield from principal_facts(principal)
        yield from _usage(view.usage.get(arn, PrincipalUsage()), window)
        yield repr((sorted(view.first_seen.get(arn, {}).items()), view.watched_since.get(principal.account)))
        yield repr((view.coverage.last_accessed.get(arn), view.coverage.generation.get(arn)))
        yield repr([one for one in view.announced.get(principal.account, ()) if concerns(one, principal)])
    for name in sorted(accounts):
        account, asked = view.snapshot.accounts[name], baseline.spec.grant_drift.accepted_at
        yield from account_facts(account)
        yield repr((asked is None or account.collected_at is None or asked > account.collected_at, account.error))
        yield from _reach(view.context(name, window, remove_rare=False).reach)
        yield repr(view.changes.get(name, ()))


def _reach(reach: LogReach) -> Iterator[str]:
    # In hex: Python refuses to write numbers of so many bits in decimals.
    yield hex(reach.has_event)
    yield from (f"{source} {bits:x}" for source, bits in sorted(reach.complete.items()))
    yield from (f"{one.reason} {one.bits:x} {one.source} {one.detail} {one.remedy}" for one in reach.incomplete)


def _usage(usage: PrincipalUsage, window: Window) -> Iterator[str]:
    yield repr((usage.evidence, usage.unmapped, usage.generated, usage.unused_access))
    answer = usage.last_accessed
    if answer is not None:
        # Answers are asked for each day; a newer one that says the same is no news.
        yield repr((too_early(answer, window), reaches_back(answer, window), answer.action_level))
        for name, service in sorted(answer.services.items()):
            yield repr((name, replace(service, actions={}), sorted(service.actions.items())))


def state_digest(
    baseline: LeastPrivilegeBaseline,
    status: BaselineStatus | None,
    accepted: Mapping[str, Accepted],
    rejections: Rejections,
    children: Iterable[RemediationProposal | RoleAccessReport],
) -> str:
    """What a pass leaves, or what the next one finds."""
    said = status.model_copy(update={"assessed_at": None, "as_of": None}) if status is not None else None
    parts = [said.model_dump_json() if said is not None else ""]
    parts += [repr((arn, one.unique_id, one.accepted_at, one.digest)) for arn, one in sorted(accepted.items())]
    parts += [repr(one) for _, one in sorted(rejections.items())]
    parts += sorted(_child(one, baseline) for one in children)
    return digest_of(parts)


def _child(child: RemediationProposal | RoleAccessReport, baseline: LeastPrivilegeBaseline) -> str:
    metadata = child.metadata
    owned = any(reference.uid == (baseline.metadata.uid or "") for reference in metadata.owner_references)
    status = child.status.model_dump_json() if child.status is not None else ""
    text = repr((child.kind, metadata.name, metadata.generation, owned, child.spec.model_dump_json(), status))
    return hashlib.sha256(text.encode()).hexdigest()
