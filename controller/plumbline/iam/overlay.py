"""What the catalogue does not say: how CloudTrail events name actions, and which actions CloudTrail can show at all.

Reads the generated overlay.json. Must not know records, principals or coverage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Literal

import msgspec

from plumbline.iam.catalogue import Catalogue, catalogue

Kind = Literal["management", "data", "never", "permissionOnly", "unknown"]

# AWS Lambda and others add an API version to event names: CreateFunction20150331, AddPermission20150331v2,
# CreateDistribution2020_05_31. https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
_VERSION_SUFFIX = re.compile(r"_?\d{4}_?\d{2}_?\d{2}(v\d+)?$")
_DOMAIN = re.compile(r"\.amazonaws\.com(\.cn)?$")


@dataclass(frozen=True, slots=True)
class Visibility:
    """How a use of an action would show in CloudTrail.

    `management`: as a management event of `event_source`; `data`: as a data event, only where `data_type` is selected;
    `never`: nowhere; `permissionOnly`: no API operation has the name; `unknown`: nothing is known.
    `global_service`: all its events are recorded in us-east-1 (its partition's first Region).
    `read_only`: the event is read-only, or may be; so that a trail of writes alone proves nothing about it.
    `read_only_certain`: False where either may be the case; then both reads and writes must be selected.
    """

    kind: Kind
    event_source: str = ""
    data_type: str | None = None
    global_service: bool = False
    read_only: bool = False
    read_only_certain: bool = True


@dataclass(frozen=True, slots=True)
class EventActions:
    """The actions behind one event: `all` were authorized, of `perhaps` any may have been. `services`: the candidate
    service prefixes, also when no action is known. `operation`: the event's name without an API version."""

    all: tuple[str, ...]
    perhaps: tuple[str, ...]
    services: tuple[str, ...]
    operation: str

    @property
    def known(self) -> bool:
        return bool(self.all or self.perhaps)


class PassRole(msgspec.Struct, frozen=True):
    """Where a request carries the ARN of the role that it passes (dotted paths, `*` for list members), or by which
    members it shows that it passes one without naming its ARN; and the service that the role is passed to, empty where
    it is not known."""

    service: str = ""
    paths: tuple[str, ...] = ()
    presence: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, rename="camel"):
    event_sources: dict[str, tuple[str, ...]]
    event_source_of: dict[str, str]
    events: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    permissionless: frozenset[str]
    permissionless_sources: frozenset[str]
    tag_actions: dict[str, str]
    pass_role: dict[str, PassRole]
    dependents: dict[str, tuple[str, ...]]
    global_services: frozenset[str]
    visibility: dict[str, dict[str, str]]


