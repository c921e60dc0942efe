"""How many processes are started: what a container may use counts, not what its node has."""

import os

import pytest

from plumbline.usage.processors import processors, readers

POD = "kubepods/burstable/pod1/container2"


@pytest.fixture(autouse=True)
def node(monkeypatch):
    """A node with 64 processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


def files(root, **named):
    for name, text in named.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("cpu_max", "expected"),
    [
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("400000 100000\n", 4),
        ("9900000 100000\n", 64),
        ("max 100000\n", 64),
        ("nonsense\n", 64),
        ("0 100000\n", 64),
        ("100000 0\n", 64),
    ],
)
def test_limit_of_a_pod(tmp_path, cpu_max, expected):
    files(tmp_path, **{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": cpu_max})
    assert processors(tmp_path) == expected


@pytest.mark.parametrize("where", [POD, "kubepods/burstable", "kubepods"])
def test_limit_of_a_group_around_it(tmp_path, where):
    files(
        tmp_path,
        **{
            "proc/self/cgroup": f"0::/{POD}\n",
            f"sys/fs/cgroup/{POD}/cpu.max": "max 100000\n",
            f"sys/fs/cgroup/{where}/cpu.max": "300000 100000\n",
        },
    )
    assert processors(tmp_path) == 3


@pytest.mark.parametrize(("quota", "expected"), [("200000\n", 2), ("50000\n", 1), ("-1\n", 64)])
@pytest.mark.parametrize("where", ["", f"{POD}/"])
def test_limit_of_version_1(tmp_path, quota, expected, where):
    files(
        tmp_path,
        **{
            "proc/self/cgroup": f"5:memory:/{POD}\n3:cpuset:/\n2:cpu,cpuacct:/{POD}\n0::/\n",
            f"sys/fs/cgroup/cpu/{where}cpu.cfs_quota_us": quota,
            f"sys/fs/cgroup/cpu/{where}cpu.cfs_period_us": "100000\n",
        },
    )
    assert processors(tmp_path) == expected


def test_where_nothing_is_said_of_limits(tmp_path):
    assert processors(tmp_path) == 64


def test_the_processors_of_this_machine_are_a_limit_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    files(tmp_path, **{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000\n"})
    assert processors(tmp_path) == 2


@pytest.mark.parametrize(
    ("memory", "cpu_max", "expected"),
    [
        ("max\n", "max 100000\n", 4),
        (f"{1 << 30}\n", "max 100000\n", 2),
        (f"{256 << 20}\n", "max 100000\n", 1),
        (f"{8 << 30}\n", "max 100000\n", 4),
        (f"{8 << 30}\n", "50000 100000\n", 1),
    ],
)
def test_readers_beside_a_writer_fit_into_the_memory_of_a_pod(tmp_path, memory, cpu_max, expected):
    named = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": cpu_max, "sys/fs/cgroup/memory.max": memory}
    assert readers(files(tmp_path, **named)) == expected


@pytest.mark.parametrize(("limit", "expected"), [(f"{1 << 30}\n", 2), ("9223372036854771712\n", 4)])
def test_memory_of_version_1(tmp_path, limit, expected):
    named = {"proc/self/cgroup": f"5:memory:/{POD}\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": limit}
    assert readers(files(tmp_path, **named)) == expected
