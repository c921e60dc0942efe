"""Where evidence of use comes from: event logs in their forms, last-accessed data, policy generation, credential reports."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from plumbline.api.baseline import ENVIRONMENT_LOOKBACK, Lookback
from plumbline.api.common import (
    AccountId,
    Duration,
    Form,
    Model,
    Name,
    RoleName,
    TrailArn,
)
from plumbline.api.environments import DevelopmentAccounts

EventClass = Annotated[
    str,
    Field(max_length=128),
    Form(
        r"^(management|data:AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)$",
        "management or data: with a resource type of CloudTrail, such as data:AWS::S3::Object",
    ),
]
EventDataStoreArn = Annotated[
    str,
    Field(max_length=256),
    Form(
        r"^arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:[0-9]{12}:eventdatastore/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "the ARN of an event data store, such as"
        " arn:aws:cloudtrail:us-east-1:123456789012:eventdatastore/5f1c0a8e-7d42-4b7e-9a63-2c1d9e8f4b10",
    ),
]
SqlName = Annotated[
    str,
    Field(max_length=119),
    Form(r"^[a-z_][a-z0-9_]{0,118}$", "a name of lower-case letters, digits and _, such as cloudtrail_logs"),
]
SecretFile = Annotated[
    str,
    Field(
        max_length=256,
        description="A file in the folder for secrets: that of PLUMBLINE_SECRETS, by default /etc/plumbline/secrets.",
    ),
    Form(
        # No dot at the start of a part, so that nothing outside the folder can be named.
        r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
        "the path of a file below the folder for secrets, such as trino/password",
    ),
]
GigabytesPerQuery = Annotated[
    float,
    Field(
        gt=0,
        le=1_000_000,
        description="Most that one query may scan. One that needs more is not started where that is known, and cancelled otherwise.",
    ),
]
# Names under which the other sources report; a log source of such a name could not be told from them.
RESERVED_SOURCES = (
    "last-accessed",
    "policy-generation",
    "credential-report",
    "unused-access",
    "recommended-policies",
    "policy-validation",
    "pod-identity",
)


# Which events a source shows, and what proves that they are all. Credentials, limits and Regions to read are no part of it.
Place = tuple[str | tuple[str | None, ...] | None, ...]


class S3Location(Model):
    """A trail bucket. `account` is the account whose member role reads it; without it the operator's own credentials."""

    bucket: Annotated[str, Field(min_length=3, max_length=63)]
    prefix: Annotated[str, Field(max_length=512)] = ""
    organization_id: Annotated[
        str | None,
        Field(description="Set for an organization trail: its id is part of the object keys."),
        Form(r"^o-[a-z0-9]{10,32}$", "the ID of an organization, such as o-a1b2c3d4e5"),
    ] = None
    account: AccountId | None = None
    region: Annotated[str | None, Field(max_length=32)] = None

    @property
    def place(self) -> tuple[str | None, ...]:
        return self.bucket, self.prefix, self.organization_id


class CloudTrailLogs(Model):
    """CloudTrail log files in a bucket or a folder.

    A bucket is proven complete by its digest files and the trail's selectors. A folder proves nothing about what was
    not logged, unless `assumeComplete` states which event classes it holds completely.
    """

    name: Name = "cloudtrail-logs"
    s3: S3Location | None = None
    folder: Annotated[str | None, Field(max_length=1024)] = None
    trail_arn: Annotated[
        TrailArn | None,
        Field(
            description="The trail that writes the bucket. Its selectors say what silence means; without it nothing becomes unused from these logs.",
        ),
    ] = None
    assume_complete: Annotated[list[EventClass], Field(max_length=100)] = []
    regions: Annotated[
        list[Annotated[str, Field(max_length=32)]],
        Field(
            max_length=64,
            description="Regions to read. Default: all that are enabled in the account. A Region that is enabled but not read makes the evidence incomplete.",
        ),
    ] = []
    required: bool = True

    @property
    def place(self) -> Place:
        return self.s3.place if self.s3 else None, self.folder, self.trail_arn

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.s3 is None) == (self.folder is None):
            raise ValueError("cloudTrailLogs must have exactly one of s3 and folder")
        if self.assume_complete and self.folder is None:
            raise ValueError(
                "assumeComplete is for a folder, because a bucket is proven complete by digests and selectors; remove it"
            )
        if self.name in RESERVED_SOURCES:
            raise ValueError("the name is taken by another source; give the logs another, such as cloudtrail-logs")
        return self


