"""`python -m sandbox demo`: the organization of the sandbox through Plumbline's whole line, for a newcomer to look at.

Runs the installed `plumbline` as its users do: credentials and endpoint in the environment, a folder of YAML, a state
folder. Compares the verdicts with the truth file, and fails when one of them is wrong.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import yaml
from rich import box
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from sandbox import organization as org
from sandbox.launch import Sandbox, running

SAMPLES = Path(__file__).parent / "samples"
DRIFTING = "mail-sender"
ADDED = "secretsmanager:*"
# What the reasons that come first mean, in a few words; all of them stand in docs/verdicts.md.
MEANINGS = {
    "dataEventsNotSelected": "the trail does not select data events of its type",
    "grantYoungerThanLookback": "granted for less time than the lookback",
    "lastAccessedUnavailable": "AWS throttled the last-accessed data of the account",
    "logGap": "log files are missing for part of the lookback",
    "notObservable": "CloudTrail has no event for it",
    "roleYoungerThanLookback": "the role was created within the lookback",
    "usedBeforeLookback": "used once, before the lookback: perhaps a yearly job",
}


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
    recorded, console.record = console.record, False  # the picture shows what plumbline finds
    _step(console, "1  An AWS organization on this machine")
    accounts = [account.name for account in org.ACCOUNTS.values()]
    console.print(
        f"{len(accounts)} accounts ({', '.join(accounts)}) with their roles, policies and 90 days of CloudTrail logs, "
        "served by the sandbox. Nothing leaves this machine.",
        highlight=False,
    )
    console.record = recorded
    with ExitStack() as stack:
        with console.status("making the accounts and their logs"):
            sandbox = stack.enter_context(running(datetime.now(UTC).date()))
        _step(console, "2  plumbline run: what roles are granted, and what they used")
        first = _run(sandbox, state, console, samples)
        score = compare(sandbox.truth, state)
        for problem in first["problems"]:
            text = problem.split(": User: ")[0].removeprefix("landscape default: ")
            console.print(f"[yellow]not assessed:[/] {text}", highlight=False)
        _show_baselines(console, first)
        _show_roles(console, first, state)
        _show_unknown(console, state)
        _step(console, "3  A proposal")
        _show_proposal(console, state)
        _step(console, "4  Somebody adds a permission by hand, and plumbline runs again")
        drift(sandbox)
        console.print(f"inline policy [bold]hotfix[/] with Allow {ADDED} on role {DRIFTING} in production")
        second = _run(sandbox, state, console, samples)
        _show_drift(console, state, second)
    console.record = False
    _step(console, "5  Is it true?")
    _show_score(console, score)
    _step(console, "Look around")
    _show_where(console, state, samples)
    console.print(f"\ndone in {time.monotonic() - began:.0f} seconds", highlight=False)
    console.record = recorded
    return 0 if not score.wrong and all(score.traps.values()) else 1


def picture(console: Console) -> str:
    """What was shown, as SVG that loads nothing: rich's own would fetch a font."""
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")
    return console.export_svg(title="make demo", code_format=form, unique_id="demo")


def _step(console: Console, title: str) -> None:
    console.print()
    console.rule(f"[bold]{title}", align="left")


