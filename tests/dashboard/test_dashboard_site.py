"""Who may see what, and what a request can do: nothing but read, and never more than the API server allows."""

import base64
import http.client
import socket
import threading
from contextlib import ExitStack, closing

import pytest

from plumbline.dashboard.access import Everybody, NotAuthenticatedError, ProxyHeader, Tokens
from plumbline.dashboard.server import Server, _together
from plumbline.dashboard.site import Site
from plumbline.kube.errors import Unavailable
from plumbline.kube.reviews import ACCESS_REVIEWS, TOKEN_REVIEWS
from tests.dashboard.worlds import NOW, live, of_files

GOOD, STRANGER = "good-token", "stranger-token"
LOCAL = frozenset({"localhost", "127.0.0.1"})


class Reviews:
    """As much of an API server as answers reviews: alice may see the landscape `default` and list proposals."""

    def __init__(self):
        self.asked, self.down, self.rights = (
            [],
            False,
            {("get", "iamlandscapes", "default"), ("list", "remediationproposals", "")},
        )

    def create(self, resource, namespace, body):
        assert namespace is None
        if self.down:
            raise Unavailable("POST: refused")
        self.asked.append((resource, body["spec"]))
        if resource is TOKEN_REVIEWS:
            names = {GOOD: "alice", STRANGER: "mallory"}
            user = names.get(body["spec"]["token"])
            return {"status": {"authenticated": bool(user), "user": {"username": user, "groups": ["dev"]}}}
        assert resource is ACCESS_REVIEWS
        wanted = body["spec"]["resourceAttributes"]
        allowed = (wanted["verb"], wanted["resource"], wanted["name"]) in self.rights
        return {"status": {"allowed": allowed and body["spec"]["user"] == "alice"}}


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    return live(tmp_path, monkeypatch)[1]


@pytest.fixture
def reviews():
    return Reviews()


@pytest.fixture
def site(pictures, reviews):
    return Site(pictures, Tokens(reviews), clock=lambda: NOW)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def basic(user, password):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_token_is_needed_for_every_page(site, reviews):
    for path in ("/", "/default/", "/default/principals", "/default/coverage", "/nothing"):
        for headers in ({}, bearer("wrong"), basic("alice", "wrong"), {"authorization": "Basic %%"}, bearer("")):
            answer = site.answer(path, headers)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert "default" not in answer.body
    assert not [spec for resource, spec in reviews.asked if resource is ACCESS_REVIEWS]


@pytest.mark.parametrize("headers", [bearer(GOOD), basic("whoever", GOOD), {"authorization": f"bearer  {GOOD} "}])
def test_a_good_token_sees_the_pages(site, headers):
    assert site.answer("/default/", headers).status == 200
    assert site.answer("/", headers).headers["Location"] == "default/"
    assert site.answer("/default", headers).headers["Location"] == "default/"


def test_what_is_not_there_and_what_may_not_be_seen_look_the_same(site, reviews):
    forbidden = site.answer("/default/", bearer(STRANGER))
    missing = site.answer("/other/", bearer(GOOD))
    assert (forbidden.status, forbidden.body) == (missing.status, missing.body) == (404, missing.body)
    assert "default" not in site.answer("/", bearer(STRANGER)).body
    for right in list(reviews.rights):  # each right alone is not enough
        reviews.rights.remove(right)
        assert site.answer("/default/", bearer(GOOD)).status == 404
        reviews.rights.add(right)


def test_a_right_that_is_withdrawn_counts_at_the_next_request(site, reviews):
    assert site.answer("/default/", bearer(GOOD)).status == 200
    reviews.rights.clear()
    assert site.answer("/default/", bearer(GOOD)).status == 404


def test_an_api_server_that_does_not_answer_lets_nobody_in(site, reviews):
    reviews.down = True
    answer = site.answer("/default/", bearer(GOOD))
    assert answer.status == 503
    assert "Granted" not in answer.body


def test_a_proxy_names_the_user(pictures, reviews):
    site = Site(pictures, ProxyHeader(reviews, "X-Forwarded-User", "X-Forwarded-Groups"))
    assert site.answer("/default/", {"x-forwarded-user": "alice"}).status == 200
    assert site.answer("/default/", {"x-forwarded-user": "bob"}).status == 404
    assert site.answer("/default/", bearer(GOOD)).status == 401
    assert "WWW-Authenticate" not in site.answer("/default/", {}).headers
    site.answer("/default/", {"x-forwarded-user": "alice", "x-forwarded-groups": "dev, ops"})
    assert reviews.asked[-1][1]["groups"] == ["dev", "ops", "system:authenticated"]


@pytest.mark.parametrize(
    "headers", [{"x-user": "system:admin"}, {"x-user": "alice", "x-groups": "dev,system:masters"}, {"x-user": " "}]
)
def test_a_proxy_cannot_make_anybody_an_administrator(reviews, headers):
    with pytest.raises(NotAuthenticatedError):
        ProxyHeader(reviews, "X-User", "X-Groups").who(headers)


def test_a_header_that_comes_twice_is_nobodys():
    assert _together([("X-User", "alice"), ("x-user", "bob"), ("A", "b")]) == {"x-user": "alice,bob", "a": "b"}


def test_a_local_site_answers_to_its_own_names_only(pictures):
    site = Site(pictures, Everybody(), hosts=LOCAL)
    for host in ("localhost", "localhost:8000", "127.0.0.1:1"):
        assert site.answer("/default/", {"host": host}).status == 200
    for host in ("evil.example", "evil.example:8000", "", "localhost.evil.example"):
        assert site.answer("/default/", {"host": host}).status == 421


def test_a_landscape_without_a_pass_is_not_there(pictures, reviews):
    pictures._landscapes.forget("default")
    assert Site(pictures, Tokens(reviews)).answer("/default/", bearer(GOOD)).status == 404


# Over a socket


@pytest.fixture
def server(tmp_path):
    picture = of_files(tmp_path / "f")

    class Only:
        def names(self):
            return ["files"]

        def picture(self, name):
            return picture

    made = Server(Site(Only(), Everybody(), hosts=LOCAL), "127.0.0.1", 0)
    made.start()
    yield made
    made.close()


@pytest.fixture
def connected():
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(
            closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20))
        )


def test_pages_come_with_headers_that_forbid_everything_else(server, connected):
    connection = connected(server)
    for method in ("GET", "HEAD"):
        connection.request(method, "/files/principals?text=app")
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200
        assert (b"<html" in body) == (method == "GET")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "script-src" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Python" not in response.headers["Server"]
    for path, status in (
        ("/style.css", 200),
        ("/files/principal?arn=x", 404),
        ("/files/../etc/passwd", 404),
        ("/%2e%2e/x", 404),
    ):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == status, path


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(server, method, connected):
    connection = connected(server)
    connection.request(method, "/files/", body=b"x=1")
    assert connection.getresponse().status == 501


def test_a_request_within_a_body_is_not_answered(server):
    inner = b"GET /files/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(inner) + inner)
        answer = b""
        while part := one.recv(65536):
            answer += part
    assert answer.count(b"HTTP/1.1 ") == 1


def test_many_at_a_time_are_all_answered(server):
    found = []

    def ask():
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            connection.request("GET", "/files/")
            found.append(connection.getresponse().status)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 12
