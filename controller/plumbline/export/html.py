"""An analysis as one page that needs nothing else: no script, no other file, no network. Knows the report only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from plumbline import __version__
from plumbline.assess.analysis import PrincipalAnalysis
from plumbline.assess.reach import Path
from plumbline.export.analysis import Report, last_uses, owner_of
from plumbline.iam.catalogue import catalogue

MOST_ACTIONS = 200  # listed for one principal and reason
MOST_PATHS = 50  # listed for one principal and direction


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("plumbline.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("analysis.html.j2")


def page(report: Report) -> str:
    """The page; the same report gives the same text."""
    into: dict[str, list[Path]] = {}
    out: dict[str, list[Path]] = {}
    for path in report.analysis.paths:
        into.setdefault(path.target, []).append(path)
        out.setdefault(path.source, []).append(path)
    data = report.as_json()
    return _template().render(
        version=__version__,
        data=data,
        principals=[_principal(one, into, out) for one in report.by_risk()],
        most_actions=MOST_ACTIONS,
        most_paths=MOST_PATHS,
    )


def _principal(
    one: PrincipalAnalysis, into: Mapping[str, Sequence[Path]], out: Mapping[str, Sequence[Path]]
) -> dict[str, Any]:
    last = last_uses(one)
    arn = one.principal.arn
    return {
        "arn": arn,
        "name": one.principal.name,
        "kind": one.principal.kind,
        "account": one.principal.account,
        "owner": owner_of(one) or "",
        "known": one.granted.known,
        "counts": one.counts,
        "share": {
            verdict: round(100 * getattr(one.counts, verdict) / max(one.counts.granted, 1), 2)
            for verdict in ("used", "unused", "undetermined")
        },
        "risk": one.risk,
        "findings": [
            {
                "verdict": finding.verdict.value,
                "reason": finding.reason,
                "detail": finding.detail,
                "sources": finding.sources,
                "actions": [
                    (name, f"{last[name.lower()]:%Y-%m-%d}" if name.lower() in last else "")
                    for name in (*catalogue().names_of(finding.bits), *sorted(finding.unknown))
                ],
            }
            for finding in one.findings
        ],
        "escalations": one.escalations,
        "trust": one.trust,
        "into": into.get(arn, ()),
        "out": out.get(arn, ()),
    }
