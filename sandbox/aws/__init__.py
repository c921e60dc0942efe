"""What moto lacks or gets wrong, one module for each service; importing the package registers all of it."""

from sandbox.aws import (  # noqa: F401
    access_analyzer,
    account,
    analyzer_findings,
    analyzers,
    athena,
    cloudtrail,
    config,
    credentials,
    eks,
    iam,
    lake,
    last_accessed,
    organizations,
    recommendations,
    security_hub,
    security_hub_v2,
    sts,
)
