"""Starts the sandbox as a process of its own and stops it.

Imports neither moto nor boto3, so that a test may use it beside a patched botocore.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from sandbox import organization as org


@dataclass(frozen=True)
class Sandbox:
    url: str

    @property
    def env(self) -> dict[str, str]:
        """What the operator's principal in the security account needs to reach the sandbox with plain boto3."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": org.OPERATOR_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": org.OPERATOR_SECRET_KEY,
            "AWS_DEFAULT_REGION": org.HOME_REGION,
        }

    @cached_property
    def truth(self) -> Any:
        return self.control("GET", "truth")

    def control(self, method: str, endpoint: str, body: Any = None) -> Any:
        """One of the sandbox's own endpoints."""
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.url}/sandbox/{endpoint}", data, method=method), timeout=120) as response:
            return json.load(response)

    def fault(self, kind: str, **rule: Any) -> None:
        """For example fault("throttle", service="iam", rate=0.3)."""
        self.control("POST", "faults", [{"kind": kind, **rule}])

    def heal(self) -> None:
        """Take back every injected fault; the standing ones stay."""
        self.control("DELETE", "faults")

    def reset(self) -> None:
        """Heal, forget all jobs and counted calls, put the settings and the trail back. Changes in IAM stay."""
        self.control("POST", "reset")

    def calls(self) -> Any:
        """How often each operation was called: account, service, operation, count."""
        return self.control("GET", "calls")

    def settings(self, **values: Any) -> None:
        self.control("POST", "settings", values)


@contextmanager
def running(
    as_of: date | str, seed: int = 1, port: int = 0, truth: Path | None = None, organization: str = "grown"
) -> Iterator[Sandbox]:
    """A sandbox that is ready, for the duration of the block."""
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "serve",
        "--as-of",
        str(as_of),
        "--seed",
        str(seed),
        "--port",
        str(port),
        "--organization",
        organization,
        "--until-eof",
    ]
    if truth:
        command += ["--truth", str(truth)]
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()  # the server speaks once, when it is ready
            if not url:
                raise RuntimeError(f"the sandbox ended with status {process.wait()} before it was ready")
            yield Sandbox(url)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
