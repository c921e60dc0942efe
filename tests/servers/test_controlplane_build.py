"""How the programs of the control plane are found or built, with a Go that only pretends."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.controlplane import build

COMMAND = [sys.executable, "-m", build.__name__]
ROOT = Path(__file__).resolve().parents[2]

# Writes a program that says what kubectl would say of its version.
BUILDS = f"""
while [ $# -gt 0 ]; do [ "$1" = -o ] && target=$2; shift; done
cat > "$target" <<'END'
#!/bin/sh
echo '{json.dumps({"clientVersion": {"gitVersion": build.KUBERNETES}})}'
END
chmod +x "$target"
"""


def find(**environment):
    """What build.py says as a program, with nothing of the caller's environment."""
    return subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def program(path, script):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def go(folder, build_script, version="go1.99.0"):
    """The PATH with a Go that says this version, knows no settings, and builds by this script."""
    program(
        folder / "go",
        f'case $1 in version) echo "go version {version} linux/amd64";; env) echo "{{}}";; *)\n{build_script}\nesac',
    )
    return f"{folder}:{os.defpath}"


def test_an_empty_folder_of_programs_is_refused_with_what_it_lacks(tmp_path):
    done = find(KUBEBUILDER_ASSETS=str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path} lacks etcd, kube-apiserver, kube-controller-manager, kubectl" in done.stderr
    assert "unset KUBEBUILDER_ASSETS" in done.stderr


def test_the_folder_of_envtest_lacks_the_controller_manager(tmp_path):
    for name in ("etcd", "kube-apiserver", "kubectl"):
        program(tmp_path / name, "")
    done = find(KUBEBUILDER_ASSETS=str(tmp_path))
    assert f"{tmp_path} lacks kube-controller-manager (" in done.stderr


def test_a_complete_folder_of_programs_is_used(tmp_path):
    for name in build.PROGRAMS:
        program(tmp_path / name, "")
    assert find(KUBEBUILDER_ASSETS=str(tmp_path)).stdout == f"{tmp_path}\n"


def test_without_go_the_error_says_which_one_to_install(tmp_path):
    done = find(PLUMBLINE_CACHE=str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 1
    assert "there is no `go` on the PATH: install it, or set KUBEBUILDER_ASSETS" in done.stderr


def test_an_old_go_is_refused(tmp_path):
    done = find(PLUMBLINE_CACHE=str(tmp_path), PATH=go(tmp_path / "bin", "exit 9", version="go1.22.4"))
    assert done.returncode == 1
    assert "Go 1.26 or newer" in done.stderr
    assert "go1.22.4" in done.stderr


@pytest.mark.parametrize(
    ("output", "remedy"),
    [
        ("dial tcp: lookup proxy: no such host", "mend the network or GOPROXY"),
        ("link: signal: killed", "4 GB free"),
        ("write: no space left on device", "The disk is full"),
    ],
)
def test_a_failed_build_shows_the_end_of_its_output_and_leaves_nothing(tmp_path, output, remedy):
    cache = tmp_path / "cache"
    done = find(PLUMBLINE_CACHE=str(cache), PATH=go(tmp_path / "bin", f"echo '{output}'; exit 9"))
    assert done.returncode == 1
    assert output in done.stderr
    assert remedy in done.stderr
    assert not list(cache.glob("controlplane/*/*"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    done = find(PLUMBLINE_CACHE=str(tmp_path / "file"), PATH=go(tmp_path / "bin", "exit 9"))
    assert done.returncode == 1
    assert f"{tmp_path}/file/controlplane can't be written: set PLUMBLINE_CACHE" in done.stderr


def test_what_is_built_does_not_tell_its_version_is_refused(tmp_path):
    cache = tmp_path / "cache"
    done = find(PLUMBLINE_CACHE=str(cache), PATH=go(tmp_path / "bin", BUILDS.replace(build.KUBERNETES, "v0.0.0")))
    assert done.returncode == 1
    assert f"is not Kubernetes {build.KUBERNETES}" in done.stderr
    assert not list(cache.glob("controlplane/*/*"))


def test_a_home_that_cannot_be_written_is_replaced_by_a_private_temporary_folder(tmp_path):
    (tmp_path / "file").touch()
    done = find(HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path), PATH=go(tmp_path / "bin", BUILDS))
    private = tmp_path / f"plumbline-{os.getuid()}"
    assert Path(done.stdout.strip()).parent == private / "controlplane"
    assert private.stat().st_mode & 0o777 == 0o700


def test_an_entry_is_for_one_version_of_go_and_mended_when_it_lacks_a_program(tmp_path):
    def built(version):
        path = go(tmp_path / "bin", f"echo {version} >> {tmp_path}/builds\n{BUILDS}", version)
        return Path(find(PLUMBLINE_CACHE=str(tmp_path / "cache"), PATH=path).stdout.strip())

    first = built("go1.99.0")
    assert built("go1.99.1") != first
    assert built("go1.99.0") == first
    (first / "etcd").unlink()
    assert built("go1.99.0") == first
    assert (first / "etcd").exists()
    assert (tmp_path / "builds").read_text().split() == ["go1.99.0", "go1.99.1", "go1.99.0"]


@pytest.mark.slow
def test_two_at_once_build_once_and_a_third_not_at_all(tmp_path):
    path = go(tmp_path / "bin", f"echo built >> {tmp_path}/builds; sleep 1\n{BUILDS}")
    environment = {"PLUMBLINE_CACHE": str(tmp_path / "cache"), "PATH": path}
    both = [
        subprocess.Popen(
            COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(2)
    ]
    printed = {process.communicate(timeout=60)[0] for process in both} | {find(**environment).stdout}
    assert len(printed) == 1
    folder = Path(printed.pop().strip())
    assert all(os.access(folder / name, os.X_OK) for name in build.PROGRAMS)
    assert (tmp_path / "builds").read_text() == "built\n"


@pytest.mark.slow
def test_after_a_killed_build_the_next_waits_for_its_compilers_and_clears_up(tmp_path):
    log = tmp_path / "builds"
    path = go(tmp_path / "bin", f"echo begin >> {log}; sleep 2; echo end >> {log}\n{BUILDS}")
    environment = {"PLUMBLINE_CACHE": str(tmp_path / "cache"), "PATH": path}
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 30
        while not log.exists():
            assert time.monotonic() < deadline, "the build does not begin"
            time.sleep(0.05)
        killed.kill()
    folder = Path(find(**environment).stdout.strip())
    assert log.read_text().split() == ["begin", "end", "begin", "end"]
    assert sorted(path.name for path in folder.parent.iterdir()) == sorted([folder.name, "lock"])
