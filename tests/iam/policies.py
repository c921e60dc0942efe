"""Strategies and helpers that write small policies. The texts lean on few characters so that patterns meet."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from plumbline.iam.documents import canonical
from plumbline.model.snapshot import Policy, Principal

ACTIONS = [
    "s3:GetObject",
    "s3:getobject",
    "s3:PutObject",
    "s3:Get*",
    "s3:*Object",
    "s3:Get?bject",
    "s3:*",
    "*",
    "sqs:*",
    "sqs:SendMessage",
    "SQS:sendmessage",
    "sqs:ReceiveMessage",
    "iam:PassRole",
    "iam:P*",
    "dynamodb:GetItem",
    "nosuch:Thing",
    "nosuch:*",
    "s3:NoSuchThing",
]
RESOURCES = ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:sqs:*:*:q", "arn:aws:s3:::${aws:username}/*"]
CONDITIONS = [
    None,
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:PrincipalTag/team": ["a", "b"]}},
]


def one_or_many(values):
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=4))


@st.composite
def statements(draw):
    made = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"]))}
    made[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(one_or_many(ACTIONS))
    made[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(one_or_many(RESOURCES))
    condition = draw(st.sampled_from(CONDITIONS))
    if condition:
        made["Condition"] = condition
    if draw(st.booleans()):
        made["Sid"] = draw(st.sampled_from(["One", "Two"]))
    return made


def document_of(*given) -> str:
    return canonical({"Version": "2012-10-17", "Statement": list(given)})


documents = st.lists(statements(), min_size=1, max_size=4).map(lambda s: document_of(*s))


def allow(*actions, resource="*", **more) -> dict:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions, resource="*", **more) -> dict:
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource, **more}


def inline(name, *given, **more) -> Policy:
    return Policy(name, "inline", document_of(*given), **more)


def managed(name, *given, kind="customer", **more) -> Policy:
    owner = "aws" if kind == "aws" else "111111111111"
    return Policy(name, kind, document_of(*given), arn=f"arn:aws:iam::{owner}:policy/{name}", **more)


def role(*policies, boundary=None, kind="role") -> Principal:
    return Principal(
        arn=f"arn:aws:iam::111111111111:{kind}/app",
        unique_id="AROAEXAMPLE",
        kind=kind,
        account="111111111111",
        name="app",
        path="/",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        policies=tuple(policies),
        boundary=boundary,
    )


@st.composite
def policies(draw):
    kind = draw(st.sampled_from(["inline", "customer", "aws"]))
    name = draw(st.sampled_from(["a", "b", "c", "d"]))
    text = draw(st.one_of(documents, documents, documents, st.none()))
    arn = None if kind == "inline" else f"arn:aws:iam::{'aws' if kind == 'aws' else '1' * 12}:policy/{name}"
    return Policy(name, kind, text, arn=arn, attachment_count=draw(st.sampled_from([1, 1, 2])))


principals = st.lists(policies(), max_size=4, unique_by=lambda p: p.key).map(lambda ps: role(*ps))
