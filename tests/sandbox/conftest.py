"""Plain botocore clients of the sandbox, without retries, so that each answer is seen as it came."""

from contextlib import contextmanager

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import organization as org

MEMBER_ROLE = f"plumbline/{org.MEMBER_ROLE_NAME}"


class Aws:
    """Clients by service and account; `account` means as the member role there, by a session of its own each."""

    def __init__(self, url):
        self.url = url
        self.session = botocore.session.get_session()
        self.made = []
        self.members = {}

    def client(self, service, account=None, region=org.HOME_REGION, keys=None):
        keys = keys or (self.member(account) if account else (org.OPERATOR_ACCESS_KEY, org.OPERATOR_SECRET_KEY))
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
        client = self.session.create_client(
            service,
            region,
            endpoint_url=self.url,
            config=config,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
        )
        self.made.append(client)
        return client

    def member(self, account):
        if account not in self.members:
            self.members[account] = self.assume(f"arn:aws:iam::{account}:role/{MEMBER_ROLE}", org.EXTERNAL_ID)
        return self.members[account]

    def assume(self, arn, external_id=None, keys=None):
        more = {"ExternalId": external_id} if external_id else {}
        answer = self.client("sts", keys=keys).assume_role(RoleArn=arn, RoleSessionName="testing", **more)
        return answer["Credentials"]["AccessKeyId"], answer["Credentials"]["SecretAccessKey"]


@pytest.fixture
def aws(sandbox):
    made = Aws(sandbox.url)
    yield made
    for client in made.made:
        client.close()


@contextmanager
def fails(code, status=None):
    """The block ends with this error of AWS."""
    with pytest.raises(ClientError) as caught:
        yield caught
    assert caught.value.response["Error"]["Code"] == code
    if status is not None:
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.fixture
def refused():
    return fails
