"""CloudTrail log files in any number, made up: `python -m benchmarks.trail_files write RESULT FOLDER EVENTS PER_FILE`.

An organization's trail: 20 accounts, 500 roles with 50 of 70 calls each, most calls by few of them; sessions of an hour;
a quarter of the requests name something that no other names. Sizes are those of real records, about 1.5 kB each. The
same numbers give the same events. Knows nothing of readers.
"""

import itertools
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from isal import igzip

from benchmarks.timer import Timer, run

ACCOUNTS, ROLES, CALLS, REGION = 20, 25, 50, "eu-west-1"
START = datetime(2026, 4, 2, tzinfo=UTC)
DAYS = 84
_IDENTITY = (
    '{{"eventVersion":"1.11","userIdentity":{{"type":"AssumedRole","principalId":"{id}:{session}","arn":"arn:aws:sts::'
    '{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"ASIA{key:016X}","sessionContext":'
    '{{"sessionIssuer":{{"type":"Role","principalId":"{id}","arn":"arn:aws:iam::{account}:role/teams/{role}","accountId":'
    '"{account}","userName":"{role}"}},"attributes":{{"creationDate":"{created}","mfaAuthenticated":"false"}}}}'
)
# What a call's record holds after its time. The two %s are the request and the ids.
_CALL = (
    '"eventSource":"{source}","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"10.{a}.{b}.17","userAgent":'
    '"Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux#6.1.141-155.222.amzn2023.x86_64 md/arch#x86_64 lang/python#3.13.5 '
    'md/pyimpl#CPython m/Z,b,E cfg/retry-mode#standard Botocore/1.40.61",{error}"requestParameters":%s,'
    '"responseElements":{response},"requestID":"%s","eventID":"%s","readOnly":{read},{resources}"eventType":"AwsApiCall",'
    '"managementEvent":{management},"recipientAccountId":"{account}","eventCategory":"{category}","tlsDetails":'
    '{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":'
    '"{service}.{region}.amazonaws.com"}}}}'
)
# Service, names, and the request: `$n` stands for one of a few names, `$u` for one that is never repeated.
_REQUESTS: tuple[tuple[str, str, str], ...] = (
    ("s3", "GetObject PutObject HeadObject DeleteObject", '{"bucketName":"data-$n","Host":"data-$n.s3.amazonaws.com","key":"in/$u.parquet"}'),
    ("s3", "ListObjects GetBucketLocation GetBucketAcl GetBucketPolicy", '{"bucketName":"data-$n","Host":"data-$n.s3.amazonaws.com"}'),
    ("dynamodb", "GetItem PutItem Query UpdateItem BatchGetItem", '{"tableName":"table-$n","key":{"id":"HIDDEN_DUE_TO_SECURITY_REASONS"}}'),
    ("kms", "Decrypt GenerateDataKey Encrypt DescribeKey", '{"keyId":"arn:aws:kms:eu-west-1:$a:key/00000000-0000-4000-8000-0000000000$n","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-$n"}}'),
    ("ec2", "DescribeInstances DescribeVolumes DescribeSubnets DescribeSecurityGroups DescribeImages DescribeTags", '{"maxResults":100,"filterSet":{"items":[{"name":"tag:team","valueSet":{"items":[{"value":"team-$n"}]}}]}}'),
    ("ec2", "StartInstances StopInstances TerminateInstances RebootInstances", '{"instancesSet":{"items":[{"instanceId":"i-00000000000000$n"}]},"force":false}'),
    ("ec2", "DescribeRegions DescribeVpcs DescribeAvailabilityZones", "null"),
    ("sqs", "GetQueueAttributes CreateQueue SetQueueAttributes", '{"queueUrl":"https://sqs.eu-west-1.amazonaws.com/$a/queue-$n","attributeNames":["All"]}'),
    ("lambda", "Invoke GetFunction20150331v2 UpdateFunctionCode20150331v2 ListFunctions20150331", '{"functionName":"function-$n"}'),
    ("logs", "CreateLogStream DescribeLogStreams PutRetentionPolicy", '{"logGroupName":"/aws/lambda/function-$n","logStreamName":"2026/04/$u"}'),
    ("ssm", "GetParameter GetParametersByPath DescribeParameters UpdateInstanceInformation", '{"name":"/team/parameter-$n","withDecryption":true}'),
    ("secretsmanager", "GetSecretValue DescribeSecret", '{"secretId":"arn:aws:secretsmanager:eu-west-1:$a:secret:team-$n-AbCdEf"}'),
    ("sts", "AssumeRole", '{"roleArn":"arn:aws:iam::$a:role/teams/role-$n","roleSessionName":"s-$u","durationSeconds":3600}'),
    ("sts", "GetCallerIdentity", "null"),
    ("monitoring", "PutMetricAlarm DescribeAlarms GetMetricData", '{"alarmNames":["alarm-$n"]}'),
    ("ecr", "BatchGetImage GetDownloadUrlForLayer", '{"repositoryName":"image-$n","registryId":"$a","imageIds":[{"imageTag":"$u"}]}'),
    ("ecr", "GetAuthorizationToken", "null"),
    ("ecs", "RunTask DescribeTasks UpdateService", '{"cluster":"arn:aws:ecs:eu-west-1:$a:cluster/main","tasks":["$u"]}'),
    ("iam", "GetRole ListRolePolicies ListAttachedRolePolicies GetPolicy", '{"roleName":"role-$n"}'),
    ("sns", "Subscribe GetTopicAttributes", '{"topicArn":"arn:aws:sns:eu-west-1:$a:topic-$n"}'),
    ("states", "StartExecution DescribeExecution", '{"stateMachineArn":"arn:aws:states:eu-west-1:$a:stateMachine:machine-$n","name":"$u"}'),
    ("glue", "GetTable GetPartitions", '{"databaseName":"lake","tableName":"table-$n","catalogId":"$a"}'),
    ("elasticloadbalancing", "DescribeTargetHealth DescribeLoadBalancers", '{"targetGroupArn":"arn:aws:elasticloadbalancing:eu-west-1:$a:targetgroup/team-$n/0123456789abcdef"}'),
    ("autoscaling", "DescribeAutoScalingGroups", '{"autoScalingGroupNames":["group-$n"],"maxRecords":50}'),
    ("cloudformation", "DescribeStacks DescribeStackEvents", '{"stackName":"stack-$n"}'),
    ("rds", "DescribeDBInstances DescribeDBClusters", '{"dBInstanceIdentifier":"db-$n"}'),
)  # fmt: skip
_DATA = frozenset({"s3", "dynamodb", "lambda"})
_RESPONSES = ("null", "null", '{"_return":true,"items":["none"]}')