def _check_name(name: str) -> None:
    if name in RESERVED_SOURCES:
        raise ValueError("the name is taken by another source; give this one another, such as athena")


class CloudTrailLake(Model):
    """An event data store of CloudTrail Lake, queried for all accounts at once. What it records, its own selectors say."""

    name: Name = "cloudtrail-lake"
    event_data_store: EventDataStoreArn
    account: Annotated[
        AccountId | None,
        Field(
            description="The account whose member role queries: the store's owner, or the delegated administrator of CloudTrail. Default: the owner."
        ),
    ] = None
    max_gigabytes_per_query: GigabytesPerQuery = 1000.0
    required: bool = True

    @property
    def place(self) -> Place:
        return (self.event_data_store,)

    @model_validator(mode="after")
    def _own_name(self) -> Self:
        _check_name(self.name)
        return self


class Athena(Model):
    """Athena over the bucket of a trail, queried for all accounts at once. As for log files, digest files and the trail's
    selectors say what silence means."""

    name: Name = "athena"
    s3: S3Location
    trail_arn: Annotated[
        TrailArn | None,
        Field(
            description="The trail that writes the bucket. Its selectors say what silence means; without it nothing becomes unused from these logs.",
        ),
    ] = None
    account: Annotated[
        AccountId | None,
        Field(description="The account whose member role queries. Without it the operator's own credentials are used."),
    ] = None
    region: Annotated[str | None, Field(max_length=32)] = None
    workgroup: Annotated[
        str,
        Field(max_length=128),
        Form(r"^[A-Za-z0-9._-]{1,128}$", "the name of a workgroup, such as primary"),
    ] = "primary"
    database: SqlName = "default"
    table: Annotated[SqlName | None, Field(description="A table that exists, with our columns and partitions.")] = None
    create_table: Annotated[
        SqlName | None,
        Field(description="Start of the name of a table that is made; a digest of its definition is appended."),
    ] = None
    output_location: Annotated[
        str | None,
        Field(max_length=1024, description="Where Athena writes results, unless the workgroup says so."),
        Form(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^ ]*)?$", "an S3 location, such as s3://results/plumbline/"),
    ] = None
    regions: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=64)] = []
    max_gigabytes_per_query: GigabytesPerQuery = 1000.0
    required: bool = True

    @property
    def place(self) -> Place:
        # A table's name is one of the account's catalogue in the Region.
        return self.s3.place, self.account, self.region, self.database, self.table, self.create_table, self.trail_arn

    @model_validator(mode="after")
    def _one_table(self) -> Self:
        if (self.table is None) == (self.create_table is None):
            raise ValueError("athena must have exactly one of table and createTable")
        _check_name(self.name)
        return self


