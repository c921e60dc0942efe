"""`python -m sandbox demo`: the organization of the sandbox through Plumbline's whole line, for a newcomer to look at.

Runs the installed `plumbline` as its users do: credentials and endpoint in the environment, a folder of YAML, a state
folder. Compares the verdicts with the truth file, and fails when one of them is wrong.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import yaml
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from sandbox import organization as org
from sandbox.launch import Sandbox, running

SAMPLES = Path(__file__).parent / "samples"
DRIFTING = "mail-sender"
ADDED = "secretsmanager:*"


@dataclass(frozen=True)
class Score:
    """How the verdicts compare with the truth. `wrong`: actions with a use in the truth that were called unused."""

    compared: int
    right: int
    said_unused: int
    truly_unused: int
    found_unused: int
    wrong: tuple[str, ...]
    traps: dict[str, bool]

    @property
    def precision(self) -> float:
        return 1 - len(self.wrong) / self.said_unused if self.said_unused else 1.0

    @property
    def recall(self) -> float:
        return self.found_unused / self.truly_unused if self.truly_unused else 1.0


def demo(folder: Path, console: Console, *, samples: Path = SAMPLES) -> int:
    """The whole demo; its exit status."""
    began = time.monotonic()
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    console.rule("1  An AWS organization on this machine")
    console.print("generating accounts, roles, policies and 90 days of CloudTrail logs ...")
    with running(datetime.now(UTC).date()) as sandbox:
        _introduce(console)
        console.rule("2  plumbline run: live IAM against what was used")
        first = _run(sandbox, state, console, samples)
        score = compare(sandbox.truth, state)
        _show_baselines(console, first)
        _show_unknown(console, state)
        _show_proposal(console, state)
        console.rule("3  Somebody adds a permission by hand")
        drift(sandbox)
        console.print(
            f"put inline policy [bold]hotfix[/] with Allow {ADDED} on role {DRIFTING}; then plumbline run again"
        )
        second = _run(sandbox, state, console, samples)
        _show_drift(console, state, second)
    console.rule("4  Is it true?")
    _show_score(console, score)
    _show_where(console, state, samples)
    console.print(f"\ndone in {time.monotonic() - began:.0f} seconds")
    return 0 if not score.wrong and all(score.traps.values()) else 1


def _introduce(console: Console) -> None:
    accounts = ", ".join(account.name for account in org.ACCOUNTS.values())
    console.print(
        f"{len(org.ACCOUNTS)} accounts: {accounts}. It is served by the sandbox, not by AWS; nothing leaves here."
    )


def _run(sandbox: Sandbox, state: Path, console: Console, samples: Path) -> dict[str, Any]:
    """One `plumbline run`, its progress shown; what it printed."""
    command = [
        str(Path(sys.executable).with_name("plumbline")),
        "run",
        "--baselines",
        str(samples),
        "--state",
        str(state),
        "--format",
        "json",
        "--verdicts",
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **sandbox.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with console.status("plumbline run") as status:
        for line in process.stderr:  # one JSON line comes at the end on stdout; it fits into the pipe's buffer or waits
            text = line.strip()
            status.update(text[:110])
            if not console.is_terminal:
                console.print(f"  {text[:116]}", highlight=False)
        output = process.stdout.read()
    # 2: one account of the sandbox cannot be reached, on purpose.
    if process.wait() not in (0, 2):
        raise SystemExit(f"plumbline run ended with status {process.returncode}")
    report: dict[str, Any] = json.loads(output)
    console.print(f"{time.monotonic() - began:.0f} s, {report['written']} resources written")
    for problem in report["problems"]:
        console.print(f"[yellow]not assessed:[/] {problem.split('. ')[0]}", highlight=False)
    return report


def drift(sandbox: Sandbox, *, take_back: bool = False) -> None:
    """What a hurried person does: a wide inline policy on a role in production; or the same taken back."""
    own = {
        "endpoint_url": sandbox.url,
        "region_name": org.HOME_REGION,
        "aws_access_key_id": org.OPERATOR_ACCESS_KEY,
        "aws_secret_access_key": org.OPERATOR_SECRET_KEY,
    }
    session = boto3.client("sts", **own).assume_role(
        RoleArn=f"arn:aws:iam::{org.PRODUCTION}:role{org.MEMBER_ROLE_PATH}{org.MEMBER_ROLE_NAME}",
        RoleSessionName="hurried-person",
        ExternalId=org.EXTERNAL_ID,
    )["Credentials"]
    iam = boto3.client(
        "iam",
        endpoint_url=sandbox.url,
        region_name=org.HOME_REGION,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    if take_back:
        iam.delete_role_policy(RoleName=DRIFTING, PolicyName="hotfix")
        return
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ADDED, "Resource": "*"}]}
    iam.put_role_policy(RoleName=DRIFTING, PolicyName="hotfix", PolicyDocument=json.dumps(document))


# What is shown


def _show_baselines(console: Console, report: dict[str, Any]) -> None:
    columns = ("Baseline", "Roles", "Out of line", "Used", "Unused", "Undetermined", "Reduction", "Proposals")
    table = Table(*columns, title="Baselines")
    for column in table.columns[1:]:
        column.justify = "right"
    for key, one in report["baselines"].items():
        counts = one["counts"]
        table.add_row(
            key,
            str(one["roles"]),
            str(one["rolesOutOfLine"]),
            *(f"{counts[name]:,}" for name in ("used", "unused", "undetermined")),
            f"{one['reductionPercentage']} %",
            str(one["openProposals"]),
        )
    console.print(table)
    worst = Table("Role", "Unused", "Of granted", "Beyond", "Proposal", title="Roles furthest out of line")
    rows = [row for one in report["baselines"].values() for row in one["outOfLine"] if row["proposal"]]
    for row in sorted(rows, key=lambda row: (-row["reductionPercentage"], row["roleArn"]))[:8]:
        name = row["roleArn"].split(":", 4)[4]
        share = f"{row['reductionPercentage']} %"
        worst.add_row(name, f"{row['unused']:,}", share, ", ".join(row["over"]), row["proposal"])
    console.print(worst)


def _show_unknown(console: Console, state: Path) -> None:
    reasons: Counter[str] = Counter()
    for _, role in _verdicts(state):
        for finding in role["findings"]:
            if finding["verdict"] == "undetermined":
                reasons[finding["reason"]] += len(finding["actions"])
    listed = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(7))
    console.print(f"[bold]No data never means unused.[/] Undetermined, and why: {listed}", highlight=False)


def _show_proposal(console: Console, state: Path) -> None:
    """A small proposal, whole: its difference and its proof."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(state.glob("proposals/*/*.yaml"))]
    shown = min(
        (p for p in found if p["status"].get("changes") and p["status"]["proof"]["replayedUses"]),
        key=lambda p: sum(len(change.get("diff", "")) for change in p["status"]["changes"]) or sys.maxsize,
    )
    status = shown["status"]
    console.print(f"One of {len(found)} proposals: [bold]{shown['metadata']['name']}[/], owner {status.get('owner')}")
    for change in status["changes"]:
        console.print(f"{change['kind']} {change['policy']}", highlight=False)
        console.print(Syntax(change["diff"].rstrip(), "diff", background_color="default"))
    proof = status["proof"]
    console.print(
        f"Proof: the new access is contained in the old, statement by statement; {proof['replayedUses']} recorded uses "
        "replayed, none lost."
    )


def _show_drift(console: Console, state: Path, report: dict[str, Any]) -> None:
    console.print(f"metric: {_metric(state, 'plumbline_baseline_grant_drift', 'production')}", highlight=False)
    status = yaml.safe_load((state / "status/leastprivilegebaselines/platform/production.yaml").read_text())["status"]
    for role in status["rolesReported"]:
        for addition in role.get("grantDrift", ()):
            console.print(
                f"[bold red]grant drift[/] on {role['roleArn'].split(':', 4)[4]}: {addition}", highlight=False
            )
    beyond = report["baselines"]["platform/production"]["counts"]["grantDrift"]
    console.print(
        f"{beyond} addition beyond the accepted access. Seeing it does not accept it: it stays until reverted."
    )


def _metric(state: Path, name: str, baseline: str) -> str:
    lines = (state / "metrics.prom").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}{{") and f'baseline="{baseline}"' in line)


def _show_score(console: Console, score: Score) -> None:
    console.print(
        f"{score.compared:,} verdicts compared with the truth file, {score.right:,} as the truth says. "
        f"Called unused: {score.said_unused:,}; of these ever used: [bold]{len(score.wrong)}[/]. "
        f"Precision {score.precision:.4f}, recall {score.recall:.4f}.",
        highlight=False,
    )
    wrong = [name for name, right in score.traps.items() if not right]
    answered = f"{len(score.traps) - len(wrong)} of {len(score.traps)} planted traps answered as the truth says"
    console.print(f"{answered}{': wrong are ' + ', '.join(wrong) if wrong else ''}", highlight=False)
    for line in score.wrong[:5]:
        console.print(f"[red]{line}[/]", highlight=False)


def _show_where(console: Console, state: Path, samples: Path) -> None:
    table = Table("What", "Where", show_header=False, box=None)
    for what, where in (
        ("what was asked for", samples),
        ("status of each baseline", state / "status"),
        ("proposals", state / "proposals"),
        ("complete reduced policies", state / "documents"),
        ("every verdict with its reason", state / "verdicts"),
        ("metrics for Prometheus", state / "metrics.prom"),
    ):
        table.add_row(what, _relative(where))
    console.print(table)


def _relative(path: Path) -> str:
    return os.path.relpath(path)


# The truth


def compare(truth: dict[str, Any], state: Path) -> Score:
    """The verdicts in the state folder against the truth file."""
    said: dict[tuple[str, str], str] = {}
    for arn, role in _verdicts(state):
        for finding in role["findings"]:
            for action in finding["actions"]:
                said[arn, action] = finding["verdict"]
    compared = right = said_unused = truly_unused = found_unused = 0
    wrong = []
    for arn, role in truth["roles"].items():
        for action, true in role["actions"].items():
            answer = said.get((arn, action))
            if answer is None:
                continue
            compared += 1
            right += agrees(true["verdict"], answer)
            said_unused += answer == "unused"
            truly_unused += true["verdict"] == "unused"
            found_unused += true["verdict"] == answer == "unused"
            if answer == "unused" and true["everUsed"]:
                wrong.append(f"{arn} {action}: called unused, the truth says {true['verdict']}, {true['reason']}")
    traps = {
        name: all(agrees(row["verdict"], _answered(said, row)) for row in rows) for name, rows in truth["traps"].items()
    }
    return Score(compared, right, said_unused, truly_unused, found_unused, tuple(wrong), traps)


def agrees(true: str, said: str) -> bool:
    return said == true or (true == "notUsed" and said in ("unused", "undetermined"))


def _answered(said: dict[tuple[str, str], str], row: dict[str, str]) -> str:
    # A role that could not be read has no verdict at all: nothing is said of it, least of all unused.
    return said.get((row["role"], row["action"]), "undetermined")


def _verdicts(state: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(state.glob("verdicts/*/*.json")):
        yield from json.loads(path.read_text()).items()
