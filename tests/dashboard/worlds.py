"""Pictures to look at: one of files, with everything that a page may have to show, and one of a cluster in memory."""

import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from plumbline.assess.analysis import analyse
from plumbline.cli.facts_options import read_facts
from plumbline.dashboard.picture import Picture
from plumbline.export.analysis import Report
from plumbline.model.snapshot import Account
from plumbline.operator.pictures import OperatorPictures
from tests.assess.world import ACCOUNT as LIVE_ACCOUNT
from tests.cli.accounts import ACCOUNT, allow, arn, called, deny, details, inline, managed, role, saved, trust, user
from tests.iam.policies import allow as statement
from tests.iam.policies import inline as policy
from tests.operator.memory import Cluster
from tests.reconcile.facts import READ, WRITE, Line, a_role

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
FOREIGN = "999999999999"
OLD = {"CreateDate": "2025-01-01T00:00:00Z"}
APP, ADMIN, UNREAD, ALICE = (
    arn(*of) for of in (("role", "app"), ("role", "admin"), ("role", "unread"), ("user", "alice"))
)
ORGANIZATION = {"root": {"accounts": [{"id": ACCOUNT, "name": "shop"}]}}


def account():
    """A role with use and without, one that many may become, one that cannot be read, a user with a way up."""
    statements = [
        allow("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SendMessage", Sid="Queues"),
        allow("iam:PassRole", "sqs:PurgeQueue"),
        deny("s3:*"),
    ]
    return details(
        roles=[
            role("app", inline("p", *statements), trusts=trust({"Service": "lambda.amazonaws.com"}), **OLD)
            | {"Tags": [{"Key": "owner", "Value": "payments"}]},
            role("admin", inline("p", allow("*")), trusts=trust({"AWS": [
                f"arn:aws:iam::{FOREIGN}:root", f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:role/app"]}), **OLD),
            role("unread", AttachedManagedPolicies=[{"PolicyName": "gone", "PolicyArn": arn("policy", "gone")}], **OLD),
            role("next", inline("p", allow("s3:GetObject")), trusts=trust({"AWS": ADMIN}), **OLD),
        ],
        users=[user("alice", inline("p", allow("sts:AssumeRole", resource=ADMIN)), **OLD)],
        policies=[managed("other", allow("s3:GetObject"))],
    )  # fmt: skip


RECORDS = (called("app", "sqs:CreateQueue"), called("app", "sqs:CreateQueue", "2026-04-20T10:00:00Z"))


def written(folder, data=None, *, logs=RECORDS, organization=ORGANIZATION):
    """The options of a command that name the files of it."""
    folder.mkdir(exist_ok=True)
    given = ["--account-details", saved(folder / "details.json", data or account())]
    if logs is not None:
        path = folder / "logs.json.gz"
        path.write_bytes(gzip.compress(json.dumps({"Records": list(logs)}).encode()))
        given += ["--logs", str(path), "--assume-complete", "management"]
    if organization is not None:
        given += ["--organization", saved(folder / "organization.json", organization)]
    return [*given, "--as-of", "2026-06-30"]


def of_files(folder, data=None, *, logs=RECORDS, organization=ORGANIZATION):
    """As `plumbline report` makes it."""
    written(folder, data, logs=logs, organization=organization)
    return of_files_in(
        [folder / "details.json"],
        logs=[folder / "logs.json.gz"] if logs is not None else [],
        organization=folder / "organization.json" if organization is not None else None,
    )


def of_files_in(accounts, *, logs=(), organization=None):
    complete = "management" if logs else None
    paths = [Path(path) for path in accounts]
    found = read_facts(paths, list(logs), None, complete, None, organization, "2026-06-30", "90d")
    return Picture("files", Report(analyse(found.facts), found.facts, found.as_of, found.warnings))


LIVE_ROLE = f"arn:aws:iam::{LIVE_ACCOUNT}:role/app"
HALF_USED = policy("p", statement(READ, WRITE), statement("sqs:DeleteQueue"))


def live(folder, monkeypatch, line=None, **spec):
    """A cluster in memory after one pass, and what the dashboard shows of it."""
    roles = (a_role("app", HALF_USED), a_role("quiet"))
    cluster = Cluster(folder, monkeypatch, line or Line(roles=roles, used={"app": (READ,)}))
    cluster.landscape()
    cluster.baseline(**spec)
    cluster.sweep()
    return cluster, OperatorPictures(cluster.kube, cluster.reconciler.landscapes)


def lost():
    """An account that could not be collected."""
    line = Line()
    return replace(
        line, account=Account(line.account.id, ou_path=("r-root",), error="no role there", error_reason="Denied")
    )


class Page(HTMLParser):
    """What tests ask of a page: its ids, links, attributes and text."""

    VOID = frozenset({"meta", "link", "input", "br", "hr", "img"})

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.attributes, self.tags, self.words = [], [], set(), set(), []
        self.open = []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        values = dict(attrs)
        self.attributes |= {(tag, name) for name in values}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))
