"""The commands of the AWS CLI that create or correct an analyzer, to be run by people. Pure; quoted for a POSIX shell.

https://docs.aws.amazon.com/cli/latest/reference/accessanalyzer/
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection

from plumbline.assess.required_analyzers import Required
from plumbline.model.analyzers import Analyzer


def create(one: Required, taken: Collection[str] = ()) -> str:
    """`taken`: names of analyzers that are there."""
    name = base = "plumbline-external-access" if one.age is None else f"plumbline-unused-access-{one.age}d"
    number = 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    configuration = ["--configuration", _configuration(one)] if one.age is not None else []
    return _aws("create-analyzer", one.region, name, "--type", one.type, *configuration)


def exclude(one: Required, there: Analyzer) -> str:
    """Gives the analyzer the exclusions that it has to have. The age of an analyzer cannot be changed."""
    return _aws("update-analyzer", there.region, there.name, "--configuration", _configuration(one))


def replace(one: Required, there: Analyzer, taken: Collection[str] = ()) -> str:
    """Deletes the analyzer, with its findings and archive rules, and creates the one that has to exist."""
    rest = [name for name in taken if name != there.name]
    return f"{_aws('delete-analyzer', there.region, there.name)} && {create(one, rest)}"


def _configuration(one: Required) -> str:
    unused: dict[str, object] = {"unusedAccessAge": one.age}
    if one.excluded:
        unused["analysisRule"] = {"exclusions": [{"accountIds": sorted(one.excluded)}]}
    return json.dumps({"unusedAccess": unused}, separators=(",", ":"))


def _aws(operation: str, region: str, name: str, *options: str) -> str:
    return shlex.join(["aws", "accessanalyzer", operation, "--region", region, "--analyzer-name", name, *options])
