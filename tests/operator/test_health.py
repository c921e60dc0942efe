"""What the probes and Prometheus get."""

from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from plumbline.operator.health import Health


@contextmanager
def served(live="", ready="", metrics=lambda: "figures\n"):
    health = Health(0, live=lambda: live, ready=lambda: ready, metrics=metrics, host="127.0.0.1")

    def get(path):
        try:
            with urlopen(f"http://127.0.0.1:{health.port}/{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    try:
        yield get
    finally:
        health.close()


def test_all_is_well():
    with served() as get:
        assert [get(path) for path in ("healthz", "readyz", "metrics")] == [
            (200, "ok\n"),
            (200, "ok\n"),
            (200, "figures\n"),
        ]
        assert get("other")[0] == 404


@pytest.mark.parametrize(("what", "path"), [("live", "healthz"), ("ready", "readyz")])
def test_what_is_wrong_is_said(what, path):
    with served(**{what: "it is stuck"}) as get:
        assert get(path) == (503, "it is stuck\n")


def test_figures_that_cannot_be_made_are_an_answer_too():
    def broken():
        raise KeyError("arn:gone")

    with served(metrics=broken) as get:
        assert get("metrics") == (500, "KeyError: 'arn:gone'\n")
        assert get("healthz") == (200, "ok\n")
