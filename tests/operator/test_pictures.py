"""What the dashboard keeps of a landscape goes when the landscape does, without anybody asking for its page."""

import gc
import weakref

import pytest

from plumbline.kube.client import BASELINES, LANDSCAPES
from plumbline.kube.errors import Unavailable
from plumbline.operator import pictures as module
from plumbline.operator.pictures import OperatorPictures
from tests.operator.memory import Cluster
from tests.reconcile.facts import Line, a_role


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    made = Cluster(tmp_path, monkeypatch, Line(roles=(a_role(), a_role("web"))))
    made.landscape()
    made.landscape("other")
    made.baseline()
    return made


@pytest.fixture
def remembered(monkeypatch):
    """Whether the memories of analyses that were made are still there, in the order of their making."""
    made = []

    class Memory(module.Memory):
        def __init__(self):
            super().__init__()
            made.append(weakref.ref(self))

    monkeypatch.setattr(module, "Memory", Memory)

    def alive():
        gc.collect()
        return [one() is not None for one in made]

    return alive


GOES = {
    "deleted": lambda c: c.remove(LANDSCAPES, "default"),
    "suspended": lambda c: c.landscape(suspend=True),
    "not readable any more": lambda c: c.landscape(accounts={}),
}


@pytest.mark.parametrize("goes", GOES)
def test_what_was_kept_of_a_landscape_goes_with_it(cluster, remembered, goes):
    pictures = OperatorPictures(cluster.kube, cluster.reconciler.landscapes)
    shown = weakref.ref(pictures.picture("default"))
    pictures.picture("other")
    assert remembered() == [True, True]
    GOES[goes](cluster)
    assert remembered() == [False, True]
    assert shown() is None
    assert pictures.picture("default") is None
    assert list(pictures.names()) == ["other"]


def test_one_that_comes_back_is_shown_anew(cluster, remembered):
    pictures = OperatorPictures(cluster.kube, cluster.reconciler.landscapes)
    before = pictures.picture("default")
    cluster.remove(LANDSCAPES, "default")
    cluster.landscape()
    after = pictures.picture("default")
    assert after is not before
    assert after.report.analysis == before.report.analysis
    assert remembered() == [False, True]


@pytest.mark.parametrize("fails", [False, True])
def test_one_that_goes_while_its_picture_is_made_leaves_nothing(cluster, remembered, monkeypatch, fails):
    pictures, listed = OperatorPictures(cluster.kube, cluster.reconciler.landscapes), cluster.kube.list

    def goes(resource, *given, **more):
        if resource is not BASELINES:
            assert pictures._lock.locked()
            monkeypatch.setattr(cluster.kube, "list", listed)
            cluster.remove(LANDSCAPES, "default")  # does not wait for the picture
            if fails:
                raise Unavailable("the API server is gone")
        return listed(resource, *given, **more)

    monkeypatch.setattr(cluster.kube, "list", goes)
    if fails:
        with pytest.raises(Unavailable):
            pictures.picture("default")
    else:
        assert pictures.picture("default") is not None
    assert remembered() == [False]
    assert pictures.picture("default") is None