class _Role:
    """One role's calls with their weights, and the session it is in."""

    def __init__(self, account: str, number: int, dice: random.Random) -> None:
        self.account, self.name = account, f"role-{number:02d}"
        self.id = f"AROA{account[-4:]}{number:012d}"
        calls = [(service, name, request) for service, names, request in _REQUESTS for name in names.split()]
        chosen = dice.sample(calls, CALLS)
        self.calls = [(_call(account, *call, dice=dice), call[2].replace("$a", account)) for call in chosen]
        self.weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(CALLS)))
        self.session, self.until = "", START

    def identity(self, at: datetime, dice: random.Random) -> str:
        if at >= self.until:
            self.until = at + timedelta(hours=1)
            session = f"i-{dice.getrandbits(64):016x}"
            self.session = _IDENTITY.format(
                id=self.id, session=session, account=self.account, role=self.name, key=dice.getrandbits(64),
                created=f"{at:%Y-%m-%dT%H:%M:%SZ}",
            )  # fmt: skip
        return self.session


def _call(account: str, service: str, name: str, _: str, *, dice: random.Random) -> tuple[str, str, str]:
    """The call's part of a record when it succeeds, when it is refused, and when it is throttled."""
    read = name.startswith(("Get", "List", "Describe", "Head", "Batch", "Query"))
    data = service in _DATA and name not in ("GetBucketLocation", "GetBucketAcl", "GetBucketPolicy")
    listed = '"resources":[{"type":"AWS::S3::Object","ARNPrefix":"arn:aws:s3:::data/"}],' if service == "s3" else ""
    refused = f"is not authorized to perform: {service}:{name} because no identity-based policy allows the action"
    errors = (
        "",
        f'"errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::{account}:assumed-role/x/y {refused}",',
        '"errorCode":"ThrottlingException","errorMessage":"Rate exceeded",',
    )
    common = {
        "source": f"{service}.amazonaws.com", "name": name, "service": service, "region": REGION, "account": account,
        "a": dice.randrange(256), "b": dice.randrange(256), "read": json.dumps(read), "management": json.dumps(not data),
        "category": "Data" if data else "Management", "resources": listed,
    }  # fmt: skip
    response = "null" if read else dice.choice(_RESPONSES)
    success, denied, throttled = (_CALL.format(**common, error=e, response="null" if e else response) for e in errors)
    return success, denied, throttled


