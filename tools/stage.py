"""Runs one stage of the checks, says what it is, and prints how long it took. The stage's status is passed on."""

from __future__ import annotations

import subprocess
import sys
import time


def main(name: str, *command: str) -> int:
    print(f"==> {name}", flush=True)
    began = time.monotonic()
    status = subprocess.run(command, check=False).returncode
    outcome = "passed" if status == 0 else f"FAILED with status {status}: {' '.join(command)}"
    print(f"<== {name}: {time.monotonic() - began:.1f} s, {outcome}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
