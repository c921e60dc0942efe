"""Everything that reads AWS, each as a function of sessions and of a place (engine, landscape) in a store: what it says is
wrong, and what it found. A whole answer gives ("", what there is)."""

from plumbline.api.landscape import ChangeQueue, ConfigAggregator, LandscapeSpec, PodIdentity
from plumbline.api.policy_validation import PolicyValidation
from plumbline.api.sources import Athena, CloudTrailLake
from plumbline.api.sources import LastAccessed as LastAccessedSpec
from plumbline.aws.generation import Source, list_jobs, read_job, start_job
from plumbline.export import security_hub
from plumbline.inventory.aggregator import aggregated
from plumbline.inventory.analyzers import _listing
from plumbline.inventory.collect import collect
from plumbline.inventory.credentials import Need, read_credentials
from plumbline.inventory.pod_identity import collect_pod_identity
from plumbline.inventory.policy_validation import validate
from plumbline.model.analyzers import Analyzer
from plumbline.model.policy_validation import LivePolicy
from plumbline.model.snapshot import Principal
from plumbline.operator.change_queues import _Reader
from plumbline.store.findings import Exported
from plumbline.usage.objects import Bucket
from plumbline.usage.sources import last_accessed, recommended_policies, unused_access
from plumbline.usage.sources.athena import AthenaLogs
from plumbline.usage.sources.cloudtrail_lake import Lake
from plumbline.usage.sources.finding_lists import list_findings
from plumbline.usage.sources.generated import parse_policies
from plumbline.usage.trails import fetch_trail
from tests.aws.whole_answers import ACCOUNT, ANALYZERS, DOCUMENT, MADE, NOW, REGION, ROLE, STORE, TRAIL, USER

DAY = MADE.date()
JOBS = Source(TRAIL, f"arn:aws:iam::{ACCOUNT}:role/reader", REGION)
APP = Principal(ROLE, "AROAAPP", "role", ACCOUNT, "app", "/", MADE)
ALICE = Principal(USER, "AIDAALICE", "user", ACCOUNT, "alice", "/", MADE)


def _spec(accounts):
    return LandscapeSpec.model_validate({"accounts": accounts, "memberRole": {"name": "reader"}})


def _analyzer(kind):
    return Analyzer(ANALYZERS[kind], kind, kind, ACCOUNT, REGION, "ACTIVE", MADE, age=90, last_resource_at=NOW)


def _inventory(accounts):
    def read(sessions, _):
        found = collect(sessions, _spec(accounts), "all", NOW)
        account = found.accounts.get(ACCOUNT)
        if account is None:
            return found.organization_error, ()
        problem = found.organization_error or account.error or ("" if account.regions else "Regions are not known")
        for one in found.principals.values():
            problem = problem or ("" if one.policies_known else "policies are not known")
        policies = [(one.arn, len(one.policies)) for one in found.principals.values()]
        return problem, (account.regions, account.ou_path, account.scp_levels, account.rcp_levels, policies)

    return read


def _aggregator(sessions, _):
    spec = ConfigAggregator(name="all", region=REGION)
    found = aggregated(sessions, spec, [ACCOUNT], {}, NOW, lambda _: None)
    refusal = found.refusals.get(ACCOUNT)
    return refusal.reason if refusal else "", [list(one.identities.principals) for one in found.answers.values()]


def _credentials(sessions, _):
    found = read_credentials(
        sessions, ACCOUNT, [ALICE], Need(NOW, NOW), NOW, sleep=lambda _: None, clock=iter(range(0, 10_000, 20)).__next__
    )
    return found.source.reason, [len(one.keys) for one in found.users.values()]


def _pods(sessions, _):
    snapshot = collect(_Unspoiled(sessions), _spec({"ids": [ACCOUNT]}), "all", NOW)
    found = collect_pod_identity(sessions, snapshot, PodIdentity(regions=[REGION]))[ACCOUNT]
    return found.source.reason, [one.role for one in found.associations]


class _Unspoiled:
    """The sessions as they were before their answers were spoiled."""

    def __init__(self, sessions):
        self._sessions = sessions

    def __getattr__(self, name):
        def called(*arguments, **more):
            with self._sessions.whole():
                found = getattr(self._sessions, name)(*arguments, **more)
                return list(found) if name == "pages" else found

        return called


def _analyzers(sessions, _):
    found = _listing(sessions, ACCOUNT, REGION)
    unread = [one.unread.reason for one in found.analyzers if one.unread]
    return found.failed.reason if found.failed else "".join(unread), sorted(one.arn for one in found.analyzers)


def _findings(kind):
    def read(sessions, _):
        found = list_findings(sessions, _analyzer(kind))
        return found.failed.reason if found.failed else "", [one.id for one in found.findings]

    return read


def _unused(sessions, place):
    kind = "ACCOUNT_UNUSED_ACCESS"
    found = unused_access.collect(sessions, *place, [_analyzer(kind)], [APP], now=NOW, recommendations=True, hub=None)
    said = found.answers.get(ROLE)
    told = [*found.states.values(), *found.recommended.values()]
    return "".join(one.reason for one in told), said and (list(said.services), len(said.recommended or ()))


def _hub(sessions, _):
    found = recommended_policies.collect(
        sessions, recommended_policies.Hub(REGION), [APP], now=NOW, sleep=lambda _: None
    )
    return found.states[ACCOUNT].reason, {arn: len(steps) for arn, steps in found.steps.items()}


def _last_accessed(sessions, place):
    clock = iter(range(0, 10_000, 20)).__next__
    found = last_accessed.collect(
        sessions, *place, LastAccessedSpec(), [APP], now=NOW, sleep=lambda _: None, clock=clock
    )
    return found.states[ROLE].reason, [list(one.services) for one in found.answers.values()]


