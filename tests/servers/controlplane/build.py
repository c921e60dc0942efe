"""Where the programs of Kubernetes' control plane are, and how they are built when they are not there yet.

Run as a program it prints the folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`:

    python -m tests.servers.controlplane.build

The folder is the one that `KUBEBUILDER_ASSETS` names (the convention of envtest), or else an entry of the cache, which is
built on first use with Go from the module beside this file. Needs the standard library only, and knows nothing of how the
programs are run.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.servers import building
from tests.servers.building import BuildError, say, writable

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
KUBERNETES = "v1.37.2"

MODULE = Path(__file__).resolve().parent
PROGRAM = "controlplane"  # all four; cmd/controlplane/main.go says why
_MAJOR, _MINOR, _ = KUBERNETES.removeprefix("v").split(".")
# What the programs say of their version, which a release build sets in the same way: the answer to `/version`, and the
# user agent in the audit log. Without it the API server calls itself v0.0.0, and clients believe it.
_VERSIONS = (
    f"-X k8s.io/component-base/version.gitVersion={KUBERNETES}",
    f"-X k8s.io/component-base/version.gitMajor={_MAJOR}",
    f"-X k8s.io/component-base/version.gitMinor={_MINOR}",
    f"-X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}",
)
FLAGS = (
    "-trimpath",
    "-buildvcs=false",  # the program does not depend on the commit of this repository
    # Without the symbols that only a debugger reads.
    f"-ldflags=-s -w {' '.join(_VERSIONS)}",
)
_NAME = "control plane"
_OR_ASSETS = f"or set KUBEBUILDER_ASSETS to a folder that holds {', '.join(PROGRAMS)} of Kubernetes {KUBERNETES}"


def folder() -> Path:
    """The folder that holds the four programs; builds them when there is none."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    return _given(Path(assets)) if assets else _cached()


def _given(assets: Path) -> Path:
    missing = _missing(assets)
    if missing:
        raise BuildError(
            f"KUBEBUILDER_ASSETS={assets} lacks {', '.join(missing)} (as executable files). envtest's archives have no "
            "kube-controller-manager; the tests need it for garbage collection and the deletion of namespaces. Copy what "
            "is missing there, or unset KUBEBUILDER_ASSETS to have all four built with Go."
        )
    return assets


def _missing(where: Path) -> list[str]:
    return [name for name in PROGRAMS if not os.access(where / name, os.X_OK) or not (where / name).is_file()]


def _cached() -> Path:
    go_version = _go_version()
    return building.cached(
        building.Recipe(
            part="controlplane",
            name=_NAME,
            key=building.digest(
                [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("cmd/*/main.go"))],
                MODULE,
                **{"go version": go_version, "flags": "\0".join(FLAGS)},
            ),
            missing=_missing,
            make=partial(_make, go_version),
            otherwise=f", {_OR_ASSETS}",
        )
    )


def _go_version() -> str:
    wanted = re.search(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    assert wanted
    need = f"Go {wanted[1]}.{wanted[2]} or newer"
    try:
        # Inside the module's folder, where GOTOOLCHAIN may choose a newer Go than the one on the PATH.
        done = subprocess.run(["go", "version"], cwd=MODULE, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError(
            f"The control plane of the cluster tests is built with {need}, and there is no `go` on the PATH: install it, "
            f"{_OR_ASSETS}."
        ) from None
    found = re.search(r"\bgo(\d+)\.(\d+)\S*", done.stdout)
    if not found or (int(found[1]), int(found[2])) < (int(wanted[1]), int(wanted[2])):
        said = (done.stdout + done.stderr).strip()
        raise BuildError(
            f"The control plane of the cluster tests is built with {need}; `go version` says {said!r}: install a newer "
            f"Go, {_OR_ASSETS}."
        )
    return done.stdout.strip()


def _make(go_version: str, folder: Path, cache: Path, lock: int) -> None:
    _go_build(folder / PROGRAM, _environment(cache), go_version, lock)
    for name in PROGRAMS:
        (folder / name).symlink_to(PROGRAM)
    _check_version(folder / "kubectl")


def _go_build(target: Path, environment: Mapping[str, str], go_version: str, lock: int) -> None:
    say(
        f"building the {_NAME} with {go_version}; some ten minutes on two idle cores, and seconds where Go has compiled it before"
    )
    command = ["go", "build", *FLAGS, "-o", str(target), f"./cmd/{PROGRAM}"]
    code, tail = building.run(command, MODULE, environment, lock, _NAME)
    if code:
        raise BuildError(
            f"`go build ./cmd/{PROGRAM}` in {MODULE} failed ({code}); the end of its output:\n  {tail}\n{_remedy(tail)} "
            f"Then run `python -m tests.servers.controlplane.build`, {_OR_ASSETS}."
        )


def _remedy(output: str) -> str:
    if "signal: killed" in output:
        return "The compiler or linker was killed, most likely for want of memory: it needs 4 GB free."
    if "no space left" in output:
        return "The disk is full: the modules, Go's cache and the program need 6 GB together."
    if "missing go.sum entry" in output or "updates to go.mod needed" in output:
        return "go.mod and go.sum do not fit the program: run `go mod tidy` there and commit both."
    return (
        "Where modules could not be fetched, mend the network or GOPROXY; where Go does not compile, mend the module."
    )


def _environment(cache: Path) -> dict[str, str]:
    """The caller's, less what would build something else than the digest of the entry says."""
    # A build for another system, or one in a workspace, would not be the one that the tests start.
    environment = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOWORK"}}
    # Without cgo the program is static, needs no C compiler, and is the same on every machine.
    environment |= {"CGO_ENABLED": "0", "GOWORK": "off"}
    shown = subprocess.run(
        ["go", "env", "-json", "GOCACHE", "GOMODCACHE"], cwd=MODULE, capture_output=True, text=True, check=False
    )
    places = json.loads(shown.stdout) if shown.returncode == 0 else {}
    for name, instead in {"GOCACHE": "go-build", "GOMODCACHE": "go-mod"}.items():
        place = places.get(name, "")
        if not place or place == "off" or not writable(Path(place)):
            environment[name] = str(cache / instead)
    return environment


def _check_version(kubectl: Path) -> None:
    shown = subprocess.run(
        [kubectl, "version", "--client", "--output=json"], capture_output=True, text=True, check=False
    )
    if shown.returncode or f'"gitVersion": "{KUBERNETES}"' not in shown.stdout:
        raise BuildError(
            f"The program that was built does not run, or is not Kubernetes {KUBERNETES}: {shown.stdout}{shown.stderr}"
            "Let KUBERNETES in build.py and the versions in go.mod agree."
        )


if __name__ == "__main__":
    building.main(folder)