class Overlay:
    """The overlay over one catalogue. `version` changes with either."""

    def __init__(self, data: bytes, known: Catalogue) -> None:
        self._file = msgspec.json.decode(data, type=_File)
        self._catalogue = known
        self._services = frozenset(known.services)
        self._dependents = {name.lower(): actions for name, actions in self._file.dependents.items()}
        self._visible: dict[str, Mapping[str, Visibility]] = {}
        self.version: str = f"{known.version}/{hashlib.sha256(data).hexdigest()[:16]}"

    def services(self, event_source: str) -> tuple[str, ...]:
        """The service prefixes that an event source may stand for; none when the catalogue knows no such service.

        https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
        """
        source = event_source.lower().replace(".amazonaws.com.cn", ".amazonaws.com")
        named = self._file.event_sources.get(source) or (_DOMAIN.sub("", source),)
        return tuple(name for name in named if name in self._services)

    def event(self, event_source: str, event_name: str, variant: str = "") -> EventActions:
        """The actions behind an event. `variant` names a request parameter that changes them, such as `versionId`.

        Where several services have an action of the name, each may have been meant.
        """
        services = self.services(event_source)
        for name in dict.fromkeys((event_name, _VERSION_SUFFIX.sub("", event_name))):
            found = [entry for service in services if (entry := self._actions(service, name.lower(), variant.lower()))]
            if len(found) == 1:
                return EventActions(*found[0], services, name)
            if found:
                any_of = tuple(sorted({a for entry in found for part in entry for a in part}))
                return EventActions((), any_of, services, name)
        return EventActions((), (), services, _VERSION_SUFFIX.sub("", event_name))

    def candidates(self, event_source: str, event_name: str) -> tuple[str, ...]:
        """The services that an event without a known action may belong to, sorted; never empty.

        A source that is no known service is taken for its own name, every service that its name extends, and every
        service that has an action of the event's name: on the safe side, because these are vetoes.
        """
        services = self.services(event_source)
        if services:
            return services
        source = _DOMAIN.sub("", event_source.lower())
        name = _VERSION_SUFFIX.sub("", event_name).lower()
        alike = {
            s for s in self._services if source.startswith((f"{s}-", f"{s}.")) or source.endswith((f"-{s}", f".{s}"))
        }
        return tuple(
            sorted({source} | alike | {s for s in self._services if self._catalogue.bit(f"{s}:{name}") is not None})
        )

    def _actions(self, service: str, name: str, variant: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        listed = self._file.events.get(f"{service}:{name}?{variant}") or self._file.events.get(f"{service}:{name}")
        if listed is not None:
            return listed
        spelling = self._catalogue.spelling(f"{service}:{name}")
        return ((spelling,), ()) if spelling else None

    def spelling(self, action: str) -> str | None:
        """The catalogue's spelling of an action; None when it does not know it."""
        return self._catalogue.spelling(action)

    def permissionless(self, event_source: str, event_name: str) -> bool:
        """Whether the event is recorded although the call needs no permission.

        https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html, .../API_GetSessionToken.html;
        console sign-in is authenticated, not authorized.
        """
        source = event_source.lower()
        if source in self._file.permissionless_sources:
            return True
        return f"{_DOMAIN.sub('', source)}:{event_name.lower()}" in self._file.permissionless

    def pass_role(self, action: str) -> PassRole | None:
        """Where a request for this operation (`service:Operation`) passes a role; None when it passes none.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
        """
        return self._file.pass_role.get(action.lower())

    def tag_action(self, action: str) -> str | None:
        """The action that tags in a request for this operation need besides it; None when there is none.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
        """
        low = action.lower()
        service = low.partition(":")[0]
        named = self._file.tag_actions.get(low, self._file.tag_actions.get(service, "TagResource"))
        found = self._catalogue.spelling(f"{service}:{named}") if named else None
        return None if found is None or found.lower() == low else found

    def dependent_actions(self, action: str) -> tuple[str, ...]:
        """Actions that a call of this one may need besides it, sorted; empty for an unknown action."""
        return self._dependents.get(action.lower(), ())

    def visibility(self, action: str) -> Visibility:
        """How a use of the action would show in CloudTrail; `unknown` for what the overlay does not name."""
        service, _, name = action.lower().partition(":")
        if service not in self._visible:
            self._visible[service] = self._service_visibility(service)
        return self._visible[service].get(name, self._unknown)

    @cached_property
    def _unknown(self) -> Visibility:
        return Visibility("unknown")

    def _service_visibility(self, service: str) -> Mapping[str, Visibility]:
        source = self._file.event_source_of.get(service, f"{service}.amazonaws.com")
        is_global = service in self._file.global_services
        result: dict[str, Visibility] = {}
        for label, names in self._file.visibility.get(service, {}).items():
            kind, _, detail = label.partition(" ")
            shared = Visibility(
                msgspec.convert(kind, Kind),
                source,
                detail if kind == "data" else None,
                is_global,
                read_only=detail in ("read", "either"),
                read_only_certain=detail != "either",
            )
            result.update(dict.fromkeys(names.lower().split(), shared))
        return result


@cache
def overlay() -> Overlay:
    """The overlay that ships with the package, over the installed catalogue; loaded once."""
    return Overlay(files("plumbline.iam").joinpath("data", "overlay.json").read_bytes(), catalogue())
