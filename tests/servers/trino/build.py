"""The jars and the program of the tests' Trino, fetched and compiled when they are not there yet.

Run as a program it prints the folder with `jars/` and `classes/`:

    python -m tests.servers.trino.build

Needs a JDK and Maven. Maven's own settings say where jars come from. Knows nothing of how Trino is run.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.servers import building
from tests.servers.building import BuildError, say

MODULE = Path(__file__).resolve().parent
PROGRAM = "Server"
FLAGS = ("--batch-mode", "--no-transfer-progress", "--strict-checksums", "--quiet")
_NAME = "Trino of the tests"
_COPY = ("dependency:copy-dependencies", "-DincludeScope=runtime")
# Trino 435 wants 17, and from 24 on Java lacks what it asks of it: the security manager.
_LEAST, _LESS_THAN = 17, 24
_INSTALL = (
    f"install a JDK of Java {_LEAST} to {_LESS_THAN - 1} and Maven, on Debian and Ubuntu the packages openjdk-17-jdk-headless"
    " and maven, and name the JDK in JAVA_HOME when it is not the one on the PATH"
)
_PARTS = {"jars": "*.jar", "classes": f"{PROGRAM}.class"}


def folder() -> Path:
    """The folder of the entry; makes it when there is none. Raises BuildError."""
    version, maven = _java_version(), _maven()
    flags = "\0".join((*FLAGS, *_COPY))
    key = building.digest([MODULE / "pom.xml", MODULE / f"{PROGRAM}.java"], MODULE, java=version, flags=flags)
    return building.cached(building.Recipe("trino", _NAME, key, _missing, partial(_make, maven)))


def java(program: str = "java") -> str:
    """The path of a program of the JDK. Raises BuildError."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(program, path=f"{home}/bin" if home else None)
    if found is None:
        where = f"in JAVA_HOME={home}" if home else "on the PATH"
        raise BuildError(f"The {_NAME} needs `{program}`, and there is none {where}: {_INSTALL}.")
    return found


def _java_version() -> str:
    done = subprocess.run([java("javac"), "-version"], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    found = re.search(r"javac (\d+)", said)
    if not found or not _LEAST <= int(found[1]) < _LESS_THAN:
        raise BuildError(f"The {_NAME} needs another Java: `javac -version` says {said!r}; {_INSTALL}.")
    return said


def _maven() -> str:
    found = shutil.which("mvn")
    if found is None:
        raise BuildError(f"The {_NAME} is fetched with Maven, and there is no `mvn` on the PATH: {_INSTALL}.")
    return found


def _missing(where: Path) -> list[str]:
    return [part for part, pattern in _PARTS.items() if not any((where / part).glob(pattern))]


def _make(maven: str, target: Path, cache: Path, lock: int) -> None:
    say(f"fetching the {_NAME}: some 190 jars, which takes a minute or two the first time")
    jars, classes = target / "jars", target / "classes"
    fetch = [maven, *FLAGS, *_repository(cache), *_COPY, f"-DoutputDirectory={jars}"]
    _step(fetch, lock, "Mend the network, or name a mirror in Maven's settings.xml.")
    compile_ = [java("javac"), "-d", str(classes), "-classpath", f"{jars}/*", f"{PROGRAM}.java"]
    _step(compile_, lock, f"Let {PROGRAM}.java and the version of Trino in pom.xml agree.")


def _repository(cache: Path) -> list[str]:
    """Maven's own repository, or one beside the cache where the home can't be written."""
    try:
        own = Path("~/.m2").expanduser()
    except RuntimeError:  # a user without a home
        own = None
    return [] if own is not None and building.writable(own) else [f"-Dmaven.repo.local={cache / 'm2'}"]


def _step(command: list[str], lock: int, remedy: str) -> None:
    code, tail = building.run(command, MODULE, _environment(), lock, _NAME)
    if code:
        name = Path(command[0]).name
        raise BuildError(
            f"`{name}` in {MODULE} failed ({code}); the end of its output:\n  {tail}\n{remedy} Then run"
            " `python -m tests.servers.trino.build`."
        )


def _environment() -> Mapping[str, str]:
    """The caller's, less what would make something else than the digest of the entry says."""
    return {name: value for name, value in os.environ.items() if name not in {"CLASSPATH", "MAVEN_ARGS"}}


if __name__ == "__main__":
    building.main(folder)
