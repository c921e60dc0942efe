"""The accepted access of a role: when it is accepted, how it shrinks, and what goes beyond it. Pure.

Knows the rules of acceptance, not how access is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from plumbline.api.baseline import BaselineSpec, LeastPrivilegeBaseline
from plumbline.assess import drift as grants
from plumbline.assess.limits import beyond_limits
from plumbline.iam.catalogue import catalogue
from plumbline.iam.documents import PolicyError
from plumbline.model.assessment import GrantDrift
from plumbline.model.snapshot import Principal
from plumbline.store.memory import Accepted

ACCEPTED_UNKNOWN = "AcceptedAccessUnknown"


def lost_since(baseline: LeastPrivilegeBaseline, accepted: Mapping[str, Accepted], now: datetime) -> datetime | None:
    """Since when it is known that the store does not remember all that it did; None while it does.

    A status that knows more accepted roles than the store tells a lost store from a new baseline. The condition keeps
    it in mind until all is accepted anew, because what is live now may already have drifted.
    """
    status = baseline.status
    if status is None:
        return None
    condition = next((c for c in status.conditions if (c.type, c.status) == (ACCEPTED_UNKNOWN, "True")), None)
    if condition is not None:
        return condition.last_transition_time
    return now if len(accepted) < status.accepted_roles else None


def grant_drift(
    principal: Principal, spec: BaselineSpec, known: Accepted | None, observed: datetime, lost: datetime | None
) -> tuple[GrantDrift, Accepted | None]:
    """Drift against the accepted and the allowed access, and what is accepted from now on. Seeing drift never accepts
    it. `observed`: when the snapshot saw the role. `lost`: since when it is known that accepted access is lost."""
    drift, entry = _against_accepted(principal, spec, known, observed, lost)
    try:
        beyond = beyond_limits(principal, spec.allowed, spec.forbidden)
    except PolicyError:
        return replace(drift, accepted_known=False), entry
    return replace(drift, additions=(*drift.additions, *beyond)), entry


def _against_accepted(
    principal: Principal, spec: BaselineSpec, known: Accepted | None, observed: datetime, lost: datetime | None
) -> tuple[GrantDrift, Accepted | None]:
    if known is not None and known.unique_id != principal.unique_id:
        known = None  # that was another role of the same name
    try:
        live = grants.atoms_of(principal)
    except PolicyError:
        # Half a picture is neither accepted nor called drift.
        return GrantDrift(accepted_known=known is not None), known
    digest = grants.accepted_digest(live)
    asked = spec.grant_drift.accepted_at
    if asked is not None and asked > observed:
        asked = None  # it is about a later snapshot
    by_entry = any(e.role_arn == principal.arn and e.digest == digest for e in spec.grant_drift.accepted)
    drift = GrantDrift(live_digest=digest)
    if known is None:
        first = lost is None or principal.created_at > lost
        if first or by_entry or (asked is not None and lost is not None and asked >= lost):
            return drift, _accepted(principal, live, digest, observed)
        return replace(drift, accepted_known=False), None
    if (asked is not None and known.accepted_at < asked) or (by_entry and digest != known.digest):
        return drift, _accepted(principal, live, digest, observed)
    if digest == known.digest:
        return drift, known
    atoms = [grants.Atom.from_json(atom) for atom in known.atoms]
    additions = grants.compare(atoms, live)
    kept = grants.shrink(atoms, live)
    kept_digest = grants.accepted_digest(kept)
    entry = known if kept_digest == known.digest else _accepted(principal, kept, kept_digest, known.accepted_at)
    bits, unknown = grants.drift_bits(additions, catalogue())
    drift = replace(
        drift,
        additions=tuple(str(addition) for addition in additions),
        bits=bits,
        unknown=unknown,
        policies=grants.policies_of(principal, additions),
    )
    return drift, entry


def _accepted(principal: Principal, atoms: Sequence[grants.Atom], digest: str, at: datetime) -> Accepted:
    return Accepted(principal.arn, principal.unique_id, at, digest, [atom.to_json() for atom in atoms])
