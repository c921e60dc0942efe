"""A change queue in the sandbox: the rule and the policies of deploy/aws, and events as CloudTrail gives them to EventBridge."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import boto3

from sandbox import organization as org

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "aws"
HURRIED = f"arn:aws:iam::{org.PRODUCTION}:role/admin/hurried"


class ChangeQueue:
    """In the operator's own account."""

    def __init__(self, sandbox, name="plumbline-changes"):
        own = {
            "endpoint_url": sandbox.url,
            "region_name": "us-east-1",
            "aws_access_key_id": org.OPERATOR_ACCESS_KEY,
            "aws_secret_access_key": org.OPERATOR_SECRET_KEY,
        }
        self.sqs, self.events = boto3.client("sqs", **own), boto3.client("events", **own)
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])["Attributes"]
        self.arn = attributes["QueueArn"]
        pattern = (DEPLOY / "change-rule.json").read_text()
        rule = self.events.put_rule(Name=name, EventPattern=pattern)["RuleArn"]
        policy = (DEPLOY / "change-queue-policy.json").read_text()
        policy = policy.replace("CHANGE_QUEUE_ARN", self.arn).replace("CHANGE_RULE_ARN", rule)
        self.sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        self.events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": self.arn}])

    def tell(self, event_name, role, by=HURRIED, account=org.PRODUCTION, **more):
        detail = {
            "userIdentity": {
                "type": "AssumedRole",
                "accountId": account,
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": by}},
            },
            "eventTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "iam.amazonaws.com",
            "eventName": event_name,
            "awsRegion": "us-east-1",
            "requestParameters": {"roleName": role, "policyName": "hotfix"},
            "eventID": str(uuid4()),
            "eventType": "AwsApiCall",
            "recipientAccountId": account,
            "eventCategory": "Management",
        } | more
        entry = {"Source": "aws.iam", "DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail)}
        answer = self.events.put_events(Entries=[entry])
        assert answer["FailedEntryCount"] == 0

    def depth(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return sum(int(number) for number in found.values())
