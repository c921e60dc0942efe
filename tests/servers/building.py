"""A cache of what the servers of the tests are made of: built on first use, once, and never stale.

An entry is named by a digest of all that goes into it, so a change builds a new one; it appears whole or not at all. The
cache `${PLUMBLINE_CACHE:-~/.cache/plumbline}` may be deleted at any time. Needs the standard library only, and knows
nothing of what is built.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_REPORT_SECONDS = 30
_TAIL_LINES = 30


class BuildError(Exception):
    """The programs can't be had; the message says what to do."""


@dataclass(frozen=True)
class Recipe:
    """One part of the cache. `name`: what it is, in messages; `otherwise`: the end of an error's remedy; `missing`: what an
    entry lacks; `make`: fills the folder that it gets, with the cache beside it and the open lock for children."""

    part: str
    name: str
    key: str
    missing: Callable[[Path], list[str]]
    make: Callable[[Path, Path, int], None]
    otherwise: str = ""


def digest(files: Iterable[Path], base: Path, **more: str) -> str:
    """The key of an entry that is made from these files, with these versions and flags."""
    content = hashlib.sha256()
    parts = [(path.relative_to(base).as_posix(), path.read_bytes()) for path in files]
    for name, data in [*parts, *((name, text.encode()) for name, text in more.items())]:
        content.update(f"{name}\0{len(data)}\0".encode())
        content.update(data)
    return content.hexdigest()[:32]


def cached(recipe: Recipe) -> Path:
    """The folder of the entry, which is made when there is none. Raises BuildError."""
    places = _caches(recipe.part)
    for place in places:
        if not recipe.missing(place / recipe.key):
            return place / recipe.key
    cache = next(filter(writable, places), None)
    if cache is None:
        raise BuildError(
            f"The {recipe.name} has to be built, and {' and '.join(map(str, places))} can't be written: set "
            f"PLUMBLINE_CACHE to a folder that can{recipe.otherwise}."
        )
    entry = cache / recipe.key
    with _lock(cache / "lock", recipe.name) as lock:
        # Another process may have built it while this one waited.
        if recipe.missing(entry):
            _build_entry(recipe, cache, entry, lock)
    return entry


def _caches(part: str) -> list[Path]:
    """Where entries may be, the best first. Only the place that a person named has no second."""
    named = os.environ.get("PLUMBLINE_CACHE")
    if named:
        return [Path(named).absolute() / part]
    caches = []
    with contextlib.suppress(RuntimeError):  # a user without a home
        caches.append(Path("~/.cache/plumbline").expanduser() / part)
        if writable(caches[0]):
            return caches
    # A home that can't be written, as in some CI systems: a folder that only this user can have made.
    private = Path(tempfile.gettempdir()) / f"plumbline-{os.getuid()}"
    with contextlib.suppress(OSError):
        private.mkdir(mode=0o700, exist_ok=True)
        if private.lstat().st_uid == os.getuid() and not private.is_symlink():
            caches.append(private / part)
    return caches


@contextlib.contextmanager
def _lock(path: Path, name: str) -> Iterator[int]:
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
                say(f"waiting for another build of the {name} ({reported - started:.0f} s)")
        yield file.fileno()


def _build_entry(recipe: Recipe, cache: Path, entry: Path, lock: int) -> None:
    # Only the holder of the lock writes here, so what lies here was left by a build that was killed.
    for left in cache.glob("building-*"):
        shutil.rmtree(left)
    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        temporary.chmod(0o755)
        started = time.monotonic()
        recipe.make(temporary, cache, lock)
        say(f"built the {recipe.name} in {time.monotonic() - started:.0f} s")
        if entry.exists():  # it lacked something, or this would not be running
            shutil.rmtree(entry)
        temporary.rename(entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def run(command: Sequence[str], where: Path, environment: Mapping[str, str], lock: int, name: str) -> tuple[int, str]:
    """(exit code, end of the output) of a step, with a line on stderr each half minute."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        with subprocess.Popen(
            command,
            cwd=where,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own, so that an interrupt ends its children too.
            start_new_session=True,
            # If this process is killed, the children go on; no other build begins before they have ended.
            pass_fds=[lock],
        ) as process:
            while True:
                try:
                    code = process.wait(timeout=_REPORT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"still building the {name} ({time.monotonic() - started:.0f} s)")
                except BaseException:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        output.seek(0)
        return code, "\n  ".join(line.rstrip("\n") for line in deque(output, maxlen=_TAIL_LINES))


def writable(path: Path) -> bool:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return True
    except OSError:
        return False


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(folder: Callable[[], Path]) -> None:
    """Prints the folder, or ends with what to do."""
    try:
        sys.stdout.write(f"{folder()}\n")
    except BuildError as problem:
        sys.exit(str(problem))