class Trino(Model):
    """A table over the bucket of a trail in a Trino of your own, queried for all accounts at once. As for log files, digest
    files and the trail's selectors say what silence means."""

    name: Name = "trino"
    url: Annotated[
        str,
        Field(max_length=256),
        Form(
            r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$",
            "the address of a coordinator without a path, such as https://trino.example.com:8443",
        ),
    ]
    catalog: SqlName
    # A method of pydantic has this name.
    schema_: Annotated[SqlName, Field(alias="schema")]
    table: Annotated[SqlName, Field(description="A table that exists, with the columns and partitions of the docs.")]
    user: Annotated[
        str,
        Field(max_length=128),
        Form(r"^[A-Za-z0-9._@+=/-]+$", "the name of a user in plain characters, such as plumbline"),
    ] = "plumbline"
    password_file: SecretFile | None = None
    token_file: Annotated[SecretFile | None, Field(description="A JSON Web Token, in a file as for passwordFile.")] = (
        None
    )
    ca_file: Annotated[
        SecretFile | None,
        Field(description="Certificates to trust instead of the public ones, in a file as for passwordFile."),
    ] = None
    s3: Annotated[S3Location | None, Field(description="The bucket behind the table, for its digest files.")] = None
    trail_arn: Annotated[
        TrailArn | None,
        Field(
            description="The trail that writes the bucket. Its selectors say what silence means; without it nothing becomes unused from these logs.",
        ),
    ] = None
    regions: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=64)] = []
    max_gigabytes_per_query: GigabytesPerQuery = 1000.0
    required: bool = True

    @property
    def place(self) -> Place:
        return self.url, self.catalog, self.schema_, self.table, self.s3.place if self.s3 else None, self.trail_arn

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.password_file is not None and self.token_file is not None:
            raise ValueError("trino must have at most one of passwordFile and tokenFile")
        if (self.password_file or self.token_file) and not self.url.startswith("https://"):
            raise ValueError("a password or token must go over https; correct url, or leave out the file")
        if self.trail_arn is not None and self.s3 is None:
            raise ValueError(
                "trailArn must have s3 beside it, because the digest files there prove what was logged; add s3"
            )
        _check_name(self.name)
        return self


class LastAccessed(Model):
    """Service-last-accessed data of IAM, for each role that a baseline targets."""

    action_level: bool = True
    refresh_interval: Duration = "24h"
    required: bool = True


class PolicyGeneration(Model):
    """Policy generation with IAM Access Analyzer, for the roles that a baseline names. Adds `used`, never `unused`;
    therefore it is not required by default."""

    trail_arn: TrailArn
    access_role_name: Annotated[
        RoleName, Field(description="Role in each account that Access Analyzer uses to read the trail.")
    ]
    region: Annotated[str, Field(max_length=32)] = "us-east-1"
    all_regions: bool = True
    daily_jobs: Annotated[int, Field(ge=1, le=50)] = 40
    required: bool = False


class CredentialReport(Model):
    """The credential report of each account and the last use of access keys. With it, users, access keys, passwords and
    roles that nobody uses are named as candidates for removal; nothing is changed."""

    lookback: Annotated[
        Lookback,
        Field(
            description="How long a user, a password or a role that no baseline governs must have been silent, in whole days, 1d to 365d."
        ),
    ] = ENVIRONMENT_LOOKBACK["production"]
    access_key_lookback: Annotated[
        Lookback, Field(description="The same for access keys, from the later of creation and last use.")
    ] = "180d"
    development: DevelopmentAccounts = DevelopmentAccounts()
    required: bool = True


class EvidenceSources(Model):
    cloud_trail_logs: Annotated[
        list[CloudTrailLogs],
        Field(
            max_length=10,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    cloud_trail_lake: Annotated[
        list[CloudTrailLake],
        Field(
            max_length=10,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    athena: Annotated[
        list[Athena],
        Field(
            max_length=10,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    trino: Annotated[
        list[Trino],
        Field(
            max_length=10,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = []
    last_accessed: LastAccessed | None = None
    policy_generation: PolicyGeneration | None = None
    credential_report: CredentialReport | None = None

    @property
    def event_logs(self) -> list[CloudTrailLogs | CloudTrailLake | Athena | Trino]:
        """All sources that show single events, each with `name` and `required`."""
        return [*self.cloud_trail_logs, *self.cloud_trail_lake, *self.athena, *self.trino]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.cloud_trail_logs]
        if len(set(names)) != len(names):
            raise ValueError("each of cloudTrailLogs must have a name of its own; set name")
        names = [source.name for source in self.event_logs]
        if len(set(names)) != len(names):
            raise ValueError(
                "each of cloudTrailLogs, cloudTrailLake, athena and trino must have a name of its own; set name"
            )
        return self
