"""Access Analyzer's analyzers: made, listed, told, changed and deleted. What they find is next door."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    findings: list[Any] = field(default_factory=list)  # of the last scan; one is made at the first look
    managed_by: str = ""  # the service that it is linked to

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


def analyzer_of(world: World, call: Call, arn: str) -> Analyzer:
    for analyzer in _analyzers(world, call):
        if analyzer.arn == arn:
            return analyzer
    raise AwsError(
        "ResourceNotFoundException", f"Analyzer {arn} not found", 404, resourceId=arn, resourceType="analyzer"
    )


def _summary(world: World, analyzer: Analyzer) -> dict[str, Any]:
    settings = world.settings
    summary = {
        "arn": analyzer.arn,
        "name": analyzer.name,
        "type": analyzer.type,
        "createdAt": analyzer.created - timedelta(days=world.settings.analyzersMadeDaysAgo),
        "tags": analyzer.tags,
        "status": settings.analyzerStatus or "ACTIVE",
    }
    if settings.analyzerStatusReason:
        summary["statusReason"] = {"code": settings.analyzerStatusReason}
    if settings.analyzersScanned:
        summary["lastResourceAnalyzed"] = f"arn:aws:iam::{analyzer.account}:role/scanned-last"
        summary["lastResourceAnalyzedAt"] = analyzer.created
    managed_by = settings.analyzersManagedBy or analyzer.managed_by
    return summary | ({"managedBy": managed_by} if managed_by else {})


def _with_configuration(world: World, analyzer: Analyzer) -> dict[str, Any]:
    """Only GetAnalyzer tells the configuration."""
    summary = _summary(world, analyzer)
    return summary | ({"configuration": analyzer.configuration} if analyzer.configuration else {})


def _check_exclusions(call: Call, configuration: dict[str, Any]) -> None:
    rules = (configuration.get("unusedAccess") or {}).get("analysisRule") or {}
    excluded = {account for rule in rules.get("exclusions") or () for account in rule.get("accountIds") or ()}
    if call.account in excluded:
        message = "The accounts cannot include the organization analyzer owner account"
        raise AwsError("ValidationException", message, 400, reason="fieldValidationFailed", fieldList=[])


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
    if sum(a.type == kind and not a.managed_by for a in existing) >= (1 if kind.startswith("ACCOUNT") else 5):
        message = f"The number of analyzers of type {kind} is exceeded"
        raise AwsError("ServiceQuotaExceededException", message, 402, resourceId=name, resourceType="analyzer")
    configuration = call.params.get("configuration") or {}
    _check_exclusions(call, configuration)
    tags = call.params.get("tags") or {}
    made = Analyzer(name, call.account, call.region, kind, configuration, tags, world.now())
    world.jobs[made.arn] = made
    return {"arn": made.arn}


@operation("accessanalyzer", "GetAnalyzer")
def get_analyzer(world: World, call: Call) -> dict[str, Any]:
    return {"analyzer": _with_configuration(world, _analyzer(world, call))}


@operation("accessanalyzer", "UpdateAnalyzer")
def update_analyzer(world: World, call: Call) -> dict[str, Any]:
    """Its exclusions; the age of one cannot be changed."""
    analyzer, wanted = _analyzer(world, call), call.params.get("configuration") or {}
    before = (analyzer.configuration.get("unusedAccess") or {}).get("unusedAccessAge")
    if not before or (wanted.get("unusedAccess") or {}).get("unusedAccessAge", before) != before:
        message = "The analyzer cannot be changed so"
        raise AwsError("ValidationException", message, 400, reason="other", fieldList=[])
    _check_exclusions(call, wanted)
    analyzer.configuration, analyzer.findings = wanted, []
    return {"configuration": wanted}


@operation("accessanalyzer", "ListAnalyzers")
def list_analyzers(world: World, call: Call) -> dict[str, Any]:
    kind = call.params.get("type")
    found = [_summary(world, a) for a in _analyzers(world, call) if kind in (None, a.type)]
    found, token = page(found, int(call.params.get("maxResults") or 50), call.params.get("nextToken"))
    return {"analyzers": found} | ({"nextToken": token} if token else {})


@operation("accessanalyzer", "DeleteAnalyzer")
def delete_analyzer(world: World, call: Call) -> dict[str, Any]:
    del world.jobs[_analyzer(world, call).arn]
    return {}
