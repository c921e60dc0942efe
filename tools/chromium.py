"""Finds Chromium, or installs it from Debian's packages where that is permitted. Prints its path; says what to do else.

`CHROMIUM` names one that is elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_REMEDY = (
    "the browser tests need Chromium: install it (on Debian and Ubuntu: apt-get install chromium), or name one with "
    "CHROMIUM=/path/to/chromium"
)


def found() -> str | None:
    """The program, if there is one."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """As root only: nobody is asked for a password here."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"]
    if subprocess.run(command, env=environment, check=False, stdout=sys.stderr).returncode:
        subprocess.run(["apt-get", "update", "-q"], env=environment, check=False, stdout=sys.stderr)
        subprocess.run(command, env=environment, check=False, stdout=sys.stderr)


def main() -> int:
    if os.environ.get("CHROMIUM") is None and found() is None:
        install()
    path = found()
    print(path or _REMEDY, file=sys.stdout if path else sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
