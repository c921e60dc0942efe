"""Where the programs of Kubernetes' control plane are, and how they are built when they are not there yet.

Run as a program it prints the folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`:

    python tests/servers/controlplane/build.py

The folder is the one that `KUBEBUILDER_ASSETS` names (the convention of envtest), or else an entry of the cache
`${PLUMBLINE_CACHE:-~/.cache/plumbline}/controlplane/`, which is built on first use with Go from the module beside this
file. An entry is named by a digest of all that goes into it, so a change builds a new one and nothing is ever stale;
the cache may be deleted at any time. Needs the standard library only, and knows nothing of how the programs are run.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

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
_REPORT_SECONDS = 30
_TAIL_LINES = 30
_OR_ASSETS = f"or set KUBEBUILDER_ASSETS to a folder that holds {', '.join(PROGRAMS)} of Kubernetes {KUBERNETES}"


class BuildError(Exception):
    """The programs can't be had; the message says what to do."""


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
    key = _key(go_version)
    caches = _caches()
    for place in caches:
        if not _missing(place / key):
            return place / key
    cache = next(filter(_writable, caches), None)
    if cache is None:
        raise BuildError(
            f"The control plane has to be built, and {' and '.join(map(str, caches))} can't be written: set "
            f"PLUMBLINE_CACHE to a folder that can, {_OR_ASSETS}."
        )
    entry = cache / key
    with _lock(cache / "lock") as lock:
        # Another process may have built it while this one waited.
        if _missing(entry):
            _build_entry(cache, entry, go_version, lock)
    return entry


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


def _key(go_version: str) -> str:
    digest = hashlib.sha256()
    sources = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("cmd/*/main.go"))]
    parts = [(path.relative_to(MODULE).as_posix(), path.read_bytes()) for path in sources]
    for name, content in [*parts, ("go version", go_version.encode()), ("flags", "\0".join(FLAGS).encode())]:
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]


def _caches() -> list[Path]:
    """Where entries may be, the best first. Only the place that a person named has no second."""
    named = os.environ.get("PLUMBLINE_CACHE")
    if named:
        return [Path(named).absolute() / "controlplane"]
    caches = []
    with contextlib.suppress(RuntimeError):  # a user without a home
        caches.append(Path("~/.cache/plumbline").expanduser() / "controlplane")
        if _writable(caches[0]):
            return caches
    # A home that can't be written, as in some CI systems: a folder that only this user can have made.
    private = Path(tempfile.gettempdir()) / f"plumbline-{os.getuid()}"
    with contextlib.suppress(OSError):
        private.mkdir(mode=0o700, exist_ok=True)
        if private.lstat().st_uid == os.getuid() and not private.is_symlink():
            caches.append(private / "controlplane")
    return caches


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[int]:
    """One build at a time: two would each compile the same, and together need twice the memory.

    Gives the open file. The lock ends when the last process that has it open ends.
    """
    with path.open("w") as file:
        started = reported = time.monotonic()
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.5)
            if time.monotonic() - reported >= _REPORT_SECONDS:
                reported = time.monotonic()
                _say(f"waiting for another build of the control plane ({reported - started:.0f} s)")
        yield file.fileno()


def _build_entry(cache: Path, entry: Path, go_version: str, lock: int) -> None:
    # Only the holder of the lock writes here, so what lies here was left by a build that was killed.
    for left in cache.glob("building-*"):
        shutil.rmtree(left)
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        temporary.chmod(0o755)
        _go_build(temporary / PROGRAM, _environment(cache), go_version, lock)
        for name in PROGRAMS:
            (temporary / name).symlink_to(PROGRAM)
        _check_version(temporary / "kubectl")
        if entry.exists():  # it lacked a program, or this would not be running
            shutil.rmtree(entry)
        temporary.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _go_build(target: Path, environment: Mapping[str, str], go_version: str, lock: int) -> None:
    _say(
        f"building the control plane with {go_version}; some ten minutes on two idle cores, and seconds where Go has compiled it before"
    )
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        command = ["go", "build", *FLAGS, "-o", str(target), f"./cmd/{PROGRAM}"]
        code = _run(command, environment, output, lock)
        output.seek(0)
        tail = "\n  ".join(line.rstrip("\n") for line in deque(output, maxlen=_TAIL_LINES))
    if code:
        raise BuildError(
            f"`go build ./cmd/{PROGRAM}` in {MODULE} failed ({code}); the end of its output:\n  {tail}\n{_remedy(tail)} "
            f"Then run `python {__file__}`, {_OR_ASSETS}."
        )
    _say(f"built the control plane in {time.monotonic() - started:.0f} s")


def _run(command: list[str], environment: Mapping[str, str], output: IO[str], lock: int) -> int:
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=MODULE,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        # A session of its own, so that an interrupt ends the compilers too and not only `go`.
        start_new_session=True,
        # If this process is killed, the compilers go on; no other build begins before they have ended.
        pass_fds=[lock],
    ) as process:
        while True:
            try:
                return process.wait(timeout=_REPORT_SECONDS)
            except subprocess.TimeoutExpired:
                _say(f"still building the control plane ({time.monotonic() - started:.0f} s)")
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise


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
        if not place or place == "off" or not _writable(Path(place)):
            environment[name] = str(cache / instead)
    return environment


def _writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


def _check_version(kubectl: Path) -> None:
    shown = subprocess.run(
        [kubectl, "version", "--client", "--output=json"], capture_output=True, text=True, check=False
    )
    if shown.returncode or f'"gitVersion": "{KUBERNETES}"' not in shown.stdout:
        raise BuildError(
            f"The program that was built does not run, or is not Kubernetes {KUBERNETES}: {shown.stdout}{shown.stderr}"
            "Let KUBERNETES in build.py and the versions in go.mod agree."
        )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{folder()}\n")
    except BuildError as problem:
        sys.exit(str(problem))