def _validated(sessions, place):
    policy = LivePolicy("own", "own", "inline", DOCUMENT, (ACCOUNT,), (ROLE,))
    (found,) = validate(sessions, *place, PolicyValidation(), [policy], now=NOW)
    return found.state.reason, [one.code for one in found.findings]


def _job(sessions, _):
    found = read_job(sessions, JOBS, "job")
    return "" if found.status == "SUCCEEDED" and found.is_complete else found.status, parse_policies(found.policies)


def _trail(sessions, _):
    found = fetch_trail(sessions.client("cloudtrail"), TRAIL)
    return "" if found.logging and found.selection.management.read else "records nothing", found.arn


def _lake(sessions, _):
    source = Lake(sessions, CloudTrailLake(event_data_store=STORE), sleep=lambda _: None)
    store, answer = source.describe(), source.ask(DAY, DAY, source.scopes)
    records = store.trail.logging and store.trail.selection.management
    return "" if records and records.read else "records nothing", len(list(answer.rows))


def _athena(sessions, _):
    config = Athena.model_validate({"table": "events", "s3": {"bucket": "logs"}, "account": ACCOUNT, "region": REGION})
    source = AthenaLogs(sessions, config, {ACCOUNT: (REGION,)}, sleep=lambda _: None)
    return "", len(list(source.ask(DAY, DAY, source.scopes).rows))


def _bucket(sessions, _):
    bucket = Bucket(sessions.client("s3"), "logs")
    return "", (len(bucket.listing("p/")), len(bucket.folders("p/")))


def _exported(sessions, place):
    report = security_hub.Report()
    body = dict.fromkeys(("SchemaVersion", "ProductArn", "GeneratorId", "Title", "Description"), "text")
    body |= {"Id": "finding", "AwsAccountId": ACCOUNT, "Resources": [{"Type": "AwsIamRole", "Id": ROLE}]}
    entry = Exported("finding", ACCOUNT, "base", "digest", body, MADE, NOW, archived=False)
    security_hub._import(sessions, *place, REGION, ACCOUNT, [entry], {}, report)
    return "", report


def _queue(sessions, _):
    queue = ChangeQueue.model_validate({"arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:changes"})
    reader = _Reader("all", queue, queue, sessions, lambda _: None)
    reader._take()
    return "" if reader.refreshes.messages else "none so far", reader.refreshes.messages


INVENTORY = _inventory({"ids": [ACCOUNT]})
ORGANIZATION = _inventory({"organization": {}})
# Operation -> who reads it.
READERS = {
    "access-analyzer:GetAnalyzer": _analyzers,
    "access-analyzer:GetFindingRecommendation": _unused,
    "access-analyzer:GetFindingV2": _unused,
    "access-analyzer:GetGeneratedPolicy": _job,
    "access-analyzer:ListAnalyzers": _analyzers,
    "access-analyzer:ListFindings": _findings("ACCOUNT"),
    "access-analyzer:ListFindingsV2": _findings("ACCOUNT_UNUSED_ACCESS"),
    "access-analyzer:ListPolicyGenerations": lambda sessions, _: (
        "",
        [one.job_id for one in list_jobs(sessions, JOBS)],
    ),
    "access-analyzer:StartPolicyGeneration": lambda sessions, _: (
        "",
        start_job(sessions, JOBS, ROLE, start=MADE, end=NOW, token="t" * 32),
    ),
    "access-analyzer:ValidatePolicy": _validated,
    "account:ListRegions": INVENTORY,
    "athena:GetQueryExecution": _athena,
    "athena:GetQueryResults": _athena,
    "athena:GetWorkGroup": _athena,
    "athena:StartQueryExecution": _athena,
    "cloudtrail:DescribeQuery": _lake,
    "cloudtrail:GetEventDataStore": _lake,
    "cloudtrail:GetEventSelectors": _trail,
    "cloudtrail:GetQueryResults": _lake,
    "cloudtrail:GetTrail": _trail,
    "cloudtrail:GetTrailStatus": _trail,
    "cloudtrail:StartQuery": _lake,
    "config:DescribeConfigurationAggregatorSourcesStatus": _aggregator,
    "config:DescribeConfigurationAggregators": _aggregator,
    "config:SelectAggregateResourceConfig": _aggregator,
    "eks:DescribePodIdentityAssociation": _pods,
    "eks:ListClusters": _pods,
    "eks:ListPodIdentityAssociations": _pods,
    "iam:GenerateServiceLastAccessedDetails": _last_accessed,
    "iam:GetAccessKeyLastUsed": _credentials,
    "iam:GetAccountAuthorizationDetails": INVENTORY,
    "iam:GetCredentialReport": _credentials,
    "iam:GetPolicy": INVENTORY,
    "iam:GetPolicyVersion": INVENTORY,
    "iam:GetServiceLastAccessedDetails": _last_accessed,
    "iam:ListAccessKeys": _credentials,
    "iam:ListRoles": INVENTORY,
    "organizations:DescribeOrganization": ORGANIZATION,
    "organizations:DescribePolicy": ORGANIZATION,
    "organizations:ListAccounts": ORGANIZATION,
    "organizations:ListParents": ORGANIZATION,
    "organizations:ListPoliciesForTarget": ORGANIZATION,
    "organizations:ListRoots": ORGANIZATION,
    "s3:ListObjectsV2": _bucket,
    "securityhub:BatchImportFindings": _exported,
    "securityhub:GetFindingsV2": _hub,
    "securityhub:GetRecommendedPolicyV2": _hub,
    "sqs:GetQueueUrl": _queue,
    "sqs:ReceiveMessage": _queue,
    "sts:AssumeRole": INVENTORY,
    "sts:GetCallerIdentity": lambda sessions, _: ("", sessions.caller),
}