def _run(sandbox: Sandbox, state: Path, console: Console, samples: Path) -> dict[str, Any]:
    """One `plumbline run`, its progress shown; what it printed."""
    command = [
        str(Path(sys.executable).with_name("plumbline")),
        "--log-level",
        "info",
        "run",
        "--baselines",
        str(samples),
        "--state",
        str(state),
        "--format",
        "json",
        "--verdicts",
        "--report",
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        command, env={**os.environ, **sandbox.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = _follow(process.stderr, console)
    output = process.stdout.read()
    # 2: one account of the sandbox cannot be reached, on purpose.
    if process.wait() not in (0, 2):
        raise SystemExit(f"plumbline run ended with status {process.returncode}\n" + "\n".join(said))
    report: dict[str, Any] = json.loads(output)
    records = sum(landscape["events"]["records"] for landscape in report["landscapes"].values())
    principals = sum(landscape["principals"] for landscape in report["landscapes"].values())
    console.print(
        f"{principals} users and roles, {records:,} CloudTrail records; {report['written']} resources written; "
        f"{time.monotonic() - began:.0f} s",
        highlight=False,
    )
    return report


def _follow(lines: Iterable[str], console: Console) -> list[str]:
    """Shows the progress that a run logs, and gives what it said besides: in a terminal the last line of it, elsewhere
    all, and never in the picture."""
    besides, aside = [], Console(stderr=True)
    # One JSON document comes at the end on stdout; it fits into the pipe's buffer or waits.
    with console.status("plumbline run") as status:
        for line in lines:
            try:
                text = json.loads(line)["text"]
            except (ValueError, TypeError, KeyError):
                besides.append(line.rstrip())
                continue
            status.update(text[:100])
            if not console.is_terminal:
                aside.print(f"  {text}", highlight=False, markup=False)
    return besides


def drift(sandbox: Sandbox, *, account: str = org.PRODUCTION, role: str = DRIFTING, take_back: bool = False) -> None:
    """What a hurried person does: a wide inline policy on a role; or the same taken back."""
    own = {
        "endpoint_url": sandbox.url,
        "region_name": org.HOME_REGION,
        "aws_access_key_id": org.OPERATOR_ACCESS_KEY,
        "aws_secret_access_key": org.OPERATOR_SECRET_KEY,
    }
    session = boto3.client("sts", **own).assume_role(
        RoleArn=f"arn:aws:iam::{account}:role{org.MEMBER_ROLE_PATH}{org.MEMBER_ROLE_NAME}",
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
        iam.delete_role_policy(RoleName=role, PolicyName="hotfix")
        return
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ADDED, "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="hotfix", PolicyDocument=json.dumps(document))


# What is shown


def _table(*columns: str) -> Table:
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _show_baselines(console: Console, report: dict[str, Any]) -> None:
    console.print("\nEvery action that a role is granted is [bold]used, unused or undetermined[/]:", highlight=False)
    table = _table("Baseline", "Roles", "Out of line", "Used", "Unused", "Undetermined", "Compliant")
    for key, one in report["baselines"].items():
        counts = [f"{one['counts'][name]:,}" for name in ("used", "unused", "undetermined")]
        figures = [str(one["roles"]), str(one["rolesOutOfLine"]), *counts] if one["roles"] else ["-"] * 5
        table.add_row(key, *figures, one["conditions"]["Compliant"])
    console.print(table)


def _show_roles(console: Console, report: dict[str, Any], state: Path) -> None:
    rows = [row for one in report["baselines"].values() for row in one["outOfLine"]]
    found = {
        role["roleArn"]: role
        for path in state.glob("status/leastprivilegebaselines/*/*.yaml")
        for role in yaml.safe_load(path.read_text())["status"]["rolesReported"]
    }
    console.print(f"{len(rows)} roles are out of line. Those of which most could go:", highlight=False)
    table = _table("Account", "Role", "Granted", "Used", "Unused", "Undetermined", "Reduction")
    table.columns[1].justify = "left"
    for row in sorted(rows, key=lambda row: (-row["unused"], row["roleArn"]))[:7]:
        role = found[row["roleArn"]]
        _, _, _, _, account, name = row["roleArn"].split(":", 5)
        counts = [role[verdict] for verdict in ("used", "unused", "undetermined")]
        table.add_row(
            org.ACCOUNTS[account].name,
            name.removeprefix("role/"),
            f"{sum(counts):,}",
            *(f"{count:,}" for count in counts),
            f"{row['reductionPercentage']} %",
        )
    console.print(table)


def _show_unknown(console: Console, state: Path) -> None:
    reasons: Counter[str] = Counter()
    for _, role in _verdicts(state):
        for finding in role["findings"]:
            if finding["verdict"] == "undetermined":
                reasons[finding["reason"]] += len(finding["actions"])
    console.print("[bold]No data never means unused.[/] Why actions are undetermined:", highlight=False)
    table = _table("Reason", "Actions", "Meaning")
    table.columns[2].justify = "left"
    for reason, count in reasons.most_common():
        if reason in MEANINGS:
            table.add_row(reason, f"{count:,}", MEANINGS[reason])
    console.print(table)


def _show_proposal(console: Console, state: Path) -> None:
    """A small proposal, whole: its difference and its proof."""
    found = {path: yaml.safe_load(path.read_text()) for path in sorted(state.glob("proposals/*/*.yaml"))}
    path, shown = min(
        ((path, p) for path, p in found.items() if p["status"].get("changes")),
        key=lambda item: _to_read(item[1]["status"]),
    )
    status = shown["status"]
    role = shown["spec"]["roleArn"].rpartition("/")[2]
    console.print(
        f"One of {len(found)}, for a person to decide: role [bold]{role}[/], owner {status.get('owner')}",
        highlight=False,
    )
    console.print(_relative(path), highlight=False, markup=False)
    for change in status["changes"]:
        console.print(f"\n{change['kind']} {change['policy']}", highlight=False)
        console.print(Syntax(_body(change["diff"]), "diff", background_color="default"))
    for row in status["unused"]:
        console.print(
            f"{row['service']}: {row['reason']}, since {str(row['since'])[:10]}, by {' and '.join(row['sources'])}",
            highlight=False,
        )
    proof = status["proof"]
    console.print(
        f"Proof: the new access is contained in the old, statement by statement; {proof['replayedUses']} recorded uses "
        "replayed, and each is still allowed.",
        highlight=False,
    )


def _to_read(status: dict[str, Any]) -> tuple[bool, int]:
    """How much there is to read before one sees what goes and why."""
    diffs = [change.get("diff", "") for change in status["changes"]]
    added = sum(line.startswith("+") for diff in diffs for line in diff.splitlines())
    unclear = status["proof"]["replayedUses"] < 2 or len(diffs) > 1 or not all(diffs) or added > 2
    return unclear, sum(map(len, diffs))


def _body(diff: str) -> str:
    """Without the head of file names, which are those of one policy, and without lines of which only the comma changes."""
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ ", "@@"))]
    gone = {line[1:].rstrip(",") for line in lines if line.startswith("-")}
    same = {line[1:].rstrip(",") for line in lines if line.startswith("+")} & gone
    kept = [line for line in lines if not (line.startswith("-") and line[1:].rstrip(",") in same)]
    return "\n".join(f" {line[1:]}" if line.startswith("+") and line[1:] in same else line for line in kept)


def _show_drift(console: Console, state: Path, report: dict[str, Any]) -> None:
    status = yaml.safe_load((state / "status/leastprivilegebaselines/platform/production.yaml").read_text())["status"]
    for role in status["rolesReported"]:
        for addition in role.get("grantDrift", ()):
            name = role["roleArn"].split(":role/")[1]
            console.print(f"[bold red]grant drift[/] on {name}: {addition}", highlight=False)
    console.print(_metric(state, "plumbline_baseline_grant_drift", "production"), highlight=False)
    beyond = report["baselines"]["platform/production"]["counts"]["grantDrift"]
    console.print(
        f"{beyond} addition beyond the accepted access. Seeing it does not accept it: it stays until it is reverted, or "
        "accepted in the baseline.",
        highlight=False,
    )


def _metric(state: Path, name: str, baseline: str) -> str:
    lines = (state / "metrics.prom").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{name}{{") and f'baseline="{baseline}"' in line)


def _show_score(console: Console, score: Score) -> None:
    console.print(
        "The sandbox decides first what each role does, and makes the logs from that. So the truth is known:",
        highlight=False,
    )
    console.print(
        f"{score.compared:,} verdicts compared, {score.right:,} as the truth says. Called unused: {score.said_unused:,}; "
        f"of these ever used: [bold]{len(score.wrong)}[/]. Precision {score.precision:.4f}, recall {score.recall:.4f}.",
        highlight=False,
    )
    wrong = [name for name, right in score.traps.items() if not right]
    answered = f"{len(score.traps) - len(wrong)} of {len(score.traps)} planted traps answered as the truth says"
    console.print(f"{answered}{': wrong are ' + ', '.join(wrong) if wrong else '.'}", highlight=False)
    for line in score.wrong[:5]:
        console.print(f"[red]{line}[/]", highlight=False)


def _show_where(console: Console, state: Path, samples: Path) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    for what, where in (
        ("what was asked for", samples),
        ("status of each baseline", state / "status"),
        ("proposals", state / "proposals"),
        ("complete reduced policies", state / "documents"),
        ("every verdict with its reason", state / "verdicts"),
        ("metrics for Prometheus", state / "metrics.prom"),
        ("all of it as a page: open it in a browser", state / "report" / "default.html"),
    ):
        table.add_row(what, _relative(where))
    console.print(table)


def _relative(path: Path) -> str:
    """As one would type it from here."""
    whole = path.resolve()
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


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
