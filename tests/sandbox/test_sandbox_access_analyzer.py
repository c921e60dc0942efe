"""Policy generation as a rationed job, analyzers, and ValidatePolicy."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import organization as org

pytestmark = pytest.mark.slow

PRODUCTION = org.PRODUCTION
END = datetime(2026, 6, 30, tzinfo=UTC)
ACCESS_ROLE = f"arn:aws:iam::{PRODUCTION}:role/AccessAnalyzerCloudTrailRole"


def role(name, account=PRODUCTION):
    return f"arn:aws:iam::{account}:role/{name}"


def request(name="orders-api", *, days=30, token=None, account=PRODUCTION, access_role=ACCESS_ROLE, **trail):
    trails = [{"cloudTrailArn": org.TRAIL_ARN, "allRegions": True} | trail]
    details = {"trails": trails, "accessRole": access_role, "startTime": END - timedelta(days=days), "endTime": END}
    more = {"clientToken": token} if token else {}
    return {
        "policyGenerationDetails": {"principalArn": role(name, account)},
        "cloudTrailDetails": details,
    } | more


@pytest.fixture
def analyzer(aws, sandbox):
    sandbox.settings(policyGenerationPolls=0)
    return aws.client("accessanalyzer", PRODUCTION)


def generated(client, **more):
    job = client.start_policy_generation(**request(**more))["jobId"]
    return client.get_generated_policy(jobId=job)


def actions(answer):
    return {
        action
        for policy in answer["generatedPolicyResult"]["generatedPolicies"]
        for statement in json.loads(policy["policy"])["Statement"]
        for action in statement["Action"]
    }


def test_a_job_takes_its_time_and_only_one_runs(analyzer, sandbox, refused):
    sandbox.settings(policyGenerationPolls=2)
    job = analyzer.start_policy_generation(**request("orders-api"))["jobId"]
    with refused("ServiceQuotaExceededException", 402) as caught:
        analyzer.start_policy_generation(**request("catalog-api"))
    assert caught.value.response["resourceType"] == "job"
    answers = [analyzer.get_generated_policy(jobId=job) for _ in range(2)]
    assert [a["jobDetails"]["status"] for a in answers] == ["IN_PROGRESS", "SUCCEEDED"]
    assert answers[0]["generatedPolicyResult"]["generatedPolicies"] == []
    assert "completedOn" not in answers[0]["jobDetails"]
    assert answers[1]["jobDetails"]["completedOn"] >= answers[1]["jobDetails"]["startedOn"]
    analyzer.start_policy_generation(**request("catalog-api"))


def test_other_accounts_have_jobs_of_their_own(aws, analyzer, sandbox):
    sandbox.settings(policyGenerationPolls=9)
    analyzer.start_policy_generation(**request())
    other = aws.client("accessanalyzer", org.DEVELOPMENT)
    assert other.start_policy_generation(**request("developer", account=org.DEVELOPMENT))["jobId"]
    elsewhere = aws.client("accessanalyzer", PRODUCTION, region=org.SECOND_REGION)
    assert elsewhere.start_policy_generation(**request())["jobId"]


def test_a_token_starts_one_job(analyzer, refused):
    first = analyzer.start_policy_generation(**request(token="once"))["jobId"]
    assert analyzer.start_policy_generation(**request(token="once"))["jobId"] == first
    with refused("ConflictException", 409):
        analyzer.start_policy_generation(**request("catalog-api", token="once"))
    analyzer.get_generated_policy(jobId=first)
    assert analyzer.start_policy_generation(**request(token="once"))["jobId"] == first
    assert analyzer.start_policy_generation(**request(token="twice"))["jobId"] != first


def test_the_day_has_a_quota_that_cancelled_jobs_count_against(analyzer, sandbox, refused):
    sandbox.settings(policyGenerationDailyQuota=2, policyGenerationPolls=5)
    job = analyzer.start_policy_generation(**request())["jobId"]
    analyzer.cancel_policy_generation(jobId=job)
    assert analyzer.get_generated_policy(jobId=job)["jobDetails"]["status"] == "CANCELED"
    analyzer.cancel_policy_generation(jobId=analyzer.start_policy_generation(**request("catalog-api"))["jobId"])
    with refused("ServiceQuotaExceededException", 402):
        analyzer.start_policy_generation(**request("mail-sender"))
    sandbox.settings(daysPassed=1.1)
    assert analyzer.start_policy_generation(**request("mail-sender"))["jobId"]


@pytest.mark.parametrize(
    ("settings", "more", "code", "message"),
    [
        ({}, {"days": 91}, "SERVICE_QUOTA_EXCEEDED_ERROR", "longer than 90 days"),
        (
            {"policyGenerationLogFiles": 100},
            {},
            "SERVICE_QUOTA_EXCEEDED_ERROR",
            "log files processed per policy generation limit",
        ),
        ({"policyGenerationBytes": 10_000}, {}, "SERVICE_QUOTA_EXCEEDED_ERROR", "data size limit exceeded"),
        ({}, {"access_role": role("orders-api")}, "AUTHORIZATION_ERROR", "not authorized to assume"),
        ({}, {"access_role": role("nobody")}, "AUTHORIZATION_ERROR", "not authorized to assume"),
        ({}, {"cloudTrailArn": org.TRAIL_ARN.replace("org-trail", "other")}, "RESOURCE_NOT_FOUND_ERROR", "other"),
    ],
    ids=["days", "files", "bytes", "trust", "no role", "no trail"],
)
def test_jobs_that_fail_say_why(analyzer, sandbox, settings, more, code, message):
    sandbox.settings(**settings)
    answer = generated(analyzer, **more)
    assert answer["jobDetails"]["status"] == "FAILED"
    assert answer["jobDetails"]["jobError"]["code"] == code
    assert message in answer["jobDetails"]["jobError"]["message"]
    assert answer["generatedPolicyResult"]["generatedPolicies"] == []


def test_ninety_days_and_the_accounts_own_log_files_are_within_the_limits(analyzer, sandbox):
    days, regions = 90, 2
    sandbox.settings(policyGenerationLogFiles=days * 24 * regions)
    assert generated(analyzer, days=days)["jobDetails"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("days", "more", "status"),
    [
        (3, {}, "FAILED"),
        (1, {}, "SUCCEEDED"),
        (3, {"allRegions": False, "regions": [org.SECOND_REGION]}, "SUCCEEDED"),
    ],
    ids=["all", "fewer days", "one Region"],
)
def test_fewer_days_and_fewer_regions_are_fewer_log_files(analyzer, sandbox, days, more, status):
    sandbox.settings(policyGenerationLogFiles=72)
    assert generated(analyzer, days=days, **more)["jobDetails"]["status"] == status


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        # No data event of DynamoDB, no PutLogEvents; what a service did on its behalf is there.
        (
            "orders-api",
            {},
            {
                "dynamodb:DescribeTable",
                "kms:Decrypt",
                "logs:CreateLogStream",
                "secretsmanager:GetSecretValue",
                "ssm:GetParameter",
            },
        ),
        # Never iam:PassRole.
        ("trap-pass-role", {}, {"lambda:CreateFunction", "lambda:GetFunction"}),
        # Never what was only denied, nor an event that belongs to no action.
        ("trap-denied-only", {}, {"secretsmanager:GetSecretValue"}),
        ("trap-unmapped-event", {}, {"glue:GetDatabases", "athena:ListWorkGroups"}),
        # A data event that the trail does select is still none of its business.
        ("trap-data-events-invoking", {}, set()),
        # Its predecessor made queues.
        ("trap-recreated-role", {"days": 90}, {"sqs:ListQueues"}),
        # Two Regions, or one.
        ("edge-events", {}, {"sqs:ListQueues", "events:ListRules"}),
        ("edge-events", {"allRegions": False, "regions": ["us-east-1"]}, set()),
        # Fifty days ago.
        ("trap-production-window", {"days": 30}, {"states:ListStateMachines"}),
        ("trap-production-window", {"days": 60}, {"states:ListStateMachines", "states:DescribeStateMachine"}),
    ],
)
def test_what_a_generated_policy_names(analyzer, name, more, expected):
    answer = generated(analyzer, name=name, **more)
    assert actions(answer) == expected
    properties = answer["generatedPolicyResult"]["properties"]
    assert properties["principalArn"] == role(name)
    assert properties["cloudTrailProperties"]["endTime"] == END
    assert properties["isComplete"] is False


def test_jobs_are_listed_for_a_week_by_principal_and_in_pages(analyzer, sandbox):
    names = ["orders-api", "catalog-api", "orders-api"]
    jobs = []
    for name in names:
        sandbox.settings(daysPassed=len(jobs) * 3)
        jobs.append(analyzer.start_policy_generation(**request(name))["jobId"])
        analyzer.get_generated_policy(jobId=jobs[-1])

    def listed(**more):
        pages = analyzer.get_paginator("list_policy_generations").paginate(**more)
        return [j["jobId"] for page in pages for j in page["policyGenerations"]]

    assert listed(PaginationConfig={"PageSize": 2}) == jobs
    assert listed(principalArn=role("orders-api")) == [jobs[0], jobs[2]]
    sandbox.settings(daysPassed=8)
    assert listed() == jobs[1:]


def test_an_unfinished_job_does_not_block_when_nobody_reads_it(analyzer, sandbox, refused):
    sandbox.settings(policyGenerationPolls=2)
    analyzer.start_policy_generation(**request())
    for _ in range(2):
        with refused("ServiceQuotaExceededException", 402):
            analyzer.start_policy_generation(**request("catalog-api"))
    assert analyzer.start_policy_generation(**request("catalog-api"))["jobId"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"policyGenerationDetails": {"principalArn": role("nobody")}},
        {"policyGenerationDetails": {"principalArn": role("developer", org.DEVELOPMENT)}},
        {"cloudTrailDetails": request(days=-1)["cloudTrailDetails"]},
    ],
    ids=["no principal", "other account", "no time"],
)
def test_requests_that_are_wrong_are_refused_at_once(analyzer, refused, wrong):
    with refused("ValidationException", 400) as caught:
        analyzer.start_policy_generation(**request() | wrong)
    assert caught.value.response["reason"] == "fieldValidationFailed"


def test_an_unknown_job(analyzer, refused):
    with refused("ValidationException", 400):
        analyzer.get_generated_policy(jobId="00000000-0000-4000-8000-000000000000")


def test_analyzers(aws, refused):
    client = aws.client("accessanalyzer", PRODUCTION)
    configuration = {"unusedAccess": {"unusedAccessAge": 90}}
    made = client.create_analyzer(
        analyzerName="unused", type="ACCOUNT_UNUSED_ACCESS", configuration=configuration, tags={"team": "platform"}
    )
    told = client.get_analyzer(analyzerName="unused")["analyzer"]
    assert (told["arn"], told["status"], told["configuration"]) == (made["arn"], "ACTIVE", configuration)
    assert told["createdAt"].date().isoformat() == "2026-06-28"  # analyzersMadeDaysAgo
    with refused("ConflictException", 409):
        client.create_analyzer(analyzerName="unused", type="ACCOUNT")
    with refused("ServiceQuotaExceededException", 402):
        client.create_analyzer(analyzerName="again", type="ACCOUNT_UNUSED_ACCESS")
    with refused("AccessDeniedException", 403):
        client.create_analyzer(analyzerName="all", type="ORGANIZATION")
    client.create_analyzer(analyzerName="external", type="ACCOUNT")
    pages = list(client.get_paginator("list_analyzers").paginate(PaginationConfig={"PageSize": 1}))
    assert [a["name"] for page in pages for a in page["analyzers"]] == ["unused", "external"]
    assert [a["name"] for a in client.list_analyzers(type="ACCOUNT")["analyzers"]] == ["external"]
    assert aws.client("accessanalyzer", org.DEVELOPMENT).list_analyzers()["analyzers"] == []
    client.delete_analyzer(analyzerName="unused")
    with refused("ResourceNotFoundException", 404):
        client.get_analyzer(analyzerName="unused")
    assert aws.client("accessanalyzer").create_analyzer(analyzerName="all", type="ORGANIZATION_UNUSED_ACCESS")["arn"]


def statement(**more):
    return {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"} | more


def without(name):
    return {k: v for k, v in statement().items() if k != name}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([statement()], []),
        ([statement(Action=["s3:GetObjekt"])], [("ERROR", "INVALID_ACTION")]),
        ([statement(Action=["s4:GetObject"])], [("ERROR", "INVALID_SERVICE_IN_ACTION")]),
        ([statement(Action=["GetObject"])], [("ERROR", "MISSING_ACTION_PREFIX")]),
        ([statement(Action=[])], [("SUGGESTION", "EMPTY_ARRAY_ACTION")]),
        ([statement(Action=["s3:Get*", "s3:GetObject"])], [("SUGGESTION", "REDUNDANT_ACTION")]),
        ([statement(Action=["iam:PassRole"])], [("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_RESOURCE")]),
        (
            [statement(Action="*")],
            [
                ("WARNING", "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE"),
                ("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE"),
            ],
        ),
        ([statement(), statement(Action=["s3:Get*"])], [("SUGGESTION", "REDUNDANT_STATEMENT")]),
        ([statement(), statement(Action=["s3:Get*"], Resource="arn:aws:s3:::a/*")], []),
        ([statement(), statement(Action=["s3:Get*"], Effect="Deny")], []),
        ([statement(Action=["iam:PassRole"], Effect="Deny")], []),
        ([without("Effect")], [("ERROR", "MISSING_EFFECT")]),
        ([without("Action")], [("ERROR", "MISSING_ACTION")]),
        ([without("Resource")], [("ERROR", "MISSING_RESOURCE")]),
        (
            [statement(Sid="a"), statement(Sid="a")],
            [("ERROR", "UNIQUE_SIDS_REQUIRED"), ("SUGGESTION", "REDUNDANT_STATEMENT")],
        ),
        ([statement(Resource="arn:aws:s3:::" + "a" * 6_144)], [("ERROR", "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA")]),
    ],
)
def test_validate_policy(aws, statements, expected):
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    client = aws.client("accessanalyzer", PRODUCTION)
    found = client.validate_policy(policyDocument=text, policyType="IDENTITY_POLICY")["findings"]
    assert [(f["findingType"], f["issueCode"]) for f in found] == expected
    assert all(f["learnMoreLink"].startswith("https://") and f["locations"] for f in found)


def trusting(principal, **more):
    return {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal} | more


@pytest.mark.parametrize(
    ("kind", "resource", "statements", "expected"),
    [
        ("RESOURCE_POLICY", True, trusting({"AWS": org.PRODUCTION}), []),
        (
            "RESOURCE_POLICY",
            True,
            trusting({"AWS": "arn:aws:iam::111122223333:role/*"}),
            ["ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL"],
        ),
        ("RESOURCE_POLICY", False, trusting({"AWS": "arn:aws:iam::111122223333:role/*"}), []),
        ("RESOURCE_POLICY", True, [statement()], ["MISSING_PRINCIPAL"]),
        ("SERVICE_CONTROL_POLICY", False, [statement(Principal="*")], ["SCP_SYNTAX_ERROR_PRINCIPAL"]),
        ("SERVICE_CONTROL_POLICY", False, [statement(Effect="Deny")], []),
    ],
)
def test_validate_policy_knows_kinds_of_policies(aws, kind, resource, statements, expected):
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    more = {"validatePolicyResourceType": "AWS::IAM::AssumeRolePolicyDocument"} if resource else {}
    found = aws.client("accessanalyzer", PRODUCTION).validate_policy(policyDocument=text, policyType=kind, **more)
    assert [one["issueCode"] for one in found["findings"]] == expected


def test_a_kind_of_resource_is_only_for_policies_of_resources(aws, refused):
    with refused("ValidationException", 400):
        aws.client("accessanalyzer", PRODUCTION).validate_policy(
            policyDocument="{}",
            policyType="IDENTITY_POLICY",
            validatePolicyResourceType="AWS::IAM::AssumeRolePolicyDocument",
        )


def test_validate_policy_says_where(aws):
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement(Action=["s3:GetObject", "s3:Nope"])]}, indent=1)
    client = aws.client("accessanalyzer", PRODUCTION)
    (found,) = client.validate_policy(policyDocument=text, policyType="IDENTITY_POLICY")["findings"]
    (place,) = found["locations"]
    assert place["path"] == [{"value": "Statement"}, {"index": 0}, {"value": "Action"}, {"index": 1}]
    start, end = place["span"]["start"], place["span"]["end"]
    assert text[start["offset"] : end["offset"]] == '"s3:Nope"'
    assert text.splitlines()[start["line"] - 1][start["column"] :].startswith('"s3:Nope"')
    (broken,) = client.validate_policy(policyDocument=text[:-3], policyType="IDENTITY_POLICY")["findings"]
    assert broken["issueCode"] == "JSON_SYNTAX_ERROR"


def test_findings_come_in_pages(aws):
    names = [f"s3:Nope{n}" for n in range(5)]
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement(Action=names)]})
    pages = aws.client("accessanalyzer", PRODUCTION).get_paginator("validate_policy").paginate(
        policyDocument=text, policyType="IDENTITY_POLICY", PaginationConfig={"PageSize": 2}
    )  # fmt: skip
    sizes = [len(page["findings"]) for page in pages]
    assert sizes == [2, 2, 1]