def events(roles: list[_Role], start: datetime, count: int, dice: random.Random) -> Iterator[str]:
    """Records of one account in order of time, within five minutes."""
    for number in range(count):
        at = start + timedelta(seconds=300 * number // count)
        role = dice.choice(roles)
        ((parts, request),) = dice.choices(role.calls, cum_weights=role.weights)
        chance, bits = dice.random(), dice.getrandbits(256)
        kind = 1 if chance < 0.02 else 2 if chance < 0.03 else 0
        if "$" in request:
            request = request.replace("$n", f"{min(bits % 6, bits // 6 % 6):02d}").replace(
                "$u", f"{bits & (1 << 68) - 1:017x}"
            )
        ids = f"{bits >> 64:048x}"
        first = f"{ids[:8]}-{ids[8:12]}-4{ids[12:15]}-a{ids[15:18]}-{ids[18:30]}"
        second = f"{ids[24:32]}-{ids[32:36]}-4{ids[36:39]}-8{ids[39:42]}-{ids[36:48]}"
        tail = parts[kind] % (request, first, second)
        yield f'{role.identity(at, dice)}}},"eventTime":"{at:%Y-%m-%dT%H:%M:%SZ}",{tail}'


def account(number: int) -> str:
    """The account of a number."""
    return f"1111{number:08d}"


def write(folder: str, total: str, per_file: str) -> tuple[Timer, dict[str, int]]:
    """Files of `per_file` events each, over accounts and days in turn, in CloudTrail's folders."""
    dice = random.Random(20260630)
    accounts = [account(number) for number in range(ACCOUNTS)]
    roles = {name: [_Role(name, number, dice) for number in range(ROLES)] for name in accounts}
    left, size, files = int(total), 0, 0
    with Timer() as timer:
        while left > 0:
            owner = accounts[files % ACCOUNTS]
            round_ = files // ACCOUNTS
            start = START + timedelta(days=round_ % DAYS, minutes=5 * (round_ // DAYS))
            count = min(left, int(per_file))
            size += _file(folder, owner, start, files, events(roles[owner], start, count, dice))
            left, files = left - count, files + 1
    return timer, {"events": int(total), "files": files, "bytes": size}


def day(folder: str, files: str, per_file: str) -> tuple[Timer, dict[str, int]]:
    """The same for the first account and day alone: files of five minutes each."""
    dice = random.Random(20260630)
    roles = [_Role(account(0), number, dice) for number in range(ROLES)]
    with Timer() as timer:
        for number in range(int(files)):
            start = START + timedelta(minutes=5 * number)
            _file(folder, account(0), start, number, events(roles, start, int(per_file), dice))
    return timer, {"files": int(files)}


def _file(folder: str, owner: str, start: datetime, number: int, records: Iterator[str]) -> int:
    text = f'{{"Records":[{",".join(records)}]}}'.encode()
    name = f"{owner}_CloudTrail_{REGION}_{start:%Y%m%dT%H%MZ}_{number:016d}.json.gz"
    path = Path(folder) / "AWSLogs" / owner / "CloudTrail" / REGION / f"{start:%Y/%m/%d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(igzip.compress(text, 3))
    return len(text)


if __name__ == "__main__":
    run({"write": write, "day": day}, *sys.argv[1:])
