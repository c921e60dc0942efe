"""Access Analyzer's analyzers: made, listed, told and deleted; they find nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox import organization as org
from sandbox.aws.registry import operation, page
from sandbox.protocol import AwsError, Call
from sandbox.world import World


@dataclass
class Analyzer:
    name: str
    account: str
    region: str
    type: str
    configuration: dict[str, Any]
    tags: dict[str, str]
    created: datetime

    @property
    def arn(self) -> str:
        return f"arn:aws:access-analyzer:{self.region}:{self.account}:analyzer/{self.name}"


def _analyzers(world: World, call: Call) -> list[Analyzer]:
    made = (a for a in world.jobs.values() if isinstance(a, Analyzer))
    return [a for a in made if (a.account, a.region) == (call.account, call.region)]


def _analyzer(world: World, call: Call) -> Analyzer:
    name = call.params["analyzerName"]
    for analyzer in _analyzers(world, call):
        if analyzer.name == name:
            return analyzer
    raise AwsError(
        "ResourceNotFoundException", f"Analyzer {name} not found", 404, resourceId=name, resourceType="analyzer"
    )


def _summary(analyzer: Analyzer) -> dict[str, Any]:
    summary = {
        "arn": analyzer.arn,
        "name": analyzer.name,
        "type": analyzer.type,
        "createdAt": analyzer.created,
        "tags": analyzer.tags,
        "status": "ACTIVE",
    }
    return summary | ({"configuration": analyzer.configuration} if analyzer.configuration else {})


@operation("accessanalyzer", "CreateAnalyzer")
def create_analyzer(world: World, call: Call) -> dict[str, Any]:
    name, kind, existing = call.params["analyzerName"], call.params["type"], _analyzers(world, call)
    if kind.startswith("ORGANIZATION") and call.account not in (org.MANAGEMENT, org.SECURITY):
        raise AwsError(
            "AccessDeniedException", "Only the management account or a delegated administrator may do this", 403
        )
    if any(a.name == name for a in existing):
        raise AwsError(
            "ConflictException", f"Analyzer {name} already exists", 409, resourceId=name, resourceType="analyzer"
        )
    if sum(a.type == kind for a in existing) >= (1 if kind.startswith("ACCOUNT") else 5):
        message = f"The number of analyzers of type {kind} is exceeded"
        raise AwsError("ServiceQuotaExceededException", message, 402, resourceId=name, resourceType="analyzer")
    configuration = call.params.get("configuration") or {}
    tags = call.params.get("tags") or {}
    made = Analyzer(name, call.account, call.region, kind, configuration, tags, world.now())
    world.jobs[made.arn] = made
    return {"arn": made.arn}


@operation("accessanalyzer", "GetAnalyzer")
def get_analyzer(world: World, call: Call) -> dict[str, Any]:
    return {"analyzer": _summary(_analyzer(world, call))}


@operation("accessanalyzer", "ListAnalyzers")
def list_analyzers(world: World, call: Call) -> dict[str, Any]:
    kind = call.params.get("type")
    found = [_summary(a) for a in _analyzers(world, call) if kind in (None, a.type)]
    found, token = page(found, int(call.params.get("maxResults") or 50), call.params.get("nextToken"))
    return {"analyzers": found} | ({"nextToken": token} if token else {})


@operation("accessanalyzer", "DeleteAnalyzer")
def delete_analyzer(world: World, call: Call) -> dict[str, Any]:
    del world.jobs[_analyzer(world, call).arn]
    return {}
