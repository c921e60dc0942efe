"""Each operation that is read, answered in each way that is not whole: without a member, with an empty one, with one of
another type. Whoever reads it says so, or found all the same what there is; nothing else is raised, and nothing is lost."""

import json
import threading
from contextlib import contextmanager
from itertools import count
from xml.etree import ElementTree as ET

import pytest
from botocore.awsrequest import AWSResponse

from plumbline.aws.errors import AwsError
from plumbline.aws.operations import OPERATIONS
from plumbline.aws.session import AwsSessions
from sandbox.protocol import SERVICES, Call, success
from tests.aws.readers import READERS
from tests.aws.whole_answers import BY_BOTOCORE, BYTES, RARE, UNREAD, WHOLE
from tests.stores import new_store

INSTEAD = ({}, [], "text", 7, True)


class Sessions(AwsSessions):
    """To which AWS answers from the table; one operation by `spoiled`: (its name, body -> another body)."""

    def __init__(self):
        super().__init__("reader", requests_per_second=1e9, sleep=lambda _: None)
        self.spoiled, self.asked, self.called = None, threading.local(), set()

    @contextmanager
    def whole(self):
        spoiled, self.spoiled = self.spoiled, None
        try:
            yield
        finally:
            self.spoiled = spoiled

    def client(self, *arguments, **more):
        client = super().client(*arguments, **more)
        model = client.meta.service_model

        def asked(params, model, **_):
            setattr(self.asked, str(id(client)), (model.name, params))

        def answer(request, **_):
            operation, parameters = getattr(self.asked, str(id(client)))
            name = f"{model.signing_name}:{operation}"
            self.called.add(name)
            body = whole_body(name, parameters)
            if self.spoiled and self.spoiled[0] == name:
                body = self.spoiled[1](body)
            raw = type("Raw", (), {"stream": lambda *_, **__: iter([body])})()
            return AWSResponse(request.url, 200, {"content-type": "application/json"}, raw)

        client.meta.events.register("provide-client-params.*.*", asked, unique_id="asked")
        client.meta.events.register("before-send.*.*", answer, unique_id="answer")
        return client


def whole_body(name, parameters):
    service, operation = name.split(":")
    answer = {} if name in UNREAD else WHOLE[name]
    answer = answer(parameters) if callable(answer) else answer
    call = Call(SERVICES.get(service, service), operation, "us-east-1", "", {}, b"")
    return success(call, answer).body


def replacing(number, spoiled):
    """Replaces the body of the call of this number."""
    numbers = count()
    return lambda body: spoiled if next(numbers) == number else body


def spoilings(body, deepest):
    """(what was done, the body that is left), of each member of a JSON object or XML document down to this depth."""
    return _of_json(json.loads(body), deepest) if body.startswith(b"{") else _of_xml(body, deepest)


def _of_json(document, deepest):
    yield "nothing in it", b"{}"
    for path, value in _members(document):
        if len(path) > deepest:
            continue
        if isinstance(path[-1], str):  # a list that lacks one is whole
            yield f"without {path}", _changed(document, path, None, gone=True)
        yield f"null {path}", _changed(document, path, None)
        for other in INSTEAD:
            if type(other) is not type(value) and not (isinstance(value, int) and isinstance(other, int)):
                yield f"{other!r} for {path}", _changed(document, path, other)


def _members(value, path=()):
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key), one
        if isinstance(one, dict | list):
            yield from _members(one, (*path, key))


def _changed(document, path, value, *, gone=False):
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    if gone:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return json.dumps(copy).encode()


def _of_xml(body, deepest):
    """Elements that are gone, hold a text instead of others, or nothing instead of a text."""
    root = ET.fromstring(body)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # botocore looks at local names
    whole = ET.tostring(root)
    for at, (depth, _, child) in enumerate(_elements(root)):
        if depth > deepest:
            continue
        for what, spoil in (("without", _remove), ("other", _replace)):
            copy = ET.fromstring(whole)
            spoil(*_elements(copy)[at][1:])
            if (what, child.tag) != ("without", "member"):  # a list that lacks one is whole
                yield f"{what} {child.tag} {at}", ET.tostring(copy)


def _remove(parent, child):
    parent.remove(child)


def _replace(_, child):
    child.text = "text" if len(child) else ""
    for one in list(child):
        child.remove(one)


def _elements(parent, depth=0):
    """(depth, parent, child) of all elements. What the protocol wraps answers in counts as no depth."""
    found = []
    for child in parent:
        below = depth if child.tag.endswith("Result") else depth + 1
        found += [(below, parent, child), *_elements(child, below)]
    return found


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name, value in {
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr("plumbline.usage.sources.recommendations.WAITS", ())
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)


def test_each_operation_is_read_by_somebody_or_not_at_all():
    assert WHOLE.keys() == READERS.keys()
    assert READERS.keys() | UNREAD | BYTES | BY_BOTOCORE == OPERATIONS.keys()


@pytest.fixture(scope="module")
def kept():
    """Clients cost more than all that they read here."""
    return Sessions()


@pytest.fixture
def sessions(kept, request):
    """Which remember their caller and their credentials, so that those that ask for them are new."""
    return Sessions() if request.getfixturevalue("operation").startswith("sts:") else kept


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A function that gives a landscape of its own in a store."""
    engine = new_store(tmp_path_factory.mktemp("store") / "store.db")
    numbers = count()
    yield lambda: (engine, f"landscape-{next(numbers)}")
    engine.dispose()


def test_no_operation_is_allowed_that_nobody_calls(places):
    sessions = Sessions()
    for read in dict.fromkeys(READERS.values()):
        read(sessions, places())
    assert sessions.called == OPERATIONS.keys() - RARE - BYTES - BY_BOTOCORE


# All takes half a minute. The fast tests try one operation of each reader, and of its answer only the outermost members.
FAST = [(operation, 1) for operation in {read: name for name, read in reversed(READERS.items())}.values()]
ALL = [pytest.param(operation, 99, marks=pytest.mark.slow) for operation in READERS]


@pytest.mark.parametrize(("operation", "deepest"), [*FAST, *ALL])
def test_what_is_not_whole_is_said_and_takes_nothing_away(sessions, places, operation, deepest):
    read, bodies = READERS[operation], []
    sessions.spoiled = operation, lambda body: bodies.append(body) or body
    problem, whole = read(sessions, places())
    assert (problem, bool(whole), bool(bodies)) == ("", True, True)
    wrong = []
    for number, body in enumerate(bodies[:3]):  # AWS Config is asked three things by one operation
        for what, spoiled in spoilings(body, deepest):
            if operation.startswith("sts:"):
                sessions = Sessions()
            sessions.spoiled = operation, replacing(number, spoiled)
            try:
                problem, found = read(sessions, places())
            except AwsError:
                continue
            except Exception as error:  # noqa: BLE001 - what the test looks for
                wrong.append(f"{what}: {type(error).__name__}: {error}")
            else:
                if not problem and found != whole:
                    wrong.append(f"{what}: {found}")
    assert not wrong, "\n".join(wrong)
